//! Operations: records from a source, through a mapping, into a target. A run streams, is kept on disk as it goes, can be cancelled, and
//! goes on after a crash; every record that failed, or of which nobody knows, is kept with its reason.
//!
//! The command line and the HTTP API start runs by [`start()`], have them and those that follow worked at by [`chain`], and look at
//! them by [`runs`].

mod as_started;
pub(crate) mod chain;
pub(crate) mod changes;
mod checkpoint;
pub(crate) mod conclusion;
pub(crate) mod due;
mod engine;
pub(crate) mod files;
mod journal;
pub(crate) mod jq;
pub(crate) mod mapper;
pub(crate) mod model;
pub(crate) mod preview;
mod ready;
mod rejected;
pub(crate) mod report;
mod resolving;
pub(crate) mod runs;
pub(crate) mod schedule;
mod source;
mod start;
mod target;
mod target_file;

pub(crate) use as_started::Meanwhile;
pub(crate) use preview::preview;
pub(crate) use resolving::{Resolved, resolve};
pub(crate) use start::{Begun, Input, Records, check, dry_run, resume, start};
