//! Where records go: NDJSON, JSON, CSV, Parquet or a table, to stdout or to a file.
//!
//! A file appears under its final name only when it is complete: until then the records are kept as NDJSON in a temporary file
//! beside it (`files.rs`), from which the output is made at the end. If a query stops early in good order, that NDJSON stays as
//! `NAME.DIGEST.partial`, with complete records only. The digest is that of the cursor that leads on from there: whoever passes
//! that cursor for the same file goes on with exactly these records, in any format, and no partial file is ever written over.
//! NDJSON and JSON are copies of the bytes that the connector delivered, so that every digit is as the remote wrote it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::error::Failure;
use crate::files::{Access, behind_links, beside, keep, neighbour, not_written};
use crate::input;

mod csv;
mod json;
mod kinds;
mod parquet;
#[cfg(test)]
mod parquet_tests;
pub(crate) mod table;

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 16;

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One record per line.
    Ndjson,
    /// One array of records.
    Json,
    /// A header and rows; nested fields become columns with dots.
    Csv,
    /// Typed columns, for what reads tables; nested fields are structs and lists.
    Parquet,
    /// For the eye: as much as fits.
    Table,
}

impl Format {
    /// The format that a file's name tells.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        input::Format::of_name(path).map(Self::from)
    }
}

impl From<input::Format> for Format {
    fn from(format: input::Format) -> Self {
        match format {
            input::Format::Ndjson => Self::Ndjson,
            input::Format::Json => Self::Json,
            input::Format::Csv => Self::Csv,
            input::Format::Parquet => Self::Parquet,
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
    /// Records of an earlier query that come first.
    continued: u64,
}

/// A format's part of the work.
trait RecordWriter {
    /// Takes complete records, one per line, every line closed.
    fn write(&mut self, ndjson: &[u8], out: &mut (dyn Write + Send)) -> io::Result<()>;
    /// Writes what is still due. Called once, also after a query that stopped early.
    fn finish(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()>;
}

enum Target {
    Stdout(BufWriter<io::Stdout>),
    File(Unfinished),
}

/// A file on its way.
struct Unfinished {
    /// The records so far, as NDJSON, beside the final name.
    records: BufWriter<NamedTempFile>,
    /// The final name.
    path: PathBuf,
    as_it_is: bool,
    /// What an earlier query left, whose records come first. Locked.
    earlier: Option<(PathBuf, File)>,
}

impl Output {
    /// Opens the output. `fields` are the columns that were asked for or are known, if any; `cursor` is where the query goes on, if it
    /// does.
    pub(crate) fn open(
        format: Format,
        path: Option<&Path>,
        fields: &[String],
        cursor: Option<&str>,
    ) -> Result<Self, Failure> {
        let no_file = |e: io::Error| Failure::new("cannot write a temporary file").causes_of(&e);
        let writer: Box<dyn RecordWriter> = match format {
            Format::Ndjson => Box::new(json::Lines),
            Format::Json => Box::new(json::Array::default()),
            Format::Csv => Box::new(csv::Rows::new(fields).map_err(no_file)?),
            Format::Parquet => Box::new(parquet::Table::new(fields).map_err(no_file)?),
            Format::Table => Box::new(table::Preview::new(fields)),
        };
        let (target, continued) = match path {
            None => (Target::Stdout(BufWriter::with_capacity(BUFFER, io::stdout())), 0),
            Some(path) => {
                let (file, continued) = Unfinished::open(path, format == Format::Ndjson, cursor)?;
                (Target::File(file), continued)
            }
        };
        let streams = path.is_none() && format == Format::Ndjson;
        Ok(Self { writer, target, streams, continued })
    }

    /// Whether what was written is out for good, page by page: complete lines on stdout.
    pub(crate) fn streams(&self) -> bool {
        self.streams
    }

    /// Whether records go to stdout.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout(_))
    }

    /// The file of an earlier query with which this one goes on.
    pub(crate) fn continues(&self) -> Option<&Path> {
        match &self.target {
            Target::File(Unfinished { earlier: Some((path, _)), .. }) => Some(path),
            _ => None,
        }
    }

    /// How many records that file holds.
    pub(crate) fn continued(&self) -> u64 {
        self.continued
    }

    /// Takes a page. On a terminal or a pipe it is visible when this returns.
    pub(crate) fn write(&mut self, ndjson: &[u8]) -> Result<(), WriteError> {
        let result = match &mut self.target {
            Target::Stdout(out) => self.writer.write(ndjson, out).and_then(|()| out.flush()),
            Target::File(file) => file.records.write_all(ndjson),
        };
        result.map_err(|e| self.broken(&e))
    }

    /// The output is complete: a file gets its name.
    pub(crate) fn finish(mut self) -> Result<(), WriteError> {
        match self.target {
            Target::Stdout(ref mut out) => {
                let result = self.writer.finish(out).and_then(|()| out.flush());
                result.map_err(|e| self.broken(&e))
            }
            Target::File(file) => file.finish(&mut *self.writer).map_err(WriteError::Failed),
        }
    }

    /// The query stopped early, before the page to which `cursor` leads. Its records, if there are any, are kept beside the final
    /// name; says where.
    pub(crate) fn abandon(mut self, records: u64, cursor: Option<&str>) -> Result<Option<PathBuf>, WriteError> {
        match self.target {
            Target::Stdout(ref mut out) => {
                let result = self.writer.finish(out).and_then(|()| out.flush());
                result.map(|()| None).map_err(|e| self.broken(&e))
            }
            Target::File(file) => file.abandon(records, cursor).map_err(WriteError::Failed),
        }
    }

    /// The query stopped early, and its records are not wanted.
    pub(crate) fn discard(self) {}

    fn broken(&self, error: &io::Error) -> WriteError {
        match &self.target {
            Target::Stdout(_) if error.kind() == io::ErrorKind::BrokenPipe => WriteError::Closed,
            Target::Stdout(_) => WriteError::Failed(Failure::new("cannot write stdout").causes_of(error)),
            Target::File(file) => WriteError::Failed(not_written(&file.path, error)),
        }
    }
}

impl Unfinished {
    /// Begins a file, with the records that an earlier query left where this one goes on; says how many.
    fn open(path: &Path, as_it_is: bool, cursor: Option<&str>) -> Result<(Self, u64), Failure> {
        // Its records are kept beside the file itself, wherever a link to it lies.
        let path = &behind_links(path)?;
        let records = BufWriter::with_capacity(BUFFER, beside(path, Access::Usual)?);
        let mut new = Self { records, path: path.to_owned(), as_it_is, earlier: None };
        let Some(cursor) = cursor else { return Ok((new, 0)) };
        let partial = partial_name(path, cursor);
        let failed = |e: &io::Error| Failure::new(format!("cannot go on with `{}`", partial.display())).causes_of(e);
        let file = match File::open(&partial) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((new, 0)),
            Err(e) => return Err(failed(&e)),
        };
        if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(Failure::new(format!("another query goes on with `{}` already", partial.display())));
        }
        let (mut count, mut line) = (0, Vec::new());
        let mut reader = BufReader::with_capacity(BUFFER, &file);
        while reader.read_until(b'\n', &mut line).map_err(|e| failed(&e))? > 0 {
            new.records.write_all(&line).map_err(|e| not_written(path, &e))?;
            line.clear();
            count += 1;
        }
        new.earlier = Some((partial, file));
        Ok((new, count))
    }

