//! An emulated BigCommerce store: a real HTTP and HTTPS server with its records in memory.
//!
//! It behaves as the documents of the Management API say, driven by the facts file, and journals every request, so that
//! tests can look at what the *server* saw and holds. Faults, quotas and the behaviour that the documents leave open are
//! switches on it. It runs on threads of its own: a test may block without stopping it.
//!
//! ```
//! use bigcommerce_emulator::{Config, Emulator};
//!
//! let emulator = Emulator::launch(Config::default())?;
//! println!("{}/stores/{}/v3/catalog/products", emulator.base_url(), emulator.store_hash());
//! assert_eq!(emulator.journal().count("GET", "/v3/catalog/products"), 0);
//! assert_eq!(emulator.store().count("products"), 500);
//! # Ok::<(), bigcommerce_emulator::StartError>(())
//! ```

mod actions;
mod admin;
mod answer;
mod auth;
mod body;
mod carts;
mod checks;
mod config;
mod data;
mod dates;
mod delete;
mod facts;
mod faults;
mod filter;
mod include;
mod journal;
mod json;
mod openapi;
mod orders;
mod paging;
mod partial;
mod quota;
mod read;
mod route;
mod rows;
mod serve;
mod server;
mod store;
mod tables;
mod tls;
mod violations;
mod wire;
mod world;
mod write;

pub use config::{Config, Empty, Like, Quota, Sizes, Switches, Token};
pub use faults::{Effect, Fault};
pub use journal::{Entry, Journal};
pub use quota::WindowUse;
pub use server::{Emulator, StartError, Store};
pub use store::Key;
pub use violations::Violation;
