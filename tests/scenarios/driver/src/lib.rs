//! Scenarios as data: what a caller asks of a connection, what comes back, and what the store sees of it, held on every host by the
//! same checks. A host's runner only translates ([`protocol`]).
//!
//! The expectations live in `tests/scenarios/*.toml` ([`scenario`]); this crate plays them ([`play`]) and judges.

pub mod answer;
mod fill;
pub mod host;
pub mod measure;
pub mod play;
pub mod protocol;
mod proxy;
pub mod scenario;
pub mod seen;
pub mod store;
pub mod table;
