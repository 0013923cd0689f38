//! What became of each record, one JSON object per line:
//!
//! ```json
//! {"row":17,"outcome":"applied","record":{"id":42}}
//! {"row":18,"outcome":"failed","error":{"kind":"conflict","retry":"never","message":"..."}}
//! {"row":19,"outcome":"unknown","error":{"kind":"unavailable","retry":"outcome-unknown","message":"..."}}
//! {"row":20,"outcome":"skipped"}
//! ```
//!
//! In a file, each call is announced by `{"sending":{"first_row":101,"last_row":200},"connection":{...},"write":{...},
//! "records":[...]}`, which is on disk before the call is made, and its outcomes are written in one go afterwards. So a file whose
//! last announcement has no outcomes behind it says which rows were under way when the process died: those must be looked up
//! (`unsettled.rs`, for which the announcement holds what was sent, to where, and how), and the rows behind them were not sent.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use connector_host::contract::{Error, Outcome};
use serde::Deserialize;
use serde_json::json;

use crate::error::Failure;
use crate::json::compact_into;
use crate::progress::counted;
use crate::remote;
use crate::unsent::{Rest, Unsent, were};
use crate::unsettled::{Sending, Sent, Via, Write};

/// How many records ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
pub(crate) struct Tally {
    pub applied: u64,
    pub failed: u64,
    pub unknown: u64,
    pub skipped: u64,
}

impl Tally {
    /// Counts an outcome by its word.
    pub(crate) fn add(&mut self, word: Word) {
        match word {
            Word::Applied => self.applied += 1,
            Word::Failed => self.failed += 1,
            Word::Unknown => self.unknown += 1,
            Word::Skipped => self.skipped += 1,
        }
    }

    /// What went wrong, for a person; empty if nothing did.
    pub(crate) fn wrong(&self) -> String {
        let parts = [(self.failed, "failed"), (self.unknown, "may or may not have been done")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        parts.map(|(count, word)| format!("{} {word}", counted(count, "record"))).collect::<Vec<_>>().join(", ")
    }

    /// For programs.
    pub(crate) fn to_json(self) -> serde_json::Value {
        let Self { applied, failed, unknown, skipped } = self;
        json!({ "applied": applied, "failed": failed, "unknown": unknown, "skipped": skipped })
    }
}

/// What the lines call an outcome.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    Applied,
    Failed,
    Unknown,
    Skipped,
}

impl Word {
    /// As it is written.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

impl From<&Outcome> for Word {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied(_) => Self::Applied,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Unknown(_) => Self::Unknown,
            Outcome::Skipped => Self::Skipped,
        }
    }
}

/// Where outcomes go.
pub(crate) struct Outcomes {
    target: Target,
    /// Totals of this run.
    pub tally: Tally,
    /// The first failures, with their rows, for a person.
    pub examples: Vec<(u64, Error)>,
    /// Rows that this run did not send.
    pub unsent: Unsent,
}

/// Failures that are repeated on stderr; all of them are among the outcomes.
const EXAMPLES: usize = 5;

enum Target {
    Stdout,
    File(File, PathBuf),
    /// Count only.
    Nowhere,
}

