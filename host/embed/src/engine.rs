//! The host: runtime, compile cache and what connections share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::cache::Cache;
use crate::compile::Compiler;
use crate::connection::{Connection, ConnectionConfig};
use crate::connector::Connector;
use crate::deployment::Deployment;
use crate::error::{Cause, HostError, LoadError, OpenError};
use crate::observe::{HostStatus, Observer, Watch};
use crate::quota::Registry;
use crate::state::{MOST_MEMORIES, MOST_MODULES, MOST_TABLE_ENTRIES, MOST_TABLES, State, link};
use crate::ticker::Ticker;

/// How a host is set up.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Folder for compiled connectors, made if it is missing. None compiles on every start, and so does, with a warning, a folder
    /// that belongs to somebody else or that others may write into: what is in it runs as machine code with the rights of this
    /// process. That is looked at on Unix; elsewhere, name a folder that only this user can write into.
    pub cache_dir: Option<PathBuf>,
    /// What the compiled connectors in that folder may take, in bytes: when one is added, those that were used least recently go.
    /// Default 1 GiB.
    pub cache_bytes: u64,
    /// Room for instances, that is for activities at once, of all connections; at least 1. Opening a connection and loading a
    /// connector take a place, too, for moments. Who finds none waits a second, because who has just dropped an activity gives
    /// its place back a little later, and then gets [`Cause::Full`]. Default 512.
    pub activities: u32,
    /// Whether room for instances is set aside in advance, which makes them faster to start; needs address space (8 GiB each), not
    /// memory. Where there is too little of it, instances are made on demand. Default true.
    pub pooling: bool,
    /// Stack of one instance, in bytes. Default 512 KiB.
    pub stack: usize,
    /// Size of one component, in bytes. Default 64 MiB.
    pub component_bytes: usize,
    /// Components that are compiled at once; more of them wait. What is in the cache is not compiled. Default 2.
    pub compilations: u32,
    /// How long [`Host::load`] waits for the compiler, its place included. It works on meanwhile and keeps the place: nothing can stop
    /// it. Default 5 minutes.
    pub compile_time: Duration,
    /// Is told of every call, request and swap. Default: nobody.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            cache_bytes: 1 << 30,
            activities: 512,
            pooling: true,
            stack: 512 << 10,
            component_bytes: 64 << 20,
            compilations: 2,
            compile_time: Duration::from_secs(300),
            observer: None,
        }
    }
}

/// Memory of an instance that stays with its place when it ends, in bytes: what a configured connector has touched. Its successor
/// then finds pages instead of faults, which are most of what a start costs. Only pages in use are reset (the kernel tells which
/// from Linux 6.7 on). A place keeps only what was touched: 500 that were used once hold 136 MB in all, the state of their
/// connections included (docs/measurements.md), and a quarter of this bound makes no difference to that.
const KEPT_MEMORY: usize = 512 << 10;
/// The same for a table of functions, in bytes.
const KEPT_TABLE: usize = 64 << 10;

/// How long to wait for a place: long enough for one that is being given back, too short to hide that there are too few.
const PATIENCE: Duration = Duration::from_secs(1);

/// What all connectors of a host run on.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Ticker,
    pub(crate) compiler: Arc<Compiler>,
    pub(crate) stack: usize,
    pub(crate) watch: Arc<Watch>,
    places: Arc<Semaphore>,
    activities: u32,
}

impl Runtime {
    /// Room for one instance, until the answer is dropped.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, Cause> {
        let place = tokio::time::timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(Cause::Full(self.activities))
    }

    fn instances(&self) -> usize {
        usize::try_from(self.activities).unwrap_or(usize::MAX).saturating_sub(self.places.available_permits())
    }
}

