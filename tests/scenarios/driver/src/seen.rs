//! What the store must have seen and must hold: its journal, its sockets, its records.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use bigcommerce_emulator::{Emulator, Entry};
use serde::Deserialize;

/// What is expected of the requests of one step.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Seen {
    /// All of them, in their order.
    requests: Option<Vec<Request>>,
    count: Option<usize>,
    at_least: Option<usize>,
    at_most: Option<usize>,
    /// How many were answered 429, at the most.
    refused_at_most: Option<usize>,
    /// Most that were under way at one time.
    in_flight_at_most: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Request {
    method: String,
    /// Path below the store.
    path: String,
    /// Parameters and their values, decoded; others may be there.
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// Parameters that are not there.
    #[serde(default)]
    query_lacks: Vec<String>,
    /// Texts that occur in the body.
    #[serde(default)]
    body: Vec<String>,
    status: Option<u16>,
    /// Whether the store carried it out.
    acted: Option<bool>,
}

/// What the store must hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stored {
    resource: String,
    count: Option<usize>,
    /// Key of a record.
    key: Option<i64>,
    /// JSON texts of its fields.
    #[serde(default)]
    fields: BTreeMap<String, String>,
    /// It is not there.
    #[serde(default)]
    absent: bool,
}

/// What is expected of the store's sockets over the whole scenario.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sockets {
    /// How many were opened at the most.
    pub(crate) opened_at_most: Option<usize>,
    /// How many were open at one time, at the most.
    pub(crate) open_at_most: Option<usize>,
    /// Whether all of them, or none, came through the proxy.
    pub(crate) through_proxy: Option<bool>,
}

impl Seen {
    pub(crate) fn judge(&self, entries: &[Entry]) -> Result<()> {
        let shown = || entries.iter().map(told).collect::<Vec<_>>().join("\n    ");
        let count = entries.len();
        if let Some(wanted) = &self.requests {
            ensure!(wanted.len() == count, "{count} requests instead of {}:\n    {}", wanted.len(), shown());
            for (number, (wanted, entry)) in (1..).zip(wanted.iter().zip(entries)) {
                wanted.judge(entry).with_context(|| format!("request {number} of:\n    {}", shown()))?;
            }
        }
        ensure!(self.count.is_none_or(|n| count == n), "{count} requests, not {:?}:\n    {}", self.count, shown());
        ensure!(self.at_least.is_none_or(|n| count >= n), "{count} requests, too few:\n    {}", shown());
        ensure!(self.at_most.is_none_or(|n| count <= n), "{count} requests, too many:\n    {}", shown());
        let refused = entries.iter().filter(|entry| entry.status == Some(429)).count();
        ensure!(self.refused_at_most.is_none_or(|n| refused <= n), "{refused} of {count} requests were refused");
        let in_flight = entries.iter().map(|entry| entry.in_flight).max().unwrap_or(0);
        ensure!(self.in_flight_at_most.is_none_or(|n| in_flight <= n), "{in_flight} requests were under way at once");
        Ok(())
    }
}

impl Request {
    fn judge(&self, entry: &Entry) -> Result<()> {
        ensure!(entry.method == self.method && entry.path == self.path, "it is not {} {}", self.method, self.path);
        for (name, wanted) in &self.query {
            let found = entry.parameter(name);
            ensure!(found.as_ref() == Some(wanted), "its parameter `{name}` is {found:?}, not {wanted:?}");
        }
        if let Some(name) = self.query_lacks.iter().find(|name| entry.parameter(name).is_some()) {
            bail!("it has a parameter `{name}`");
        }
        let body = String::from_utf8_lossy(&entry.body);
        if let Some(text) = self.body.iter().find(|text| !body.contains(text.as_str())) {
            bail!("{text:?} does not occur in its body: {body}");
        }
        ensure!(self.status.is_none_or(|n| entry.status == Some(n)), "it was answered {:?}", entry.status);
        ensure!(self.acted.is_none_or(|acted| entry.acted == acted), "the store acted: {}", entry.acted);
        Ok(())
    }
}

fn told(entry: &Entry) -> String {
    let status = entry.status.map_or("no answer".to_owned(), |status| status.to_string());
    format!("{} {}?{}: {status}", entry.method, entry.path, entry.query)
}

impl Stored {
    pub(crate) fn judge(&self, store: &Emulator) -> Result<()> {
        let (records, resource) = (store.store(), &self.resource);
        if let Some(wanted) = self.count {
            let count = records.count(resource);
            ensure!(count == wanted, "the store holds {count} {resource}, not {wanted}");
        }
        let Some(key) = self.key else { return Ok(()) };
        let there = records.get(resource, key).is_some();
        ensure!(there != self.absent, "{resource} {key} is {}there", if there { "" } else { "not " });
        for (field, wanted) in &self.fields {
            let found = records.field(resource, key, field);
            ensure!(found.as_ref() == Some(wanted), "`{field}` of {resource} {key} is {found:?}, not {wanted:?}");
        }
        Ok(())
    }
}

impl Sockets {
    pub(crate) fn judge(&self, store: &Emulator, proxied: usize) -> Result<()> {
        let opened = store.connections_accepted();
        ensure!(self.opened_at_most.is_none_or(|n| opened <= n), "{opened} sockets were opened");
        let peak = store.connections_peak();
        ensure!(self.open_at_most.is_none_or(|n| peak <= n), "{peak} sockets were open at one time");
        match self.through_proxy {
            Some(true) => ensure!(opened > 0 && proxied == opened, "{proxied} of {opened} sockets came by the proxy"),
            Some(false) => ensure!(proxied == 0, "{proxied} sockets came by the proxy"),
            None => {}
        }
        Ok(())
    }
}
