//! The journal: what the store saw and did, request by request.
//!
//! Tests decide by it, so an entry is made when a request has been read and is completed when it has been dealt with; a
//! fault that cuts a request short completes it too. Tokens are masked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Number of the request, from 1, in the order in which requests were read.
    pub number: u64,
    /// When it was read, since the emulator started.
    pub at: Duration,
    /// Number of the connection, from 1.
    pub connection: u64,
    /// Whether it came over TLS.
    pub https: bool,
    /// HTTP method.
    pub method: String,
    /// Path below the store (`/v3/catalog/products/7`), or the whole path if it is not below the store.
    pub path: String,
    /// The operation's path with parameters (`/v3/catalog/products/{product_id}`); empty if there is no such operation.
    pub template: String,
    /// Query string as sent, without the question mark.
    pub query: String,
    /// Header names in lower case, and values; tokens are `****`.
    pub headers: Vec<(String, String)>,
    /// Body as sent.
    pub body: Bytes,
    /// Requests under way when this one was read, itself included.
    pub in_flight: usize,
    /// Whether the store carried it out.
    pub acted: bool,
    /// Status that was answered; `None` if no answer was begun or the request is still under way.
    pub status: Option<u16>,
    /// Name of the fault that struck.
    pub fault: Option<&'static str>,
}

impl Entry {
    /// Value of a header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Decoded value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        crate::route::query_pairs(&self.query).into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    fn is(&self, method: &str, path: &str) -> bool {
        (method == "*" || self.method == method) && (path == "*" || self.path == path || self.template == path)
    }
}

/// All requests.
#[derive(Debug)]
pub struct Journal {
    entries: Mutex<VecDeque<Entry>>,
    numbers: AtomicU64,
    limit: usize,
    start: Instant,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: Mutex::default(), numbers: AtomicU64::new(0), limit, start: Instant::now() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the start, as entries tell their time.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Puts a request in and gives its number.
    pub(crate) fn open(&self, mut entry: Entry) -> u64 {
        let mut entries = self.lock();
        entry.number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        entry.at = self.now();
        let number = entry.number;
        if entries.len() >= self.limit {
            entries.pop_front();
        }
        entries.push_back(entry);
        number
    }

    /// Changes the entry of this number.
    pub(crate) fn note(&self, number: u64, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.lock();
        let Some(first) = entries.front().map(|e| e.number) else { return };
        let at = number.checked_sub(first).and_then(|n| usize::try_from(n).ok());
        if let Some(entry) = at.and_then(|at| entries.get_mut(at)) {
            change(entry);
        }
    }

    /// Copies of all entries.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().iter().cloned().collect()
    }

    /// Copies of the entries with this method (`*` for any) and this path or template (`*` for any).
    pub fn find(&self, method: &str, path: &str) -> Vec<Entry> {
        self.lock().iter().filter(|e| e.is(method, path)).cloned().collect()
    }

    /// Number of such entries.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.lock().iter().filter(|e| e.is(method, path)).count()
    }

    /// Number of such entries that the store carried out.
    pub fn count_acted(&self, method: &str, path: &str) -> usize {
        self.lock().iter().filter(|e| e.acted && e.is(method, path)).count()
    }

    /// Number of all entries.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Most requests that were under way at one time, among the entries.
    pub fn peak_in_flight(&self) -> usize {
        self.lock().iter().map(|e| e.in_flight).max().unwrap_or(0)
    }

    /// Forgets all entries. Numbers go on.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

/// Headers as the journal keeps them.
pub(crate) fn masked(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let secret = |name: &str| matches!(name, "x-auth-token" | "authorization" | "proxy-authorization" | "cookie");
    headers
        .iter()
        .map(|(name, value)| {
            let shown = if secret(name.as_str()) {
                "****".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (name.as_str().to_owned(), shown)
        })
        .collect()
}

/// A journal that several tasks write to.
pub(crate) type SharedJournal = Arc<Journal>;
