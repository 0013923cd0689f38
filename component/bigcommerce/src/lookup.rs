//! Finds the store's records that have the same values as given lines in a few fields: before an upsert, and when nobody knows
//! what became of a write. Reads only.
//!
//! Lines that differ in one field alone go into one query, as a list for that field where the endpoint takes lists. The fields
//! must lead somewhere: an endpoint that filters by one of them, or the path of a parent. Nothing here reads a whole collection.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};

use crate::batch::with;
use crate::client::Client;
use crate::compare::{self, Comparison};
use crate::error::Error;
use crate::parents::text;
use crate::plan;
use crate::reader::Reader;
use crate::scan;
use crate::table::{Object, Op, Read};
use crate::types::{Condition, QueryRequest};
use crate::url::{self, parameters};

/// Most values of one list.
const MOST_VALUES: usize = 50;
/// Longest list, in bytes before encoding: a third of the longest query, since a byte may take three.
const MOST_BYTES: usize = url::MOST_QUERY / 3;

/// Whether records can be found by these fields without reading a whole collection.
pub fn possible(object: &'static Object, names: &[&str]) -> bool {
    let by_filter =
        |read: &Read| read.filters.iter().any(|f| names.contains(&f.field) && matches!(f.op, Op::Eq | Op::In));
    let by_path = |read: &Read| {
        let mut fields = parameters(read.path).peekable();
        fields.peek().is_some() && fields.all(|field| names.contains(&field))
    };
    let by_key = object.item.is_some() && !object.key.is_empty() && object.key.iter().all(|key| names.contains(key));
    by_key || object.reads.iter().any(|read| by_filter(read) || by_path(read) || read.single)
}

/// The fields by which a line is looked for: these, and the parents that it names, which narrow the search.
pub fn with_parents<'a>(object: &'static Object, names: &[&'a str], line: &[u8]) -> Vec<&'a str> {
    let mut all = names.to_vec();
    let parents = object.parents.iter().map(|parent| parent.field);
    all.extend(parents.filter(|field| !names.contains(field) && text(line, field).is_some()));
    all
}

/// For every line the records that have its values in `names`. A line without one of them has none. `fields` are those of the
/// records that are wanted; all if there are none.
///
/// `loose` takes texts that differ in case and in white space around them for the same: a store may keep what it is sent in its
/// own spelling. It is asked for the spellings that stores are known to make of a text.
///
/// # Errors
/// What kept the store from being read, or a value that cannot be asked for.
pub async fn find(
    client: &Client,
    object: &'static Object,
    names: &[&str],
    lines: &[&[u8]],
    fields: &[&str],
    loose: bool,
) -> Result<Vec<Vec<Vec<u8>>>, Error> {
    let mut spelt = Vec::new();
    if loose {
        for line in lines {
            spelt.extend([folded, str::to_ascii_uppercase, str::to_owned].map(|spell| spelling(names, line, spell)));
        }
    }
    let mut all = lines.to_vec();
    all.extend(spelt.iter().map(Vec::as_slice));
    let queries = queries(object, names, &all, fields);
    let lanes = client.settings().requests_in_flight as usize;
    let mut running = stream::iter(queries.into_iter().map(|query| run(client, query))).buffered(lanes);
    let mut records: Vec<Vec<u8>> = Vec::new();
    while let Some(page) = running.next().await {
        records.extend(page?);
    }
    let mut known: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        if let Some(values) = values(names, record, loose) {
            let places = known.entry(values).or_default();
            // A value may have been asked for in two notations.
            if !places.iter().any(|at| records.get(*at) == Some(record)) {
                places.push(index);
            }
        }
    }
    let own = |line: &[u8]| {
        let places = values(names, line, loose).and_then(|values| known.get(&values));
        places.into_iter().flatten().filter_map(|at| records.get(*at).cloned()).collect()
    };
    Ok(lines.iter().map(|line| own(line)).collect())
}

