//! Keeps connections and variables in one crash-safe file.

mod database;

pub use database::{Changed, Database, DatabaseError, Layout};
