//! Each line of what is known of the API, as the emulator keeps it: one module per subject, one binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod batches;
mod deletes;
mod errors;
mod filters;
mod paging;
mod records;
mod shop;
mod sub_objects;
mod wire;
