//! What the answer to a write means for each of its records.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Kind, Retry};
use crate::host::Answer;
use crate::parents::text;
use crate::record;
use crate::remote::{self, Said};
use crate::scan;
use crate::slice::{self, Payload};
use crate::table::{Envelope, Method, Object, Write};
use crate::types::{Outcome, Verb};
use crate::write::Way;

/// What an answer means.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// One outcome per record, in order.
    Each(Vec<Outcome>),
    /// None of several records was applied, and the answer does not tell which of them is to blame.
    RefusedAsAWhole,
}

/// Reads the answer to a write of `sent` records.
pub fn read(object: &'static Object, verb: Verb, way: Way, sent: &[&[u8]], answer: &Answer) -> Verdict {
    let what = format!("{} {}", verb.name(), object.name);
    match (answer.status, verb) {
        (200..=299, Verb::Delete) => {
            Verdict::Each(sent.iter().map(|line| Outcome::Applied(record::key_of(object, line))).collect())
        }
        // What is gone already is what was asked for. Of a list, it is not known which one is meant.
        (404, Verb::Delete) if sent.len() == 1 => {
            Verdict::Each(sent.iter().map(|line| Outcome::Applied(record::key_of(object, line))).collect())
        }
        (200..=299, _) => saved(object, verb, way, sent, answer, &what),
        _ => refused(object, verb, way, sent, answer, &what),
    }
}

/// A success, which may hold fewer records than were sent, or say that some part of it failed (207).
fn saved(object: &'static Object, verb: Verb, way: Way, sent: &[&[u8]], answer: &Answer, what: &str) -> Verdict {
    let (envelope, answers_records) = match way {
        Way::Put(write) => (write.envelope, write.answers_records),
        Way::Delete(_) => (Envelope::Bare, false),
    };
    let keys = || sent.iter().map(|line| Outcome::Applied(record::key_of(object, line))).collect();
    let acts = matches!(way, Way::Put(Write { result: Some(_), .. }));
    if answer.body.iter().all(u8::is_ascii_whitespace) || (!answers_records && !acts && answer.status != 207) {
        return Verdict::Each(keys());
    }
    let sliced = match slice::split(answer.body.clone(), envelope) {
        Ok(sliced) if sliced.objects => sliced,
        // The status says that the store acted; what it made of the records, nobody knows.
        Ok(_) | Err(_) => {
            let error =
                remote::nonsense(what, "the store said that it is done, and its answer is cut off or malformed");
            return Verdict::Each(sent.iter().map(|_| Outcome::Unknown(error.clone())).collect());
        }
    };
    let records: Vec<&[u8]> = (0..sliced.count as usize).filter_map(|index| sliced.record(index)).collect();
    if acts {
        return Verdict::Each(sent.iter().map(|line| result(object, line, &sliced, &records)).collect());
    }
    let errors = sliced.errors.as_deref().map(each_error).unwrap_or_default();
    if let ([_], 207) = (sent, answer.status) {
        return Verdict::Each(vec![in_part(object, &records, &errors, answer, what)]);
    }
    if let ([_], [record]) = (sent, records.as_slice()) {
        return Verdict::Each(vec![Outcome::Applied(as_text(record))]);
    }
    if records.is_empty() && !matches!(sliced.payload, Payload::Array) && errors.is_empty() {
        return Verdict::Each(keys());
    }
    pair_up(names(object, way), verb, sent, &records, answer.status, &errors, what)
}

/// The answer of an operation that does something, with the fields that name on what it was done. A list stands in `data`.
fn result(object: &'static Object, line: &[u8], sliced: &slice::Sliced, records: &[&[u8]]) -> Outcome {
    let mut answer = match (sliced.payload, records) {
        (Payload::Object, [record]) => record.to_vec(),
        (Payload::Array, _) => {
            let mut list = Vec::from(b"{\"data\":");
            scan::join(records.iter().copied(), &mut list);
            list.push(b'}');
            list
        }
        _ => Vec::from(b"{}"),
    };
    for key in object.key.iter().rev() {
        if let (Ok(Some(raw)), Ok(None)) = (scan::get(line, key), scan::get(&answer, key)) {
            let mut named = Vec::with_capacity(answer.len() + raw.len());
            if scan::inject(&answer, key, raw, &mut named).is_ok() {
                answer = named;
            }
        }
    }
    Outcome::Applied(as_text(&answer))
}

/// 207 for one record: some part of it was saved, some was not. Only a record that came back whole is done.
fn in_part(object: &'static Object, records: &[&[u8]], errors: &[Said], answer: &Answer, what: &str) -> Outcome {
    match records {
        [record] if errors.is_empty() && object.key.iter().all(|key| text(record, key).is_some()) => {
            Outcome::Applied(as_text(record))
        }
        _ => {
            let said = errors.iter().find_map(|said| said.text.clone()).or_else(|| Said::read(&answer.body).text);
            let reason = said.unwrap_or_else(|| "the store does not say what".to_owned());
            let message = format!(
                "cannot {what} in full: a part of the record was saved, another was not (HTTP 207: {reason}); look at it in the store"
            );
            let mut error = Error::new(Kind::Rejected, message).retry(Retry::OutcomeUnknown);
            error.status = Some(207);
            Outcome::Unknown(error)
        }
    }
}

