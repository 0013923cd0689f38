//! Records that a person passes in: NDJSON, JSON, CSV or Parquet, from a file or from stdin.
//!
//! The input is read and checked to its end before the first record goes anywhere, so that a mistake in its last row sends
//! nothing. On the way it is copied as NDJSON, into memory if it is small and else into an unnamed temporary file: memory stays
//! flat, stdin needs no second reading, and a file that somebody changes meanwhile cannot slip unchecked records in.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::SpooledTempFile;

use self::bounded::{Bounded, Left};
use crate::error::Failure;
use crate::schema::Schema;

mod bounded;
mod csv;
mod json;
pub(crate) mod parquet;
mod utf8;

/// How the input is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line.
    Ndjson,
    /// An array of objects, or one object.
    Json,
    /// A header and rows; cells become JSON as the object's schema says.
    Csv,
    /// Typed columns, nested ones included.
    Parquet,
}

impl Format {
    /// As they are written.
    pub(crate) const NAMES: [&str; 4] = ["ndjson", "json", "csv", "parquet"];

    /// The format that a file's name tells.
    pub(crate) fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Bytes of an input, as NDJSON, that are kept in memory.
const MOST_IN_MEMORY: usize = 1 << 20;

/// Where the input comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// Records that were made here (`--id 1,2`), as NDJSON.
    Text(String),
}

impl Source {
    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "stdin".to_owned(),
            Self::Text(_) => "the command line".to_owned(),
        }
    }
}

/// A place in the input, counted from one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// Number of the record; a CSV's header is not counted.
    pub row: Option<u64>,
    /// Line of the file.
    pub line: Option<u64>,
    /// Column of the line, in bytes.
    pub column: Option<u64>,
}

/// Bytes of one call's records at most, so that a request's body and the connector's memory stay within their limits; and so
/// also of one record.
const MOST_BYTES: usize = 8 << 20;

/// Which records are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// All from this one on, counted from one.
    From(u64),
    /// These.
    These(BTreeSet<u64>),
}

impl Rows {
    fn holds(&self, row: u64) -> bool {
        match self {
            Self::From(first) => row >= *first,
            Self::These(rows) => rows.contains(&row),
        }
    }
}

/// An input that was read to its end and found good.
#[derive(Debug)]
pub(crate) struct Records {
    spool: BufReader<SpooledTempFile>,
    next_row: u64,
    wanted: Rows,
    /// A record that did not fit into the batch before it.
    ahead: Option<Vec<u8>>,
    /// Number of records.
    pub count: u64,
}

/// Some records that follow each other, for one call.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Number of the first record, counted from one.
    pub first_row: u64,
    /// Number of records.
    pub count: u64,
    /// The records, one per line.
    pub ndjson: Vec<u8>,
}

/// Reads and checks the whole input.
pub(crate) fn read(source: &Source, format: Format, schema: &Schema) -> Result<Records, Failure> {
    let name = source.name();
    let reader: Box<dyn Read> = match source {
        Source::File(path) => {
            let file = File::open(path)
                .map_err(|e| Failure::new(format!("cannot open the input file `{name}`")).causes_of(&e))?;
            if format == Format::Parquet {
                return collect(&name, format, |sink| parquet::read(file, &name, sink));
            }
            Box::new(file)
        }
        Source::Stdin => Box::new(io::stdin().lock()),
        Source::Text(text) => Box::new(io::Cursor::new(text.clone().into_bytes())),
    };
    read_from(reader, &name, format, schema)
}

/// Reads and checks everything that `reader` has; messages call it `name`.
pub(crate) fn read_from(
    mut reader: impl Read,
    name: &str,
    format: Format,
    schema: &Schema,
) -> Result<Records, Failure> {
    collect(name, format, |sink| {
        let left = sink.left.clone();
        let text = |reader| BufReader::new(Bounded::new(utf8::Checked::new(reader), left));
        match format {
            Format::Ndjson => json::read_lines(text(reader), name, sink),
            Format::Json => json::read_document(text(reader), name, sink),
            Format::Csv => csv::read(text(reader), name, schema, sink),
            Format::Parquet => {
                // What its columns are stands at its end.
                let mut whole = tempfile::tempfile().map_err(|e| no_spool(&e))?;
                io::copy(&mut reader, &mut whole).map_err(|e| bad_read(name, None, &e))?;
                parquet::read(whole, name, sink)
            }
        }
    })
}

