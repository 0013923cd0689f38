//! Where records go: NDJSON, JSON, CSV or a table, to stdout or to a file.
//!
//! A file appears under its final name only when it is complete: until then the bytes go to a temporary file beside it, which is
//! synced and renamed at the end. If a query stops early in good order, what was read stays beside it as `NAME.partial`, with
//! complete records only, and the cursor goes on from there. What a killed process left is removed by the next query to the same
//! name: whoever is at work holds a lock on the temporary file. NDJSON and JSON are copies of the bytes that the connector
//! delivered, so that every digit is as the remote wrote it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Failure;

mod csv;
mod json;
pub(crate) mod table;

/// How the names of temporary files end.
const UNFINISHED: &str = ".unfinished";
/// A new temporary file has its lock by then.
const LOCKED_AFTER: Duration = Duration::from_secs(1);

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One record per line.
    Ndjson,
    /// One array of records.
    Json,
    /// A header and rows; nested fields become columns with dots.
    Csv,
    /// For the eye: as much as fits.
    Table,
}

impl Format {
    /// The format that a file's name tells.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// A failure to write; a closed pipe is none of the user's business.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// Whoever read the output has had enough.
    Closed,
    /// Anything else.
    Failed(Failure),
}

/// Takes records and writes them in one format.
pub(crate) struct Output {
    writer: Box<dyn RecordWriter>,
    target: Target,
    streams: bool,
}

/// A format's part of the work.
trait RecordWriter {
    /// Takes complete records, one per line, every line closed.
    fn write(&mut self, ndjson: &[u8], out: &mut dyn Write) -> io::Result<()>;
    /// Writes what is still due. Called once, also after a query that stopped early.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

enum Target {
    Stdout(BufWriter<io::Stdout>),
    File(BufWriter<tempfile::NamedTempFile>, PathBuf),
}

impl Output {
    /// Opens the output. `fields` are the columns that were asked for, if any.
    pub(crate) fn open(format: Format, path: Option<&Path>, fields: &[String]) -> Result<Self, Failure> {
        let writer: Box<dyn RecordWriter> = match format {
            Format::Ndjson => Box::new(json::Lines),
            Format::Json => Box::new(json::Array::default()),
            Format::Csv => Box::new(csv::Rows::new(fields).map_err(|e| failed("a temporary file", &e))?),
            Format::Table => Box::new(table::Preview::new(fields)),
        };
        let target = match path {
            None => Target::Stdout(BufWriter::with_capacity(1 << 16, io::stdout())),
            Some(path) => Target::File(BufWriter::with_capacity(1 << 16, beside(path)?), path.to_owned()),
        };
        let streams = path.is_none() && format == Format::Ndjson;
        Ok(Self { writer, target, streams })
    }

    /// Whether what was written is out for good, page by page: complete lines on stdout.
    pub(crate) fn streams(&self) -> bool {
        self.streams
    }

    /// Takes a page. On a terminal or a pipe it is visible when this returns.
    pub(crate) fn write(&mut self, ndjson: &[u8]) -> Result<(), WriteError> {
        let result = match &mut self.target {
            Target::Stdout(out) => self.writer.write(ndjson, out).and_then(|()| out.flush()),
            Target::File(out, _) => self.writer.write(ndjson, out),
        };
        result.map_err(|e| self.broken(&e))
    }

    /// The output is complete: a file gets its name.
    pub(crate) fn finish(mut self) -> Result<(), WriteError> {
        self.write_rest()?;
        if let Target::File(out, path) = self.target {
            keep(out, &path).map_err(WriteError::Failed)?;
        }
        Ok(())
    }

    /// The query stopped early. What was read is kept beside the final name, if there is any of it; says where.
    pub(crate) fn abandon(mut self, records: u64) -> Result<Option<PathBuf>, WriteError> {
        let partial = match &self.target {
            Target::Stdout(_) => None,
            Target::File(..) if records == 0 => return Ok(None),
            Target::File(_, path) => Some(partial_name(path)),
        };
        self.write_rest()?;
        if let (Target::File(out, _), Some(partial)) = (self.target, &partial) {
            keep(out, partial).map_err(WriteError::Failed)?;
        }
        Ok(partial)
    }

    fn write_rest(&mut self) -> Result<(), WriteError> {
        let result = match &mut self.target {
            Target::Stdout(out) => self.writer.finish(out).and_then(|()| out.flush()),
            Target::File(out, _) => self.writer.finish(out).and_then(|()| out.flush()),
        };
        result.map_err(|e| self.broken(&e))
    }

