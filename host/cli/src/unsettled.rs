//! Reads an outcomes file: where the outcome of each row stands, and which rows nobody knows the outcome of, with what was sent.
//!
//! A row is unsettled if its last outcome is `unknown`, or if the last announcement that holds it has no outcome behind it. Only
//! unsettled records and one place per row are kept in memory. Half a line at the end, of a killed process, is left out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use connector_host::contract::{WriteMode, WriteRequest, WrittenBy};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::args::Verb;
use crate::error::Failure;
use crate::outcomes::Word;

/// The connection over which records were sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Via {
    /// The connection's name.
    pub name: String,
    /// The connector's name.
    pub connector: String,
    /// Digest of the settings that say which store it is.
    pub store: String,
}

/// How records were sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    activity: Verb,
    object: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    upsert: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    match_on: Vec<String>,
}

/// To where records were sent, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub via: Via,
    pub write: Write,
}

impl Sent {
    /// As it stands in the file: the connection, and how it was used.
    pub(crate) fn to_json(&self) -> (Value, Value) {
        let json = |value: serde_json::Result<Value>| value.unwrap_or_default();
        (json(serde_json::to_value(&self.via)), json(serde_json::to_value(&self.write)))
    }

    /// Why outcomes of the other do not belong into one file with those of this one.
    pub(crate) fn differs_from(&self, other: &Self) -> Option<String> {
        if let Some(why) = self.via.differs_from(&other.via) {
            return Some(why);
        }
        let (ours, theirs) = (&self.write, &other.write);
        ((ours.activity, &ours.object) != (theirs.activity, &theirs.object))
            .then(|| format!("{} of `{}`", theirs.activity.word(), theirs.object))
    }
}

impl Via {
    /// Why this is not the other connection.
    pub(crate) fn differs_from(&self, other: &Self) -> Option<String> {
        if self.name != other.name || self.connector != other.connector {
            Some(format!("the connection `{}` of the connector `{}`", other.name, other.connector))
        } else if self.store != other.store {
            Some(format!("the connection `{}` as it was when it led to another store", other.name))
        } else {
            None
        }
    }
}

impl Write {
    /// How this request sends its records.
    pub(crate) fn new(activity: Verb, request: &WriteRequest) -> Self {
        Self {
            activity,
            object: request.object.clone(),
            upsert: request.mode == WriteMode::Upsert,
            match_on: request.match_on.clone(),
        }
    }

    /// What the connector's `resolve` takes.
    pub(crate) fn resolves(&self, records: Vec<u8>) -> (WrittenBy, WriteRequest) {
        let by = match self.activity {
            Verb::Create => WrittenBy::Create,
            Verb::Update => WrittenBy::Update,
            Verb::Delete => WrittenBy::Delete,
        };
        let request = WriteRequest {
            object: self.object.clone(),
            records,
            mode: if self.upsert { WriteMode::Upsert } else { WriteMode::Strict },
            match_on: self.match_on.clone(),
            continue_on_error: true,
            validate_only: false,
        };
        (by, request)
    }
}

/// A row of which nobody knows what became.
#[derive(Clone, Debug)]
pub(crate) struct Unsettled {
    /// How it was sent.
    pub write: Write,
    /// What was sent, as it was written.
    pub record: Box<RawValue>,
}

/// An outcomes file that was read to its end.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// Offset and length of the last outcome of each row.
    places: BTreeMap<u64, (u64, usize)>,
    /// The connection over which they were sent; none if the file does not say.
    pub via: Option<Via>,
    /// Rows to look up.
    pub unsettled: BTreeMap<u64, Unsettled>,
}

/// One line; all of it is optional, since a line is an announcement or an outcome.
#[derive(Deserialize)]
struct Line {
    sending: Option<Sending>,
    connection: Option<Via>,
    write: Option<Write>,
    records: Option<Vec<Box<RawValue>>>,
    row: Option<u64>,
    outcome: Option<Word>,
}

