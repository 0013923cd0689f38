//! A connector: one compiled version of a component.

use crate::contract::Info;

/// A connector that is checked and compiled. Cheap to clone.
#[derive(Clone)]
pub struct Connector {}

impl Connector {
    /// What it says about itself: name, title, version, settings schema, origins.
    pub fn info(&self) -> &Info {
        todo!()
    }

    /// Digest of the component, `sha256:` and 64 hex digits.
    pub fn digest(&self) -> &str {
        todo!()
    }

    /// The interfaces that it imports, with their versions, sorted.
    pub fn imports(&self) -> &[String] {
        todo!()
    }
}