/// A refusal. Some of them (422 of metafields, 409 of segments) hold the records that were saved all the same.
fn refused(object: &'static Object, verb: Verb, way: Way, sent: &[&[u8]], answer: &Answer, what: &str) -> Verdict {
    let error = remote::refusal(what, answer);
    if error.retry == Retry::OutcomeUnknown {
        return Verdict::Each(sent.iter().map(|_| Outcome::Unknown(error.clone())).collect());
    }
    if let (Way::Put(_), 409 | 422) = (way, answer.status)
        && let Ok(sliced) = slice::split(answer.body.clone(), Envelope::Data)
        && sliced.payload == Payload::Array
        && sliced.objects
    {
        let records: Vec<&[u8]> = (0..sliced.count as usize).filter_map(|index| sliced.record(index)).collect();
        let errors = sliced.errors.as_deref().map(each_error).unwrap_or_default();
        return pair_up(names(object, way), verb, sent, &records, answer.status, &errors, what);
    }
    if let (Way::Put(Write { result: Some(_), method: Method::Post, .. }), 2..) = (way, sent.len()) {
        // What acts is not sent again one by one: it is not documented that a refused batch was refused whole, and an adjustment
        // sent twice counts twice.
        let mut error = error;
        error.message =
            format!("{} (the store refused the {} records of this request together)", error.message, sent.len());
        return Verdict::Each(sent.iter().map(|_| Outcome::Failed(error.clone())).collect());
    }
    match (sent.len(), answer.status) {
        // A wrong token or a used-up quota concerns no single record.
        (0 | 1, _) | (_, 401 | 403 | 405 | 406 | 415 | 429 | 501) => {
            Verdict::Each(sent.iter().map(|_| Outcome::Failed(error.clone())).collect())
        }
        _ => Verdict::RefusedAsAWhole,
    }
}

/// The fields by which the remote finds a record.
fn names(object: &'static Object, way: Way) -> &'static [&'static str] {
    match way {
        Way::Put(write) if !write.match_on.is_empty() => write.match_on,
        _ => object.key,
    }
}

/// Pairs sent records with those that came back; one without is not in the store, unless something came back that belongs to none.
fn pair_up(
    names: &[&str],
    verb: Verb,
    sent: &[&[u8]],
    records: &[&[u8]],
    status: u16,
    errors: &[Said],
    what: &str,
) -> Verdict {
    let (pairs, left) = record::pair(names, verb, sent, records);
    let mut unmatched = errors.iter().filter(|said| index_of(said).is_none());
    let outcomes = pairs.into_iter().enumerate().map(|(index, pair)| match pair {
        Some(record) => Outcome::Applied(as_text(record)),
        None => {
            let own = errors.iter().find(|said| index_of(said) == Some(index)).or_else(|| unmatched.next());
            let kind = match (status, verb) {
                (409 | 200 | 201, Verb::Create) => Kind::Conflict,
                (200 | 201, _) => Kind::NotFound,
                _ => Kind::Rejected,
            };
            let reason = own.and_then(|said| said.text.clone()).unwrap_or_else(|| {
                let guess = if verb == Verb::Create {
                    "an equal record may exist already"
                } else {
                    "there may be no such record, or nothing to change"
                };
                format!("the store's answer does not hold it; {guess}")
            });
            let mut error = Error::new(kind, format!("cannot {what}: {reason} (HTTP {status})"));
            error.status = Some(status);
            error.code = own.and_then(|said| said.code.clone());
            if left > 0 {
                return Outcome::Unknown(error.retry(Retry::OutcomeUnknown));
            }
            Outcome::Failed(error)
        }
    });
    Verdict::Each(outcomes.collect())
}

/// The index in a pointer like `/0/constraint`, by which some answers name the record.
fn index_of(said: &Said) -> Option<usize> {
    said.pointer.as_deref()?.strip_prefix('/')?.split('/').next()?.parse().ok()
}

/// The errors of an envelope, as one list.
fn each_error(raw: &str) -> Vec<Said> {
    match serde_json::from_str(raw) {
        Ok(Value::Array(items)) => items.iter().map(Said::from_value).collect(),
        Ok(Value::Object(map)) if !map.is_empty() => {
            let mut fields: Vec<Said> = Vec::new();
            for (field, message) in &map {
                let one = serde_json::json!({ "errors": { field: message } });
                fields.push(Said::from_value(&one));
            }
            fields
        }
        _ => Vec::new(),
    }
}

fn as_text(record: &[u8]) -> String {
    // Records are lines of a checked answer; a record that is no JSON inside is handed on as what it is known by.
    match core::str::from_utf8(record) {
        Ok(text) if serde_json::from_str::<&RawValue>(text).is_ok() => text.to_owned(),
        _ => "{}".to_owned(),
    }
}
