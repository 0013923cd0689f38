//! A connector: settings, one object that can be queried, and the exports of the contract over them.
//!
//! Everything but `guest` is plain Rust and tested natively.

pub mod notes;
pub mod settings;

#[cfg(target_arch = "wasm32")]
mod guest;
