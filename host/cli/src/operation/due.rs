//! What becomes of the times at which an operation is due: each is claimed in the project's store before anything runs, and what came of
//! the last one is kept there, so that every process tells the same.

use serde_json::{Map, Value, json};

use super::files;
use super::runs::{self, State};
use super::schedule::{Schedule, now, words};
use crate::error::Result;
use crate::project::{Project, failed};

/// Claims a time for this process. None may run twice, so a time that is before one which was claimed is not to be had any more.
pub(crate) fn claim(project: &Project, operation: &str, due: i64) -> Result<bool> {
    Ok(project.made_store()?.claim_due(operation, due).map_err(|error| failed(&error))?)
}

/// Keeps what came of a time: the run, or why there is none.
pub(crate) fn note(project: &Project, operation: &str, due: i64, came: Result<&str, &str>) -> Result<()> {
    Ok(project.made_store()?.note_due(operation, due, came).map_err(|error| failed(&error))?)
}

/// The last time that somebody has seen to.
pub(crate) fn last(project: &Project, operation: &str) -> Result<Option<connector_store::Due>> {
    let Some(store) = project.store()? else { return Ok(None) };
    Ok(store.last_due(operation).map_err(|error| failed(&error))?)
}

/// The run that an earlier time started, if it is still at work.
pub(crate) fn still_going(project: &Project, operation: &str) -> Result<Option<String>> {
    let run = last(project, operation)?.and_then(|due| due.run);
    Ok(run.filter(|run| runs::load(project, run).is_ok_and(|run| run.state == State::Running)))
}

/// The operations that have a schedule; and those whose files cannot be read, so that nobody knows.
pub(crate) fn scheduled(project: &Project) -> Vec<(String, Result<Schedule>)> {
    let read = |name: String| {
        let operation = files::load(project, &name).and_then(|saved| saved.operation());
        let schedule = operation.map(|operation| operation.schedule).transpose()?;
        Some((name, schedule))
    };
    files::names(project).unwrap_or_default().into_iter().filter_map(read).collect()
}

/// What lists tell of a schedule: `schedule` in words, `next_run`, and `not_run` if the last time that was due came to nothing.
pub(crate) fn told(project: &Project, operation: &str, schedule: Option<&Schedule>) -> Result<Map<String, Value>> {
    let mut map = Map::new();
    let Some(schedule) = schedule else { return Ok(map) };
    map.insert("schedule".to_owned(), json!(schedule.to_string()));
    map.insert("next_run".to_owned(), json!(schedule.after(now()).map(words)));
    if let Some((due, reason)) = last(project, operation)?.and_then(|last| last.not_run) {
        map.insert("not_run".to_owned(), json!({ "due": words(due), "reason": reason }));
    }
    Ok(map)
}
