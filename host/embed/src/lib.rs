//! Embeds connector components: engine, capabilities, egress, connections.

mod activity;
mod cache;
mod connection;
mod connector;
pub mod contract;
mod egress;
mod engine;
mod error;
mod hooks;
mod instance;
mod limits;
mod logging;
mod quota;
mod state;
mod status;
mod ticker;
mod transport;
mod variables;

pub use activity::{Activity, Canceller};
pub use connection::{Connection, ConnectionConfig, Pages};
pub use connector::Connector;
pub use egress::{Grant, Origin, OriginError};
pub use engine::{Host, HostConfig};
pub use error::{CallError, Cause, Effect, Ended, HostError, LoadError, OpenError};
pub use limits::Limits;
pub use status::{QuotaStatus, Status};
pub use variables::{NoVariables, Secret, VariableError, Variables, is_variable_name};
