//! The promises of the project, over real sockets. One module per subject, one binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests fail loudly")]

mod book;
mod command_line;
mod contract;
mod coverage;
mod frozen;
mod incremental;
mod interrupted;
mod isolation;
mod model;
mod observing;
mod outcomes;
mod quota;
mod reading;
mod sent;
mod settings;
mod stock;
mod stored;
mod sub_objects;
mod swapping;
mod transport;
mod writing;