fn collect(
    name: &str,
    format: Format,
    read: impl FnOnce(&mut Sink) -> Result<(), Failure>,
) -> Result<Records, Failure> {
    let spool = SpooledTempFile::new(MOST_IN_MEMORY);
    let mut sink = Sink { out: BufWriter::new(spool), count: 0, name: name.to_owned(), left: Left::new() };
    read(&mut sink)?;
    if sink.count == 0 {
        let failure = Failure::new(format!("`{name}` holds no records")).with("file", name);
        return Err(match format {
            Format::Csv => {
                failure.hint("a CSV starts with a header line that names the fields, and has one line per record")
            }
            Format::Ndjson => failure.hint("write one JSON object per line"),
            Format::Json => failure.hint("write an array of objects"),
            Format::Parquet => failure,
        });
    }
    let count = sink.count;
    let mut file = sink.out.into_inner().map_err(|e| no_spool(e.error()))?;
    file.rewind().map_err(|e| no_spool(&e))?;
    Ok(Records { spool: BufReader::new(file), next_row: 1, wanted: Rows::From(1), ahead: None, count })
}

fn no_spool(error: &io::Error) -> Failure {
    Failure::new("cannot keep the input in a temporary file")
        .causes_of(error)
        .hint(format!("there must be room in {} (or set TMPDIR)", std::env::temp_dir().display()))
}

/// Takes the records that a reader found.
struct Sink {
    out: BufWriter<SpooledTempFile>,
    count: u64,
    /// What messages call the input.
    name: String,
    /// Of the input's bytes, for the next record.
    left: Left,
}

impl Sink {
    /// Takes one record, which must be a JSON object on one line.
    fn put(&mut self, record: &[u8]) -> Result<(), Failure> {
        self.count += 1;
        self.left.renew();
        if record.len() >= MOST_BYTES {
            let place = Place { row: Some(self.count), ..Place::default() };
            return Err(bad_input(&self.name, place, format!("a record has at most {} MiB", MOST_BYTES >> 20)));
        }
        self.out.write_all(record).and_then(|()| self.out.write_all(b"\n")).map_err(|e| no_spool(&e))
    }
}

impl Records {
    /// The row that comes next, counted from one.
    pub(crate) fn next_row(&self) -> u64 {
        self.next_row
    }

    /// Starts over, with these records.
    pub(crate) fn rewind_to(&mut self, rows: Rows) -> Result<(), Failure> {
        self.spool.rewind().map_err(|e| no_spool(&e))?;
        (self.next_row, self.ahead, self.wanted) = (1, None, rows);
        Ok(())
    }

    /// The next records that follow each other, at most `size` of them and 8 MiB; none at the end.
    pub(crate) fn next_batch(&mut self, size: u64) -> Result<Option<Batch>, Failure> {
        let mut batch = Batch { first_row: self.next_row, count: 0, ndjson: Vec::new() };
        let mut line = Vec::new();
        while batch.count < size.max(1) {
            match self.ahead.take() {
                Some(ahead) => line = ahead,
                None => {
                    line.clear();
                    if self.spool.read_until(b'\n', &mut line).map_err(|e| no_spool(&e))? == 0 {
                        break;
                    }
                }
            }
            if !self.wanted.holds(self.next_row) {
                self.next_row += 1;
                if batch.count > 0 {
                    break;
                }
                continue;
            }
            if batch.count > 0 && batch.ndjson.len() + line.len() > MOST_BYTES {
                self.ahead = Some(line);
                break;
            }
            if batch.count == 0 {
                batch.first_row = self.next_row;
            }
            batch.ndjson.extend_from_slice(&line);
            batch.count += 1;
            self.next_row += 1;
        }
        Ok((batch.count > 0).then_some(batch))
    }
}

