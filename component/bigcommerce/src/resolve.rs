//! Looks up what became of records whose write got no usable answer. Reads only.
//!
//! A record is found by its key. What an update asked for is compared with what the store holds; a deleted record is gone. A
//! created record has no key yet, unless the caller chose it: then nobody can tell, and it stays unknown.

use std::rc::Rc;

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
    let plan = Rc::new(plan::plan(&query, client.settings())?);
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
    Ok(match (verb, found) {
        (Verb::Delete, None) => Outcome::Applied(record::key_of(object, line)),
        (Verb::Delete, Some(_)) => not_applied("the record is still there: the delete was not applied"),
        (_, None) => not_applied("the store holds no record with this key: the write was not applied"),
        (_, Some(record)) if holds_all(object, line, &record) => {
            Outcome::Applied(String::from_utf8(record).unwrap_or_default())
        }
        (Verb::Update, Some(_)) => not_applied(
            "the store holds other values than were written: the update was not applied, or was overwritten since",
        ),
        (Verb::Create, Some(_)) => unknown("the store holds a record with this key and other values"),
    })
}

/// Whether the store's record has every scalar that was written.
fn holds_all(object: &'static Object, line: &[u8], record: &[u8]) -> bool {
    scan::fields(line).flatten().all(|field| {
        let Ok(name) = core::str::from_utf8(field.name) else {
            return false;
        };
        let node = object.model.and_then(|model| model.field(name)).map(|field| field.node);
        let (ty, format) = node.map_or((Type::Any, Format::Plain), |node| (node.ty, node.format));
        let Ok(prepared) = Prepared::new(Comparison::Equal, scan::text(field.value), ty, format) else {
            return true;
        };
        matches!(field.value.first(), Some(b'{' | b'[')) || prepared.holds(scan::get(record, name).ok().flatten())
    })
}
