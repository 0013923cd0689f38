//! Runs operations at the times of their schedules, as long as the process serves. A time is claimed before anything runs, so that of
//! all processes that serve the same project one runs it; a process that ends in between leaves that time out rather than run it twice.
//! Whatever does not run is told in the log and in lists, with its reason.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::runs;
use super::state::Server;
use crate::error::Result;
use crate::operation::due;
use crate::operation::schedule::{Missed, Schedule, now, words};

/// How often the files of operations are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Seconds after which a time counts as missed: the process was stopped, or its machine was asleep.
const LATE: i64 = 60;

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
pub(super) async fn keep(server: Weak<Server>) {
    let mut kept = BTreeMap::new();
    loop {
        let Some(server) = server.upgrade() else { return };
        let wait = look(&server, &mut kept);
        drop(server);
        tokio::time::sleep(wait).await;
    }
}

/// Sees to what is due. Answers how long there is nothing to do.
fn look(server: &Arc<Server>, kept: &mut BTreeMap<String, Kept>) -> Duration {
    let (now, mut before) = (now(), std::mem::take(kept));
    for (operation, schedule) in due::scheduled(&server.session.project) {
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
            tokio::spawn(see_to_all(Arc::clone(server), times, Arc::clone(&turn)));
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

async fn see_to_all(server: Arc<Server>, times: Vec<Time>, turn: Arc<Mutex<()>>) {
    let _counted = server.closing.begins();
    let _turn = turn.lock().await;
    for time in times {
        if server.session.interrupt.asked() {
            return;
        }
        let (operation, due) = (&time.operation, words(time.due));
        match see_to(&server, &time).await {
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
async fn see_to(server: &Arc<Server>, time: &Time) -> Result<Option<Result<String, String>>> {
    let (project, operation) = (&server.session.project, &time.operation);
    if !due::claim(project, operation, time.due)? {
        return Ok(None);
    }
    let came = if time.missed == Some(Missed::Skip) {
        Err("nothing served the project when it was due".to_owned())
    } else if let Some(run) = due::still_going(project, operation)? {
        Err(format!("the run {run}, which an earlier time started, is still going"))
    } else {
        match runs::launch(server, operation).await {
            Ok((run, _)) => Ok(run),
            Err(failures) => Err(failures.in_one_line()),
        }
    };
    due::note(project, operation, time.due, came.as_ref().map(String::as_str).map_err(String::as_str))?;
    Ok(Some(came))
}
