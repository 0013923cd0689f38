//! JSON input, as lines and as a document: the records that serde_json finds, one line each, digits as they were; everything
//! else is refused.

use std::sync::LazyLock;

use crate::input::{Format, read_from};
use crate::oracle;
use crate::schema::Schema;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse("{}").unwrap());

/// Takes the bytes as a file of either format.
pub fn check(data: &[u8]) {
    let text = std::str::from_utf8(data).ok().map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    compare(data, Format::Ndjson, text.and_then(lines));
    compare(data, Format::Json, text.and_then(document));
}

fn compare(data: &[u8], format: Format, expected: Option<Vec<&str>>) {
    let read = read_from(data, "input", format, &SCHEMA).and_then(|mut records| {
        let count = records.count;
        Ok((count, records.next_batch(u64::MAX)?.map(|batch| batch.ndjson).unwrap_or_default()))
    });
    match (read, expected) {
        (Ok((count, ndjson)), Some(expected)) => {
            let mut want = String::new();
            for record in &expected {
                want.push_str(&oracle::bare(record));
                want.push('\n');
            }
            assert_eq!(String::from_utf8(ndjson).expect("records are UTF-8"), want, "records changed");
            assert_eq!(count, expected.len() as u64);
        }
        (Ok(_), None) => panic!("what is no {format:?} was taken"),
        (Err(failure), Some(expected)) => {
            assert!(expected.is_empty(), "a good file was refused: {failure:?}");
            assert!(failure.hint.is_some(), "{failure:?}");
        }
        (Err(failure), None) => assert!(!failure.message.is_empty() && !failure.causes.is_empty(), "{failure:?}"),
    }
}

/// One object per line. None if a line holds something else.
fn lines(text: &str) -> Option<Vec<&str>> {
    let lines = text.split('\n').map(str::trim_ascii).filter(|line| !line.is_empty());
    lines.map(|line| oracle::value(line.as_bytes()).filter(|value| value.starts_with('{'))).collect()
}

/// An array of objects, or one object. None for anything else.
fn document(text: &str) -> Option<Vec<&str>> {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return Some(Vec::new());
    }
    let whole = oracle::value(text.as_bytes())?;
    let records = if whole.starts_with('[') { oracle::elements(whole)? } else { vec![whole] };
    records.iter().all(|record| record.starts_with('{')).then_some(records)
}
