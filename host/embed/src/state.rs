//! What an instance finds when it calls its host: the store's data, and the contract's imports on top of it. Bounded by the
//! connection's [`Limits`]; reaches nothing but what its [`Context`] holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtx, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_io::IoView;
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use crate::activity::Signal;
use crate::contract::{control, logging, quota, transport, variables};
use crate::error::Cause;
use crate::hooks::Network;
use crate::limits::Limits;
use crate::logging::{Budget, Redactor, write};
use crate::observe::Watch;
use crate::quota::{Bucket, Held, Permit, Registry, Report};
use crate::ticker::TICK;
use crate::transport::Transport;
use crate::variables::{NoVariables, VariableError, Variables};

/// Longest that a connection may keep idle sockets open.
const LONGEST_KEEP_ALIVE: u32 = 3600;
/// Permits above which those that are gone are forgotten.
const MANY_PERMITS: usize = 64;
/// Allowances of its remote that one connection may draw on (a store, and each endpoint with a limit of its own). They are kept for
/// as long as the connection.
const MOST_BUCKETS: usize = 256;
/// Longest name of one, in bytes.
const LONGEST_BUCKET: usize = 256;
/// Resources (requests, streams, pollables, permits) that one instance may hold at once.
const MOST_RESOURCES: usize = 10_000;
/// Entries of an instance's tables of functions.
const MOST_TABLE_ENTRIES: usize = 100_000;

/// What the instances of one connection share.
pub(crate) struct Context {
    pub(crate) connection: String,
    pub(crate) connector: String,
    pub(crate) variables: Arc<dyn Variables>,
    /// Names that the settings mention.
    pub(crate) granted: BTreeSet<String>,
    pub(crate) limits: Limits,
    pub(crate) quotas: Arc<Registry>,
    /// With whom it shares quota: [`crate::quota::sharers`].
    pub(crate) sharers: String,
    pub(crate) transport: Option<Arc<Transport>>,
    pub(crate) buckets: Mutex<BTreeMap<String, Arc<Bucket>>>,
    pub(crate) watch: Arc<Watch>,
}

impl Context {
    /// For an instance without a connection: no variables, no network.
    pub(crate) fn bare() -> Self {
        Self {
            connection: String::new(),
            connector: String::new(),
            variables: Arc::new(NoVariables),
            granted: BTreeSet::new(),
            limits: Limits::default(),
            quotas: Arc::default(),
            sharers: String::new(),
            transport: None,
            buckets: Mutex::default(),
            watch: Arc::default(),
        }
    }

    fn bucket(&self, name: String) -> Result<Arc<Bucket>, Cause> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(&name) {
            return Ok(Arc::clone(bucket));
        }
        if buckets.len() >= MOST_BUCKETS || name.len() > LONGEST_BUCKET {
            return Err(Cause::Quota { buckets: MOST_BUCKETS, name: LONGEST_BUCKET });
        }
        let bucket = self.quotas.bucket(&self.sharers, &name);
        buckets.insert(name, Arc::clone(&bucket));
        Ok(bucket)
    }
}

/// The data of one instance's store.
pub(crate) struct State {
    context: Arc<Context>,
    activity: u64,
    table: ResourceTable,
    http: WasiHttpCtx,
    clocks: WasiClocksCtx,
    network: Network,
    cancelled: watch::Receiver<Signal>,
    redactor: Redactor,
    log: Budget,
    /// Permits that the instance holds: they count only while it runs.
    permits: Vec<Held>,
    memory: usize,
    /// Ticks since the host was last called.
    ticks: u32,
    exceeded: Option<Cause>,
}

