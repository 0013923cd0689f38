//! What became of each record, one JSON object per line:
//!
//! ```json
//! {"row":17,"outcome":"applied","record":{"id":42}}
//! {"row":18,"outcome":"failed","error":{"kind":"conflict","retry":"never","message":"..."}}
//! {"row":19,"outcome":"unknown","error":{"kind":"unavailable","retry":"outcome-unknown","message":"..."}}
//! {"row":20,"outcome":"skipped"}
//! ```
//!
//! In a file, each call is announced by `{"sending":{"first_row":101,"last_row":200},"write":{...},"records":[...]}`, which is on
//! disk before the call is made, and its outcomes are written in one go afterwards. So a file whose last announcement has no
//! outcomes behind it says which rows were under way when the process died: those must be looked up (`unsettled.rs`, for which
//! the announcement holds what was sent, and how), and the rows behind them were not sent.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use connector_host::contract::{Error, Outcome};
use serde_json::Value;

use crate::error::Failure;
use crate::json::compact_into;
use crate::remote;

/// How many records ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub applied: u64,
    pub failed: u64,
    pub unknown: u64,
    pub skipped: u64,
}

/// Where outcomes go.
pub(crate) struct Outcomes {
    target: Target,
    /// Totals of this run.
    pub tally: Tally,
    /// The first failures, with their rows, for a person.
    pub examples: Vec<(u64, Error)>,
    /// The first row that was not sent, if only rows that were not sent are behind it.
    pub go_on_at: Option<u64>,
}

/// Failures that are repeated on stderr; all of them are among the outcomes.
const EXAMPLES: usize = 5;

enum Target {
    Stdout,
    File(File, PathBuf),
    /// Count only.
    Nowhere,
}

/// Rows that were under way when an earlier run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InDoubt {
    pub first_row: u64,
    pub last_row: u64,
}

impl Outcomes {
    /// Outcomes that nobody reads: for a look at the records before they are sent.
    pub(crate) fn nowhere() -> Self {
        Self::to(Target::Nowhere)
    }

    /// Outcomes on stdout.
    pub(crate) fn on_stdout() -> Self {
        Self::to(Target::Stdout)
    }

