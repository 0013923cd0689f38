//! Records that failed or are unknown, each with its reason, in a file that can be mended and fed back in:
//!
//! ```json
//! {"row":17,"item":17,"stage":"target","outcome":"failed","error":{"kind":"conflict","message":"…"},"record":{"id":42}}
//! ```
//!
//! `row` counts the rows of the source, `item` those of the journal. At the stage `mapping` the record is the source's, and is mapped
//! again; at `target` it is what was sent, and is sent as it stands.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Failure;
use crate::files::not_written;

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

/// A line of such a file, fed back in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub row: u64,
    #[serde(rename = "item")]
    _item: u64,
    pub stage: Stage,
    #[serde(rename = "outcome")]
    _outcome: String,
    #[serde(default, rename = "error")]
    _error: Option<Box<RawValue>>,
    pub record: Box<RawValue>,
}

impl Rejected {
    /// Opens the file, as it was when it had this length.
    pub(super) fn open(folder: &Path, length: u64) -> Result<Self, Failure> {
        let path = folder.join("rejected.ndjson");
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
        outcome: &str,
        error: &str,
        record: &str,
    ) -> Result<(), Failure> {
        let stage = if stage == Stage::Mapping { "mapping" } else { "target" };
        let line = format!(
            "{{\"row\":{row},\"item\":{item},\"stage\":\"{stage}\",\"outcome\":\"{outcome}\",\"error\":{error},\"record\":{record}}}\n"
        );
        self.file.write_all(line.as_bytes()).map_err(|e| not_written(&self.path, &e))
    }

    /// Its length; all of it is on disk then.
    pub(super) fn synced(&mut self) -> Result<u64, Failure> {
        let synced = self.file.sync_data().and_then(|()| self.file.stream_position());
        synced.map_err(|e| not_written(&self.path, &e))
    }
}
