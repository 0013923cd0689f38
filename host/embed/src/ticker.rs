//! The clock by which connectors are interrupted: a thread that ticks while calls are under way, and sleeps otherwise.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// One tick. A connector that computes lets others run at every tick.
pub(crate) const TICK: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct Calls {
    under_way: usize,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Calls>,
    begun: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock of one engine. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (thread, engine) = (Arc::clone(&shared), engine.weak());
        std::thread::Builder::new().name("connector-ticks".to_owned()).spawn(move || tick(&thread, &engine))?;
        Ok(Self { shared })
    }

    /// Ticks as long as the answer lives.
    pub(crate) fn run(&self) -> Running {
        self.shared.lock().under_way += 1;
        self.shared.begun.notify_one();
        Running { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.begun.notify_one();
    }
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut calls = self.shared.lock();
        calls.under_way = calls.under_way.saturating_sub(1);
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    loop {
        let mut calls = shared.lock();
        while calls.under_way == 0 && !calls.stop {
            calls = shared.begun.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
        let stop = calls.stop;
        drop(calls);
        if stop {
            return;
        }
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}
