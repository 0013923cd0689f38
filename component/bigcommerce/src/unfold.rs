//! Takes sub-objects out of their parents' records, which were asked to include them.
//!
//! A parent that does not hold all of its own is asked for them by the path of its sub-objects, so that nothing depends on the
//! include being complete: one without the member, one with links instead of records, one that has none and counts some.

use crate::client::Client;
use crate::compare::Comparison;
use crate::error::Error;
use crate::fetch::Fetched;
use crate::parents::text;
use crate::plan::{self, Plan, Unfold};
use crate::reader::Reader;
use crate::remote;
use crate::scan::{self, Malformed};
use crate::table::Embedded;
use crate::types::{Condition, QueryRequest};

/// The sub-objects in an answer that holds parents' records.
///
/// # Errors
/// A record that is no JSON or has no key, or what kept a parent's own request from being answered.
pub async fn unfold(client: &Client, plan: &Plan, unfold: &Unfold, mut fetched: Fetched) -> Result<Fetched, Error> {
    let malformed = |malformed: Malformed| remote::nonsense(&plan.what(), &malformed.to_string());
    let own = plan.object.key.last().copied().unwrap_or("id");
    let mut all = Vec::with_capacity(fetched.sliced.count as usize);
    for parent in scan::lines(&fetched.sliced.records) {
        let key = scan::get(parent, unfold.link.key).map_err(malformed)?;
        let key = key.ok_or_else(|| remote::nonsense(&plan.what(), "a parent record has no key"))?;
        let Some(records) = inside(parent, unfold.embedded, own).map_err(malformed)? else {
            all.push(Box::pin(asked(client, plan, unfold, key)).await?);
            continue;
        };
        let mut out = Vec::new();
        for record in records {
            if scan::get(record, unfold.link.field).map_err(malformed)?.is_some() {
                out.extend_from_slice(record);
            } else {
                scan::inject(record, unfold.link.field, key, &mut out).map_err(malformed)?;
            }
            out.push(b'\n');
        }
        all.push(out);
    }
    fetched.inside = Some(all);
    Ok(fetched)
}

/// The sub-objects of one parent, by a request of their own.
async fn asked(client: &Client, plan: &Plan, unfold: &Unfold, key: &[u8]) -> Result<Vec<u8>, Error> {
    let value = scan::text(key).to_owned();
    let condition = Condition { field: unfold.link.field.to_owned(), op: Comparison::Equal, value };
    let request =
        QueryRequest { object: plan.object.name.to_owned(), filter: vec![condition], ..QueryRequest::default() };
    let mut reader = Reader::new(client.clone(), plan::plan(&request, client.settings())?, None)?;
    let mut records = Vec::new();
    loop {
        let page = reader.page().await?;
        records.extend_from_slice(&page.records);
        if page.next.is_none() {
            return Ok(records);
        }
    }
}

/// The sub-objects inside of a parent's record; none if they are not all there, as far as can be told.
fn inside<'a>(parent: &'a [u8], embedded: &Embedded, own: &str) -> Result<Option<Vec<&'a [u8]>>, Malformed> {
    let mut found = Vec::new();
    for path in embedded.paths {
        let Some((first, rest)) = path.split_first() else { continue };
        match scan::get(parent, first)? {
            Some(value) if value != b"null" => collect(value, rest, &mut found)?,
            _ => return Ok(None),
        }
    }
    // A link, or a record that is there twice, is not what was asked for.
    let mut keys: Vec<String> = Vec::with_capacity(found.len());
    for record in &found {
        match text(record, own) {
            Some(key) if !keys.contains(&key) => keys.push(key),
            _ => return Ok(None),
        }
    }
    let some = |field| text(parent, field).is_some_and(|total| total.bytes().any(|b| matches!(b, b'1'..=b'9')));
    if found.is_empty() && embedded.total.is_some_and(some) {
        return Ok(None);
    }
    Ok(Some(found))
}

/// The objects at the end of a path, through all elements of arrays.
fn collect<'a>(value: &'a [u8], path: &[&str], out: &mut Vec<&'a [u8]>) -> Result<(), Malformed> {
    match (value.first(), path.split_first()) {
        (Some(b'['), _) => scan::elements(value)?.into_iter().try_for_each(|element| collect(element, path, out)),
        (Some(b'{'), Some((name, rest))) => match scan::get(value, name)? {
            Some(inner) => collect(inner, rest, out),
            None => Ok(()),
        },
        (Some(b'{'), None) => {
            out.push(value);
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LINES: Embedded = Embedded {
        parent: "orders",
        include: "consignments.line_items",
        paths: &[&["consignments", "shipping", "line_items"], &["consignments", "downloads", "line_items"]],
        lacks: &[],
        total: Some("items_total"),
    };

    fn found(parent: &str) -> Option<Vec<String>> {
        let found = inside(parent.as_bytes(), &LINES, "id").unwrap();
        found.map(|records| records.into_iter().map(|record| scan::text(record).to_owned()).collect())
    }

    #[test]
    fn records_are_taken_from_all_places_and_come_as_they_are() {
        let parent = r#"{"id":1,"items_total":4,"consignments":{"shipping":[{"line_items":[{"id":7,"quantity":1, "price":"2.50"}]},
            {"line_items":[{"id":8,"quantity":2}]}],"downloads":[{"line_items":{"id":9,"quantity":1}}]}}"#.replace('\n', "");
        let lines =
            [r#"{"id":7,"quantity":1, "price":"2.50"}"#, r#"{"id":8,"quantity":2}"#, r#"{"id":9,"quantity":1}"#];
        assert_eq!(found(&parent).unwrap(), lines);
        assert_eq!(found(r#"{"id":1,"items_total":0,"consignments":{"shipping":[]}}"#).unwrap(), [""; 0]);
    }

    #[test]
    fn a_parent_that_does_not_hold_all_of_its_own_is_found_out() {
        for parent in [
            r#"{"id":1,"items_total":1}"#,
            r#"{"id":1,"consignments":null}"#,
            r#"{"id":1,"items_total":1,"consignments":{"shipping":[{"line_items":[{"url":"x","resource":"y"}]}]}}"#,
            r#"{"id":1,"consignments":{"shipping":[{"line_items":[{"id":7,"quantity":1},{"id":7,"quantity":1}]}]}}"#,
            r#"{"id":1,"items_total":2,"consignments":[]}"#,
        ] {
            assert_eq!(found(parent), None, "{parent}");
        }
    }
}
