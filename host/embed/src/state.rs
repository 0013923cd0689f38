//! What an instance finds when it calls its host: the store's data, and the contract's imports on top of it. Bounded by the
//! connection's [`Limits`]; reaches nothing but what its [`Context`] holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtx, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::{WasiCtx, WasiCtxView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_io::IoView;
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use crate::activity::Signal;
use crate::contract::{control, logging, quota, transport, variables, worlds};
use crate::error::Cause;
use crate::held;
use crate::hooks::{self, Network};
use crate::limits::Limits;
use crate::logging::Log;
use crate::meter::Meter;
use crate::observe::Watch;
use crate::quota::{Bucket, Held, Permit, Registry, Report};
use crate::sealed;
use crate::transport::Transport;
use crate::variables::{NoVariables, Secret, VariableError, Variables, each_text, literals, path};

/// Longest that a connection may keep idle sockets open.
const LONGEST_KEEP_ALIVE: u32 = 3600;
/// Permits above which those that are gone are forgotten.
const MANY_PERMITS: usize = 64;
/// Allowances of its remote that one connection may draw on (a store, and each endpoint with a limit of its own). They are kept for
/// as long as the connection.
const MOST_BUCKETS: usize = 256;
/// Longest name of one, in bytes.
const LONGEST_BUCKET: usize = 256;

/// Parts of one component; there are as many places for them in the pool for every activity. A connector in Rust has six modules in
/// one memory, one in Python fourteen.
pub(crate) const MOST_MODULES: u32 = 32;
/// Tables of functions of one component.
pub(crate) const MOST_TABLES: u32 = 8;
/// Entries that the pool has room for in one table.
pub(crate) const MOST_TABLE_ENTRIES: usize = 100_000;
/// Linear memories of one component. Each takes 4 GiB of addresses.
pub(crate) const MOST_MEMORIES: u32 = 2;

/// What a connector may say about itself, in bytes.
const DESCRIPTION: usize = 1 << 20;
/// How long it may compute to say it.
const DESCRIBING: Duration = Duration::from_secs(5);

/// An allowance, with the name of it that may be shown.
type Shown = (Arc<str>, Arc<Bucket>);

/// What the instances of one connection share.
pub(crate) struct Context {
    pub(crate) connection: String,
    pub(crate) connector: String,
    pub(crate) variables: Arc<dyn Variables>,
    /// Names that the settings mention, and in which settings.
    pub(crate) granted: BTreeMap<String, BTreeSet<String>>,
    pub(crate) limits: Limits,
    pub(crate) quotas: Arc<Registry>,
    /// With whom it shares quota: [`crate::quota::sharers`].
    pub(crate) sharers: String,
    pub(crate) transport: Option<Arc<Transport>>,
    /// The allowances that the connection draws on, by the connector's names for them, each with the name that may be shown.
    pub(crate) buckets: Mutex<BTreeMap<String, Shown>>,
    pub(crate) watch: Arc<Watch>,
}

impl Context {
    /// For an instance without a connection: no variables, no network, and little to say.
    pub(crate) fn bare() -> Self {
        Self {
            connection: String::new(),
            connector: String::new(),
            variables: Arc::new(NoVariables),
            granted: BTreeMap::new(),
            limits: Limits { answer_bytes: DESCRIPTION, compute_time: DESCRIBING, ..Limits::default() },
            quotas: Arc::default(),
            sharers: String::new(),
            transport: None,
            buckets: Mutex::default(),
            watch: Arc::default(),
        }
    }

    /// `shown`: the name without secrets.
    fn bucket(&self, name: String, shown: impl FnOnce(&str) -> String) -> Result<Shown, Cause> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(&name) {
            return Ok(bucket.clone());
        }
        if buckets.len() >= MOST_BUCKETS || name.len() > LONGEST_BUCKET {
            return Err(Cause::Quota { buckets: MOST_BUCKETS, name: LONGEST_BUCKET });
        }
        let bucket = (Arc::from(shown(&name)), self.quotas.bucket(&self.sharers, &name));
        buckets.insert(name, bucket.clone());
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
    log: Log,
    meter: Arc<Meter>,
    /// Of connectors that import it.
    wasi: Option<Box<WasiCtx>>,
    /// Permits that the instance holds: they count only while it runs.
    permits: Vec<Held>,
    /// Settings that this version of the connector calls secret.
    secret_settings: Arc<BTreeSet<String>>,
    memory: usize,
    table_entries: usize,
    exceeded: Option<Cause>,
}

