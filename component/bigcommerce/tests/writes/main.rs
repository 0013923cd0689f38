//! Writes against a store that is a function: what is sent, what the answers mean, what is looked up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod order;
mod refusals;
mod resolving;
mod shapes;
mod store;
mod upserting;
