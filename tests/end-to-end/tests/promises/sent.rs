//! What a store saw of a test's writes: that nothing was sent again without proof, that deletes name their records, and that
//! nothing but the values of a test violates the API's documents.

use std::collections::BTreeMap;

use bigcommerce_emulator::{Effect, Entry, Violation};
use end_to_end::Bench;
use serde_json::Value;

/// What a DELETE without a filter, a body or a parameter at its end deletes: the one record that its path stands for.
const SINGLE: &[&str] = &[
    "/v3/catalog/brands/{brand_id}/image",
    "/v3/catalog/categories/{category_id}/image",
    "/v3/channels/{channel_id}/channel-menus",
    "/v3/channels/{channel_id}/currency-assignments",
    "/v3/channels/{channel_id}/site",
    "/v3/channels/{channel_id}/site/checkout-url",
    "/v3/tax/providers/{provider_id}/connection",
];

/// Whether it is proven that the store did not carry a request out.
fn refused(entry: &Entry) -> bool {
    !entry.acted && entry.status.is_some_and(|status| (400..500).contains(&status))
}

/// Of requests that ask for the same thing, every one but the last was refused.
fn sent_once(sent: &[&Entry], what: &str, told: &str) {
    let told_of = |e: &&Entry| format!("{} {}?{} -> {:?} ({:?})", e.method, e.path, e.query, e.status, e.fault);
    let earlier = sent.split_last().map_or(&[][..], |(_, earlier)| earlier);
    let all = || sent.iter().map(told_of).collect::<Vec<_>>();
    assert!(earlier.iter().all(|e| refused(e)), "{told}: {what} was sent again without proof: {:?}", all());
}

/// No write that holds this text was sent again, unless it was proven refused.
pub(crate) fn writes_of(bench: &Bench, mark: &str, told: &str) {
    let entries = bench.store.journal().entries();
    let holds = |e: &&Entry| e.method != "GET" && String::from_utf8_lossy(&e.body).contains(mark);
    sent_once(&entries.iter().filter(holds).collect::<Vec<_>>(), mark, told);
}

/// Whether the store has seen what a request holds: some are cut off before their body is read.
fn was_read(entry: &Entry) -> bool {
    entry.fault != Some(Effect::ResetBeforeReading.name())
}

/// Every delete in the journal names records.
pub(crate) fn deletes_name_records(bench: &Bench, told: &str) {
    for entry in bench.store.journal().entries().iter().filter(|e| e.method == "DELETE" && was_read(e)) {
        let (body, fault) = (String::from_utf8_lossy(&entry.body), entry.fault);
        let what = format!("DELETE {}?{} {body} ({fault:?})", entry.path, entry.query);
        assert!(!named(entry).is_empty(), "{told}: this names no record: {what}");
    }
}

/// No delete in the journal was sent again for a record that it names, unless it was proven refused. For rows that name different
/// records only.
pub(crate) fn deletes_once(bench: &Bench, told: &str) {
    deletes_name_records(bench, told);
    let entries = bench.store.journal().entries();
    let mut sent: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in entries.iter().filter(|e| e.method == "DELETE" && was_read(e)) {
        for name in named(entry) {
            sent.entry(name).or_default().push(entry);
        }
    }
    for (name, sent) in sent {
        sent_once(&sent, &name, told);
    }
}

/// The records that a DELETE names: by a path that ends with a key, by the values of its filter, or by those of its body.
fn named(entry: &Entry) -> Vec<String> {
    let path = &entry.path;
    if entry.template.ends_with('}') || SINGLE.contains(&entry.template.as_str()) {
        return vec![format!("{path}?{}", entry.query)];
    }
    let pairs: Vec<(&str, &str)> = entry.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let values = |list: &str| -> Vec<String> {
        let blank = |value: &str| value.replace("%20", " ").replace('+', " ").trim().is_empty();
        list.replace("%2C", ",").replace("%2c", ",").split(',').filter(|v| !blank(v)).map(str::to_owned).collect()
    };
    match pairs.as_slice() {
        [] => {}
        [(name, list)] => return values(list).iter().map(|value| format!("{path}?{name}={value}")).collect(),
        // Conditions together name one record.
        _ if pairs.iter().all(|(_, list)| !values(list).is_empty()) => return vec![format!("{path}?{}", entry.query)],
        _ => return Vec::new(),
    }
    let list = |list: &[Value]| list.iter().filter(|id| !id.is_null()).map(|id| format!("{path} {id}")).collect();
    match serde_json::from_slice(&entry.body) {
        Ok(Value::Array(ids)) => list(&ids),
        Ok(Value::Object(body)) => match body.get("ids").and_then(Value::as_array) {
            Some(ids) => list(ids),
            None => body.values().filter(|v| v.is_string() || v.is_number()).map(|v| format!("{path} {v}")).collect(),
        },
        _ => Vec::new(),
    }
}

/// What violates the documents so far is about values that a test chose: no path, parameter, method, header or body is of
/// the connector's own making. The violations are forgotten.
pub(crate) fn only_values_violate(bench: &Bench, told: &str) {
    let about_values = |violation: &Violation| {
        let problem = &violation.problem;
        let of_parameter = violation.query.split('&').filter_map(|pair| pair.split_once('=')).any(|(name, _)| {
            let name = name.replace("%3A", ":").replace("%3a", ":");
            problem.starts_with(&format!("{name}="))
                || problem.starts_with(&format!("the query parameter {name} does not take the value"))
        });
        problem.starts_with("body: ") || of_parameter
    };
    let left: Vec<Violation> = bench.store.take_violations().into_iter().filter(|v| !about_values(v)).collect();
    assert_eq!(left, Vec::new(), "{told}: requests that the API does not document");
}