impl State {
    /// `version`: of the connector that it is an instance of.
    pub(crate) fn new(context: Arc<Context>, version: &str, cancelled: watch::Receiver<Signal>) -> Self {
        static ACTIVITIES: AtomicU64 = AtomicU64::new(0);
        let activity = ACTIVITIES.fetch_add(1, Ordering::Relaxed);
        let mut table = ResourceTable::new();
        table.set_max_capacity(context.limits.resources);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(context.limits.header_bytes);
        Self {
            network: Network::new(activity, &context),
            log: Log::new(Arc::clone(&context), version),
            context,
            activity,
            table,
            http,
            clocks: WasiClocksCtx::default(),
            cancelled,
            meter: Meter::new(),
            wasi: None,
            permits: Vec::new(),
            secret_settings: Arc::default(),
            memory: 0,
            table_entries: 0,
            exceeded: None,
        }
    }

    /// What these settings mention is hidden, whatever the embedder says of it.
    pub(crate) fn hide_what_is_mentioned_in(&mut self, secret_settings: &Arc<BTreeSet<String>>) {
        self.secret_settings = Arc::clone(secret_settings);
    }

    /// What settings that are secret say themselves is hidden like the value of a variable.
    pub(crate) fn hide_literals_in(&self, settings: &Value) {
        if self.secret_settings.is_empty() {
            return;
        }
        each_text(settings, &mut String::new(), &mut |pointer, text| {
            if path(pointer).any(|name| self.secret_settings.contains(&name)) {
                literals(text).into_iter().for_each(|literal| self.log.hide(&Secret::new(literal)));
            }
        });
    }

    /// Opens the network, once the instance is configured.
    pub(crate) fn connect(&mut self, transport: Transport) {
        self.network.transport = Some(Arc::new(transport));
    }

    /// The object that the next call is about.
    pub(crate) fn works_on(&mut self, object: Option<Arc<str>>) {
        self.network.sender.object = object;
    }

    /// Begins a call: its own log budget and computing time.
    pub(crate) fn begin(&mut self) {
        self.permits.iter().for_each(Held::unpark);
        self.network.begin();
        self.log.begin();
        self.meter.reset();
    }

    /// Ends a call.
    pub(crate) fn end(&mut self) {
        self.permits.retain(Held::park);
        if let Some(mut reason) = self.network.reason() {
            self.log.clean(&mut reason);
            let (connection, connector) = (&self.context.connection, &self.context.connector);
            tracing::warn!(target: "connector_host::transport", connection, connector, "{reason}");
        }
        self.log.end();
    }

    /// The limit that was reached, if one was.
    pub(crate) fn exceeded(&self) -> Option<Cause> {
        self.exceeded.clone()
    }

