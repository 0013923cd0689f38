//! A connector that does everything that it must not. What it does, and in which of its functions, is a setting, so that one
//! component serves every test: a component for each attack would only add minutes of building to the same few lines.
//!
//! `describe` knows no settings. What it does stands in the component itself, as a text that a test writes over ([`attack::IN_DESCRIBE`]).

pub mod attack;
#[cfg(target_arch = "wasm32")]
mod guest;
#[cfg(target_arch = "wasm32")]
mod network;