    /// Outcomes in a file. One that holds outcomes already is only added to (`append`), never replaced. Says which rows an earlier
    /// run left in doubt.
    pub(crate) fn in_file(path: &Path, append: bool) -> Result<(Self, Option<InDoubt>), Failure> {
        let failed =
            |e: &io::Error| Failure::new(format!("cannot open the outcomes file `{}`", path.display())).causes_of(e);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        // It holds records as they were sent, passwords among them.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|e| failed(&e))?;
        let length = file.metadata().map_err(|e| failed(&e))?.len();
        let mut doubt = None;
        if length > 0 {
            let next_row;
            (doubt, next_row) = scan(&mut file).map_err(|e| failed(&e))?;
            if !append {
                let failure =
                    Failure::new(format!("the file `{}` is there already and holds something", path.display()));
                let go_on = format!("go on with --from-row {next_row}, or choose another file");
                return Err(failure.hint(match doubt {
                    Some(InDoubt { first_row, last_row }) => format!(
                        "a run ended while rows {first_row} to {last_row} were under way: look them up with `connector resolve`, then {go_on}"
                    ),
                    None => go_on,
                }));
            }
            // A killed process may have left half a line: close it, so that what follows stands on lines of its own.
            file.seek(SeekFrom::End(-1)).map_err(|e| failed(&e))?;
            let mut last = [0];
            file.read_exact(&mut last).map_err(|e| failed(&e))?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(|e| failed(&e))?;
            }
        }
        Ok((Self::to(Target::File(file, path.to_owned())), doubt))
    }

    fn to(target: Target) -> Self {
        Self { target, tally: Tally::default(), examples: Vec::new(), go_on_at: None }
    }

    /// The file, if outcomes go to one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.target {
            Target::File(_, path) => Some(path),
            _ => None,
        }
    }

    /// Notes that these records are about to be sent, one per line, by `write` (JSON). When this returns, the note is on disk.
    pub(crate) fn sending(&mut self, first_row: u64, count: u64, write: &Value, ndjson: &[u8]) -> Result<(), Failure> {
        if let Target::File(file, path) = &mut self.target {
            let last_row = first_row + count.max(1) - 1;
            let head = format!(
                "{{\"sending\":{{\"first_row\":{first_row},\"last_row\":{last_row}}},\"write\":{write},\"records\":["
            );
            let mut line = head.into_bytes();
            for (index, record) in ndjson.split(|byte| *byte == b'\n').filter(|record| !record.is_empty()).enumerate() {
                if index > 0 {
                    line.push(b',');
                }
                line.extend_from_slice(record);
            }
            line.extend_from_slice(b"]}\n");
            file.write_all(&line)
                .and_then(|()| file.sync_data())
                .map_err(|e| Failure::new(format!("cannot write `{}`", path.display())).causes_of(&e))?;
        }
        Ok(())
    }

    /// Writes the outcomes of consecutive rows, complete lines in one go.
    pub(crate) fn write(&mut self, first_row: u64, outcomes: &[Outcome]) -> Result<(), Failure> {
        let mut text = Vec::new();
        for (row, outcome) in (first_row..).zip(outcomes) {
            self.count(row, outcome);
            line_into(row, outcome, &mut text);
        }
        match &mut self.target {
            Target::Nowhere => Ok(()),
            Target::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&text)
                    .and_then(|()| out.flush())
                    .map_err(|e| Failure::new("cannot write outcomes to stdout").causes_of(&e))
            }
            Target::File(file, path) => file
                .write_all(&text)
                .map_err(|e| Failure::new(format!("cannot write `{}`", path.display())).causes_of(&e)),
        }
    }

    fn count(&mut self, row: u64, outcome: &Outcome) {
        match outcome {
            Outcome::Skipped => {
                self.tally.skipped += 1;
                self.go_on_at.get_or_insert(row);
                return;
            }
            Outcome::Applied(_) => self.tally.applied += 1,
            Outcome::Failed(error) | Outcome::Unknown(error) => {
                if matches!(outcome, Outcome::Failed(_)) {
                    self.tally.failed += 1;
                } else {
                    self.tally.unknown += 1;
                }
                if self.examples.len() < EXAMPLES {
                    self.examples.push((row, error.clone()));
                }
            }
        }
        // Something behind a skipped row was sent: no row divides what was sent from what was not.
        self.go_on_at = None;
    }
}

/// Appends the line of one outcome.
pub(crate) fn line_into(row: u64, outcome: &Outcome, text: &mut Vec<u8>) {
    let word = match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
        Outcome::Skipped => "skipped",
    };
    text.extend_from_slice(format!("{{\"row\":{row},\"outcome\":\"{word}\"").as_bytes());
    match outcome {
        Outcome::Applied(record) => {
            text.extend_from_slice(b",\"record\":");
            // The record's own text, so that its digits stay.
            if crate::json::is_value(record.trim()) {
                compact_into(record, text);
            } else {
                text.extend_from_slice(b"null");
            }
        }
        Outcome::Failed(error) | Outcome::Unknown(error) => {
            text.extend_from_slice(format!(",\"error\":{}", remote::to_json(error)).as_bytes());
        }
        Outcome::Skipped => {}
    }
    text.extend_from_slice(b"}\n");
}

