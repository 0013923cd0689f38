//! Embeds connectors: sandboxed WebAssembly components that read and write the data of one remote service each.
//!
//! # How to embed
//!
//! Four steps, one type each: a [`Host`] per process, a [`Connector`] per component, a [`Connection`] per configuration, an
//! [`Activity`] per piece of work. All work within a Tokio runtime.
//!
//! ```no_run
//! use connector_host::contract::{Outcome, QueryRequest, WriteRequest};
//! use connector_host::{CallError, ConnectionConfig, Effect, Grant, Host, HostConfig, Secret, VariableError, Variables};
//! use std::sync::Arc;
//!
//! /// Where secrets come from; asked right before each use, so a rotated value is picked up.
//! struct Environment;
//! impl Variables for Environment {
//!     fn get(&self, name: &str) -> Result<Secret, VariableError> {
//!         std::env::var(name).map(Secret::new).map_err(|_| VariableError::Undefined(name.to_owned()))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let host = Host::new(HostConfig { cache_dir: Some("cache".into()), ..HostConfig::default() })?;
//!     let connector = host.load(&std::fs::read("fixed.wasm")?).await?;
//!     println!("{} {}, settings: {}", connector.info().title, connector.info().version, connector.info().settings_schema);
//!
//!     let mut config = ConnectionConfig::new("my people", r#"{"greeting": "hi", "token": "[FIXED_TOKEN]"}"#);
//!     config.variables = Arc::new(Environment);
//!     config.grants = vec![Grant::asked("https://fixed.example".parse()?)];
//!     let connection = host.open(&connector, config).await?; // all that is wrong with the settings at once
//!     println!("connected as {}", connection.test().await?.account);
//!
//!     // Read: pages of NDJSON. A cursor is enough to go on in another instance, another process, another version.
//!     let request = QueryRequest { fields: vec!["id".into(), "name".into()], ..QueryRequest::new("people") };
//!     let mut pages = connection.query(request).await?;
//!     let canceller = pages.canceller(); // for a signal handler
//!     while let Some(page) = pages.next().await? {
//!         print!("{}", String::from_utf8(page.records)?);
//!         println!("{} so far, quotas: {:?}", connection.status().requests, connection.status().quotas);
//!     }
//!     canceller.cancel();
//!
//!     // Write: one outcome per record, in order.
//!     let records = "{\"name\":\"Ada\"}\n{\"name\":\"Grace\"}\n";
//!     let request = WriteRequest { continue_on_error: true, ..WriteRequest::new("people", records) };
//!     match connection.activity().await?.create(&request).await {
//!         Ok(outcomes) => {
//!             for (record, outcome) in records.lines().zip(outcomes) {
//!                 match outcome {
//!                     Outcome::Applied(json) => println!("created {json}"),
//!                     Outcome::Failed(error) => println!("refused {record}: {}", error.message),
//!                     Outcome::Unknown(error) => println!("look up {record}: {}", error.message),
//!                     Outcome::Skipped => println!("not sent {record}"),
//!                 }
//!             }
//!         }
//!         Err(CallError::Ended(finding)) if finding.effect == Effect::EveryRecordUnknown => {
//!             println!("every record is unknown, look them up: {finding}");
//!         }
//!         Err(nothing_was_sent) => return Err(nothing_was_sent.into()),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What holds
//!
//! - **Isolation.** A connector reaches what it was granted: variables that its settings mention, origins that it asks for and the
//!   operator grants ([`Grant`]), the clock, the log. No files, no environment, no other network. It runs under [`Limits`].
//! - **Failures have two sides.** A connector's failure is data ([`CallError::Connector`]); what the host finds (crash, limit,
//!   deadline) is [`CallError::Ended`], which says what it means for the remote.
//! - **Nothing is sent twice below the connector**, and a failed request says whether a byte of it may have left.
//! - **Work side by side.** Activities of a connection share sockets, quota and limits, and nothing else; one that crashes
//!   costs the others nothing. Idle connections hold no instance.

mod activity;
mod answer;
mod cache;
mod compile;
mod connection;
mod connector;
pub mod contract;
mod deployment;
mod egress;
mod engine;
mod error;
mod held;
mod hooks;
mod instance;
mod limits;
mod logging;
mod meter;
mod observe;
mod quota;
mod requests;
mod sealed;
mod state;
mod status;
mod sweep;
mod ticker;
mod transport;
mod variables;

pub use activity::{Activity, Canceller};
pub use connection::{Connection, ConnectionConfig, Pages};
pub use connector::Connector;
pub use deployment::{
    Canary, Deployment, DeploymentState, Leftovers, Role, SwapOptions, SwapReport, Switched, VersionState,
};
pub use egress::{Grant, Origin, OriginError};
pub use engine::{Host, HostConfig};
pub use error::{CallError, Cause, Effect, Ended, HostError, LoadError, OpenError, SwapError};
pub use limits::Limits;
pub use observe::{CallEnded, HostStatus, Observer, RequestEnded, SwapEnded, Tally};
pub use status::{QuotaStatus, Status};
pub use transport::{Bypass, Proxy, ProxyConfig, ProxyError};
pub use variables::{Mention, NoVariables, Secret, VariableError, Variables, is_variable_name, mentions, resolved};
