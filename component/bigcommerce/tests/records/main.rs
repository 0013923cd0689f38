//! What the byte-level modules promise, held against serde_json and against slow, obvious implementations of the same.
//!
//! Random cases come from a seeded generator. A failure prints its seed; `CONNECTOR_TEST_SEED=<seed>` repeats it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod comparing;
mod dates;
mod decimals;
mod random;
mod scanning;
mod slicing;