/// What an earlier run left: the rows of the last announcement that has no outcomes behind it, and the first row that was not sent.
fn scan(file: &mut File) -> io::Result<(Option<InDoubt>, u64)> {
    file.rewind()?;
    let (mut doubt, mut line) = (None, Vec::new());
    // The last row that was or may have been sent, and the first one behind it that was not.
    let (mut last, mut skipped) = (0, None);
    let mut reader = BufReader::new(&*file);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let value: Value = serde_json::from_slice(&line).unwrap_or_default();
        let number = |key: &str| value.get("sending")?.get(key)?.as_u64();
        if let (Some(first_row), Some(last_row)) = (number("first_row"), number("last_row")) {
            doubt = Some(InDoubt { first_row, last_row });
            (last, skipped) = (last_row, None);
        } else if let (true, Some(row)) = (line.ends_with(b"\n"), value.get("row").and_then(Value::as_u64)) {
            if value.get("outcome").is_some_and(|outcome| outcome == "skipped") {
                skipped.get_or_insert(row);
            } else {
                skipped = None;
            }
            // Outcomes are written in order: what is behind the last complete line is still in doubt.
            doubt = doubt.filter(|rows| row < rows.last_row).map(|rows| InDoubt { first_row: row + 1, ..rows });
        }
    }
    let next = if doubt.is_none() { skipped } else { None };
    Ok((doubt, next.unwrap_or(last + 1)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use connector_host::contract::{ErrorKind, Retry};

    use serde_json::json;

    use super::*;

    fn error() -> Error {
        Error {
            kind: ErrorKind::Conflict,
            retry: Retry::Never,
            message: "the name is taken".into(),
            status: Some(409),
            code: None,
            pointer: Some("/name".into()),
        }
    }

    #[test]
    fn lines_hold_the_record_as_the_remote_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.ndjson");
        let (mut outcomes, doubt) = Outcomes::in_file(&path, false).unwrap();
        assert_eq!(doubt, None);
        outcomes.sending(17, 3, &json!({ "object": "o" }), b"{\"a\":1.50}\n{}\n{}\n").unwrap();
        let list = [
            Outcome::Applied("{\"id\": 12345678901234567890,\n \"p\": 25.00}".into()),
            Outcome::Failed(error()),
            Outcome::Skipped,
        ];
        outcomes.write(17, &list).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "{\"sending\":{\"first_row\":17,\"last_row\":19},\"write\":{\"object\":\"o\"},\"records\":[{\"a\":1.50},{},{}]}"
        );
        assert_eq!(
            lines[1],
            "{\"row\":17,\"outcome\":\"applied\",\"record\":{\"id\":12345678901234567890,\"p\":25.00}}"
        );
        let failed: Value = serde_json::from_str(lines[2]).unwrap();
        assert_eq!(failed["error"]["pointer"], "/name");
        assert_eq!(failed["error"]["kind"], "conflict");
        assert_eq!(serde_json::from_str::<Value>(lines[3]).unwrap(), json!({ "row": 19, "outcome": "skipped" }));
        assert_eq!(outcomes.tally, Tally { applied: 1, failed: 1, unknown: 0, skipped: 1 });
        assert_eq!(outcomes.go_on_at, Some(19));
    }

    #[test]
    fn a_row_that_was_sent_behind_a_skipped_one_leaves_no_place_to_go_on() {
        let mut outcomes = Outcomes::nowhere();
        outcomes.write(1, &[Outcome::Skipped, Outcome::Applied("{}".into())]).unwrap();
        assert_eq!(outcomes.go_on_at, None);
    }

    #[test]
    fn a_file_of_a_killed_run_tells_the_rows_in_doubt_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.ndjson");
        let sending = "{\"sending\":{\"first_row\":1,\"last_row\":2}}\n{\"row\":1,\"outcome\":\"skipped\"}\n";
        for (text, want) in [
            ("{\"sending\":{\"first_row\":1,\"last_row\":2}}\n".to_owned(), Some((1, 2))),
            (sending.to_owned(), Some((2, 2))),
            (format!("{sending}{{\"row\":2,\"outc"), Some((2, 2))),
            (format!("{sending}{{\"row\":2,\"outcome\":\"skipped\"}}\n"), None),
        ] {
            std::fs::write(&path, &text).unwrap();
            let want = want.map(|(first_row, last_row)| InDoubt { first_row, last_row });
            assert!(Outcomes::in_file(&path, false).is_err());
            let (mut outcomes, doubt) = Outcomes::in_file(&path, true).unwrap();
            assert_eq!(doubt, want, "{text}");
            outcomes.write(3, &[Outcome::Skipped]).unwrap();
            let after = std::fs::read_to_string(&path).unwrap();
            assert!(after.starts_with(&text) && after.ends_with("\n{\"row\":3,\"outcome\":\"skipped\"}\n"), "{after}");
        }
    }
}
