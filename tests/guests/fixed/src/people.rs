//! The data: 1000 people, made from their number, always the same.

use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How many there are.
pub const COUNT: u32 = 1000;
/// Their fields, in the order of a record.
pub const FIELDS: [&str; 5] = ["id", "name", "born", "balance", "serial"];

const NAMES: [&str; 7] = ["Ada", "Björn", "Chloë", "Dmitri", "Émile", "Fatima", "李"];

/// A record, given as the texts of its fields' JSON values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Key; the ids have gaps.
    pub id: u32,
    values: [String; 5],
}

/// The person of this position, from 0.
pub fn person(position: u32) -> Person {
    let id = position + 1 + position / 7;
    let name = format!("{} {id}", NAMES[position as usize % NAMES.len()]);
    let born = format!("{}-{:02}-{:02}", 1930 + position % 80, 1 + position % 12, 1 + position % 28);
    // More digits than a binary float holds: who reads these numbers into one is found out.
    let balance = format!("{}.{:02}00", position * 37, position % 100);
    let serial = format!("9{:019}", u64::from(position) * 7_919_000_000_007);
    let text = |text: &str| Value::from(text).to_string();
    Person { id, values: [id.to_string(), text(&name), text(&born), balance, serial] }
}

/// Whether somebody has this id.
pub fn exists(id: u64) -> bool {
    id > 0 && !id.is_multiple_of(8) && id - 1 - id / 8 < u64::from(COUNT)
}

impl Person {
    /// The JSON text of a field.
    pub fn value(&self, field: &str) -> Option<&str> {
        let index = FIELDS.iter().position(|name| *name == field)?;
        self.values.get(index).map(String::as_str)
    }

    /// One line of NDJSON with these fields, all if there are none.
    pub fn write(&self, fields: &[String], out: &mut Vec<u8>) {
        out.push(b'{');
        let mut first = true;
        for (field, value) in FIELDS.iter().zip(&self.values) {
            if fields.is_empty() || fields.iter().any(|wanted| wanted == field) {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                out.extend_from_slice(format!("\"{field}\":{value}").as_bytes());
            }
        }
        out.extend_from_slice(b"}\n");
    }
}

/// What would become of a record that is written.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Done; the record.
    Applied(String),
    /// Refused: the kind, why, and where in the record.
    Failed(&'static str, &'static str, &'static str),
    /// Perhaps done.
    Unknown,
}

/// A record as it was passed in: digits are kept.
pub type Fields = BTreeMap<String, Box<RawValue>>;

fn id_of(record: &Fields) -> Option<u64> {
    record.get("id")?.get().parse().ok()
}

fn is_unknown(record: &Fields) -> bool {
    record.get("name").is_some_and(|name| name.get() == "\"unknown\"")
}

fn applied(record: &Fields, id: u64) -> Fate {
    let mut out = format!("{{\"id\":{id}");
    for (field, value) in record.iter().filter(|(field, _)| *field != "id") {
        out.push_str(&format!(",{}:{}", Value::from(field.as_str()), value.get()));
    }
    out.push('}');
    Fate::Applied(out)
}

/// Creates one record: the id is 100000 and the line's number, unless given. A record needs a name; `unknown` is never heard of again.
pub fn create(record: &Fields, line: u64, upsert: bool) -> Fate {
    match record.get("name").map(|name| name.get()) {
        None | Some("null" | "\"\"") => return Fate::Failed("rejected", "a person needs a name", "/name"),
        Some(name) if !name.starts_with('"') => return Fate::Failed("rejected", "a name is a text", "/name"),
        Some(_) if is_unknown(record) => return Fate::Unknown,
        Some(_) => {}
    }
    match id_of(record) {
        Some(id) if exists(id) && !upsert => Fate::Failed("conflict", "there is a person with this id already", "/id"),
        id => applied(record, id.unwrap_or(100_000 + line)),
    }
}

/// Changes one record.
pub fn update(record: &Fields, upsert: bool) -> Fate {
    match id_of(record) {
        None => Fate::Failed("rejected", "the id is missing", "/id"),
        Some(_) if is_unknown(record) => Fate::Unknown,
        Some(id) if !exists(id) && !upsert => Fate::Failed("not-found", "there is no person with this id", "/id"),
        Some(id) => applied(record, id),
    }
}

/// Deletes one record, which may be gone already.
pub fn delete(record: &Fields) -> Fate {
    match id_of(record) {
        None => Fate::Failed("rejected", "the id is missing", "/id"),
        Some(id) => Fate::Applied(format!("{{\"id\":{id}}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existence_agrees_with_the_data() {
        let ids: Vec<u64> = (0..COUNT).map(|position| person(position).id.into()).collect();
        for id in 0..2000 {
            assert_eq!(exists(id), ids.contains(&id), "{id}");
        }
    }

    #[test]
    fn records_are_json_and_keep_their_digits() {
        let mut out = Vec::new();
        person(999).write(&[], &mut out);
        let line = String::from_utf8(out).unwrap();
        assert!(line.contains("\"serial\":90007911081000006993"), "{line}");
        assert!(line.contains("\"balance\":36963.9900"), "{line}");
        serde_json::from_str::<Fields>(line.trim_end()).unwrap();
    }

    #[test]
    fn what_is_written_comes_back_with_its_digits() {
        let record: Fields = serde_json::from_str(r#"{"name":"X","balance":25.00}"#).unwrap();
        assert_eq!(create(&record, 3, false), Fate::Applied(r#"{"id":100003,"balance":25.00,"name":"X"}"#.into()));
    }
}
