//! `resolve`: looks up the rows of an outcomes file whose outcome is unknown, and prints all outcomes again. Writes nothing to
//! the store, and nothing to the file.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use connector_host::contract::{Error, ErrorKind, Outcome, Retry};

use crate::error::{Failure, Failures, Result};
use crate::outcomes::{Tally, line_into, word};
use crate::progress::{counted, grouped};
use crate::remote;
use crate::session::Session;
use crate::unsettled::{Journal, Unsettled, Via};

/// Records that are looked up in one call.
const AT_ONCE: usize = 100;

pub(super) async fn run(session: &Session, name: &str, path: &Path) -> Result<()> {
    let mut journal = Journal::read(path)?;
    let rows = journal.rows();
    let unsettled = std::mem::take(&mut journal.unsettled);
    let mut found = BTreeMap::new();
    let stop = look_up(session, name, path, journal.via.as_ref(), &unsettled, &mut found).await;
    if let (Err(failures), true) = (&stop, found.is_empty()) {
        return Err(failures.clone());
    }
    let failed =
        |e: &io::Error| Failure::new(format!("cannot read the outcomes file `{}`", path.display())).causes_of(e);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let (mut all, mut settled) = (Tally::default(), Tally::default());
    for row in rows {
        let anew = |outcome: &Outcome| {
            let mut line = Vec::new();
            line_into(row, outcome, &mut line);
            (line, word(outcome).to_owned())
        };
        let (line, word) = match found.get(&row) {
            Some(outcome) => {
                settled.add(word(outcome));
                anew(outcome)
            }
            // Under way when a run was killed, and not looked up before this one was stopped.
            None => journal.outcome(row).map_err(|e| failed(&e))?.unwrap_or_else(|| anew(&not_looked_up())),
        };
        all.add(&word);
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
    tell(session, all, settled, stop.err())
}

/// Asks the connector about all rows, those that were sent in one way together. What was found out before a failure counts.
async fn look_up(
    session: &Session,
    name: &str,
    path: &Path,
    via: Option<&Via>,
    unsettled: &BTreeMap<u64, Unsettled>,
    found: &mut BTreeMap<u64, Outcome>,
) -> Result<()> {
    if unsettled.is_empty() {
        return Ok(());
    }
    let (connection, ours) = session.connection_and_store(name).await?;
    if let Some(why) = via.and_then(|via| ours.differs_from(via)) {
        let failure = Failure::new(format!("the outcomes in `{}` are of {why}", path.display()));
        return Err(failure.hint("look them up over the connection that they were sent by").into());
    }
    let mut instance = connection.activity().await.map_err(|e| remote::call_failed(&e))?;
    let _guard = session.interrupt.cancels(instance.canceller());
    let rows: Vec<(u64, &Unsettled)> = unsettled.iter().map(|(row, sent)| (*row, sent)).collect();
    for same in rows.chunk_by(|(_, a), (_, b)| a.write == b.write) {
        for chunk in same.chunks(AT_ONCE) {
            let Some((_, first)) = chunk.first() else { continue };
            let records: String = chunk.iter().map(|(_, sent)| format!("{}\n", sent.record.get())).collect();
            let (by, request) = first.write.resolves(records.into_bytes());
            if session.interrupt.asked() {
                return Err(stopped());
            }
            let outcomes = match instance.resolve(by, &request).await {
                Ok(outcomes) => outcomes,
                Err(error) if session.interrupt.asked() && error.is_cancelled() => return Err(stopped()),
                Err(error) => return Err(remote::call_failed(&error)),
            };
            if outcomes.len() != chunk.len() {
                let message = format!("the connector gave {} outcomes for {} records", outcomes.len(), chunk.len());
                let failure = Failure::defect(message).hint("this is a defect of the connector: please report it");
                return Err(failure.into());
            }
            // A record that was not looked up any more says nothing new about its row.
            let told = chunk.iter().map(|(row, _)| *row).zip(outcomes);
            found.extend(told.filter(|(_, outcome)| *outcome != Outcome::Skipped));
        }
    }
    Ok(())
}

fn stopped() -> Failures {
    Failure::new("stopped, as you asked").with("kind", "cancelled").into()
}

fn not_looked_up() -> Outcome {
    Outcome::Unknown(Error {
        kind: ErrorKind::Denied,
        retry: Retry::OutcomeUnknown,
        message: "this row was under way when a run ended, and was not looked up".to_owned(),
        status: None,
        code: None,
        pointer: None,
    })
}

/// Says what was found out. Succeeds if everything was looked up, and no record of the file failed or is unknown.
fn tell(session: &Session, all: Tally, settled: Tally, stop: Option<Failures>) -> Result<()> {
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
    let mut list = Vec::new();
    if all.failed + all.unknown > 0 {
        let mut failure = Failure::new(all.wrong()).with("outcomes", all.to_json());
        if all.unknown > 0 && stop.is_none() {
            failure = failure.hint("the outcomes say for each of them why it cannot be told");
        }
        list.push(failure);
    }
    list.extend(stop.map(|stop| stop.0).unwrap_or_default());
    Failures::check(list)
}