    fn broken(&self, error: &io::Error) -> WriteError {
        match &self.target {
            Target::Stdout(_) if error.kind() == io::ErrorKind::BrokenPipe => WriteError::Closed,
            Target::Stdout(_) => WriteError::Failed(failed("stdout", error)),
            Target::File(_, path) => WriteError::Failed(failed(&format!("`{}`", path.display()), error)),
        }
    }
}

/// Replaces a file by one with this content, at once or not at all.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut out = BufWriter::new(beside(path)?);
    out.write_all(content).map_err(|e| failed(&format!("`{}`", path.display()), &e))?;
    keep(out, path)
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write {what}")).causes_of(error)
}

/// `FILE.partial`.
fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(".partial");
    path.with_file_name(name)
}

/// A temporary file in the folder of `path`, with the permissions of any new file.
fn beside(path: &Path) -> Result<tempfile::NamedTempFile, Failure> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().ok_or_else(|| Failure::new(format!("`{}` is no file name", path.display())))?);
    prefix.push(".");
    remove_left_over(folder, &prefix);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(UNFINISHED);
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666))
    };
    let file =
        builder.tempfile_in(folder).map_err(|e| failed(&format!("into the folder `{}`", folder.display()), &e))?;
    // Not every file system has locks; without them nothing is ever taken for left over.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Removes what processes that were killed left here: temporary files on which nobody holds a lock, and which are older than the
/// moment between making one and locking it. What cannot be removed does no harm.
fn remove_left_over(folder: &Path, prefix: &OsString) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let (name, prefix) = (name.as_encoded_bytes(), prefix.as_encoded_bytes());
        let random = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(UNFINISHED.as_bytes()));
        // A name with a dot in between belongs to another file: `.a.csv.X.unfinished` and `.a.X.unfinished`.
        if random.is_none_or(|random| random.is_empty() || random.contains(&b'.')) {
            continue;
        }
        let Ok(file) = File::options().write(true).open(entry.path()) else { continue };
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let old = modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > LOCKED_AFTER);
        if old && file.try_lock().is_ok() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Syncs a temporary file and gives it its name.
fn keep(out: BufWriter<tempfile::NamedTempFile>, path: &Path) -> Result<(), Failure> {
    let name = format!("`{}`", path.display());
    let file = out.into_inner().map_err(|e| failed(&name, e.error()))?;
    file.as_file().sync_all().map_err(|e| failed(&name, &e))?;
    let folder = file.path().parent().map(Path::to_owned);
    file.persist(path).map_err(|e| failed(&name, &e.error))?;
    // The rename itself is durable once the folder is synced; not every system can do that.
    if let Some(folder) = folder.and_then(|f| File::open(f).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        let mut output = Output::open(Format::Json, Some(&path), &[]).unwrap();
        output.write(b"{\"id\":1}\n").unwrap();
        assert!(!path.exists());
        output.write(b"{\"id\":25.00}\n").unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[\n{\"id\":1},\n{\"id\":25.00}\n]\n");
        assert_eq!(names(folder.path()), ["out.json"]);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_another_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        let open = || Output::open(Format::Ndjson, Some(&path), &[]).unwrap();
        let mut other = open();
        let old = std::time::SystemTime::now() - Duration::from_secs(60);
        for name in [".out.ndjson.x1.unfinished", ".out.ndjson.b.x1.unfinished", "out.ndjson.x1.unfinished"] {
            File::create(folder.path().join(name)).unwrap().set_modified(old).unwrap();
        }
        if let Target::File(file, _) = &other.target {
            file.get_ref().as_file().set_modified(old).unwrap();
        }
        let third = open();
        assert_eq!(names(folder.path()).len(), 4, "{:?}", names(folder.path()));
        drop(third);
        other.write(b"{\"id\":1}\n").unwrap();
        other.finish().unwrap();
        assert_eq!(names(folder.path()), [".out.ndjson.b.x1.unfinished", "out.ndjson", "out.ndjson.x1.unfinished"]);
    }

    #[test]
    fn a_query_that_stops_early_leaves_the_old_file_alone_and_its_records_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        std::fs::write(&path, "old").unwrap();
        let mut output = Output::open(Format::Ndjson, Some(&path), &[]).unwrap();
        output.write(b"{\"id\":1}\n").unwrap();
        let partial = output.abandon(1).unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(partial).unwrap(), "{\"id\":1}\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["out.ndjson", "out.ndjson.partial"]);
        let output = Output::open(Format::Ndjson, Some(&folder.path().join("none.ndjson")), &[]).unwrap();
        assert!(output.abandon(0).unwrap().is_none());
        assert_eq!(names(folder.path()).len(), 2, "nothing is left of a query without records");
    }
}
