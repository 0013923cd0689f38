//! Records that failed or are unknown, each with its reason, in a file that can be mended and fed back in:
//!
//! ```json
//! {"row":17,"item":17,"stage":"target","outcome":"failed","error":{"kind":"conflict","message":"…"},"record":{"id":42}}
//! ```
//!
//! `row` counts the rows of the source, `item` those of the journal. At the stage `mapping` the record is the source's, and is mapped
//! again; at `target` it is what was sent, and is sent as it stands.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::journal::Settled;
use crate::error::Failure;
use crate::files::{Access, beside, keep, not_written};
use crate::outcomes::Word;

const NAME: &str = "rejected.ndjson";

/// Where a record was when it failed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    Mapping,
    Target,
}

/// The file, at its end.
#[derive(Debug)]
pub(super) struct Rejected {
    file: File,
    path: PathBuf,
}

/// A line of such a file, fed back in. Whoever mended it may have noted something beside, or left its numbers out: it is one all the same,
/// for what is unknown must not pass for a record like any other.
#[derive(Deserialize)]
pub(super) struct Line {
    pub row: Option<u64>,
    #[serde(default)]
    item: u64,
    pub stage: Stage,
    outcome: Word,
    #[serde(default, rename = "error")]
    _error: Option<Box<RawValue>>,
    pub record: Box<RawValue>,
}

/// Whether it is a line of such a file, and nobody knows what became of its record.
pub(super) fn is_unknown(line: &[u8]) -> bool {
    serde_json::from_slice::<Line>(line).is_ok_and(|line| line.outcome == Word::Unknown)
}

impl Rejected {
    /// Opens the file, as it was when it had this length.
    pub(super) fn open(folder: &Path, length: u64) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(|e| not_written(&path, &e))?;
        file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|e| not_written(&path, &e))?;
        Ok(Self { file, path })
    }

    pub(super) fn add(
        &mut self,
        (row, item): (u64, u64),
        stage: Stage,
        outcome: Word,
        error: &str,
        record: &str,
    ) -> Result<(), Failure> {
        let line = line(row, item, stage, outcome, error, record);
        self.file.write_all(line.as_bytes()).map_err(|e| not_written(&self.path, &e))
    }

    /// Its length; all of it is on disk then.
    pub(super) fn synced(&mut self) -> Result<u64, Failure> {
        let synced = self.file.sync_data().and_then(|()| self.file.stream_position());
        synced.map_err(|e| not_written(&self.path, &e))
    }
}

fn line(row: u64, item: u64, stage: Stage, outcome: Word, error: &str, record: &str) -> String {
    let stage = if stage == Stage::Mapping { "mapping" } else { "target" };
    let outcome = outcome.text();
    format!(
        "{{\"row\":{row},\"item\":{item},\"stage\":\"{stage}\",\"outcome\":\"{outcome}\",\"error\":{error},\"record\":{record}}}\n"
    )
}

/// Replaces the file by one in which unknown records stand as these outcomes have them: those that are applied go. Lines that this
/// program has not written stay. Answers the length of what belongs to the items before this one.
pub(super) fn settle(folder: &Path, before: u64, outcomes: &BTreeMap<u64, Settled>) -> Result<u64, Failure> {
    let path = folder.join(NAME);
    let failed = |e: &std::io::Error| not_written(&path, e);
    let mut reader = BufReader::new(File::open(&path).map_err(|e| failed(&e))?);
    let mut writer = BufWriter::new(beside(&path, Access::Private)?);
    let (mut length, mut length_before, mut bytes) = (0, 0, Vec::new());
    loop {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(|e| failed(&e))? == 0 {
            break;
        }
        let known = serde_json::from_slice::<Line>(&bytes).ok();
        let unknown = known.as_ref().filter(|known| known.outcome == Word::Unknown);
        if let Some((known, settled)) = unknown.and_then(|known| Some((known, outcomes.get(&known.item)?))) {
            bytes.clear();
            if settled.word != Word::Applied {
                let error = settled.error.as_deref().unwrap_or("null");
                let (row, item, record) = (known.row.unwrap_or_default(), known.item, known.record.get());
                bytes.extend_from_slice(line(row, item, known.stage, settled.word, error, record).as_bytes());
            }
        }
        writer.write_all(&bytes).map_err(|e| failed(&e))?;
        length += bytes.len() as u64;
        if known.is_none_or(|known| known.item < before) {
            length_before = length;
        }
    }
    let file = writer.into_inner().map_err(|e| failed(e.error()))?;
    keep(file, &path)?;
    Ok(length_before)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_known_now_replaces_what_was_unknown_and_the_place_of_the_checkpoint_moves_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let record = "{\"price\":25.00}";
        let of = |item, outcome: Word, error: &str| line(item + 1, item, Stage::Target, outcome, error, record);
        let mut rejected = Rejected::open(folder.path(), 0).unwrap();
        for (item, outcome) in [1, 2, 3, 4, 5].map(|item| (item, if item == 2 { Word::Failed } else { Word::Unknown }))
        {
            rejected.add((item + 1, item), Stage::Target, outcome, "{}", record).unwrap();
        }
        let settled = |word, error: Option<&str>| Settled { word, error: error.map(str::to_owned) };
        let outcomes = BTreeMap::from([
            (1, settled(Word::Applied, None)),
            (2, settled(Word::Failed, Some("{}"))),
            (3, settled(Word::Failed, Some("{\"kind\":\"not-found\"}"))),
            (4, settled(Word::Unknown, Some("{\"kind\":\"denied\"}"))),
        ]);
        let before = settle(folder.path(), 4, &outcomes).unwrap();
        let (head, rest) = (
            of(2, Word::Failed, "{}") + &of(3, Word::Failed, "{\"kind\":\"not-found\"}"),
            of(4, Word::Unknown, "{\"kind\":\"denied\"}") + &of(5, Word::Unknown, "{}"),
        );
        assert_eq!(std::fs::read_to_string(folder.path().join(NAME)).unwrap(), format!("{head}{rest}"));
        assert_eq!(before, head.len() as u64);
        assert_eq!(settle(folder.path(), 4, &outcomes).unwrap(), before, "once more changes nothing");
    }
}
