//! The host: runtime, compile cache and what connections share.

use std::path::PathBuf;

use crate::connection::{Connection, ConnectionConfig};
use crate::connector::Connector;
use crate::error::{HostError, LoadError, OpenError};

/// How a host is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Folder for compiled connectors, made if it is missing; nobody else may write into it. None compiles on every start.
    pub cache_dir: Option<PathBuf>,
    /// Room for instances, that is for activities at once, of all connections. Default 512.
    pub activities: u32,
    /// Whether room for instances is set aside in advance, which makes them faster to start; needs address space, not memory.
    /// Where there is too little of it, instances are made on demand. Default true.
    pub pooling: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { cache_dir: None, activities: 512, pooling: true }
    }
}

/// Loads connectors and opens connections. One per process is enough; clones share everything: runtime, compile cache, TLS roots
/// and the quota registry, by which all connections that draw on one allowance of a remote know of each other.
#[derive(Clone)]
pub struct Host {}

impl Host {
    /// Starts the runtime.
    ///
    /// # Errors
    /// [`HostError`] if this machine cannot run it.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let _ = config;
        todo!()
    }

    /// Checks and compiles a component, or takes it from the cache.
    ///
    /// # Errors
    /// [`LoadError`] tells apart what is not WebAssembly, not a component, not a connector, or one that wants more than there is.
    pub async fn load(&self, wasm: &[u8]) -> Result<Connector, LoadError> {
        let _ = wasm;
        todo!()
    }

    /// Opens a connection: checks name, settings and grants. Makes no request.
    ///
    /// # Errors
    /// [`OpenError`], with everything that is wrong with the settings at once.
    pub async fn open(&self, connector: &Connector, config: ConnectionConfig) -> Result<Connection, OpenError> {
        let _ = (connector, config);
        todo!()
    }
}