/// The rows that an announcement names.
#[derive(Deserialize)]
pub(crate) struct Sending {
    pub first_row: u64,
    pub last_row: u64,
}

impl Journal {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let failed =
            |e: &io::Error| Failure::new(format!("cannot read the outcomes file `{}`", path.display())).causes_of(e);
        let file = File::open(path).map_err(|e| failed(&e))?;
        let mut journal = Self { file, places: BTreeMap::new(), via: None, unsettled: BTreeMap::new() };
        let mut reader = BufReader::new(journal.file.try_clone().map_err(|e| failed(&e))?);
        // The records of the last announcement: those of its rows that have an outcome are among the unsettled only if it is unknown.
        let mut call: BTreeMap<u64, Unsettled> = BTreeMap::new();
        let (mut at, mut number, mut line) = (0, 0u64, Vec::new());
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).map_err(|e| failed(&e))?;
            if length == 0 {
                break;
            }
            number += 1;
            let place = (at, length);
            at += length as u64;
            if line.trim_ascii().is_empty() || !line.ends_with(b"\n") {
                continue;
            }
            // A line that a killed process left half, and a later run closed.
            let Ok(line) = serde_json::from_slice::<Line>(&line) else { continue };
            if let Some(sending) = line.sending {
                let (Some(via), Some(write), Some(records)) = (line.connection, line.write, line.records) else {
                    let what = format!("line {number} of `{}` does not say what was sent", path.display());
                    return Err(Failure::new(what).hint("look the rows up in the store by hand"));
                };
                if let Some(why) = journal.via.replace(via.clone()).and_then(|before| via.differs_from(&before)) {
                    let what = format!("line {number} of `{}` is of another connection than {why}", path.display());
                    return Err(Failure::new(what).hint("cut the file into one per connection"));
                }
                let rows = sending.first_row..=sending.last_row;
                call =
                    rows.zip(records).map(|(row, record)| (row, Unsettled { write: write.clone(), record })).collect();
                journal.unsettled.extend(call.iter().map(|(row, sent)| (*row, sent.clone())));
                continue;
            }
            let (Some(row), Some(outcome)) = (line.row, line.outcome) else { continue };
            journal.places.insert(row, place);
            if outcome == Word::Unknown {
                // One that was looked up in vain has another line, behind those of later calls.
                match call.remove(&row).or_else(|| journal.unsettled.remove(&row)) {
                    Some(sent) => journal.unsettled.insert(row, sent),
                    None => {
                        let what = format!("`{}` does not say what was sent as row {row}", path.display());
                        let hint = "pass the file that --outcomes wrote; what is on stdout does not hold what was sent";
                        return Err(Failure::new(what).hint(hint));
                    }
                };
            } else {
                journal.unsettled.remove(&row);
            }
        }
        if journal.places.is_empty() && journal.unsettled.is_empty() {
            let failure = Failure::new(format!("`{}` holds no outcomes", path.display()));
            return Err(failure.hint("pass the file that --outcomes of create, update or delete wrote"));
        }
        Ok(journal)
    }

    /// Every row of the file, in order.
    pub(crate) fn rows(&self) -> Vec<u64> {
        let mut rows: Vec<u64> = self.places.keys().chain(self.unsettled.keys()).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// The line of a row's last outcome, and its word; none if it has none.
    pub(crate) fn outcome(&mut self, row: u64) -> io::Result<Option<(Vec<u8>, Word)>> {
        let Some((at, length)) = self.places.get(&row).copied() else { return Ok(None) };
        self.file.seek(SeekFrom::Start(at))?;
        let mut line = vec![0; length];
        self.file.read_exact(&mut line)?;
        let word = serde_json::from_slice::<Line>(&line).ok().and_then(|line| line.outcome);
        Ok(word.map(|word| (line, word)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn journal(text: &str) -> Result<Journal, Failure> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Journal::read(file.path())
    }

    const SENDING: &str = "{\"sending\":{\"first_row\":1,\"last_row\":3},\"connection\":{\"name\":\"s\",\"connector\":\"c\",\"store\":\"d\"},\"write\":{\"activity\":\"create\",\"object\":\"o\"},\
                           \"records\":[{\"n\":1.50},{\"n\":2},{\"n\":3}]}\n";

    #[test]
    fn unknown_rows_and_rows_without_an_outcome_are_unsettled() {
        let text = format!(
            "{SENDING}{{\"row\":1,\"outcome\":\"unknown\",\"error\":{{}}}}\n{{\"row\":2,\"outcome\":\"applied\",\"record\":{{}}}}\n{{\"row\":3,\"outc"
        );
        let mut journal = journal(&text).unwrap();
        assert_eq!(journal.unsettled.keys().copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(journal.unsettled.get(&1).unwrap().record.get(), "{\"n\":1.50}");
        assert_eq!(journal.rows(), [1, 2, 3]);
        assert_eq!(journal.outcome(2).unwrap().unwrap().1, Word::Applied);
        assert_eq!(journal.outcome(3).unwrap(), None);
    }

    #[test]
    fn the_last_outcome_of_a_row_counts() {
        let text = format!(
            "{SENDING}{{\"row\":1,\"outcome\":\"applied\"}}\n{{\"row\":2,\"outcome\":\"unknown\"}}\n{{\"row\":3,\"outcome\":\"skipped\"}}\n\
             {{\"sending\":{{\"first_row\":2,\"last_row\":3}},\"connection\":{{\"name\":\"s\",\"connector\":\"c\",\"store\":\"d\"}},\"write\":{{\"activity\":\"create\",\"object\":\"o\"}},\"records\":[{{}},{{}}]}}\n\
             {{\"row\":2,\"outcome\":\"failed\"}}\n{{\"row\":3,\"outcome\":\"applied\"}}\n"
        );
        let mut journal = journal(&text).unwrap();
        assert!(journal.unsettled.is_empty());
        assert_eq!(journal.outcome(2).unwrap().unwrap().1, Word::Failed);
    }

    #[test]
    fn a_row_that_was_looked_up_in_vain_can_be_looked_up_again() {
        let unknown = "{\"row\":1,\"outcome\":\"unknown\",\"error\":{}}\n";
        let later = SENDING.replace("\"first_row\":1,\"last_row\":3", "\"first_row\":4,\"last_row\":6");
        let settled: String =
            [2, 3, 4, 5, 6].map(|row| format!("{{\"row\":{row},\"outcome\":\"applied\"}}\n")).concat();
        let journal = journal(&format!("{SENDING}{unknown}{later}{settled}{unknown}{unknown}")).unwrap();
        assert_eq!(journal.unsettled.keys().copied().collect::<Vec<_>>(), [1]);
        assert_eq!(journal.unsettled.get(&1).unwrap().record.get(), "{\"n\":1.50}");
    }

    #[test]
    fn a_file_without_what_was_sent_is_refused_where_it_matters() {
        assert!(journal("{\"row\":1,\"outcome\":\"unknown\"}\n").is_err());
        assert!(journal("{\"row\":1,\"outcome\":\"applied\"}\n").unwrap().unsettled.is_empty());
        let elsewhere = SENDING.replace("\"store\":\"d\"", "\"store\":\"e\"");
        assert!(journal(&format!("{SENDING}{elsewhere}")).is_err(), "of two stores");
        assert!(journal("").is_err() && journal("name,price\n").is_err());
    }

    #[test]
    fn what_is_written_down_is_what_is_resolved() {
        let request = WriteRequest {
            object: "o".into(),
            records: Vec::new(),
            mode: WriteMode::Upsert,
            match_on: vec!["sku".into()],
            continue_on_error: false,
            validate_only: false,
        };
        let write = serde_json::to_value(Write::new(Verb::Update, &request)).unwrap();
        let write: Write = serde_json::from_value(write).unwrap();
        let (by, again) = write.resolves(b"{}\n".to_vec());
        assert_eq!((by, again.mode, again.match_on), (WrittenBy::Update, WriteMode::Upsert, vec!["sku".to_owned()]));
    }
}
