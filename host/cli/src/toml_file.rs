//! TOML files that people write: read with the place of every mistake.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml_edit::{Document, Item, Table, TableLike};

use crate::error::{Failure, suggest};

/// A file that was read.
pub(crate) struct TomlFile {
    path: PathBuf,
    document: Document<String>,
}

/// A value, with the place where its key stands.
pub(crate) struct Entry<'a> {
    pub key: &'a str,
    pub item: &'a Item,
    pub line: usize,
}

impl TomlFile {
    /// Reads a file; none if it does not exist.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match crate::files::read_text(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Failure::new(format!("cannot read `{}`", path.display())).causes_of(&e)),
        };
        Self::parse(path, text).map(Some)
    }

    /// Reads a text as if it stood in this file.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, Failure> {
        match Document::parse(text.clone()) {
            Ok(document) => Ok(Self { path: path.to_owned(), document }),
            Err(error) => {
                let line = line_of(&text, error.span().map_or(0, |s: Range<usize>| s.start));
                Err(at(path, line, error.message().trim().replace('\n', ", ")).hint("the file must be valid TOML"))
            }
        }
    }

    /// The file's path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's root table.
    pub(crate) fn root(&self) -> &Table {
        self.document.as_table()
    }

    /// The members of a table, each with its line.
    pub(crate) fn entries<'a>(&'a self, table: &'a dyn TableLike) -> Vec<Entry<'a>> {
        table
            .iter()
            .map(|(key, item)| {
                // A table's own span is that of its header line, which is where a person looks for it.
                let span = match item {
                    Item::Table(table) => table.span(),
                    _ => None,
                };
                let span = span.or_else(|| table.key(key).and_then(toml_edit::Key::span)).or_else(|| item.span());
                Entry { key, item, line: line_of(self.document.raw(), span.map_or(0, |s| s.start)) }
            })
            .collect()
    }

    /// A table as JSON; notes the line of every member by its JSON pointer, which begins with `pointer`.
    pub(crate) fn json(
        &self,
        table: &dyn TableLike,
        pointer: &str,
        lines: &mut BTreeMap<String, usize>,
    ) -> Map<String, Value> {
        let mut map = Map::new();
        for entry in self.entries(table) {
            let pointer = format!("{pointer}/{}", entry.key.replace('~', "~0").replace('/', "~1"));
            lines.insert(pointer.clone(), entry.line);
            let value = match entry.item.as_table_like() {
                Some(inner) => Value::Object(self.json(inner, &pointer, lines)),
                None => entry.item.as_value().map_or(Value::Null, to_json),
            };
            map.insert(entry.key.to_owned(), value);
        }
        map
    }

    /// A mistake in this file.
    pub(crate) fn mistake(&self, line: usize, what: impl std::fmt::Display) -> Failure {
        at(&self.path, line, what)
    }

    /// A key that nobody knows.
    pub(crate) fn unknown(&self, entry: &Entry<'_>, place: &str, known: &[&'static str]) -> Failure {
        let failure = self.mistake(entry.line, format!("{place} has no key `{}`", entry.key));
        match suggest(entry.key, known.iter().copied()) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// A value as JSON.
pub(crate) fn to_json(value: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(text) => Value::from(text.value().as_str()),
        Toml::Integer(number) => Value::from(*number.value()),
        Toml::Float(number) => Value::from(*number.value()),
        Toml::Boolean(truth) => Value::from(*truth.value()),
        Toml::Datetime(time) => Value::from(time.value().to_string()),
        Toml::Array(items) => items.iter().map(to_json).collect(),
        Toml::InlineTable(table) => table.iter().map(|(key, value)| (key.to_owned(), to_json(value))).collect(),
    }
}

/// TOML has no null: such a value is left out.
pub(crate) fn from_json(json: &Value) -> Option<toml_edit::Value> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().filter_map(from_json).collect::<toml_edit::Array>().into(),
        Value::Object(map) => map
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), from_json(value)?)))
            .collect::<toml_edit::InlineTable>()
            .into(),
    })
}

fn at(path: &Path, line: usize, what: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{}:{line}: {what}", path.display()))
        .with("file", path.display().to_string())
        .with("line", line)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count()
}