impl State {
    pub(crate) fn new(context: Arc<Context>, cancelled: watch::Receiver<Signal>) -> Self {
        static ACTIVITIES: AtomicU64 = AtomicU64::new(0);
        let activity = ACTIVITIES.fetch_add(1, Ordering::Relaxed);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_RESOURCES);
        Self {
            network: Network::new(activity, &context),
            context,
            activity,
            table,
            http: WasiHttpCtx::new(),
            clocks: WasiClocksCtx::default(),
            cancelled,
            redactor: Redactor::default(),
            log: Budget::default(),
            permits: Vec::new(),
            memory: 0,
            ticks: 0,
            exceeded: None,
        }
    }

    /// Opens the network, once the instance is configured.
    pub(crate) fn connect(&mut self) {
        self.network.transport.clone_from(&self.context.transport);
    }

    /// The object that the next call is about.
    pub(crate) fn works_on(&mut self, object: Option<Arc<str>>) {
        self.network.sender.object = object;
    }

    /// Begins a call: its own log budget and computing time.
    pub(crate) fn begin(&mut self) {
        self.permits.iter().for_each(Held::unpark);
        self.network.begin();
        self.log = Budget::new(self.context.limits.log_lines);
        self.ticks = 0;
    }

    /// Ends a call.
    pub(crate) fn end(&mut self) {
        self.permits.retain(Held::park);
        if let Some(mut reason) = self.network.reason() {
            self.redactor.clean(&mut reason);
            let (connection, connector) = (&self.context.connection, &self.context.connector);
            tracing::warn!(target: "connector_host::transport", connection, connector, "{reason}");
        }
        let dropped = self.log.dropped();
        if dropped > 0 {
            let (connection, connector) = (&self.context.connection, &self.context.connector);
            tracing::warn!(target: "connector", connection, connector, dropped, "log lines above the limit were dropped");
        }
    }

    /// The limit that was reached, if one was.
    pub(crate) fn exceeded(&self) -> Option<Cause> {
        self.exceeded.clone()
    }

    /// Why the host itself last failed a request of this call.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.network.reason()
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What happens at every tick while the instance computes.
    pub(crate) fn tick(mut store: StoreContextMut<'_, Self>) -> wasmtime::Result<UpdateDeadline> {
        let state = store.data_mut();
        state.ticks = state.ticks.saturating_add(1);
        let most = state.context.limits.compute_time;
        if TICK * state.ticks > most {
            state.exceeded = Some(Cause::ComputeTime(most));
            return Err(wasmtime::format_err!("computing time is over"));
        }
        // Lets other activities run, and lets deadline and cancellation be seen.
        Ok(UpdateDeadline::Yield(1))
    }

    /// One of the connection's buckets. A connector that wants too many ends here: the contract has no word for a refusal.
    fn bucket(&mut self, name: String) -> wasmtime::Result<Arc<Bucket>> {
        self.context.bucket(name).map_err(|cause| {
            let trap = wasmtime::format_err!("{cause}");
            self.exceeded = Some(cause);
            trap
        })
    }

    /// The instance called the host, so it is not lost in a loop of its own.
    fn called(&mut self) -> &mut Self {
        self.ticks = 0;
        self
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // First what is under way, then the sockets that only this activity used.
        self.table = ResourceTable::new();
        self.context.watch.memory.subtract(self.memory);
        if let Some(transport) = &self.context.transport {
            transport.close_activity(self.activity);
        }
    }
}

/// Everything that a connector can import.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_io::add_to_linker_async(linker)?;
    monotonic_clock::add_to_linker::<State, WasiClocks>(linker, |state| {
        let state = state.called();
        WasiClocksCtxView { ctx: &mut state.clocks, table: &mut state.table }
    })?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    variables::add_to_linker::<State, HasSelf<State>>(linker, State::called)?;
    transport::add_to_linker::<State, HasSelf<State>>(linker, State::called)?;
    quota::add_to_linker::<State, HasSelf<State>>(linker, State::called)?;
    control::add_to_linker::<State, HasSelf<State>>(linker, State::called)?;
    logging::add_to_linker::<State, HasSelf<State>>(linker, State::called)
}

impl IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.called().table
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let state = self.called();
        WasiHttpCtxView { ctx: &mut state.http, table: &mut state.table, hooks: &mut state.network }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let most = self.context.limits.memory;
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > most {
            self.exceeded = Some(Cause::Memory(most));
            return Ok(false);
        }
        self.context.watch.memory.add(total - self.memory);
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MOST_TABLE_ENTRIES)
    }
}

