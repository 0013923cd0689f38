//! Looks up what became of records whose write got no usable answer. Reads only.
//!
//! A record is found by its key. What an update asked for is compared with what the store holds; a deleted record is gone. A
//! created record has no key yet, unless the caller chose it: then nobody can tell, and it stays unknown.

use serde_json::Value;

use crate::client::Client;
use crate::compare::{Comparison, Prepared};
use crate::error::{Error, Kind, Retry};
use crate::parents::text;
use crate::plan;
use crate::reader::Reader;
use crate::record;
use crate::scan;
use crate::table::{Format, Object, Type};
use crate::types::{Condition, Outcome, QueryRequest, Verb, WriteRequest};

/// Looks up each record.
///
/// # Errors
/// The object cannot be read by its key; nothing can be told about any record.
pub async fn resolve(client: &Client, verb: Verb, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
    let object = plan::find(&request.object)?;
    let mut outcomes = Vec::new();
    for line in scan::lines(&request.records) {
        outcomes.push(match one(client, object, verb, line).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_cancelled() || error.kind == Kind::Unsupported => return Err(error),
            Err(error) => Outcome::Unknown(error.retry(Retry::OutcomeUnknown)),
        });
    }
    Ok(outcomes)
}

async fn one(client: &Client, object: &'static Object, verb: Verb, line: &[u8]) -> Result<Outcome, Error> {
    let unknown = |why: &str| Outcome::Unknown(Error::new(Kind::Unavailable, why).retry(Retry::OutcomeUnknown));
    let mut filter = Vec::new();
    for key in object.key {
        let Some(raw) = scan::get(line, key).ok().flatten().filter(|_| text(line, key).is_some()) else {
            return Ok(unknown("the record holds no key to look it up by: search for it by what it holds"));
        };
        filter.push(Condition { field: (*key).to_owned(), op: Comparison::Equal, value: scan::text(raw).to_owned() });
    }
    let query =
        QueryRequest { object: object.name.to_owned(), filter, max_records: Some(2), ..QueryRequest::default() };
    let plan = plan::plan(&query, client.settings())?;
    let mut reader = Reader::new(client.clone(), plan, None)?;
    let mut found = None;
    loop {
        let page = reader.page().await?;
        found = found.or_else(|| scan::lines(&page.records).next().map(<[u8]>::to_vec));
        if found.is_some() || page.next.is_none() {
            break;
        }
    }
    let not_applied = |why: &str| Outcome::Failed(Error::new(Kind::Unavailable, why).retry(Retry::After(0)));
    let archived = |record: &[u8]| {
        object.delete.iter().any(|way| way.archives) && text(record, ARCHIVED).as_deref() == Some("true")
    };
    Ok(match (verb, found) {
        (Verb::Delete, None) => Outcome::Applied(record::key_of(object, line)),
        (Verb::Delete, Some(record)) if archived(&record) => Outcome::Applied(record::key_of(object, line)),
        (Verb::Delete, Some(_)) => not_applied("the record is still there: the delete was not applied"),
        (_, None) => not_applied("the store holds no record with this key: the write was not applied"),
        (_, Some(record)) => match (agreement(object, line, &record), verb) {
            (Agreement::Same, _) => Outcome::Applied(String::from_utf8(record).unwrap_or_default()),
            (Agreement::Different, Verb::Update) => not_applied(
                "the store holds other values than were written: the update was not applied, or was overwritten since",
            ),
            _ => unknown("what the store holds does not tell whether the write was applied"),
        },
    })
}

/// Field of records that were archived instead of deleted (orders).
const ARCHIVED: &str = "is_deleted";

/// Whether the store's record has what was written.
#[derive(PartialEq)]
enum Agreement {
    Same,
    /// A value differs that no store writes in another way than it was sent.
    Different,
    /// A value is not there, or may only be written differently.
    Unclear,
}

fn agreement(object: &'static Object, line: &[u8], record: &[u8]) -> Agreement {
    let mut all = Agreement::Same;
    for field in scan::fields(line).flatten() {
        let name = String::from_utf8_lossy(field.name);
        let stored = scan::get(record, &name).ok().flatten();
        let node = object.model.and_then(|model| model.field(&name)).map(|field| field.node);
        let (ty, format) = node.map_or((Type::Any, Format::Plain), |node| (node.ty, node.format));
        let same = match stored {
            None => None,
            Some(stored) if matches!(field.value.first(), Some(b'{' | b'[')) => {
                let value = |raw| serde_json::from_slice::<Value>(raw).ok();
                (value(field.value) == value(stored)).then_some(true)
            }
            Some(stored) => match Prepared::new(Comparison::Equal, scan::text(field.value), ty, format) {
                Ok(prepared) if prepared.holds(Some(stored)) => Some(true),
                Ok(_) if matches!(ty, Type::Integer | Type::Number | Type::Boolean) || format == Format::Decimal => {
                    Some(false)
                }
                _ => None,
            },
        };
        match same {
            Some(true) => {}
            Some(false) => return Agreement::Different,
            None => all = Agreement::Unclear,
        }
    }
    all
}
