//! Looks up what became of a run's unknown records, and brings the run's folder up to date.
//!
//! What was found out goes behind the journal first. The rejected records, the checkpoint and the report follow from it, each
//! replaced as a whole; a mark in the folder says that they may be behind, until all three are there. So a process that is killed
//! in between costs nothing: whoever resolves or resumes the run next does the rest.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use connector_host::contract::Outcome;

use super::checkpoint::{self, Writing};
use super::journal::{Settled, Tail};
use super::rejected;
use super::runs::{Folder, Run, State};
use crate::error::{Failure, Result};
use crate::files::not_written;
use crate::looking_up::look_up;
use crate::outcomes::{Outcomes, Tally};
use crate::session::Session;
use crate::unsettled::{Journal, Sent};

/// The mark of a folder whose files may be behind its journal.
const MARK: &str = "resolving";

/// A run whose unknown records were looked up.
pub(crate) struct Resolved {
    /// As it is now.
    pub run: Run,
    /// What became of the records that were looked up.
    pub settled: Tally,
    /// What kept the others from being looked up.
    pub stop: Result<()>,
}

/// Looks up the unknown records of a run.
///
/// # Errors
/// There is no such run, it is at work, it was interrupted, or nothing could be looked up or kept.
pub(crate) async fn resolve(session: &Session, id: &str) -> Result<Resolved> {
    let folder = Folder::open(&session.project, id)?;
    let run = folder.run()?;
    if run.state == State::Running {
        // What is not in its report yet is found when it goes on.
        return Err(Failure::new(format!("the run {id} was interrupted"))
            .hint(format!("go on with `connector run --resume {id}`; what stays unknown can be looked up then"))
            .with("kind", "conflict")
            .into());
    }
    let path = folder.path.join("journal.ndjson");
    if std::fs::metadata(&path).map_or(0, |data| data.len()) == 0 {
        return Ok(Resolved { run, settled: Tally::default(), stop: Ok(()) });
    }
    let journal = Journal::read(&path)?;
    let mut found = BTreeMap::new();
    let name = journal.via.as_ref().map(|via| format!("{}:{}", via.connector, via.name)).unwrap_or_default();
    let stop = look_up(session, &name, &path, journal.via.as_ref(), &journal.unsettled, &mut found).await;
    if found.is_empty() {
        stop.clone()?;
    }
    let mark = folder.path.join(MARK);
    File::create(&mark).and_then(|mark| mark.sync_all()).map_err(|e| not_written(&mark, &e))?;
    note(&path, &journal, &found)?;
    let mut settled = Tally::default();
    found.values().for_each(|outcome| settled.add(outcome.into()));
    Ok(Resolved { run: bring_up_to_date(&folder)?, settled, stop })
}

/// Does what a process that was killed while it resolved a run has left undone.
pub(super) fn finish(folder: &Folder) -> Result<(), Failure> {
    if folder.path.join(MARK).exists() {
        bring_up_to_date(folder)?;
    }
    Ok(())
}

/// Appends what was found out to the journal; it is on disk then.
fn note(path: &Path, journal: &Journal, found: &BTreeMap<u64, Outcome>) -> Result<(), Failure> {
    let Some((via, (_, first))) = journal.via.clone().zip(journal.unsettled.first_key_value()) else { return Ok(()) };
    let (mut outcomes, _) = Outcomes::in_file(path, true, &Sent { via, write: first.write.clone() })?;
    for (row, outcome) in found {
        outcomes.write(*row, std::slice::from_ref(outcome))?;
    }
    outcomes.sync()
}

/// Makes the rejected records, the checkpoint and the report say what the journal says.
fn bring_up_to_date(folder: &Folder) -> Result<Run, Failure> {
    let path = &folder.path;
    let outcomes = Tail::read(&path.join("journal.ndjson"), 0)?.outcomes;
    let (mut head, mut items) = checkpoint::read(path)?;
    head.rejected = rejected::settle(path, head.first, &outcomes)?;
    head.tally = tally(outcomes.range(..head.first).map(|(_, settled)| settled));
    let mut writing = Writing::begin(path, &head)?;
    while let Some((_, item)) = items.next()? {
        let written = writing.item(item.row, item.error.as_deref(), item.record.get());
        written.map_err(|e| not_written(path, &e))?;
    }
    writing.keep(path)?;
    let mut run = folder.run()?;
    let all = tally(outcomes.values());
    (run.report.applied, run.report.failed, run.report.unknown) = (all.applied, all.failed, all.unknown);
    folder.write_run(&run)?;
    let mark = path.join(MARK);
    std::fs::remove_file(&mark).map_err(|e| not_written(&mark, &e))?;
    Ok(run)
}

/// Counts outcomes, but those of records that were not sent.
fn tally<'a>(outcomes: impl Iterator<Item = &'a Settled>) -> Tally {
    let mut tally = Tally::default();
    outcomes.for_each(|settled| tally.add(settled.word));
    Tally { skipped: 0, ..tally }
}
