//! Runs operations at the times of their schedules, as long as the process serves. A time is claimed before anything runs, so that of
//! all processes that serve the same project, or of all agents of a group, one runs it; a process that ends in between leaves that time
//! out rather than run it twice.
//! Whatever does not run is told in the log and in lists, with its reason.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::runs::{self, Launched};
use super::state::Server;
use crate::agents::Group;
use crate::agents::coordinator::{Claim, Coordinator, Lease};
use crate::error::Result;
use crate::operation::schedule::{Missed, Schedule, now, words};
use crate::operation::{due, files};
use crate::variables::host_name;

/// How often the files of operations are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Seconds after which a time counts as missed: the process was stopped, or its machine was asleep.
const LATE: i64 = 60;

/// Where times are claimed.
pub(super) enum Claims {
    /// In the project's store: whoever serves this project has it.
    Store,
    /// With the other agents of the group.
    Group(Coordinator),
    /// Nowhere, for this reason.
    Nowhere(String),
}

impl Claims {
    /// With one agent, its store will do; with more, each of which has its own, only a coordinator knows what others run.
    pub(super) fn of(group: Option<&Group>, agent: Option<&str>) -> Self {
        let Some(group) = group else { return Self::Store };
        let name = agent.map_or_else(host_name, str::to_owned);
        match &group.coordinator {
            Some(address) => Self::Group(Coordinator::new(address, &group.name, &name)),
            None if group.agents.len() < 2 => Self::Store,
            None => Self::Nowhere(format!(
                "the group `{}` has {} agents, and no `coordinator` in agents.toml by which one of them would run it",
                group.name,
                group.agents.len()
            )),
        }
    }
}

/// A schedule that this process keeps.
struct Kept {
    schedule: Schedule,
    /// The next time.
    next: i64,
    /// Whoever sees to a time of this operation holds it, so that times stay in order.
    turn: Arc<Mutex<()>>,
}

/// A time at which an operation is due.
struct Time {
    operation: String,
    due: i64,
    /// Nobody has seen to it when it was due, and this is what becomes of it.
    missed: Option<Missed>,
}

/// Keeps the project's schedules.
pub(super) async fn keep(server: Weak<Server>, claims: Claims) {
    let claims = Arc::new(claims);
    let (mut kept, mut broken) = (BTreeMap::new(), BTreeMap::new());
    loop {
        let Some(server) = server.upgrade() else { return };
        let wait = look(&server, &claims, &mut kept, &mut broken);
        drop(server);
        tokio::time::sleep(wait).await;
    }
}

/// Sees to what is due. Answers how long there is nothing to do. `broken`: the operations that cannot be read, each with the reason
/// that was told.
fn look(
    server: &Arc<Server>,
    claims: &Arc<Claims>,
    kept: &mut BTreeMap<String, Kept>,
    broken: &mut BTreeMap<String, String>,
) -> Duration {
    let (now, mut before, mut told) = (now(), std::mem::take(kept), std::mem::take(broken));
    for (operation, schedule) in due::scheduled(&server.session.project) {
        let schedule = match schedule {
            Ok(schedule) => schedule,
            Err(failures) => {
                let reason = failures.in_one_line();
                if told.remove(&operation).as_ref() != Some(&reason) {
                    tracing::warn!(target: "connector", operation, reason, "it cannot be read, and runs at no time");
                }
                broken.insert(operation, reason);
                continue;
            }
        };
        let Some(after) = schedule.after(now) else { continue };
        let same = before.remove(&operation).filter(|one| one.schedule.to_string() == schedule.to_string());
        let turn = same.as_ref().map_or_else(Arc::default, |one| Arc::clone(&one.turn));
        let mut times = Vec::new();
        let mut time = |due, missed| times.push(Time { operation: operation.clone(), due, missed });
        match (same.map(|one| one.next), schedule.until(now)) {
            (Some(next), Some(last)) if next < now - LATE => time(last, Some(schedule.missed)),
            (Some(next), _) => {
                let mut next = Some(next);
                while let Some(due) = next.filter(|due| *due <= now) {
                    time(due, None);
                    next = schedule.after(due);
                }
            }
            (None, Some(last)) => match unseen(server, &operation, last) {
                Ok(true) => time(last, Some(schedule.missed)),
                Ok(false) => {}
                Err(failures) => {
                    tracing::warn!(target: "connector", operation, reason = failures.in_one_line(), "its last run is not known")
                }
            },
            (None, None) => {}
        }
        if !times.is_empty() {
            tokio::spawn(see_to_all(Arc::clone(server), Arc::clone(claims), times, Arc::clone(&turn)));
        }
        kept.insert(operation, Kept { schedule, next: after, turn });
    }
    let first = kept.values().map(|one| one.next).min();
    let until = first.and_then(|next| OffsetDateTime::from_unix_timestamp(next).ok());
    let wait = until.map(|next| Duration::try_from(next - OffsetDateTime::now_utc()).unwrap_or_default());
    wait.map_or(LOOK, |wait| wait.min(LOOK))
}