/// Loads connectors and opens connections. One per process is enough; clones share everything: runtime, compile cache, TLS roots
/// and the quota registry, by which all connections that draw on one allowance of a remote know of each other.
///
/// Works within a Tokio runtime with time and network enabled, best a multi-threaded one.
#[derive(Clone)]
pub struct Host {
    runtime: Arc<Runtime>,
    quotas: Arc<Registry>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    /// Starts the runtime.
    ///
    /// # Errors
    /// [`HostError`] if this machine cannot run it.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let activities = config.activities.max(1);
        let engine = config.pooling.then(|| Engine::new(&wasmtime_config(Some(activities), config.stack)));
        let engine = match engine {
            Some(Ok(engine)) => engine,
            other => {
                if let Some(Err(error)) = other {
                    tracing::warn!(target: "connector_host", %error, "no room to set aside for instances; making them on demand");
                }
                Engine::new(&wasmtime_config(None, config.stack))
                    .map_err(|error| HostError::Engine(format!("{error:#}")))?
            }
        };
        let mut linker = Linker::new(&engine);
        link(&mut linker).map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(&engine).map_err(|error| HostError::Engine(error.to_string()))?;
        let HostConfig { compilations, compile_time, component_bytes, .. } = config;
        let cache = Cache::new(config.cache_dir, config.cache_bytes);
        let compiler = Compiler::new(&engine, cache, compilations, compile_time, component_bytes);
        let places =
            Arc::new(Semaphore::new(usize::try_from(activities).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)));
        let watch = Arc::new(Watch { observer: config.observer, ..Watch::default() });
        let stack = config.stack;
        let runtime = Runtime { engine, linker, ticker, compiler, watch, stack, places, activities };
        Ok(Self { runtime: Arc::new(runtime), quotas: Arc::default() })
    }

    /// Checks and compiles a component, or takes it from the cache.
    ///
    /// # Errors
    /// [`LoadError`] tells apart what is not WebAssembly, not a component, not a connector, or one that wants more than there is.
    pub async fn load(&self, wasm: &[u8]) -> Result<Connector, LoadError> {
        Connector::load(&self.runtime, wasm).await
    }

    /// Opens a connection: checks name, settings and grants. Makes no request. `served_by` is a [`Connector`], or a [`Deployment`] if
    /// its version is to be exchanged together with that of other connections.
    ///
    /// # Errors
    /// [`OpenError`], with everything that is wrong with the settings at once.
    pub async fn open(
        &self,
        served_by: impl Into<Deployment>,
        config: ConnectionConfig,
    ) -> Result<Connection, OpenError> {
        let (quotas, watch) = (Arc::clone(&self.quotas), Arc::clone(&self.runtime.watch));
        Connection::open(served_by.into(), config, quotas, watch).await
    }

    /// What it uses right now.
    pub fn status(&self) -> HostStatus {
        let Watch { memory, connections, .. } = &*self.runtime.watch;
        HostStatus { instances: self.runtime.instances(), memory: memory.get(), connections: connections.get() }
    }
}

/// Stack that is left to the host's functions below the one of an instance.
const HOST_STACK: usize = 1536 << 10;

/// `pool`: instances to set aside room for.
fn wasmtime_config(pool: Option<u32>, stack: usize) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(stack).async_stack_size(stack.saturating_add(HOST_STACK));
    // Connectors are stripped: addresses would name nothing, and make compiled files a third larger.
    config.generate_address_map(false);
    if let Some(instances) = pool {
        let mut pooling = PoolingAllocationConfig::default();
        // Enough for every component that may run at all, so that none takes another's place.
        pooling
            .total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(MOST_MODULES))
            .total_memories(instances.saturating_mul(MOST_MEMORIES))
            .total_tables(instances.saturating_mul(MOST_TABLES))
            .max_memories_per_module(MOST_MEMORIES)
            .max_tables_per_module(MOST_TABLES)
            .table_elements(MOST_TABLE_ENTRIES)
            .total_stacks(instances)
            .linear_memory_keep_resident(KEPT_MEMORY)
            .table_keep_resident(KEPT_TABLE)
            .pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling));
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_default_is_the_real_one() {
        let HostConfig { cache_bytes, activities, pooling, stack, component_bytes, compilations, compile_time, .. } =
            HostConfig::default();
        let real = [
            format!("{} GiB", cache_bytes >> 30),
            activities.to_string(),
            pooling.to_string(),
            format!("{} KiB", stack >> 10),
            format!("{} MiB", component_bytes >> 20),
            compilations.to_string(),
            format!("{} minutes", compile_time.as_secs() / 60),
        ];
        let documented = include_str!("engine.rs").lines().map(str::trim).take_while(|line| *line != "}");
        let told = documented.filter_map(|line| line.strip_prefix("///")?.split_once("Default "));
        assert_eq!(told.map(|(_, default)| default.trim_end_matches('.')).collect::<Vec<_>>(), real);
    }
}
