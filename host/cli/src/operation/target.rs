//! Where an operation's records go: a write, batch by batch, each noted in the journal before it is sent; or a file, which is kept as
//! NDJSON in the run's folder and made at the end.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use connector_host::contract::{Outcome, WriteMode};
use connector_host::{Activity as Instance, Connection};

use super::target_file::TargetFile;
use crate::activity::Activity;
use crate::args::Verb;
use crate::error::Failure;
use crate::files::not_written;
use crate::interrupt::Interrupt;
use crate::outcomes::Outcomes;
use crate::output::{Output, WriteError};
use crate::remote;
use crate::sending::{self, Stop};
use crate::unsettled::{self, Sent, Via};

/// A target.
pub(super) enum Target {
    Write(Box<Sending>),
    File(Keeping),
}

/// A write.
pub(super) struct Sending {
    pub connection: Connection,
    pub activity: Activity,
    pub verb: Verb,
    pub via: Via,
    /// None: records are checked, and not sent.
    pub journal: Option<Outcomes>,
    pub instance: Option<Instance>,
}

/// Whether a record that may have been applied can be sent again by this activity, and nothing is doubled.
pub(super) fn may_repeat(activity: &Activity) -> bool {
    activity.write_verb() == Some(Verb::Update) && activity.write(Vec::new(), false).mode == WriteMode::Strict
}

impl Sending {
    /// A write that only lets the connector check records, each of them.
    pub(super) fn checking(connection: Connection, via: Via, mut activity: Activity) -> Result<Self, Failure> {
        activity.continue_on_error = true;
        let verb = activity.write_verb().ok_or_else(|| Failure::new("the target's activity is a query"))?;
        Ok(Self { connection, activity, verb, via, journal: None, instance: None })
    }

    /// What the journal notes of every call.
    pub(super) fn sent(&self) -> Sent {
        let request = self.activity.write(Vec::new(), false);
        Sent { via: self.via.clone(), write: unsettled::Write::new(self.verb, &request) }
    }

    /// Whether a batch that may have been applied can be sent again, and nothing is doubled or mistaken for a failure.
    pub(super) fn may_repeat(&self) -> bool {
        may_repeat(&self.activity)
    }

    /// Sends a batch; notes it before, and its outcomes after.
    pub(super) async fn send(
        &mut self,
        first: u64,
        count: u64,
        ndjson: Vec<u8>,
        interrupt: &Interrupt,
    ) -> Result<(Vec<Outcome>, Option<Stop>), Stop> {
        let failed = |failure: Failure| Stop::Failed(failure.into());
        let sent = self.sent();
        let request = self.activity.write(ndjson, self.journal.is_none());
        if self.instance.is_none() {
            let begun = self.connection.activity().await;
            self.instance = Some(begun.map_err(|e| Stop::Failed(remote::call_failed(&e)))?);
        }
        let Some(instance) = &mut self.instance else { return Err(Stop::Interrupt) };
        if let Some(journal) = &mut self.journal {
            journal.sending(first, count, &sent, &request.records).map_err(failed)?;
        }
        let _guard = interrupt.cancels(instance.canceller());
        let (outcomes, stop) = sending::send(instance, self.verb, &request, count, interrupt).await;
        if let Some(journal) = &mut self.journal {
            journal.write(first, &outcomes).map_err(failed)?;
        }
        Ok((outcomes, stop))
    }
}

/// A file on its way.
pub(super) struct Keeping {
    /// The records so far, NDJSON.
    records: BufWriter<File>,
    records_path: PathBuf,
    /// The file that is made of them.
    made: TargetFile,
    columns: Vec<String>,
}

/// Bytes of records that are moved at a time.
const BUFFER: u64 = 1 << 16;

impl Keeping {
    /// Opens the records as they were when they had this length.
    pub(super) fn open(folder: &Path, length: u64, made: TargetFile, columns: Vec<String>) -> Result<Self, Failure> {
        let records_path = folder.join("records.ndjson");
        let failed = |e: &std::io::Error| not_written(&records_path, e);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&records_path).map_err(|e| failed(&e))?;
        file.set_len(length).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|e| failed(&e))?;
        Ok(Self { records: BufWriter::new(file), records_path, made, columns })
    }

    pub(super) fn add(&mut self, record: &str) -> Result<(), Failure> {
        let written = self.records.write_all(record.as_bytes()).and_then(|()| self.records.write_all(b"\n"));
        written.map_err(|e| not_written(&self.records_path, &e))
    }

    /// The length of the records; all of them are on disk then.
    pub(super) fn synced(&mut self) -> Result<u64, Failure> {
        let synced = self.records.flush().and_then(|()| self.records.get_ref().sync_data());
        let length = synced.and_then(|()| self.records.get_mut().stream_position());
        length.map_err(|e| not_written(&self.records_path, &e))
    }

    /// Makes the file, whole or not at all.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.synced()?;
        self.made.check()?;
        let failed = |e: &std::io::Error| not_written(&self.made.path, e);
        let mut output = Output::open(self.made.format, Some(&self.made.path), &self.columns, None)?;
        let file = self.records.get_mut();
        file.rewind().map_err(|e| failed(&e))?;
        let (mut reader, mut lines) = (BufReader::new(file), Vec::new());
        while reader.by_ref().take(BUFFER).read_to_end(&mut lines).map_err(|e| failed(&e))? > 0 {
            reader.read_until(b'\n', &mut lines).map_err(|e| failed(&e))?;
            output.write(&lines).map_err(closed)?;
            lines.clear();
        }
        output.finish().map_err(closed)
    }
}

fn closed(error: WriteError) -> Failure {
    match error {
        WriteError::Failed(failure) => failure,
        WriteError::Closed => Failure::new("the target was closed"),
    }
}