    /// Why the host itself last failed a request of this call.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.network.reason()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.context.limits
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// WASI for those who import it.
    pub(crate) fn sealed(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| Box::new(sealed::context(&self.log)));
        WasiCtxView { ctx, table: &mut self.table }
    }

    /// What happens at every tick while the instance computes.
    pub(crate) fn tick(mut store: StoreContextMut<'_, Self>) -> wasmtime::Result<UpdateDeadline> {
        let state = store.data_mut();
        let most = state.context.limits.compute_time;
        if state.meter.spent() > most {
            return Err(state.exceed(Cause::ComputeTime(most)));
        }
        let most = state.context.limits.held_bytes;
        if held::bytes(&mut state.table, most) > most {
            return Err(state.exceed(Cause::Held(most)));
        }
        // Lets other activities run, and lets deadline and cancellation be seen.
        Ok(UpdateDeadline::Yield(1))
    }

    /// A limit is reached: the trap that ends the call.
    fn exceed(&mut self, cause: Cause) -> wasmtime::Error {
        let trap = wasmtime::format_err!("{cause}");
        self.exceeded = Some(cause);
        trap
    }

    /// One of the connection's buckets. A connector that wants too many ends here: the contract has no word for a refusal.
    fn bucket(&mut self, name: String) -> wasmtime::Result<Shown> {
        let shown = |name: &str| {
            let mut shown = name.to_owned();
            self.log.clean(&mut shown);
            shown
        };
        self.context.bucket(name, shown).map_err(|cause| self.exceed(cause))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // First what is under way, of which nothing begins any more, then the sockets that only this activity used.
        self.network.keep.over.store(true, Ordering::Release);
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
    monotonic_clock::add_to_linker::<State, WasiClocks>(linker, |state| WasiClocksCtxView {
        ctx: &mut state.clocks,
        table: &mut state.table,
    })?;
    hooks::link(linker)?;
    sealed::link(linker)?;
    worlds::link(linker)
}

impl IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.network }
    }
}

/// A refusal ends the call: few programs go on well after one, and this way the limit is told that was reached.
impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let most = self.context.limits.memory;
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > most {
            return Err(self.exceed(Cause::Memory(most)));
        }
        self.context.watch.memory.add(total - self.memory);
        self.memory = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let most = self.context.limits.table_entries;
        let total = self.table_entries.saturating_add(desired.saturating_sub(current));
        if total > most {
            return Err(self.exceed(Cause::Tables(most)));
        }
        self.table_entries = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MOST_MODULES as usize
    }

    fn tables(&self) -> usize {
        MOST_TABLES as usize
    }

    fn memories(&self) -> usize {
        MOST_MEMORIES as usize
    }
}

impl variables::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        let Some(mentioned_in) = self.context.granted.get(&name) else {
            return Ok(Err(variables::Error::Undefined(name)));
        };
        Ok(match self.context.variables.get(&name) {
            Ok(value) => {
                let secret = !value.is_hidden() && !mentioned_in.is_disjoint(&self.secret_settings);
                self.log.hide(&if secret { Secret::new(value.reveal()) } else { value.clone() });
                Ok(value.reveal().to_owned())
            }
            Err(VariableError::InvalidName(name)) => Err(variables::Error::InvalidName(name)),
            Err(VariableError::Undefined(name)) => Err(variables::Error::Undefined(name)),
            Err(VariableError::Provider(reason)) => {
                let (connection, connector) = (&self.context.connection, &self.context.connector);
                tracing::warn!(target: "connector_host", connection, connector, variable = name, "no value: {reason}");
                Err(variables::Error::Provider("the host cannot read its variables; its log says why".to_owned()))
            }
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
        let (store, bucket) = self.bucket(bucket)?;
        let permit = bucket.reserve(concurrency);
        self.network.sender.store = Some(store);
        if self.permits.len() >= MANY_PERMITS {
            self.permits.retain(Held::is_alive);
        }
        self.permits.push(permit.held());
        Ok(self.table.push(permit)?)
    }

    fn report(&mut self, bucket: String, allowance: quota::Allowance) -> wasmtime::Result<()> {
        let quota::Allowance { limit, left, reset_ms } = allowance;
        let (_, bucket) = self.bucket(bucket)?;
        bucket.report(Report { limit, left, reset: reset_ms.map(Duration::from_millis) });
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
        self.log.write(level, &message, &fields);
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
        let refused =
            |name: String| matches!(context.bucket(name, str::to_owned), Err(Cause::Quota { buckets: 256, name: 256 }));
        assert!(refused("x".repeat(257)) && !refused("x".repeat(256)));
        assert!((1..256).all(|index| !refused(index.to_string())));
        assert!(refused("one more".to_owned()) && !refused("1".to_owned()));
        assert_eq!(context.buckets.lock().unwrap().len(), 256);
    }
}