    fn finish(self, writer: &mut dyn RecordWriter) -> Result<(), Failure> {
        let failed = |e: &io::Error| not_written(&self.path, e);
        let mut records = self.records.into_inner().map_err(|e| failed(e.error()))?;
        if self.as_it_is {
            keep(records, &self.path)?;
        } else {
            let mut out = BufWriter::with_capacity(BUFFER, beside(&self.path, Access::Usual)?);
            records.rewind().map_err(|e| failed(&e))?;
            let (mut reader, mut lines) = (BufReader::with_capacity(BUFFER, &mut records), Vec::new());
            // Whole lines, many at a time.
            while reader.by_ref().take(BUFFER as u64).read_to_end(&mut lines).map_err(|e| failed(&e))? > 0 {
                reader.read_until(b'\n', &mut lines).map_err(|e| failed(&e))?;
                writer.write(&lines, &mut out).map_err(|e| failed(&e))?;
                lines.clear();
            }
            writer.finish(&mut out).map_err(|e| failed(&e))?;
            keep(out.into_inner().map_err(|e| failed(e.error()))?, &self.path)?;
        }
        if let Some((earlier, _lock)) = self.earlier {
            // Everything in it is in the complete file.
            let _ = std::fs::remove_file(earlier);
        }
        Ok(())
    }

