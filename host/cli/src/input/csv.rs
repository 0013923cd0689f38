//! CSV input: a header, then one record per row. Cells become JSON as the object's schema says.
//!
//! - A number keeps the digits of its cell. An empty cell is an absent field.
//! - Arrays and objects are JSON texts in their cell.
//! - A header with dots (`weight.unit`) makes nested objects, unless the schema has a field of that very name.
//! - A column that the schema does not know is refused, with the nearest name.
//!
//! The csv crate reads rows; what it forgives (a quote that is never closed, text behind a closing quote) is refused here,
//! because such a row is not what somebody meant.

use std::io::{self, BufRead, Read};

use serde_json::Value;

use super::{Mistake, Place, Sink, bad_input, bad_read};
use crate::error::{Failure, suggest};
use crate::json;
use crate::schema::{Schema, Types};

/// Reads all rows.
pub(super) fn read(input: impl BufRead, name: &str, schema: &Schema, sink: &mut Sink) -> Result<(), Failure> {
    let mut reader = csv::ReaderBuilder::new().from_reader(Quotes::new(input));
    let headers = reader.headers().map_err(|e| bad_row(name, None, e))?.clone();
    if headers.is_empty() {
        return Ok(());
    }
    let columns = columns(&headers, name, schema)?;
    let tree = Node::build(&columns).map_err(|what| bad_input(name, line_one(), what))?;
    let mut row = csv::StringRecord::new();
    let mut record = Vec::new();
    loop {
        let number = sink.count + 1;
        if !reader.read_record(&mut row).map_err(|e| bad_row(name, Some(number), e))? {
            return Ok(());
        }
        let place = Place { row: Some(number), line: row.position().map(csv::Position::line), column: None };
        record.clear();
        tree.write(&row, &columns, &mut record).map_err(|(column, cell)| {
            bad_input(
                name,
                place,
                format!("column `{}` takes {}, not `{}`", column.header, column.types.words(), short(&cell)),
            )
            .with("field", column.header.clone())
        })?;
        sink.put(&record)?;
    }
}

fn line_one() -> Place {
    Place { line: Some(1), ..Place::default() }
}

fn short(cell: &str) -> String {
    if cell.chars().count() <= 40 { cell.to_owned() } else { cell.chars().take(39).chain(['…']).collect() }
}

fn bad_row(name: &str, row: Option<u64>, error: csv::Error) -> Failure {
    let line = error.position().map(csv::Position::line);
    let place = Place { row, line, column: None };
    match error.into_kind() {
        csv::ErrorKind::Io(error) => bad_read(name, row, &error),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            bad_input(name, place, format!("the row has {len} fields and the header has {expected_len}"))
                .hint("put a field that holds a comma, a quote or a line break into quotes")
        }
        csv::ErrorKind::Utf8 { err, .. } => bad_input(name, place, err.to_string()),
        other => bad_input(name, place, format!("{other:?}")),
    }
}

/// One column.
#[derive(Debug)]
struct Column {
    header: String,
    /// Where its value goes: names of nested objects, then the field.
    path: Vec<String>,
    types: Types,
}

fn columns(headers: &csv::StringRecord, name: &str, schema: &Schema) -> Result<Vec<Column>, Failure> {
    let mut columns: Vec<Column> = Vec::new();
    for (index, header) in headers.iter().enumerate() {
        let header = header.trim();
        if header.is_empty() {
            return Err(bad_input(name, line_one(), format!("column {} has no name in the header", index + 1)));
        }
        if columns.iter().any(|c| c.header == header) {
            return Err(bad_input(name, line_one(), format!("the column `{header}` is there twice")));
        }
        let (path, types) = match locate(header, schema) {
            Some((path, types)) if schema.is_forgiving() => (path, types.or_text()),
            Some(known) => known,
            None if schema.is_forgiving() => (vec![header.to_owned()], Types::text()),
            None => return Err(unknown(header, name, schema)),
        };
        columns.push(Column { header: header.to_owned(), path, types });
    }
    Ok(columns)
}

fn unknown(header: &str, name: &str, schema: &Schema) -> Failure {
    let mut known = Vec::new();
    names(schema, schema.root(), "", 0, &mut known);
    let failure = bad_input(name, line_one(), format!("the column `{header}` is no field of this object"));
    let hint = if header.contains([';', '\t']) && !header.contains(',') {
        Some("columns are separated by commas".to_owned())
    } else {
        suggest(header, known.iter().map(String::as_str))
    };
    let failure = failure.with("field", header);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure.hint("`connector describe NAME OBJECT` lists the fields"),
    }
}

/// Names of all fields, nested ones with dots, three levels deep: enough to suggest from.
fn names(schema: &Schema, of: &Value, prefix: &str, depth: usize, known: &mut Vec<String>) {
    for (name, property) in schema.properties(of) {
        let full = format!("{prefix}{name}");
        if depth < 3 {
            names(schema, property, &format!("{full}."), depth + 1, known);
        }
        known.push(full);
    }
}

