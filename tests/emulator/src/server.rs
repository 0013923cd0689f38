//! The running emulator: its threads, its sockets, and the handle that tests hold.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Quota, Switches};
use crate::data;
use crate::facts;
use crate::faults::{Fault, Faults};
use crate::journal::Journal;
use crate::json::Record;
use crate::openapi;
use crate::quota::{Counter, InFlight, WindowUse};
use crate::serve::{Shared, serve};
use crate::store::{Key, Row, State};
use crate::tables::{TableSpec, tables};
use crate::tls;
use crate::violations::{Violation, Violations};
use crate::wire::{Link, Socket, Sockets};
use crate::world::World;

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port could not be bound, or threads could not be started.
    #[error("the emulator cannot serve: {0}")]
    Io(#[from] std::io::Error),
    /// The certificate could not be made.
    #[error("the emulator cannot make its certificate: {0}")]
    Tls(String),
}

/// An emulated store that is being served. It ends when it is dropped.
pub struct Emulator {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    http: SocketAddr,
    https: Option<(SocketAddr, String)>,
    openapi: String,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator").field("http", &self.http).finish_non_exhaustive()
    }
}

impl Emulator {
    /// Starts serving; for use in asynchronous tests. The same as [`Emulator::launch`].
    ///
    /// # Errors
    /// If the port is taken or threads cannot be started.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::launch(config)
    }

    /// Makes the data and starts serving on threads of its own.
    ///
    /// # Errors
    /// If the port is taken or threads cannot be started.
    pub fn launch(config: Config) -> Result<Self, StartError> {
        let mut state = State::new();
        data::seed(&mut state, config.seed, config.sizes);
        let (checker, openapi) = openapi::checker();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("emulator")
            .enable_all()
            .build()?;
        let bind = |port: u16| runtime.block_on_listener(port);
        let http_listener = bind(config.port)?;
        let http = http_listener.local_addr()?;
        let tls = if config.https { Some((bind(0)?, tls::make()?)) } else { None };
        let shared = Arc::new(Shared {
            world: World::new(state, config.switches.clone(), config.seed),
            journal: Arc::new(Journal::new(config.journal_limit)),
            faults: Faults::default(),
            quota: Counter::new(config.quota),
            in_flight: InFlight::default(),
            under_way: Arc::new(AtomicUsize::new(0)),
            peak: AtomicUsize::new(0),
            sockets: Arc::new(Sockets::default()),
            violations: Violations::default(),
            checker,
            config,
        });
        let numbers = Arc::new(AtomicU64::new(0));
        runtime.spawn(accept(http_listener, None, shared.clone(), numbers.clone()));
        let mut https = None;
        if let Some((listener, tls)) = tls {
            https = Some((listener.local_addr()?, tls.ca_pem));
            runtime.spawn(accept(listener, Some(tls.acceptor), shared.clone(), numbers));
        }
        Ok(Self { shared, runtime: Some(runtime), http, https, openapi })
    }

    /// Address of the HTTP server without a path: `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Address of the HTTPS server without a path: `https://127.0.0.1:PORT`; empty if it does not serve HTTPS.
    pub fn https_url(&self) -> String {
        self.https.as_ref().map(|(address, _)| format!("https://{address}")).unwrap_or_default()
    }

    /// Port of the HTTP server.
    pub fn port(&self) -> u16 {
        self.http.port()
    }

    /// Certificate of the authority that clients of the HTTPS server must trust; empty if it does not serve HTTPS.
    pub fn ca_pem(&self) -> &str {
        self.https.as_ref().map_or("", |(_, pem)| pem)
    }

    /// The store's hash.
    pub fn store_hash(&self) -> &str {
        &self.shared.config.store_hash
    }

    /// Address of a path below the store: `url("/v3/catalog/products")`.
    pub fn url(&self, path: &str) -> String {
        format!("{}/stores/{}{path}", self.base_url(), self.store_hash())
    }

    /// The first token of the configuration.
    pub fn token(&self) -> &str {
        self.shared.config.tokens.first().map_or("", |t| t.value.as_str())
    }

    /// The records, past HTTP.
    pub fn store(&self) -> Store<'_> {
        Store { world: &self.shared.world }
    }

    /// What the server saw.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Faults that are still to strike.
    pub fn pending_faults(&self) -> usize {
        self.shared.faults.pending()
    }

    /// Changes switches.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.shared.world.switch(change);
    }

    /// Sets another quota; counting starts anew.
    pub fn set_quota(&self, quota: Quota) {
        self.shared.quota.set(quota);
    }

    /// How the quota was used, window by window since it was set.
    pub fn quota_use(&self) -> Vec<WindowUse> {
        self.shared.quota.uses()
    }

    /// What clients did that the documents do not allow.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.violations.all()
    }

    /// What clients did that the documents do not allow; it is forgotten here.
    pub fn take_violations(&self) -> Vec<Violation> {
        self.shared.violations.take()
    }

    /// Forgets the violations.
    pub fn clear_violations(&self) {
        self.take_violations();
    }

    /// Whether requests are held against the OpenAPI documents, in words.
    pub fn openapi_status(&self) -> &str {
        &self.openapi
    }

    /// Connections accepted since the start.
    pub fn connections_accepted(&self) -> usize {
        self.shared.sockets.accepted.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn connections_open(&self) -> usize {
        self.shared.sockets.open.load(Ordering::SeqCst)
    }

    /// Most connections that were open at one time.
    pub fn connections_peak(&self) -> usize {
        self.shared.sockets.peak.load(Ordering::SeqCst)
    }

    /// Requests under way now.
    pub fn requests_under_way(&self) -> usize {
        self.shared.under_way.load(Ordering::SeqCst)
    }

    /// Most requests that were under way at one time.
    pub fn requests_peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }

    /// Resets the next connections as soon as they are accepted.
    pub fn reset_connections(&self, count: usize) {
        self.shared.sockets.reset_next.store(count, Ordering::SeqCst);
    }

    /// Stops serving at once.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Blocking until threads end is not allowed inside of another runtime.
            runtime.shutdown_background();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Binds without an asynchronous context of the caller's.
