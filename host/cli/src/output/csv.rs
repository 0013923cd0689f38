//! CSV: nested fields become columns with dots (`weight.unit`), arrays stand as JSON in their cell, null is an empty cell, and
//! numbers are as they were written.
//!
//! Records need not all have the same fields, and a header comes first: so records wait in an unnamed temporary file while the
//! columns are collected (the fields that were asked for, then the others as they turn up), and rows are written at the end.
//! No field is ever lost, and memory holds the names of columns only.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};

use super::RecordWriter;
use crate::json::{for_each_member, lines};

/// Collects, then writes.
pub(super) struct Rows {
    spool: Option<BufWriter<File>>,
    columns: Columns,
}

/// Columns in their order.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    index: HashMap<String, usize>,
    /// Fields that were asked for: their columns keep this order, whichever comes first.
    wanted: Vec<String>,
}

impl Rows {
    pub(super) fn new(fields: &[String]) -> io::Result<Self> {
        let columns = Columns { wanted: fields.to_vec(), ..Columns::default() };
        Ok(Self { spool: Some(BufWriter::new(tempfile::tempfile()?)), columns })
    }
}

impl RecordWriter for Rows {
    fn write(&mut self, ndjson: &[u8], _: &mut (dyn Write + Send)) -> io::Result<()> {
        for line in lines(ndjson) {
            flatten(line, &mut |name, _| {
                self.columns.add(name);
            })?;
        }
        match &mut self.spool {
            Some(spool) => spool.write_all(ndjson),
            None => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        let Some(spool) = self.spool.take() else { return Ok(()) };
        let mut file = spool.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let order = self.columns.order();
        let place: HashMap<&str, usize> = order.iter().enumerate().map(|(i, name)| (*name, i)).collect();
        if order.is_empty() {
            return Ok(());
        }
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(&order)?;
        let mut cells = vec![String::new(); order.len()];
        for line in BufReader::new(file).split(b'\n') {
            cells.iter_mut().for_each(String::clear);
            flatten(&line?, &mut |name, value| {
                if let Some(cell) = place.get(name).and_then(|i| cells.get_mut(*i)) {
                    value.clone_into(cell);
                }
            })?;
            writer.write_record(&cells)?;
        }
        writer.flush()
    }
}

impl Columns {
    fn add(&mut self, name: &str) {
        if !self.index.contains_key(name) {
            self.index.insert(name.to_owned(), self.names.len());
            self.names.push(name.to_owned());
        }
    }

    /// Columns of the fields that were asked for, in that order, then the rest as they turned up.
    fn order(&self) -> Vec<&str> {
        let rank = |name: &str| {
            let of =
                |field: &String| name.strip_prefix(field.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('.'));
            self.wanted.iter().position(of).unwrap_or(self.wanted.len())
        };
        let mut order: Vec<&str> = self.names.iter().map(String::as_str).collect();
        order.sort_by_key(|name| rank(name));
        order
    }
}

/// Calls `each` with every column of a record and its text. Names that would be there twice get a number behind them.
fn flatten(line: &[u8], each: &mut dyn FnMut(&str, &str)) -> io::Result<()> {
    let text = std::str::from_utf8(line).map_err(io::Error::other)?;
    let mut seen: HashMap<String, u32> = HashMap::new();
    walk(text, "", &mut |name, value| {
        let times = seen.entry(name.to_owned()).and_modify(|n| *n += 1).or_insert(1);
        if *times == 1 { each(name, value) } else { each(&format!("{name}#{times}"), value) }
    })
}

fn walk(object: &str, prefix: &str, each: &mut dyn FnMut(&str, &str)) -> io::Result<()> {
    let mut failed = Ok(());
    for_each_member(object, |name, value| {
        let full = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        let raw = value.get();
        match raw.as_bytes().first() {
            Some(b'{') if !raw.trim_matches(['{', '}']).trim().is_empty() => {
                let inner = walk(raw, &full, each);
                if failed.is_ok() {
                    failed = inner;
                }
            }
            Some(b'"') => match serde_json::from_str::<String>(raw) {
                Ok(text) => each(&full, &text),
                // Half a surrogate pair is a legal escape and no text: the cell holds it as it was written.
                Err(_) => each(&full, raw),
            },
            _ if raw == "null" => each(&full, ""),
            _ => each(&full, raw),
        }
    })
    .map_err(io::Error::other)?;
    failed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn csv(fields: &[&str], pages: &[&str]) -> String {
        let fields: Vec<String> = fields.iter().map(|s| (*s).to_owned()).collect();
        let mut rows = Rows::new(&fields).unwrap();
        let mut out = Vec::new();
        for page in pages {
            rows.write(page.as_bytes(), &mut out).unwrap();
        }
        rows.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nested_fields_become_columns_and_numbers_stay_as_written() {
        assert_eq!(
            csv(
                &[],
                &[
                    "{\"id\":12345678901234567890,\"p\":25.00,\"w\":{\"v\":1e400,\"u\":\"k,g\"},\"l\":[1,{\"a\":2}],\"n\":null,\"e\":{}}\n"
                ]
            ),
            "id,p,w.v,w.u,l,n,e\n12345678901234567890,25.00,1e400,\"k,g\",\"[1,{\"\"a\"\":2}]\",,{}\n"
        );
    }

    #[test]
    fn a_column_that_turns_up_late_loses_nothing() {
        assert_eq!(csv(&[], &["{\"a\":1}\n", "{\"b\":\"x\\ny\",\"a\":{\"c\":2}}\n"]), "a,b,a.c\n1,,\n,\"x\ny\",2\n");
        assert_eq!(csv(&[], &["{\"a.b\":1,\"a\":{\"b\":2}}\n"]), "a.b,a.b#2\n1,2\n");
    }

    #[test]
    fn columns_stand_in_the_order_that_was_asked_for() {
        assert_eq!(csv(&["w", "id"], &["{\"id\":1,\"x\":0,\"w\":{\"v\":2,\"u\":3}}\n"]), "w.v,w.u,id,x\n2,3,1,0\n");
    }

    #[test]
    fn no_records_make_no_header() {
        assert_eq!(csv(&["id"], &[]), "");
    }
}
