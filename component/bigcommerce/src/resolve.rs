//! Looks up what became of records whose write got no usable answer. Reads only.
//!
//! A record is found by its key. One that was created has none yet, unless the caller chose it: it is found by a field by which
//! people know it (`sku`, `email`, `name`), and has to hold all that was asked for. What an update asked for is compared with what
//! the store holds; a deleted record is gone. What none of that tells stays unknown.

use crate::client::Client;
use crate::compare::{Comparison, Prepared};
use crate::error::{Error, Kind, Retry};
use crate::lookup;
use crate::parents::text;
use crate::plan;
use crate::record;
use crate::scan;
use crate::table::{Format, Node, Object, Type};
use crate::types::{Outcome, Verb, WriteRequest};

/// Looks up each record.
///
/// # Errors
/// The object cannot be read, or the call was cancelled; nothing can be told about any record.
pub async fn resolve(client: &Client, verb: Verb, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
    let object = plan::find(&request.object)?;
    let lines: Vec<&[u8]> = scan::lines(&request.records).collect();
    let names: Vec<&str> = request.match_on.iter().map(String::as_str).collect();
    look_up(client, object, verb, &names, &lines, None).await
}

/// Looks up records, by `match_on` if they have no key. After a refusal of a batch of creates it is `Skipped` for those that are not
/// there, so that they can be sent again, and the refusal for those that are there with other values.
///
/// # Errors
/// See [`resolve`].
pub async fn look_up(
    client: &Client,
    object: &'static Object,
    verb: Verb,
    match_on: &[&str],
    lines: &[&[u8]],
    refused: Option<&Error>,
) -> Result<Vec<Outcome>, Error> {
    if object.reads.is_empty() && object.item.is_none() {
        return Err(Error::unsupported(format!("`{}` cannot be read: nobody can look its records up", object.name))
            .at("/object"));
    }
    let mut outcomes: Vec<Outcome> = lines
        .iter()
        .map(|_| unknown("it holds no key and no name to look it up by: search for it by what it holds"))
        .collect();
    // Records that are found by the same fields are looked up together.
    let mut groups: Vec<(Vec<&str>, Vec<usize>)> = Vec::new();
    for (row, line) in lines.iter().enumerate() {
        let Some(names) = names(object, verb, match_on, line) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == names) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((names, vec![row])),
        }
    }
    for (names, rows) in groups {
        let own: Vec<&[u8]> = rows.iter().filter_map(|row| lines.get(*row).copied()).collect();
        let found = match lookup::find(client, object, &names, &own, &[], true).await {
            Ok(found) => found,
            Err(error) if error.is_cancelled() => return Err(error),
            Err(error) => {
                let error = error.retry(Retry::OutcomeUnknown);
                for row in rows {
                    if let Some(slot) = outcomes.get_mut(row) {
                        *slot = Outcome::Unknown(error.clone());
                    }
                }
                continue;
            }
        };
        let by_key = object.key.iter().all(|key| names.contains(key));
        for ((row, line), found) in rows.into_iter().zip(own).zip(found) {
            if let Some(slot) = outcomes.get_mut(row) {
                *slot = judge(object, verb, by_key, &names, line, found, refused);
            }
        }
    }
    Ok(outcomes)
}

/// The fields by which a record is looked for.
fn names<'a>(object: &'static Object, verb: Verb, match_on: &[&'a str], line: &[u8]) -> Option<Vec<&'a str>> {
    let holds = |names: &[&str]| !names.is_empty() && names.iter().all(|name| text(line, name).is_some());
    if holds(match_on) {
        return Some(lookup::with_parents(object, match_on, line));
    }
    let only_one = object.key.is_empty() && object.reads.iter().any(|read| read.single);
    if only_one || holds(object.key) {
        return Some(object.key.to_vec());
    }
    if verb == Verb::Delete {
        return None;
    }
    let known = |name: &&'static str| {
        let names = lookup::with_parents(object, &[*name], line);
        (text(line, name).is_some() && lookup::possible(object, &names)).then_some(names)
    };
    object.natural.iter().find_map(known)
}

fn unknown(why: &str) -> Outcome {
    Outcome::Unknown(Error::new(Kind::Unavailable, why).retry(Retry::OutcomeUnknown))
}

/// Milliseconds after which a write that was not found is sent again at the earliest: a store that never answered may still be at work
/// on it when it is looked up.
const SETTLED: u64 = 60_000;

/// Field of records that were archived instead of deleted (orders).
const ARCHIVED: &str = "is_deleted";

