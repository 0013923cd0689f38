//! `resolve`: looks up the rows of an outcomes file whose outcome is unknown, and prints all outcomes again. Writes nothing to
//! the store, and nothing to the file.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use connector_host::contract::{Error, ErrorKind, Outcome, Retry};

use crate::error::{Failure, Failures, Result};
use crate::looking_up::{look_up, words};
use crate::outcomes::{Tally, Word, line_into};
use crate::session::Session;
use crate::unsettled::Journal;

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
            (line, Word::from(outcome))
        };
        let (line, word) = match found.get(&row) {
            Some(outcome) => {
                settled.add(outcome.into());
                anew(outcome)
            }
            // Under way when a run was killed, and not looked up before this one was stopped.
            None => journal.outcome(row).map_err(|e| failed(&e))?.unwrap_or_else(|| anew(&not_looked_up())),
        };
        all.add(word);
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
    session.note(words(settled));
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
