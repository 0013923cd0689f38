//! How far a run has come, and what it has read and not settled yet: one file, replaced as a whole, on disk before anything of it is
//! sent. So a run that is killed goes on with the very records that it had mapped, whatever has become of its source.
//!
//! The first line is the [`Head`]; then one line per item: `{"row":17,"record":{…}}`, or with an `error` if the mapping failed on it.
//! Items are counted from one over the whole run: these numbers are the rows of the journal.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tempfile::NamedTempFile;

use super::journal::Tail;
use super::report::Report;
use crate::error::Failure;
use crate::files::{Access, beside, keep, not_written};
use crate::json;
use crate::outcomes::{Tally, Word};

/// A place in a source.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Position {
    /// Before everything.
    Start,
    /// Before this row of a file, counted from one.
    Row(u64),
    /// Where a query goes on.
    Cursor(String),
}

/// What holds when the file is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// Where reading goes on; none at the end of the source.
    pub next: Option<Position>,
    /// Rows that were read, those of the items below among them.
    pub read: u64,
    /// Records that the mapping has made of the rows before those below.
    pub mapped: u64,
    /// Number of the first item below.
    pub first: u64,
    /// What became of all items before it.
    pub tally: Tally,
    /// Length of the journal, bytes.
    pub journal: u64,
    /// Length of the rejected records, bytes.
    pub rejected: u64,
    /// Length of the records of a target that is a file, bytes.
    pub output: u64,
    /// The watermark that the source gave last.
    pub state: Option<String>,
}

impl Head {
    /// Before everything.
    pub(super) fn start() -> Self {
        Self {
            next: Some(Position::Start),
            read: 0,
            mapped: 0,
            first: 1,
            tally: Tally::default(),
            journal: 0,
            rejected: 0,
            output: 0,
            state: None,
        }
    }
}

/// A record on its way, or one that the mapping failed on.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    /// The row of the source that it was made of.
    pub row: u64,
    /// Why the mapping failed on it.
    pub error: Option<String>,
    /// The record for the target; the source's if the mapping failed.
    pub record: Box<RawValue>,
}

/// A checkpoint that is being written.
pub(super) struct Writing {
    file: BufWriter<NamedTempFile>,
}

const NAME: &str = "checkpoint";

fn failed(folder: &Path, error: &io::Error) -> Failure {
    not_written(&folder.join(NAME), error)
}

impl Writing {
    pub(super) fn begin(folder: &Path, head: &Head) -> Result<Self, Failure> {
        let mut file = BufWriter::new(beside(&folder.join(NAME), Access::Private)?);
        let line = serde_json::to_vec(head).map_err(|e| Failure::defect("a checkpoint is no JSON").causes_of(&e))?;
        file.write_all(&line).and_then(|()| file.write_all(b"\n")).map_err(|e| failed(folder, &e))?;
        Ok(Self { file })
    }

    pub(super) fn item(&mut self, row: u64, error: Option<&str>, record: &str) -> io::Result<()> {
        let error = error.map(|error| format!("\"error\":{},", json::quote(error))).unwrap_or_default();
        writeln!(self.file, "{{\"row\":{row},{error}\"record\":{record}}}")
    }

    /// Puts it in the place of the one before.
    pub(super) fn keep(self, folder: &Path) -> Result<(), Failure> {
        let file = self.file.into_inner().map_err(|e| failed(folder, e.error()))?;
        keep(file, &folder.join(NAME))
    }
}

/// A checkpoint that is being read.
pub(super) struct Reading {
    lines: BufReader<File>,
    next: u64,
}

/// The checkpoint of a run.
///
/// # Errors
/// There is none, or none that this program has written.
pub(super) fn read(folder: &Path) -> Result<(Head, Reading), Failure> {
    let path = folder.join(NAME);
    let broken = |e: &dyn std::error::Error| Failure::new(format!("cannot read `{}`: {e}", path.display()));
    let mut lines = BufReader::new(File::open(&path).map_err(|e| broken(&e))?);
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line).map_err(|e| broken(&e))?;
    let head: Head = serde_json::from_slice(&line).map_err(|e| broken(&e))?;
    let next = head.first;
    Ok((head, Reading { lines, next }))
}

/// Fills in the figures of a run whose process was killed: what the checkpoint holds, and what the journal says behind it.
///
/// # Errors
/// Neither can be read.
pub(super) fn figures(folder: &Path, report: &mut Report) -> Result<(), Failure> {
    let (head, mut items) = read(folder)?;
    let tail = Tail::read(&folder.join("journal.ndjson"), head.journal)?;
    let (mut tally, mut mapped, mut not_reached) = (head.tally, head.mapped, 0);
    while let Some((number, item)) = items.next()? {
        mapped += u64::from(item.error.is_none());
        match tail.outcomes.get(&number).filter(|settled| settled.word != Word::Skipped) {
            Some(settled) => tally.add(settled.word),
            None if tail.doubts(number) => tally.unknown += 1,
            None => not_reached += 1,
        }
    }
    (report.read, report.mapped, report.not_reached) = (head.read, mapped, not_reached);
    (report.applied, report.failed, report.unknown) = (tally.applied, tally.failed, tally.unknown);
    report.skipped = 0;
    Ok(())
}

impl Reading {
    /// The next item with its number; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Item)>, Failure> {
        let broken = |e: &dyn std::error::Error| Failure::new(format!("cannot read the run's checkpoint: {e}"));
        let mut line = Vec::new();
        if self.lines.read_until(b'\n', &mut line).map_err(|e| broken(&e))? == 0 {
            return Ok(None);
        }
        let item = serde_json::from_slice(&line).map_err(|e| broken(&e))?;
        let number = self.next;
        self.next += 1;
        Ok(Some((number, item)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_with_every_digit() {
        let folder = tempfile::tempdir().unwrap();
        let head = Head { next: Some(Position::Cursor("1.a".into())), read: 7, first: 41, ..Head::start() };
        let mut writing = Writing::begin(folder.path(), &head).unwrap();
        writing.item(6, None, r#"{"price":25.00}"#).unwrap();
        writing.item(7, Some("no \"price\""), r#"{"id":12345678901234567890}"#).unwrap();
        assert!(read(folder.path()).is_err(), "not there until it is complete");
        writing.keep(folder.path()).unwrap();
        let (back, mut items) = read(folder.path()).unwrap();
        assert_eq!((back.next, back.read), (Some(Position::Cursor("1.a".into())), 7));
        let (number, item) = items.next().unwrap().unwrap();
        assert_eq!((number, item.row, item.error, item.record.get()), (41, 6, None, r#"{"price":25.00}"#));
        let (number, item) = items.next().unwrap().unwrap();
        assert_eq!((number, item.error.as_deref()), (42, Some("no \"price\"")));
        assert_eq!(item.record.get(), r#"{"id":12345678901234567890}"#);
        assert!(items.next().unwrap().is_none());
    }
}