fn judge(
    object: &'static Object,
    verb: Verb,
    by_key: bool,
    names: &[&str],
    line: &[u8],
    found: Vec<Vec<u8>>,
    refused: Option<&Error>,
) -> Outcome {
    let not_applied = |why: &str| {
        let message = format!("{why} when it was looked up");
        Outcome::Failed(Error::new(Kind::Unavailable, message).retry(Retry::After(SETTLED)))
    };
    let name = names.first().copied().unwrap_or("key");
    if verb == Verb::Delete {
        let archived = |record: &Vec<u8>| {
            object.delete.iter().any(|way| way.archives) && text(record, ARCHIVED).as_deref() == Some("true")
        };
        return if found.iter().all(archived) {
            Outcome::Applied(record::key_of(object, line))
        } else {
            not_applied("the record was still there: the delete had not been applied")
        };
    }
    if found.is_empty() && refused.is_some() {
        return Outcome::Skipped;
    }
    if found.is_empty() {
        return not_applied(&match by_key {
            true => "the store held no record with this key: the write had not been applied".to_owned(),
            false => format!("the store held no record with this `{name}`: the write had not been applied"),
        });
    }
    let mut same: Vec<&Vec<u8>> = Vec::new();
    let mut different = true;
    for record in &found {
        match members(object.model, verb == Verb::Create, line, record) {
            Agreement::Same => same.push(record),
            Agreement::Different => {}
            Agreement::Unclear => different = false,
        }
    }
    if let Some(error) = refused {
        return match same.as_slice() {
            [] => Outcome::Failed(error.clone()),
            _ => unknown("the store holds such a record: it may have saved this one, or have held that one before"),
        };
    }
    match (same.as_slice(), verb) {
        ([record], _) => Outcome::Applied(scan::text(record).to_owned()),
        ([], Verb::Update) if different => not_applied(
            "the store held other values than were written: the update had not been applied, or was overwritten already,",
        ),
        ([], _) if different => {
            unknown(&format!("the store holds a record with this `{name}` and other values: it may be another one"))
        }
        ([], _) => unknown("what the store holds does not tell whether the write was applied"),
        _ => unknown(&format!(
            "the store holds {} records like this one: whether it made one of them is not known",
            same.len()
        )),
    }
}

/// Whether the store's record has what was written.
#[derive(Clone, Copy, PartialEq)]
enum Agreement {
    Same,
    /// A value differs that no store writes in another way than it was sent.
    Different,
    /// A value is not there, or may only be written differently.
    Unclear,
}

impl Agreement {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Different, _) | (_, Self::Different) => Self::Different,
            (Self::Unclear, _) | (_, Self::Unclear) => Self::Unclear,
            _ => Self::Same,
        }
    }
}

/// Compares the members that were sent. `silent` lets pass what the store does not give back: a password says nothing about whether a
/// record was created, but an update may have been about nothing else.
fn members(node: Option<&'static Node>, silent: bool, sent: &[u8], stored: &[u8]) -> Agreement {
    let one = |field: scan::Field<'_>| {
        let name = String::from_utf8_lossy(field.name);
        let known = node.and_then(|node| node.field(&name)).map(|field| field.node);
        match scan::get(stored, &name).ok().flatten() {
            Some(stored) => value(known, silent, field.value, stored),
            None if silent => Agreement::Same,
            None => Agreement::Unclear,
        }
    };
    scan::fields(sent).flatten().map(one).fold(Agreement::Same, Agreement::and)
}

fn value(node: Option<&'static Node>, silent: bool, sent: &[u8], stored: &[u8]) -> Agreement {
    let (ty, format) = node.map_or((Type::Any, Format::Plain), |node| (node.ty, node.format));
    match sent.first() {
        // An object may have been filled up by the store.
        Some(b'{') if stored.first() == Some(&b'{') => members(node, silent, sent, stored),
        Some(b'[') => match (scan::elements(sent), scan::elements(stored)) {
            (Ok(sent), Ok(stored)) if sent.len() == stored.len() => {
                let items = node.and_then(|node| node.items);
                let all = sent.iter().zip(stored).map(|(sent, stored)| value(items, silent, sent, stored));
                // Lists may come back in another order.
                if all.fold(Agreement::Same, Agreement::and) == Agreement::Same {
                    Agreement::Same
                } else {
                    Agreement::Unclear
                }
            }
            _ => Agreement::Unclear,
        },
        Some(b'{') => Agreement::Unclear,
        Some(b'n') if stored.first() != Some(&b'n') => Agreement::Unclear,
        _ => match Prepared::new(Comparison::Equal, scan::text(sent), ty, format) {
            Ok(prepared) if prepared.holds(Some(stored)) => Agreement::Same,
            Ok(_) if ty == Type::String && same_text(sent, stored) => Agreement::Same,
            Ok(_) if matches!(ty, Type::Integer | Type::Number | Type::Boolean) || format == Format::Decimal => {
                Agreement::Different
            }
            _ => Agreement::Unclear,
        },
    }
}

/// Whether two texts are the same but for case and white space around them.
fn same_text(sent: &[u8], stored: &[u8]) -> bool {
    let fold = |raw| Some(lookup::folded(&scan::decode(raw)?));
    sent.first() == Some(&b'"') && fold(sent).is_some() && fold(sent) == fold(stored)
}