impl variables::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        if !self.context.granted.contains(&name) {
            return Ok(Err(variables::Error::Undefined(name)));
        }
        Ok(match self.context.variables.get(&name) {
            Ok(value) => {
                self.redactor.add(&value);
                Ok(value.reveal().to_owned())
            }
            Err(VariableError::InvalidName(name)) => Err(variables::Error::InvalidName(name)),
            Err(VariableError::Undefined(name)) => Err(variables::Error::Undefined(name)),
            Err(VariableError::Provider(message)) => Err(variables::Error::Provider(message)),
        })
    }
}

impl transport::Host for State {
    fn apply(&mut self, use_proxy: bool, keep_alive: Option<u32>) -> wasmtime::Result<Result<(), transport::Error>> {
        if use_proxy && !self.context.transport.as_ref().is_some_and(|transport| transport.has_proxy()) {
            return Ok(Err(transport::Error::NoProxy));
        }
        if keep_alive.is_some_and(|seconds| seconds == 0 || seconds > LONGEST_KEEP_ALIVE) {
            let reason = format!("idle sockets can stay open between 1 and {LONGEST_KEEP_ALIVE} seconds");
            return Ok(Err(transport::Error::Refused(reason)));
        }
        self.network.keep.use_proxy = use_proxy;
        self.network.keep.idle = keep_alive.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Ok(()))
    }
}

impl quota::Host for State {
    fn reserve(&mut self, bucket: String, concurrency: Option<u32>) -> wasmtime::Result<Resource<Permit>> {
        let store = Arc::from(bucket.as_str());
        let permit = self.bucket(bucket)?.reserve(concurrency);
        self.network.sender.store = Some(store);
        if self.permits.len() >= MANY_PERMITS {
            self.permits.retain(Held::is_alive);
        }
        self.permits.push(permit.held());
        Ok(self.table.push(permit)?)
    }

    fn report(&mut self, bucket: String, allowance: quota::Allowance) -> wasmtime::Result<()> {
        let quota::Allowance { limit, left, reset_ms } = allowance;
        self.bucket(bucket)?.report(Report { limit, left, reset: reset_ms.map(Duration::from_millis) });
        Ok(())
    }
}

impl quota::HostPermit for State {
    fn ready(&mut self, permit: Resource<Permit>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, permit)
    }

    fn drop(&mut self, permit: Resource<Permit>) -> wasmtime::Result<()> {
        self.table.delete(permit)?;
        Ok(())
    }
}

#[wasmtime_wasi_io::async_trait]
impl Pollable for Permit {
    async fn ready(&mut self) {
        self.granted().await;
    }
}

struct Cancelled(watch::Receiver<Signal>);

#[wasmtime_wasi_io::async_trait]
impl Pollable for Cancelled {
    async fn ready(&mut self) {
        if self.0.wait_for(|signal| *signal != Signal::GoOn).await.is_err() {
            // Nobody is left who could cancel.
            std::future::pending::<()>().await;
        }
    }
}

impl control::Host for State {
    fn cancelled(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let cancelled = self.table.push(Cancelled(self.cancelled.clone()))?;
        subscribe(&mut self.table, cancelled)
    }
}

impl logging::Host for State {
    fn log(&mut self, level: logging::Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let origin = (self.context.connection.as_str(), self.context.connector.as_str());
        let longest = self.context.limits.log_line_bytes;
        write(origin, &self.redactor, &mut self.log, longest, level, &message, &fields);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_connection_has_a_bounded_number_of_buckets_with_names_of_a_bounded_length() {
        let context = Context::bare();
        let refused = |name: String| matches!(context.bucket(name), Err(Cause::Quota { buckets: 256, name: 256 }));
        assert!(refused("x".repeat(257)) && !refused("x".repeat(256)));
        assert!((1..256).all(|index| !refused(index.to_string())));
        assert!(refused("one more".to_owned()) && !refused("1".to_owned()));
        assert_eq!(context.buckets.lock().unwrap().len(), 256);
    }
}
