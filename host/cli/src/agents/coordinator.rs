//! Agrees with the other agents of a group on who runs what is due, by the keys of an etcd.
//!
//! Each operation has one key, whose value begins with the last time that was claimed. A transaction moves it on to a later time, and
//! never back: so a time is claimed once, however long an agent was away. A second key is there as long as the run is at work, held by a
//! lease that its agent keeps alive.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::CoordinatorAddress;
use super::etcd::Etcd;
use crate::error::Result;
use crate::session::Session;

/// How long a run counts as still going after its agent was heard of last.
const LEASE: Duration = Duration::from_secs(30);
/// How often its agent says that it is.
const ALIVE: Duration = Duration::from_secs(10);
/// How often a claim is tried where the coordinator does not answer, and the wait in between.
const TRIES: u32 = 3;
const WAIT: Duration = Duration::from_secs(1);

/// The coordinator of a group.
pub(crate) struct Coordinator {
    address: CoordinatorAddress,
    group: String,
    /// Tells this process from all others.
    this: String,
}

/// What became of a claim.
pub(crate) enum Claim {
    /// The time is this process's to run.
    Ours(Lease),
    /// Somebody has claimed it, or a later one.
    Taken,
    /// The run of an earlier time is still going, on this agent.
    StillGoing(String),
}

/// Says that a run is going.
pub(crate) struct Lease {
    etcd: Etcd,
    id: String,
}

impl Coordinator {
    /// `agent`: what others call this process.
    pub(crate) fn new(address: &CoordinatorAddress, group: &str, agent: &str) -> Self {
        let unique = format!("{:x}-{:x}", time::OffsetDateTime::now_utc().unix_timestamp_nanos(), std::process::id());
        Self { address: address.clone(), group: group.to_owned(), this: format!("{agent} {unique}") }
    }

    /// Claims a time of an operation, in seconds since 1970.
    ///
    /// # Errors
    /// The coordinator does not answer, or not as one. Then the time may have been claimed, and does not run.
    pub(crate) async fn claim(&self, session: &Session, operation: &str, due: i64) -> Result<Claim> {
        for _ in 1..TRIES {
            match self.try_claim(session, operation, due).await {
                Ok(claim) => return Ok(claim),
                // An answer that was lost is no harm: what is ours already is seen to be.
                Err(_) => tokio::time::sleep(WAIT).await,
            }
        }
        self.try_claim(session, operation, due).await
    }

    async fn try_claim(&self, session: &Session, operation: &str, due: i64) -> Result<Claim> {
        let claimed = self.key(operation, "due");
        let going = self.key(operation, "running");
        let lease = Lease::grant(Etcd::new(session, &self.address)?).await?;
        let etcd = &lease.etcd;
        // The one before all.
        let absent = json!({ "key": claimed, "target": "CREATE", "result": "EQUAL", "create_revision": "0" });
        let first = json!({ "request_put": { "key": claimed, "value": encoded(&stamp(0)) } });
        etcd.ask("kv/txn", &json!({ "compare": [absent], "success": [first] })).await?;
        let transaction = json!({
            "compare": [
                { "key": claimed, "target": "VALUE", "result": "LESS", "value": encoded(&stamp(due)) },
                { "key": going, "target": "CREATE", "result": "EQUAL", "create_revision": "0" },
            ],
            "success": [
                { "request_put": { "key": claimed, "value": encoded(&format!("{} {}", stamp(due), self.this)) } },
                { "request_put": { "key": going, "value": encoded(&self.this), "lease": lease.id } },
            ],
            "failure": [{ "request_range": { "key": claimed } }, { "request_range": { "key": going } }],
        });
        let answer = etcd.ask("kv/txn", &transaction).await?;
        if answer.get("succeeded") == Some(&Value::Bool(true)) {
            return Ok(Claim::Ours(lease));
        }
        let claimed = found(&answer, 0);
        if claimed == Some(format!("{} {}", stamp(due), self.this)) {
            // An earlier try, whose answer was lost, with a lease that nobody keeps alive: this one takes its place.
            let held = json!({ "key": going, "value": encoded(&self.this), "lease": lease.id });
            etcd.ask("kv/put", &held).await?;
            return Ok(Claim::Ours(lease));
        }
        lease.end().await;
        let later = claimed.is_none_or(|claimed| claimed.as_str() >= stamp(due).as_str());
        match found(&answer, 1).filter(|_| !later) {
            Some(who) => Ok(Claim::StillGoing(who.split(' ').next().unwrap_or_default().to_owned())),
            None => Ok(Claim::Taken),
        }
    }

    fn key(&self, operation: &str, what: &str) -> String {
        encoded(&format!("/connector/{}/{operation}/{what}", self.group))
    }
}

impl Lease {
    async fn grant(etcd: Etcd) -> Result<Self> {
        let answer = etcd.ask("lease/grant", &json!({ "TTL": LEASE.as_secs().to_string() })).await?;
        match answer.get("ID").and_then(Value::as_str).map(str::to_owned) {
            Some(id) => Ok(Self { etcd, id }),
            None => Err(etcd.no_sense().into()),
        }
    }

    /// Says that the run is going until `run` has come to its end.
    pub(crate) async fn during(self, run: impl Future<Output = ()>) {
        let alive = async {
            loop {
                tokio::time::sleep(ALIVE).await;
                if let Err(failure) = self.etcd.ask("lease/keepalive", &json!({ "ID": self.id })).await {
                    tracing::warn!(target: "connector", reason = failure.message, "the coordinator does not hear that a run is still going");
                }
            }
        };
        tokio::select! {
            () = run => {}
            () = alive => {}
        }
        self.end().await;
    }

    /// Where it cannot be told, the lease ends by itself.
    pub(crate) async fn end(self) {
        let _ = self.etcd.ask("lease/revoke", &json!({ "ID": self.id })).await;
    }
}

/// A time whose order as a text is that of time.
fn stamp(due: i64) -> String {
    format!("{due:020}")
}

fn encoded(text: &str) -> String {
    BASE64.encode(text)
}

/// The value that a range of a transaction has found.
fn found(answer: &Value, index: usize) -> Option<String> {
    let value = answer.pointer(&format!("/responses/{index}/response_range/kvs/0/value"))?.as_str()?;
    String::from_utf8(BASE64.decode(value).ok()?).ok()
}