/// The path and the types of a header; none if the schema has no such field.
fn locate(header: &str, schema: &Schema) -> Option<(Vec<String>, Types)> {
    let mut here = schema.root();
    if let Some(whole) = schema.property(here, header) {
        return Some((vec![header.to_owned()], schema.types(whole)));
    }
    let path: Vec<String> = header.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return None;
    }
    for part in &path {
        match schema.property(here, part) {
            Some(next) => here = next,
            None if schema.is_open(here) => {
                // Whatever is below a field that takes anything is taken as it comes.
                static ANYTHING: Value = Value::Bool(true);
                return Some((path.clone(), schema.types(&ANYTHING)));
            }
            None => return None,
        }
    }
    Some((path, schema.types(here)))
}

/// The shape that all records of this file have.
enum Node {
    /// Index of the column.
    Cell(usize),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn build(columns: &[Column]) -> Result<Self, String> {
        let mut root = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            Self::insert(&mut root, &column.path, index).ok_or_else(|| {
                format!(
                    "the column `{}` clashes with another one: a field is either a value or an object with fields",
                    column.header
                )
            })?;
        }
        Ok(Self::Object(root))
    }

    fn insert(members: &mut Vec<(String, Self)>, path: &[String], index: usize) -> Option<()> {
        let (first, rest) = path.split_first()?;
        let position = members.iter().position(|(name, _)| name == first);
        if rest.is_empty() {
            if position.is_some() {
                return None;
            }
            members.push((first.clone(), Self::Cell(index)));
            return Some(());
        }
        let at = position.unwrap_or_else(|| {
            members.push((first.clone(), Self::Object(Vec::new())));
            members.len() - 1
        });
        match members.get_mut(at) {
            Some((_, Self::Object(inner))) => Self::insert(inner, rest, index),
            _ => None,
        }
    }

    /// Appends the value for one row; an object without any value is absent, except at the top.
    fn write<'c>(
        &self,
        row: &csv::StringRecord,
        columns: &'c [Column],
        out: &mut Vec<u8>,
    ) -> Result<bool, (&'c Column, String)> {
        match self {
            Self::Cell(index) => {
                let (Some(cell), Some(column)) = (row.get(*index), columns.get(*index)) else {
                    return Ok(false);
                };
                if cell.is_empty() {
                    return Ok(false);
                }
                let value = column.types.value_of(cell).ok_or_else(|| (column, cell.to_owned()))?;
                out.extend_from_slice(value.as_bytes());
                Ok(true)
            }
            Self::Object(members) => {
                out.push(b'{');
                let mut any = false;
                for (name, member) in members {
                    let before = out.len();
                    if any {
                        out.push(b',');
                    }
                    out.extend_from_slice(json::quote(name).as_bytes());
                    out.push(b':');
                    if member.write(row, columns, out)? {
                        any = true;
                    } else {
                        out.truncate(before);
                    }
                }
                out.push(b'}');
                Ok(any)
            }
        }
    }
}

/// Where the watcher is within a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Bare,
    Quoted,
    Closed,
}

/// A reader that refuses quotes in wrong places, and tells the row.
struct Quotes<R> {
    inner: R,
    state: State,
    place: (u64, u64),
    /// Rows that were closed, the header among them.
    rows: u64,
    /// Whether the row under way has anything in it: empty lines are no rows.
    any: bool,
    opened: (u64, u64),
    mistake: Option<Mistake>,
}

impl<R: BufRead> Quotes<R> {
    fn new(inner: R) -> Self {
        Self { inner, state: State::Start, place: (1, 1), rows: 0, any: false, opened: (1, 1), mistake: None }
    }

    fn mistake(&self, what: &str, (line, column): (u64, u64)) -> Mistake {
        Mistake {
            what: what.to_owned(),
            place: Place {
                // The header is row 0.
                row: (self.rows > 0).then_some(self.rows),
                line: Some(line),
                column: Some(column),
            },
            hint: "inside quotes a quote is written twice (\"\"), and the closing quote ends the field",
        }
    }

    /// Takes one byte; says what is wrong with it.
    fn step(&mut self, byte: u8) -> Option<&'static str> {
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::Closed,
            (State::Quoted, _) => State::Quoted,
            (State::Closed, b'"') => State::Quoted,
            (_, b'\n' | b'\r') => {
                self.rows += u64::from(self.any);
                self.any = false;
                State::Start
            }
            (_, b',') => {
                self.any = true;
                State::Start
            }
            (State::Start, b'"') => {
                self.any = true;
                self.opened = self.place;
                State::Quoted
            }
            (State::Closed, _) => return Some("text follows a closing quote"),
            (_, b'"') => return Some("a quote stands within a field that does not begin with one"),
            _ => {
                self.any = true;
                State::Bare
            }
        };
        self.place = if byte == b'\n' { (self.place.0 + 1, 1) } else { (self.place.0, self.place.1 + 1) };
        None
    }
}

impl<R: BufRead> Read for Quotes<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some(mistake) = &self.mistake {
            return Err(io::Error::other(mistake.clone()));
        }
        let read = self.inner.read(out)?;
        if read == 0 && !out.is_empty() && self.state == State::Quoted {
            let mistake = self.mistake("the quote that opens here is never closed", self.opened);
            self.mistake = Some(mistake.clone());
            return Err(io::Error::other(mistake));
        }
        for (index, byte) in out.iter().take(read).enumerate() {
            if let Some(what) = self.step(*byte) {
                let mistake = self.mistake(what, self.place);
                self.mistake = Some(mistake.clone());
                // What precedes the mistake is delivered first: an earlier row may hold another one.
                return if index > 0 { Ok(index) } else { Err(io::Error::other(mistake)) };
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
