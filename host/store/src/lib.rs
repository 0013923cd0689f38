//! Keeps connections, their activities, and variables in one file that several processes use at once and that survives a crash at any moment. The
//! values of hidden variables are encrypted; the key lies elsewhere.
//!
//! ```
//! use connector_store::{KeySources, Name, Saved, Store};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let keys = KeySources { folder: Some(folder.path().join("keys")), ..KeySources::default() };
//! let store = Store::open(&folder.path().join("connector.db"), keys)?;
//! let mut saved = Saved::new("bigcommerce", "my-store");
//! saved.settings.insert("access_token".into(), "[secret.access_token]".into());
//! store.save(&[(saved, vec![("secret.access_token".to_owned(), "…".into())])])?;
//!
//! let saved = store.connection(&Name::from("my-store"))?;
//! let [token] = &store.stored("secret.access_token", saved.kept)?[..] else { unreachable!() };
//! assert!(token.hidden());
//! assert_eq!(store.reveal(token)?.reveal(), "…");
//! # Ok::<(), connector_store::StoreError>(())
//! ```

mod activities;
mod connections;
mod database;
mod due;
mod error;
mod key;
mod layout;
mod rotate;
mod seal;
mod store;
mod variables;

pub use activities::SavedActivity;
pub use connections::{Dependent, Kept, MADE_HERE, Name, Saved, check_name};
pub use database::{Changed, Database, DatabaseError, Layout};
pub use due::Due;
pub use error::StoreError;
pub use key::{KeyError, KeySources, Looked};
pub use rotate::{NewKey, Rotated};
pub use store::Store;
pub use variables::{NewVariable, Stored};
