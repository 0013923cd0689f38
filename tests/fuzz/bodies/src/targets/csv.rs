//! CSV input: the rows of the file, no more and no fewer, every cell under its column; and what is not CSV to the letter is
//! refused. The csv crate reads for us, and forgives; so a strict reader of a few lines is what it is held against.

use std::sync::LazyLock;

use crate::input::{Format, read_from};
use crate::oracle;
use crate::schema::Schema;

/// Takes any column, and any cell as it comes, except for a few columns that have a type.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = r#"{"type":"object","additionalProperties":true,"properties":{
        "id":{"type":"integer"},"name":{"type":"string"},"price":{"type":"number"},"on":{"type":"boolean"}}}"#;
    Schema::parse(text).unwrap()
});

/// Takes the bytes as a file.
pub fn check(data: &[u8]) {
    let read = read_from(data, "input", Format::Csv, &SCHEMA).and_then(|mut records| {
        let count = records.count;
        Ok((count, records.next_batch(u64::MAX)?.map(|batch| batch.ndjson).unwrap_or_default()))
    });
    let strict = std::str::from_utf8(data).ok().and_then(|text| rows(unmarked(text)?));
    match (read, strict) {
        (Ok((count, ndjson)), Some(rows)) => {
            let (header, rows) = rows.split_first().expect("there is a header");
            assert_eq!(count, rows.len() as u64, "rows were lost or made up");
            assert_eq!(ndjson.iter().filter(|byte| **byte == b'\n').count(), rows.len(), "not one line per record");
            let lines = ndjson.split(|byte| *byte == b'\n');
            for (line, row) in lines.zip(rows) {
                assert_eq!(row.len(), header.len());
                record(line, header, row);
            }
        }
        (Ok(_), None) => panic!("what is no CSV was taken"),
        (Err(failure), Some(rows)) => {
            assert!(failure.detail.contains_key("file") || failure.hint.is_some(), "{failure:?}");
            assert!(!plain(&rows), "a good file was refused: {failure:?}");
        }
        (Err(_), None) => {}
    }
}

/// Without the byte order mark that is ours to drop, and the one that the csv crate drops. No quote can follow that.
fn unmarked(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.strip_prefix('\u{feff}') {
        Some(rest) if rest.starts_with('"') => None,
        Some(rest) => Some(rest),
        None => Some(text),
    }
}

/// RFC 4180 to the letter, with any line end; lines of nothing are none. None for anything else.
fn rows(text: &str) -> Option<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut rest = text;
    loop {
        let cell = if let Some(mut inside) = rest.strip_prefix('"') {
            let mut cell = String::new();
            loop {
                let (part, after) = inside.split_once('"')?;
                cell.push_str(part);
                match after.strip_prefix('"') {
                    Some(again) => {
                        cell.push('"');
                        inside = again;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
            Some(cell)
        } else {
            let end = rest.find([',', '\n', '\r']).unwrap_or(rest.len());
            let (cell, after) = rest.split_at(end);
            if cell.contains('"') {
                return None;
            }
            rest = after;
            // Only what is quoted or has neighbours is a cell where nothing is.
            (!cell.is_empty() || rest.starts_with(',') || !row.is_empty()).then(|| cell.to_owned())
        };
        row.extend(cell);
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
            continue;
        }
        if !row.is_empty() {
            rows.push(std::mem::take(&mut row));
        }
        match rest.strip_prefix(['\n', '\r']) {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(rows),
            None => return None,
        }
    }
}

/// Whether nothing in it can be a mistake: equal widths, columns that are good names, cells that fit.
fn plain(rows: &[Vec<String>]) -> bool {
    let Some((header, rows)) = rows.split_first() else { return false };
    let good = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let typed = ["id", "price", "on"];
    let once = |name: &String| header.iter().filter(|other| *other == name).count() == 1;
    !rows.is_empty()
        && header.iter().all(|name| good(name) && once(name) && !typed.contains(&name.as_str()))
        && rows.iter().all(|row| row.len() == header.len())
}

fn record(line: &[u8], header: &[String], row: &[String]) {
    let object = oracle::value(line).expect("a record is JSON");
    assert!(object.starts_with('{'));
    for (name, cell) in header.iter().zip(row) {
        let name = name.trim();
        if name.contains('.') {
            continue;
        }
        let members = oracle::members(object).expect("names come from texts");
        let found: Vec<&str> = members.iter().filter(|(own, _)| own == name).map(|(_, value)| *value).collect();
        if cell.is_empty() {
            // Another column may have put an object there.
            assert!(found.iter().all(|value| value.starts_with('{')), "an empty cell became a value");
            continue;
        }
        let [found] = found.as_slice() else { panic!("`{name}` is there {} times", found.len()) };
        let quoted = serde_json::to_string(cell).unwrap();
        let same = match name {
            "id" | "price" => found == cell,
            "name" => *found == quoted,
            "on" => found.eq_ignore_ascii_case(cell),
            _ => {
                *found == quoted
                    || found == cell
                    || found.eq_ignore_ascii_case(cell)
                    || **found == oracle::bare(cell) && oracle::value(cell.as_bytes()).is_some()
            }
        };
        assert!(same, "the cell {cell:?} of `{name}` became {found}");
    }
}