/// What a file of outcomes held when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// Rows that were under way when a run ended, first and last.
    pub doubt: Option<(u64, u64)>,
    /// Rows that no run has sent.
    pub unsent: Unsent,
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

    /// Outcomes in a file, of records that are sent like this. One that holds outcomes already is only added to (`append`), never
    /// replaced, and only if they are of the same connection, object and activity. Says what it holds.
    pub(crate) fn in_file(path: &Path, append: bool, sent: &Sent) -> Result<(Self, Earlier), Failure> {
        let failed =
            |e: &io::Error| Failure::new(format!("cannot open the outcomes file `{}`", path.display())).causes_of(e);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(|e| failed(&e))?;
        let length = file.metadata().map_err(|e| failed(&e))?.len();
        let mut earlier = Earlier::default();
        if length > 0 {
            earlier = scan(&mut file, path, sent)?;
            if !append {
                let failure =
                    Failure::new(format!("the file `{}` is there already and holds something", path.display()));
                let go_on = format!("{}, or choose another file", go_on(&earlier.unsent.rest(), true));
                return Err(failure.hint(match earlier.doubt {
                    Some((first, last)) => format!(
                        "a run ended while rows {first} to {last} were under way: look them up with `connector resolve`, then {go_on}"
                    ),
                    None => go_on,
                }));
            }
        }
        // It holds records as they were sent, passwords among them; it may have been made by somebody else.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(|e| failed(&e))?;
        }
        if length > 0 {
            // A killed process may have left half a line: close it, so that what follows stands on lines of its own.
            file.seek(SeekFrom::End(-1)).map_err(|e| failed(&e))?;
            let mut last = [0];
            file.read_exact(&mut last).map_err(|e| failed(&e))?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(|e| failed(&e))?;
            }
        }
        Ok((Self::to(Target::File(file, path.to_owned())), earlier))
    }

    fn to(target: Target) -> Self {
        Self { target, tally: Tally::default(), examples: Vec::new(), unsent: Unsent::from_row(1) }
    }

    /// The file, if outcomes go to one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.target {
            Target::File(_, path) => Some(path),
            _ => None,
        }
    }

    /// Notes that these records are about to be sent, one per line, like this. When this returns, the note is on disk.
    pub(crate) fn sending(&mut self, first_row: u64, count: u64, sent: &Sent, ndjson: &[u8]) -> Result<(), Failure> {
        if let Target::File(file, path) = &mut self.target {
            let last_row = first_row + count.max(1) - 1;
            let (connection, write) = sent.to_json();
            let head = format!(
                "{{\"sending\":{{\"first_row\":{first_row},\"last_row\":{last_row}}},\"connection\":{connection},\"write\":{write},\"records\":["
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

    /// When this returns, what was written to a file is on disk.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        let Target::File(file, path) = &self.target else { return Ok(()) };
        file.sync_data().map_err(|e| Failure::new(format!("cannot write `{}`", path.display())).causes_of(&e))
    }

    fn count(&mut self, row: u64, outcome: &Outcome) {
        self.tally.add(outcome.into());
        match outcome {
            Outcome::Skipped => return self.unsent.skipped(row),
            Outcome::Failed(error) | Outcome::Unknown(error) if self.examples.len() < EXAMPLES => {
                self.examples.push((row, error.clone()));
            }
            _ => {}
        }
        self.unsent.sent(row);
    }
}

/// How to send the rest, for a person. `in_file`: whether outcomes are in a file that a later run can read.
pub(crate) fn go_on(rest: &Rest, in_file: bool) -> String {
    let Rest { between, from_row } = rest;
    let tail = format!("go on with --from-row {from_row}");
    match (between.as_slice(), in_file) {
        ([], _) => tail,
        (rows, true) => format!("{} not sent: send them with --only-skipped, then {tail}", were(rows)),
        (rows, false) => {
            format!("{} not sent: send them as an input of their own, then {tail}; {WITH_FILE}", were(rows))
        }
    }
}

/// What would have been simpler.
pub(crate) const WITH_FILE: &str = "with --outcomes FILE, --only-skipped does that";

/// Appends the line of one outcome.
pub(crate) fn line_into(row: u64, outcome: &Outcome, text: &mut Vec<u8>) {
    text.extend_from_slice(format!("{{\"row\":{row},\"outcome\":\"{}\"", Word::from(outcome).text()).as_bytes());
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

/// One line, as far as it matters for going on.
#[derive(Deserialize)]
struct Line {
    sending: Option<Sending>,
    connection: Option<Via>,
    write: Option<Write>,
    row: Option<u64>,
    outcome: Option<Word>,
}

/// What earlier runs left. Refuses a file whose records were sent in another way than `sent`.
fn scan(file: &mut File, path: &Path, sent: &Sent) -> Result<Earlier, Failure> {
    let failed =
        |e: &io::Error| Failure::new(format!("cannot read the outcomes file `{}`", path.display())).causes_of(e);
    file.rewind().map_err(|e| failed(&e))?;
    let (mut earlier, mut bytes) = (Earlier { unsent: Unsent::from_row(1), ..Earlier::default() }, Vec::new());
    let mut reader = BufReader::new(&*file);
    loop {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(|e| failed(&e))? == 0 {
            if let Some((_, last)) = earlier.doubt {
                earlier.unsent.sent(last);
            }
            return Ok(earlier);
        }
        let Ok(line) = serde_json::from_slice::<Line>(&bytes) else { continue };
        if let Some(Sending { first_row, last_row }) = line.sending {
            let other = line.connection.zip(line.write).map(|(via, write)| Sent { via, write });
            if let Some(why) = other.and_then(|other| sent.differs_from(&other)) {
                let failure = Failure::new(format!("the outcomes in `{}` are of {why}", path.display()));
                return Err(failure.hint("choose another file"));
            }
            // What an earlier call left in doubt stays so.
            if let Some((_, last)) = earlier.doubt.replace((first_row, last_row)) {
                earlier.unsent.sent(last);
            }
            earlier.unsent.announced(first_row, last_row);
        } else if let (true, Some(row)) = (bytes.ends_with(b"\n"), line.row) {
            if line.outcome == Some(Word::Skipped) {
                earlier.unsent.skipped(row);
            } else {
                earlier.unsent.sent(row);
            }
            // Outcomes are written in order: what is behind the last complete line is still in doubt.
            earlier.doubt = earlier.doubt.filter(|(_, last)| row < *last).map(|(_, last)| (row + 1, last));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use connector_host::contract::{ErrorKind, Retry};

    use serde_json::Value;

    use super::*;

    fn sent(name: &str, object: &str) -> Sent {
        let via = json!({ "name": name, "connector": "c", "store": "sha256:1" });
        let write = json!({ "activity": "create", "object": object });
        Sent { via: serde_json::from_value(via).unwrap(), write: serde_json::from_value(write).unwrap() }
    }

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
        let (mut outcomes, earlier) = Outcomes::in_file(&path, false, &sent("store", "o")).unwrap();
        assert_eq!(earlier, Earlier::default());
        outcomes.sending(17, 3, &sent("store", "o"), b"{\"a\":1.50}\n{}\n{}\n").unwrap();
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
            "{\"sending\":{\"first_row\":17,\"last_row\":19},\"connection\":{\"connector\":\"c\",\"name\":\"store\",\"store\":\"sha256:1\"},\
             \"write\":{\"activity\":\"create\",\"object\":\"o\"},\"records\":[{\"a\":1.50},{},{}]}"
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
        assert_eq!(outcomes.unsent.rest(), Rest { between: vec![], from_row: 19 });
    }

    #[test]
    fn rows_that_were_skipped_in_front_of_others_are_never_left_behind() {
        let mut outcomes = Outcomes::nowhere();
        outcomes.write(1, &[Outcome::Skipped, Outcome::Applied("{}".into())]).unwrap();
        outcomes.write(3, &[Outcome::Applied("{}".into()), Outcome::Skipped]).unwrap();
        let rest = outcomes.unsent.rest();
        assert_eq!(rest, Rest { between: vec![1, 4], from_row: 5 });
        assert!(go_on(&rest, true).starts_with("rows 1, 4 were not sent: send them with --only-skipped, then"));
    }

    #[test]
    fn a_file_of_a_killed_run_tells_the_rows_in_doubt_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.ndjson");
        let sending = "{\"sending\":{\"first_row\":1,\"last_row\":3}}\n";
        let line = |row: u64, word: &str| format!("{{\"row\":{row},\"outcome\":\"{word}\"}}\n");
        for (text, doubt, between, from_row) in [
            (sending.to_owned(), Some((1, 3)), vec![], 4),
            (format!("{sending}{}", line(1, "skipped")), Some((2, 3)), vec![1], 4),
            (format!("{sending}{}{{\"row\":2,\"outc", line(1, "skipped")), Some((2, 3)), vec![1], 4),
            (format!("{sending}{}{}{}", line(1, "applied"), line(2, "skipped"), line(3, "skipped")), None, vec![], 2),
            (format!("{sending}{}{}{}", line(1, "skipped"), line(2, "applied"), line(3, "failed")), None, vec![1], 4),
        ] {
            std::fs::write(&path, &text).unwrap();
            assert!(Outcomes::in_file(&path, false, &sent("store", "o")).is_err());
            let (mut outcomes, earlier) = Outcomes::in_file(&path, true, &sent("store", "o")).unwrap();
            assert_eq!((earlier.doubt, earlier.unsent.rest()), (doubt, Rest { between, from_row }), "{text}");
            outcomes.write(9, &[Outcome::Skipped]).unwrap();
            let after = std::fs::read_to_string(&path).unwrap();
            assert!(after.starts_with(&text) && after.ends_with("\n{\"row\":9,\"outcome\":\"skipped\"}\n"), "{after}");
        }
    }

    #[test]
    fn outcomes_of_another_connection_or_object_do_not_go_into_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.ndjson");
        let (mut outcomes, _) = Outcomes::in_file(&path, false, &sent("store", "o")).unwrap();
        outcomes.sending(1, 1, &sent("store", "o"), b"{}\n").unwrap();
        assert!(Outcomes::in_file(&path, true, &sent("store", "o")).is_ok());
        for other in [sent("other", "o"), sent("store", "p")] {
            let failure = Outcomes::in_file(&path, true, &other).err().unwrap();
            assert!(failure.message.contains("are of"), "{failure:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_a_file_of_outcomes() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.ndjson");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        Outcomes::in_file(&path, false, &sent("store", "o")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
