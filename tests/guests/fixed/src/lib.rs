//! A connector with fixed data and no network: the smallest honest implementation of the world, and what hosts are tested with.
//!
//! | object | what it is |
//! |--|--|
//! | `people` | 1000 records that never change; writes answer what a remote would, and keep nothing |
//! | `trials` | ways to go wrong or take long, one per value of its field `how`: see [`trials`] |
//!
//! Settings (all optional): `greeting` and `address` are texts, `token` is a secret, all three may hold variables;
//! `keepAliveSeconds` and `useProxy` are passed on to the host. `test` answers with the greeting.
//!
//! Tests make other versions of the built component, good and bad ones: see [`variant`].

pub mod people;
pub mod request;
pub mod settings;
pub mod trials;
pub mod variant;

#[cfg(target_arch = "wasm32")]
mod guest;
