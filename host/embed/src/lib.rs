//! Embeds connector components: engine, capabilities, egress, connections.

#![allow(clippy::todo)]

mod activity;
mod connection;
mod connector;
pub mod contract;
mod egress;
mod engine;
mod error;
mod limits;
mod quota;
mod status;
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