fn values(names: &[&str], record: &[u8], loose: bool) -> Option<Vec<String>> {
    let value = |name: &&str| text(record, name).map(|value| if loose { folded(&value) } else { value });
    names.iter().map(value).collect()
}

/// A text in which case and white space around it make no difference.
pub fn folded(value: &str) -> String {
    compare::fold(value.trim())
}

/// A line whose texts among these fields are spelt in another way.
fn spelling(names: &[&str], line: &[u8], spell: fn(&str) -> String) -> Vec<u8> {
    let mut out = line.to_vec();
    for name in names {
        if let Ok(Some(raw @ [b'"', ..])) = scan::get(line, name)
            && let Some(value) = scan::decode(raw)
        {
            let mut spelt = Vec::new();
            scan::encode(&spell(value.trim()), &mut spelt);
            out = with(&out, name, &spelt);
        }
    }
    out
}

async fn run(client: &Client, query: QueryRequest) -> Result<Vec<Vec<u8>>, Error> {
    let plan = plan::plan(&query, client.settings())?;
    let mut reader = Reader::new(client.clone(), plan, None)?;
    let mut records = Vec::new();
    loop {
        let page = reader.page().await?;
        records.extend(scan::lines(&page.records).map(<[u8]>::to_vec));
        if page.next.is_none() {
            return Ok(records);
        }
    }
}

/// The queries that find the records of all lines.
fn queries(object: &'static Object, names: &[&str], lines: &[&[u8]], fields: &[&str]) -> Vec<QueryRequest> {
    let lists = |name: &&&str| {
        let mut filters = object.reads.iter().flat_map(|read| read.filters);
        filters.any(|filter| filter.field == **name && filter.op == Op::In)
    };
    let one_by_one = || names.last().filter(|last| object.item.is_some() && object.key.last() == Some(last));
    // The last of them is the record's own, the others may be its parents'.
    let list = names.iter().rev().find(lists).or_else(one_by_one).copied();
    let mut groups: BTreeMap<Vec<(&str, String)>, Vec<String>> = BTreeMap::new();
    for line in lines {
        let raw = |name: &&str| -> Option<String> {
            text(line, name)?;
            Some(scan::text(scan::get(line, name).ok()??).to_owned())
        };
        let Some(all) = names.iter().map(|name| Some((*name, raw(name)?))).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| Some(*name) == list);
        let values = groups.entry(others).or_default();
        for (_, value) in own {
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    let mut queries = Vec::new();
    for (others, values) in groups {
        let mut query = |own: Option<Condition>| {
            let equal = |(name, value): &(&str, String)| Condition {
                field: (*name).to_owned(),
                op: Comparison::Equal,
                value: value.clone(),
            };
            queries.push(QueryRequest {
                object: object.name.to_owned(),
                fields: fields.iter().map(|field| (*field).to_owned()).collect(),
                filter: others.iter().map(equal).chain(own).collect(),
                ..QueryRequest::default()
            });
        };
        let Some(list) = list else {
            query(None);
            continue;
        };
        let of = |op, value| Some(Condition { field: list.to_owned(), op, value });
        // A comma in a value would make two of it in a list.
        let (alone, many): (Vec<_>, Vec<_>) = values.into_iter().partition(|value| value.contains(','));
        alone.into_iter().for_each(|value| query(of(Comparison::Equal, value)));
        let (mut chunk, mut bytes): (Vec<String>, usize) = (Vec::new(), 0);
        for value in many {
            if !chunk.is_empty() && (chunk.len() >= MOST_VALUES || bytes + value.len() > MOST_BYTES) {
                query(of(Comparison::OneOf, format!("[{}]", chunk.join(","))));
                (chunk, bytes) = (Vec::new(), 0);
            }
            bytes += value.len() + 1;
            chunk.push(value);
        }
        if !chunk.is_empty() {
            query(of(Comparison::OneOf, format!("[{}]", chunk.join(","))));
        }
    }
    queries
}
