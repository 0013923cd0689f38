//! From a component's bytes to machine code: digest, cache, compiler. Whoever hands over a component decides what this costs, so it is
//! bounded: in bytes, in components that are compiled at once, and in the time for which a caller waits.
//!
//! A compiler that runs cannot be stopped. One that takes too long keeps its place until it is done, on a thread that neither
//! callers nor the end of the process wait for; what it makes is kept for the next who asks.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::{Cache, hex};
use crate::error::LoadError;
use crate::instance::in_short;

/// Compiles, within bounds.
pub(crate) struct Compiler {
    engine: Engine,
    cache: Cache,
    places: Arc<Semaphore>,
    time: Duration,
    most_bytes: usize,
}

impl Compiler {
    pub(crate) fn new(engine: &Engine, cache: Cache, at_once: u32, time: Duration, most_bytes: usize) -> Arc<Self> {
        let places = usize::try_from(at_once.max(1)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Arc::new(Self { engine: engine.clone(), cache, places: Arc::new(Semaphore::new(places)), time, most_bytes })
    }

    /// The component in machine code, and its digest.
    pub(crate) async fn component(self: &Arc<Self>, wasm: &[u8]) -> Result<(Component, String), LoadError> {
        if wasm.len() > self.most_bytes {
            return Err(LoadError::TooLarge { bytes: wasm.len(), most: self.most_bytes });
        }
        let (compiler, wasm) = (Arc::clone(self), wasm.to_vec());
        let looked_up = tokio::task::spawn_blocking(move || {
            let digest = format!("sha256:{}", hex(&Sha256::digest(&wasm)));
            (compiler.cache.load(&compiler.engine, &digest), digest, wasm)
        });
        let (found, digest, wasm) = looked_up.await.map_err(|error| LoadError::NotCompiled(error.to_string()))?;
        let component = match found {
            Some(component) => component,
            None => tokio::time::timeout(self.time, self.in_time(wasm, digest.clone()))
                .await
                .map_err(|_elapsed| LoadError::CompileTime(self.time))??,
        };
        Ok((component, digest))
    }

    async fn in_time(self: &Arc<Self>, wasm: Vec<u8>, digest: String) -> Result<Component, LoadError> {
        let not = |reason: &dyn std::fmt::Display| LoadError::NotCompiled(reason.to_string());
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|closed| not(&closed))?;
        let (done, compiled) = oneshot::channel();
        let compiler = Arc::clone(self);
        // Not one of the runtime's threads: for those the end of the process waits.
        std::thread::Builder::new()
            .name("connector-compile".to_owned())
            .spawn(move || {
                // Nobody waits for it any more, if that fails.
                let _ = done.send(compiler.compile(&wasm, &digest, place));
            })
            .map_err(|error| not(&error))?;
        compiled.await.map_err(|_crashed| not(&"the compiler crashed"))?
    }

    fn compile(&self, wasm: &[u8], digest: &str, _place: OwnedSemaphorePermit) -> Result<Component, LoadError> {
        // Who waited for a place may have waited for just this one.
        if let Some(component) = self.cache.load(&self.engine, digest) {
            return Ok(component);
        }
        let component =
            Component::from_binary(&self.engine, wasm).map_err(|error| LoadError::Corrupt(in_short(&error)))?;
        self.cache.store(&self.engine, digest, &component);
        Ok(component)
    }
}