/// Whether a time passed while nobody served. An operation that nobody has seen before has missed nothing.
fn unseen(server: &Server, operation: &str, last: i64) -> Result<bool> {
    let project = &server.session.project;
    match due::last(project, operation)? {
        Some(seen) => Ok(seen.due < last),
        None => due::claim(project, operation, last).map(|_| false),
    }
}

async fn see_to_all(server: Arc<Server>, claims: Arc<Claims>, times: Vec<Time>, turn: Arc<Mutex<()>>) {
    let _counted = server.closing.begins();
    let _turn = turn.lock().await;
    for time in times {
        if server.session.interrupt.asked() {
            return;
        }
        let (operation, due) = (&time.operation, words(time.due));
        match see_to(&server, &claims, &time).await {
            Ok(Some(Ok(run))) => tracing::info!(target: "connector", operation, due, run, "it is due, and runs"),
            Ok(Some(Err(reason))) => {
                tracing::warn!(target: "connector", operation, due, reason, "it is due, and does not run")
            }
            Ok(None) => tracing::debug!(target: "connector", operation, due, "another process has seen to it"),
            Err(failures) => {
                let reason = failures.in_one_line();
                tracing::warn!(target: "connector", operation, due, reason, "it is due, and does not run");
            }
        }
    }
}

/// Claims a time and starts the run. Answers the run, or why there is none; nothing if another process has claimed it.
async fn see_to(server: &Arc<Server>, claims: &Claims, time: &Time) -> Result<Option<Result<String, String>>> {
    let (project, operation, due) = (&server.session.project, &time.operation, time.due);
    let skipped = time.missed == Some(Missed::Skip);
    // Also where others decide: what this process has seen, it does not see as missed when it begins anew.
    let first = due::claim(project, operation, due)?;
    let (came, lease) = match claims {
        Claims::Store if !first => return Ok(None),
        // Other agents may have served.
        Claims::Group(_) if skipped => return Ok(None),
        Claims::Store | Claims::Nowhere(_) if skipped => {
            (Err("nothing served the project when it was due".to_owned()), None)
        }
        Claims::Nowhere(reason) => (Err(reason.clone()), None),
        Claims::Store => match due::still_going(project, operation)? {
            Some(run) => (Err(format!("the run {run}, which an earlier time started, is still going")), None),
            None => (Ok(()), None),
        },
        Claims::Group(coordinator) => match coordinator.claim(&server.session, operation, due).await {
            Ok(Claim::Ours(lease)) => (Ok(()), Some(lease)),
            Ok(Claim::Taken) => return Ok(None),
            Ok(Claim::StillGoing(agent)) => {
                (Err(format!("the run that an earlier time started is still going on the agent `{agent}`")), None)
            }
            Err(failures) => (Err(failures.in_one_line()), None),
        },
    };
    let came = match came {
        Ok(()) => launched(server, operation, lease).await,
        Err(reason) => Err(reason),
    };
    due::note(project, operation, due, came.as_ref().map(String::as_str).map_err(String::as_str))?;
    Ok(Some(came))
}

/// Starts the run; the group hears of it as long as it is at work. One that could not start is kept, too, and is not the run of this
/// time.
async fn launched(server: &Arc<Server>, operation: &str, lease: Option<Lease>) -> Result<String, String> {
    let launched = match files::runnable(&server.session.project, operation) {
        Ok(saved) => runs::launch(server, &saved, None).await,
        Err(failures) => Err(failures),
    };
    let reason = match (launched, lease) {
        (Ok(Launched { id, mut figures, refused: None }), lease) => {
            if let Some(lease) = lease {
                let counted = server.closing.begins();
                tokio::spawn(async move {
                    let _counted = counted;
                    lease.during(async { while figures.changed().await.is_ok() {} }).await;
                });
            }
            return Ok(id);
        }
        (Ok(Launched { refused: Some(failures), .. }) | Err(failures), lease) => {
            if let Some(lease) = lease {
                lease.end().await;
            }
            failures.in_one_line()
        }
    };
    Err(reason)
}