trait Listen {
    fn block_on_listener(&self, port: u16) -> std::io::Result<TcpListener>;
}

impl Listen for Runtime {
    fn block_on_listener(&self, port: u16) -> std::io::Result<TcpListener> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let _guard = self.enter();
        TcpListener::from_std(listener)
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>, numbers: Arc<AtomicU64>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: the next ones come when others close.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let number = numbers.fetch_add(1, Ordering::Relaxed) + 1;
        shared.sockets.accepted.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(connection(stream, tls.clone(), shared.clone(), number));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>, number: u64) {
    // Small answers must not wait for more to come.
    let _ = stream.set_nodelay(true);
    let link = Arc::new(Link::new(number, tls.is_some()));
    let socket = Socket::new(stream, link.clone(), shared.sockets.clone());
    let resets = &shared.sockets.reset_next;
    if resets.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
        link.reset();
        return;
    }
    match tls {
        None => talk(socket, link, shared).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(socket).await {
                talk(stream, link, shared).await;
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, link: Arc<Link>, shared: Arc<Shared>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    builder.header_read_timeout(shared.config.idle_timeout);
    let service = {
        let link = link.clone();
        service_fn(move |request| serve(shared.clone(), link.clone(), request))
    };
    tokio::select! {
        // Whatever ends a connection, the journal has what matters.
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = link.ended() => {}
    }
}

/// The records of the store, past HTTP. Resources are named by key (`v3:/catalog/products`), path (`/v3/catalog/products`)
/// or name (`products`, `v2/customers`).
#[derive(Clone, Copy, Debug)]
pub struct Store<'a> {
    world: &'a World,
}

impl Store<'_> {
    fn table(resource: &str) -> Option<(usize, &'static TableSpec)> {
        let table = tables().access(facts::find(resource)?)?.table;
        Some((table, tables().spec(table)?))
    }

    /// Number of records; 0 for a resource that does not exist.
    pub fn count(&self, resource: &str) -> usize {
        Self::table(resource).map_or(0, |(t, _)| self.world.read().table(t).rows().len())
    }

    /// Keys in ascending order.
    pub fn keys(&self, resource: &str) -> Vec<Key> {
        let Some((table, _)) = Self::table(resource) else { return Vec::new() };
        self.world.read().table(table).rows().iter().map(|row| row.key.clone()).collect()
    }

    /// Texts of all records, by key.
    pub fn texts(&self, resource: &str) -> Vec<String> {
        let Some((table, _)) = Self::table(resource) else { return Vec::new() };
        self.world.read().table(table).rows().iter().map(|row| row.record.as_str().to_owned()).collect()
    }

    /// Text of the record of this key (of the first one where several parents have it).
    pub fn get(&self, resource: &str, key: impl Into<Key>) -> Option<String> {
        let (table, _) = Self::table(resource)?;
        self.world.read().table(table).get_anywhere(&key.into()).map(|row| row.record.as_str().to_owned())
    }

    /// Text of one field of a record, as JSON.
    pub fn field(&self, resource: &str, key: impl Into<Key>, field: &str) -> Option<String> {
        let (table, _) = Self::table(resource)?;
        let state = self.world.read();
        state.table(table).get_anywhere(&key.into())?.record.get(field).map(str::to_owned)
    }

    /// Puts a record in, in place of one of the same key. Key and parents are read from its fields; its text is kept as it
    /// is but for white space between tokens. `None` if the text is no object, the resource does not exist, or the key is
    /// missing.
    pub fn insert(&self, resource: &str, text: &str) -> Option<Key> {
        let (table, spec) = Self::table(resource)?;
        let record = Record::new(Bytes::from(crate::json::compact(text)), None).ok()?;
        let part = |field: &String| record.lookup(field).and_then(|t| Key::from_json(&t));
        let key = match spec.key_fields.as_slice() {
            [one] => part(one)?,
            many => Key::Many(many.iter().map(part).collect::<Option<_>>()?),
        };
        let parents = spec.parent_fields.iter().map(|f| part(f.as_ref()?)).collect::<Option<Vec<Key>>>()?;
        self.world.write().table_mut(table).put(Row { key: key.clone(), parents, record });
        Some(key)
    }

    /// Takes a record out, with everything that belongs to it. Says whether it was there.
    pub fn remove(&self, resource: &str, key: impl Into<Key>) -> bool {
        let Some((table, _)) = Self::table(resource) else { return false };
        let mut state = self.world.write();
        let Some(row) = state.table(table).get_anywhere(&key.into()).cloned() else { return false };
        state.remove_deep(table, &row.parents, &row.key).is_some()
    }

    /// Takes all records of a resource out.
    pub fn clear(&self, resource: &str) {
        for key in self.keys(resource) {
            self.remove(resource, key);
        }
    }

    /// How often a request wiped a whole collection.
    pub fn wipes(&self) -> u64 {
        self.world.read().wipes
    }
}