/// A mistake in the input.
fn bad_input(name: &str, place: Place, what: impl Into<String>) -> Failure {
    let mut at = Vec::new();
    for (word, number) in [("row", place.row), ("line", place.line), ("column", place.column)] {
        if let Some(number) = number {
            at.push(format!("{word} {number}"));
        }
    }
    let message = if at.is_empty() {
        format!("cannot read `{name}`")
    } else {
        format!("cannot read `{name}`, {}", at.join(", "))
    };
    let mut failure = Failure::new(message).cause(what.into()).with("file", name);
    for (word, number) in [("row", place.row), ("line", place.line), ("column", place.column)] {
        if let Some(number) = number {
            failure = failure.with(word, number);
        }
    }
    failure
}

/// A failure to read, which may be a mistake that a checking reader found.
fn bad_read(name: &str, row: Option<u64>, error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Mistake>()) {
        Some(mistake) => {
            let place = Place { row: mistake.place.row.or(row), ..mistake.place };
            bad_input(name, place, mistake.what.clone()).hint(mistake.hint)
        }
        None => Failure::new(format!("cannot read `{name}`")).causes_of(error),
    }
}

/// What a checking reader found; it travels inside an `io::Error`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
struct Mistake {
    what: String,
    place: Place,
    hint: &'static str,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn batches_count_rows_from_one_and_can_start_in_the_middle() {
        let text: String = (1..=5).map(|i| format!("{{\"id\":{i}}}\n")).collect();
        let schema = Schema::parse("{}").unwrap();
        let mut records = read(&Source::Text(text), Format::Ndjson, &schema).unwrap();
        assert_eq!(records.count, 5);
        let first = records.next_batch(2).unwrap().unwrap();
        assert_eq!((first.first_row, first.count, first.ndjson.as_slice()), (1, 2, &b"{\"id\":1}\n{\"id\":2}\n"[..]));
        records.rewind_to(Rows::From(4)).unwrap();
        let rest = records.next_batch(10).unwrap().unwrap();
        assert_eq!((rest.first_row, rest.count, rest.ndjson.as_slice()), (4, 2, &b"{\"id\":4}\n{\"id\":5}\n"[..]));
        assert!(records.next_batch(10).unwrap().is_none());
        records.rewind_to(Rows::These([1, 3, 4].into())).unwrap();
        let mut got = Vec::new();
        while let Some(batch) = records.next_batch(10).unwrap() {
            got.push((batch.first_row, String::from_utf8(batch.ndjson).unwrap()));
        }
        assert_eq!(got, [(1, "{\"id\":1}\n".into()), (3, "{\"id\":3}\n{\"id\":4}\n".into())]);
    }

    #[test]
    fn a_batch_is_bounded_by_its_bytes_too() {
        let schema = Schema::parse("{}").unwrap();
        let record = |bytes: usize| format!("{{\"t\":\"{}\"}}\n", "x".repeat(bytes - 9));
        let text = record(MOST_BYTES / 2).repeat(5) + &record(MOST_BYTES);
        let mut records = read(&Source::Text(text), Format::Ndjson, &schema).unwrap();
        let mut batches = Vec::new();
        while let Some(batch) = records.next_batch(1000).unwrap() {
            assert!(batch.ndjson.len() <= MOST_BYTES);
            batches.push((batch.first_row, batch.count));
        }
        assert_eq!(batches, [(1, 2), (3, 2), (5, 1), (6, 1)], "none is lost");
        let failure = read(&Source::Text(record(MOST_BYTES + 1)), Format::Ndjson, &schema).unwrap_err();
        assert!(failure.message.contains("row 1") && failure.causes[0].contains("8 MiB"), "{failure:?}");
    }

    #[test]
    fn the_file_name_tells_the_format() {
        assert_eq!(Format::of_name(Path::new("a/b.CSV")), Some(Format::Csv));
        assert_eq!(Format::of_name(Path::new("b.jsonl")), Some(Format::Ndjson));
        assert_eq!(Format::of_name(Path::new("b.txt")), None);
    }
}
