//! What the fuzz targets check: one plain function per target, which takes any bytes and panics if a promise is broken.
//!
//! libFuzzer calls them with bytes that it invents (`tests/fuzz`), the tests of this crate with those that were kept
//! (`tests/fuzz/corpus`). Each holds our code against somebody else's: serde_json, num-bigint, the time crate; or
//! against a second implementation of ours that has to agree.
//!
//! Sources of the command line and of the host library are compiled in by path, because as dependencies they would bring the
//! runtime along, and an instrumented build of that takes longer than all the fuzzing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../../host/cli/src/condition.rs"]
#[allow(dead_code, unreachable_pub)]
mod condition;
#[path = "../../../../host/cli/src/error.rs"]
#[allow(dead_code, unreachable_pub)]
mod error;
#[path = "../../../../host/embed/src/variables.rs"]
#[allow(dead_code, unreachable_pub)]
mod host_variables;
#[path = "../../../../host/cli/src/input/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod input;
#[path = "../../../../host/cli/src/json.rs"]
#[allow(dead_code, unreachable_pub)]
mod json;
#[path = "../../../../host/cli/src/schema.rs"]
#[allow(dead_code, unreachable_pub)]
mod schema;
#[path = "../../../../host/cli/src/terminal.rs"]
#[allow(dead_code, unreachable_pub)]
mod terminal;

mod feed;
mod oracle;
pub mod targets;

pub use targets::TARGETS;
