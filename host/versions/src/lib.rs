//! Versions of connectors: fetched, verified, pinned and kept by digest.
//!
//! A project's folder holds `versions.db` (what is installed, what serves, sources, policies) and `connectors/` (the bytes, named
//! by their digest). [`Versions`] is all of it; a program that serves for long keeps one open:
//!
//! ```no_run
//! # async fn serve(host: connector_host::Host, bundled: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use connector_versions::{Access, Expected, Place, Switch, Versions};
//!
//! let versions = Versions::open("my-project".as_ref())?;
//! let mut loaded = versions.load(&host, "bigcommerce", Some(bundled)).await?.ok_or("nothing serves")?;
//! if let Some(held_back) = &loaded.held_back {
//!     eprintln!("{} does not serve: {}", held_back.version, held_back.reason);
//! }
//! // Somebody else, of this process or of another, switches:
//! let fetched = Place::parse("oci://registry.example/bigcommerce:1.2.0")?.fetch(&Access::default()).await?;
//! let checked = versions.check(&host, fetched, &Expected::default()).await?;
//! let installed = versions.install(&checked)?;
//! let ready = versions.ready(&host, &installed).await?; // ready.connector(): try it with a connection's test
//! versions.put_in_use(&ready, Switch { since: Some(loaded.change), ..Switch::default() })?;
//! // A look, a few microseconds long, tells the program that serves:
//! if versions.serving("bigcommerce")?.change != loaded.change {
//!     loaded = versions.load(&host, "bigcommerce", Some(bundled)).await?.ok_or("nothing serves")?;
//! }
//! println!("{} serves", loaded.connector.info().version);
//! # Ok(())
//! # }
//! ```

mod admission;
mod answers;
mod artifact;
mod credentials;
mod digest;
mod error;
mod files;
mod layout;
mod place;
mod policy;
mod push;
mod refused;
mod registry;
mod signature;
mod sources;
mod versions;

pub use admission::{Checked, Described, Expected, Fetched, HeldBack, Loaded, Ready};
pub use credentials::Credentials;
pub use digest::{Digest, NoDigest};
pub use error::{Refusal, VersionsError};
pub use files::MAX_SIZE;
pub use place::{Image, Offer, Place, newest};
pub use policy::AutoUpdate;
pub use push::{Push, Pushed};
pub use refused::Reason;
pub use registry::Access;
pub use signature::{KeyError, SignKey, SignaturePolicy, Signed, TrustedKey, Verdict, judge};
pub use sources::{Answer, Source};
pub use versions::{Before, Installed, Serving, Switch, Versions};
