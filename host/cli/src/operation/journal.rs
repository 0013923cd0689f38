//! The end of a run's journal: what became of the items that the checkpoint holds. The journal is a file of outcomes
//! (`outcomes.rs`); items before the checkpoint are counted there, so only what is behind that place is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Failure;
use crate::outcomes::Word;
use crate::unsettled::Sending;

/// What an earlier process left behind the checkpoint.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The last outcome of each item that has one.
    pub outcomes: BTreeMap<u64, Settled>,
    /// Items that were under way when the process ended.
    doubt: Option<RangeInclusive<u64>>,
}

/// An outcome as it stands in the journal.
#[derive(Debug)]
pub(super) struct Settled {
    pub word: Word,
    /// The error, JSON.
    pub error: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    sending: Option<Sending>,
    row: Option<u64>,
    outcome: Option<Word>,
    error: Option<Box<RawValue>>,
}

impl Tail {
    /// Reads what is behind `from`.
    pub(super) fn read(path: &Path, from: u64) -> Result<Self, Failure> {
        let failed = |e: &io::Error| Failure::new(format!("cannot read `{}`", path.display())).causes_of(e);
        let mut tail = Self::default();
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(tail),
            Err(e) => return Err(failed(&e)),
        };
        file.seek(SeekFrom::Start(from)).map_err(|e| failed(&e))?;
        let (mut reader, mut bytes) = (BufReader::new(file), Vec::new());
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes).map_err(|e| failed(&e))? == 0 {
                return Ok(tail);
            }
            // Half a line of a killed process tells nothing.
            let Some(line) = bytes.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<Line>(line).ok())
            else {
                continue;
            };
            if let Some(Sending { first_row, last_row }) = line.sending {
                tail.outcomes.retain(|item, _| !(first_row..=last_row).contains(item));
                tail.doubt = Some(first_row..=last_row);
            } else if let (Some(item), Some(word)) = (line.row, line.outcome) {
                tail.outcomes.insert(item, Settled { word, error: line.error.map(|error| error.get().to_owned()) });
            }
        }
    }

    /// Whether nobody knows what became of the item: it was sent, and the journal has no outcome of it.
    pub(super) fn doubts(&self, item: u64) -> bool {
        self.doubt.as_ref().is_some_and(|range| range.contains(&item)) && !self.outcomes.contains_key(&item)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn items_that_were_under_way_are_in_doubt_and_settled_ones_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let before = "{\"row\":1,\"outcome\":\"applied\"}\n";
        let text = format!(
            "{before}{{\"sending\":{{\"first_row\":2,\"last_row\":3}}}}\n{{\"row\":2,\"outcome\":\"applied\"}}\n\
             {{\"row\":3,\"outcome\":\"failed\",\"error\":{{\"kind\":\"x\"}}}}\n{{\"row\":4,\"outcome\":\"failed\"}}\n\
             {{\"sending\":{{\"first_row\":5,\"last_row\":6}}}}\n{{\"row\":5,\"outcome\":\"skipped\"}}\n{{\"row\":6,\"outc"
        );
        std::fs::write(file.path(), text).unwrap();
        let tail = Tail::read(file.path(), before.len() as u64).unwrap();
        let words: Vec<(u64, &str)> = tail.outcomes.iter().map(|(item, one)| (*item, one.word.text())).collect();
        assert_eq!(words, [(2, "applied"), (3, "failed"), (4, "failed"), (5, "skipped")]);
        assert_eq!(tail.outcomes[&3].error.as_deref(), Some("{\"kind\":\"x\"}"));
        assert_eq!((1..=7).filter(|item| tail.doubts(*item)).collect::<Vec<_>>(), [6]);
        assert!(Tail::read(Path::new("/nowhere/journal"), 0).unwrap().outcomes.is_empty());
    }
}