    fn abandon(self, records: u64, cursor: Option<&str>) -> Result<Option<PathBuf>, Failure> {
        let earlier = self.earlier.as_ref().map(|(path, _)| path.clone());
        if records == 0 {
            return Ok(earlier);
        }
        let partial = partial_name(&self.path, cursor.unwrap_or_default());
        keep(self.records.into_inner().map_err(|e| not_written(&partial, e.error()))?, &partial)?;
        if let Some(earlier) = earlier.filter(|earlier| *earlier != partial) {
            // Everything in it is in the new one.
            let _ = std::fs::remove_file(earlier);
        }
        Ok(Some(partial))
    }
}

/// Where the records before this cursor are kept.
fn partial_name(path: &Path, cursor: &str) -> PathBuf {
    let digest = Sha256::digest(cursor.as_bytes());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    neighbour(path, "", &format!(".{short}.partial"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::files::tests::names;

    #[test]
    fn a_file_has_its_name_only_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        let mut output = Output::open(Format::Json, Some(&path), &[], None).unwrap();
        output.write(b"{\"id\":1}\n").unwrap();
        assert!(!path.exists());
        output.write(b"{\"id\":25.00}\n").unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[\n{\"id\":1},\n{\"id\":25.00}\n]\n");
        assert_eq!(names(folder.path()), ["out.json"]);
    }

    #[test]
    fn records_longer_than_the_buffer_come_out_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.json");
        let mut output = Output::open(Format::Json, Some(&path), &[], None).unwrap();
        let record = format!("{{\"text\":\"{}\"}}", "x".repeat(BUFFER - 20));
        for _ in 0..3 {
            output.write(format!("{record}\n").as_bytes()).unwrap();
        }
        output.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text == format!("[\n{record},\n{record},\n{record}\n]\n"), "{} bytes", text.len());
    }

    #[test]
    fn a_query_that_stops_early_leaves_the_old_file_alone_and_its_records_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        std::fs::write(&path, "old").unwrap();
        let mut output = Output::open(Format::Ndjson, Some(&path), &[], None).unwrap();
        output.write(b"{\"id\":1}\n").unwrap();
        let partial = output.abandon(1, Some("1.a")).unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(&partial).unwrap(), "{\"id\":1}\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));
        let output = Output::open(Format::Ndjson, Some(&folder.path().join("none.ndjson")), &[], None).unwrap();
        assert!(output.abandon(0, None).unwrap().is_none());
        assert_eq!(names(folder.path()).len(), 2, "nothing is left of a query without records");
    }

    #[test]
    fn whoever_passes_the_cursor_goes_on_with_the_records_before_it_in_any_format() {
        for (format, want) in [
            (Format::Ndjson, "{\"id\":1}\n{\"id\":2}\n{\"n\":3}\n"),
            (Format::Json, "[\n{\"id\":1},\n{\"id\":2},\n{\"n\":3}\n]\n"),
            (Format::Csv, "id,n\n1,\n2,\n,3\n"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            let open = |cursor| Output::open(format, Some(&path), &[], cursor).unwrap();
            let mut first = open(None);
            first.write(b"{\"id\":1}\n").unwrap();
            first.abandon(1, Some("a")).unwrap().unwrap();
            // Another query to the same name, interrupted elsewhere, takes nothing away from the first.
            let mut other = open(None);
            other.write(b"{\"id\":7}\n").unwrap();
            other.abandon(1, Some("z")).unwrap().unwrap();

            let mut second = open(Some("a"));
            assert_eq!(second.continued(), 1);
            assert!(Output::open(format, Some(&path), &[], Some("a")).is_err(), "one at a time");
            second.write(b"{\"id\":2}\n").unwrap();
            second.abandon(1, Some("b")).unwrap().unwrap();
            assert!(open(Some("b")).abandon(0, Some("b")).unwrap().is_some(), "still there without anything new");
            let mut third = open(Some("b"));
            third.write(b"{\"n\":3}\n").unwrap();
            third.finish().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), want);
            assert_eq!(names(folder.path()).len(), 2, "the other query's: {:?}", names(folder.path()));
        }
    }
}
