//! The program as a user runs it, with the fixed connector: exit codes, what goes to stdout and what to stderr, files.
//!
//! Needs `target/components/fixed.wasm` (`cargo xtask components`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod activities;
mod agents;
mod api;
mod bad_input;
mod chains;
mod connections;
mod described;
mod mistakes;
mod operation_files;
mod operations;
mod query;
mod real_servers;
mod runs;
mod schedules;
mod serve;
mod serving;
mod support;
mod variables;
mod version_crashes;
mod versions;
mod write;
