//! `resolve`: looks up the rows of an outcomes file whose outcome is unknown, and prints all outcomes again. Writes nothing to
//! the store, and nothing to the file.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use connector_host::contract::Outcome;
use serde_json::json;

use crate::error::{Failure, Failures, Result};
use crate::outcomes::{Tally, line_into};
use crate::progress::{counted, grouped};
use crate::remote;
use crate::session::Session;
use crate::unsettled::{Journal, Unsettled};

/// Records that are looked up in one call.
const AT_ONCE: usize = 100;

pub(super) async fn run(session: &Session, name: &str, path: &Path) -> Result<()> {
    let mut journal = Journal::read(path)?;
    let rows = journal.rows();
    let unsettled = std::mem::take(&mut journal.unsettled);
    let found = look_up(session, name, unsettled).await?;
    let failed =
        |e: &io::Error| Failure::new(format!("cannot read the outcomes file `{}`", path.display())).causes_of(e);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let (mut all, mut settled) = (Tally::default(), Tally::default());
    for row in rows {
        let (line, word) = match found.get(&row) {
            Some(outcome) => {
                let mut line = Vec::new();
                line_into(row, outcome, &mut line);
                count(&mut settled, word(outcome));
                (line, word(outcome).to_owned())
            }
            None => match journal.outcome(row).map_err(|e| failed(&e))? {
                Some(as_it_was) => as_it_was,
                None => continue,
            },
        };
        count(&mut all, &word);
        if written.is_ok() {
            written = out.write_all(&line);
        }
    }
    match written.and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::new("cannot write outcomes to stdout").causes_of(&e).into());
        }
        _ => {}
    }
    drop(out);
    tell(session, all, settled)
}

/// Asks the connector about all rows, those that were sent in one way together.
async fn look_up(session: &Session, name: &str, unsettled: BTreeMap<u64, Unsettled>) -> Result<BTreeMap<u64, Outcome>> {
    let mut found = BTreeMap::new();
    if unsettled.is_empty() {
        return Ok(found);
    }
    let connection = session.connection(name).await?;
    let mut instance = connection.activity().await.map_err(|e| remote::call_failed(&e))?;
    let _guard = session.interrupt.cancels(instance.canceller());
    let rows: Vec<(u64, Unsettled)> = unsettled.into_iter().collect();
    for same in rows.chunk_by(|(_, a), (_, b)| a.write == b.write) {
        for chunk in same.chunks(AT_ONCE) {
            let Some((_, first)) = chunk.first() else { continue };
            let records: String = chunk.iter().map(|(_, sent)| format!("{}\n", sent.record.get())).collect();
            let (by, request) = first.write.resolves(records.into_bytes());
            let outcomes = instance.resolve(by, &request).await.map_err(|e| remote::call_failed(&e))?;
            if outcomes.len() != chunk.len() {
                let message = format!("the connector gave {} outcomes for {} records", outcomes.len(), chunk.len());
                let failure = Failure::defect(message).hint("this is a defect of the connector: please report it");
                return Err(failure.into());
            }
            found.extend(chunk.iter().map(|(row, _)| *row).zip(outcomes));
        }
    }
    Ok(found)
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
        Outcome::Skipped => "skipped",
    }
}

fn count(tally: &mut Tally, word: &str) {
    match word {
        "applied" => tally.applied += 1,
        "failed" => tally.failed += 1,
        "unknown" => tally.unknown += 1,
        _ => tally.skipped += 1,
    }
}

/// Says what was found out. Succeeds if no record of the file failed, or is unknown.
fn tell(session: &Session, all: Tally, settled: Tally) -> Result<()> {
    let Tally { applied, failed, unknown, .. } = settled;
    session.note(match applied + failed + unknown {
        0 => "no row was in doubt".to_owned(),
        _ => format!(
            "{} looked up: {} applied, {} not, {} still unknown",
            counted(applied + failed + unknown, "row"),
            grouped(applied),
            grouped(failed),
            grouped(unknown)
        ),
    });
    let mut words = Vec::new();
    for (count, word) in [(all.failed, "failed"), (all.unknown, "may or may not have been done")] {
        if count > 0 {
            words.push(format!("{} {word}", counted(count, "record")));
        }
    }
    if words.is_empty() {
        return Ok(());
    }
    let tally = json!({ "applied": all.applied, "failed": all.failed, "unknown": all.unknown, "skipped": all.skipped });
    let mut failure = Failure::new(words.join(", ")).with("outcomes", tally);
    if all.unknown > 0 {
        failure = failure.hint("the outcomes say for each of them why it cannot be told");
    }
    Err(Failures::from(failure))
}
