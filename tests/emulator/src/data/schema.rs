//! Records made from the models of the facts, for every object without a generator of its own.

use super::rng::{ADJECTIVES, NOUNS, Rng, WORDS};
use crate::dates;
use crate::facts::{Field, Resource};
use crate::json::{Object, quote};
use crate::store::Key;
use crate::tables::tables;

/// Deepest nesting that is made.
const DEPTH: usize = 5;

/// Midnight of 1 January 2024, from which sample dates count.
pub(crate) const EPOCH: i64 = 1_704_067_200;

/// Keys of other objects' records, by the name of the field that refers to them.
pub(crate) type References<'a> = &'a dyn Fn(&str, u64) -> Option<Key>;

/// A record without references, made when it is asked for.
pub(crate) fn record(resource: &Resource, key: &Key, parents: &[Key], seed: u64) -> String {
    let number = match key {
        Key::Int(n) => *n as u64,
        other => other.to_json().bytes().fold(7, |h: u64, b| h.wrapping_mul(31).wrapping_add(u64::from(b))),
    };
    let rng = Rng::new(seed, &resource.key, number);
    record_with(resource, key, parents, rng, &|_, _| None)
}

/// A record whose `..._id` fields refer to existing records.
pub(crate) fn record_with(
    resource: &Resource,
    key: &Key,
    parents: &[Key],
    mut rng: Rng,
    references: References<'_>,
) -> String {
    let mut object = Object::default();
    let v2 = resource.is_v2();
    let includes = include_names(resource);
    for field in &resource.schemas.read.fields {
        if !includes.contains(&field.name.as_str()) {
            object.set(&field.name, value(field, v2, &mut rng, references, 0));
        }
    }
    name(resource, &mut object, key, parents);
    object.to_text()
}

/// Fields of a record that come only if they are asked for.
pub(crate) fn include_names(resource: &Resource) -> Vec<&str> {
    resource
        .query
        .iter()
        .filter(|p| p.role == "include")
        .flat_map(|p| p.values.iter().filter_map(|v| v.as_str()))
        .filter(|v| !v.contains('.'))
        .map(|v| if v == "formfields" { "form_fields" } else { v })
        .map(|v| if v == "storecredit" { "store_credit_amounts" } else { v })
        // Orders show a link in place of what can be included.
        .filter(|_| resource.key != "v2:/orders")
        .collect()
}

/// Puts key and parents into a record where it has fields for them.
pub(crate) fn name(resource: &Resource, object: &mut Object, key: &Key, parents: &[Key]) {
    let index = crate::facts::find(&resource.key);
    let Some(spec) = index.and_then(|i| tables().access(i)).and_then(|a| tables().spec(a.table)) else { return };
    let parts: Vec<&Key> = match key {
        Key::Many(parts) => parts.iter().collect(),
        one => vec![one],
    };
    for (field, part) in spec.key_fields.iter().zip(parts) {
        match field.split_once('.') {
            Some((outer, inner)) => {
                let mut nested = object.get(outer).and_then(|t| Object::parse(t).ok()).unwrap_or_default();
                nested.set(inner, part.to_json());
                object.set(outer, nested.to_text());
            }
            None if object.get(field).is_some_and(|v| v.starts_with('"')) => {
                object.set_str(field, &crate::json::plain(&part.to_json()));
            }
            None => object.set(field, part.to_json()),
        }
    }
    for (field, parent) in spec.parent_fields.iter().zip(parents) {
        if let Some(field) = field {
            object.set(field, parent.to_json());
        }
    }
}

/// A value of a field's type.
pub(crate) fn value(field: &Field, v2: bool, rng: &mut Rng, references: References<'_>, depth: usize) -> String {
    if !field.values.is_empty() && !field.kind.contains("array") {
        let choices: Vec<_> = field.values.iter().filter(|v| !v.is_null()).collect();
        let at = rng.below(choices.len() as u64) as usize;
        return choices.get(at).map_or_else(|| "null".to_owned(), ToString::to_string);
    }
    if field.nullable && rng.once_in(8) {
        return "null".to_owned();
    }
    match field.kind.split('|').next().unwrap_or("any") {
        "string" => quote(&text(field, v2, rng)),
        "integer" => integer(field, rng, references),
        "number" => number(field, rng, references),
        "boolean" => rng.once_in(2).to_string(),
        "array" => match &field.items {
            Some(item) if depth < DEPTH => {
                let count = rng.below(3).max(field.min_items.map_or(0, |n| n as u64));
                let items: Vec<String> = (0..count).map(|_| value(item, v2, rng, references, depth + 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => "[]".to_owned(),
        },
        "object" if depth < DEPTH => {
            let mut object = Object::default();
            for inner in &field.fields {
                object.set(&inner.name, value(inner, v2, rng, references, depth + 1));
            }
            object.to_text()
        }
        "object" => "{}".to_owned(),
        _ => "null".to_owned(),
    }
}

fn integer(field: &Field, rng: &mut Rng, references: References<'_>) -> String {
    let name = field.name.as_str();
    if name.ends_with("_id") {
        let seen = references(name, rng.next());
        return seen.map_or_else(|| rng.between(1, 500).to_string(), |k| k.to_json());
    }
    if name.ends_with("_at") {
        return (EPOCH + rng.between(0, 40_000_000)).to_string();
    }
    let (low, high) = bounds(field);
    rng.between(low, high).to_string()
}

/// The range of whole numbers that a field may hold, kept small.
fn bounds(field: &Field) -> (i64, i64) {
    let low = field.minimum.map(|m| m as i64);
    // A maximum may be meant as exclusive.
    let high = field.maximum.map(|m| (m as i64).saturating_sub(1));
    let low = low.unwrap_or_else(|| high.map_or(0, |h| h.min(0).saturating_sub(100)).max(-100));
    let high = high.unwrap_or(low + 100).min(low + 100);
    (low, high.max(low))
}

fn number(field: &Field, rng: &mut Rng, references: References<'_>) -> String {
    if field.name.ends_with("_id") {
        return integer(field, rng, references);
    }
    let (low, high) = bounds(field);
    let whole = rng.between(low, high);
    match rng.below(3) {
        _ if whole == high && field.maximum.is_some() => whole.to_string(),
        0 => whole.to_string(),
        1 => format!("{whole}.{:02}", rng.below(100)),
        _ => format!("{whole}.{:04}", rng.below(10_000)),
    }
}

/// Fields whose text is no sentence.
fn text(field: &Field, v2: bool, rng: &mut Rng) -> String {
    let name = field.name.as_str();
    let format = field.format.as_deref().unwrap_or_default().to_ascii_lowercase();
    let seconds = EPOCH + rng.between(0, 40_000_000);
    let dated = name.starts_with("date") || name.ends_with("_date") || name.ends_with("_time") || name.ends_with("_at");
    let made = match format.as_str() {
        "date-time" | "iso-8601" if v2 => dates::rfc2822(seconds),
        "date-time" | "iso-8601" => dates::iso(seconds),
        "date" => dates::iso(seconds).split('T').next().unwrap_or_default().to_owned(),
        "time" => format!("{:02}:{:02}", rng.below(24), rng.below(60)),
        "uuid" => rng.uuid(),
        "email" => format!("{}@example.com", rng.pick(NOUNS).to_lowercase()),
        "uri" | "url" => format!("https://store.example.com/{}", rng.below(10_000)),
        "double" => format!("{}.{:04}", rng.below(1000), rng.below(10_000)),
        "iso-4217" | "iso:4217" => "USD".to_owned(),
        "iso-639" => "en".to_owned(),
        _ if dated && v2 => dates::rfc2822(seconds),
        _ if dated => dates::iso(seconds),
        _ => named(name, v2, rng),
    };
    let least = field.min_length.map_or(0, |n| n as usize);
    let missing = least.saturating_sub(made.chars().count());
    let made: String = made.chars().chain(std::iter::repeat_n('x', missing)).collect();
    match field.max_length {
        Some(most) if made.chars().count() > most as usize => made.chars().take(most as usize).collect(),
        _ => made,
    }
}

fn named(name: &str, v2: bool, rng: &mut Rng) -> String {
    let ends = |tails: &[&str]| tails.iter().any(|t| name.ends_with(t));
    if ends(&["uuid"]) {
        rng.uuid()
    } else if ends(&["url", "link"]) {
        format!("https://store.example.com/{}", rng.below(10_000))
    } else if ends(&["email"]) {
        format!("user{}@example.com", rng.below(10_000))
    } else if ends(&["currency", "currency_code"]) {
        rng.pick(&["USD", "EUR", "JPY"]).to_owned()
    } else if ends(&["country_code", "country_iso2", "country_alpha2"]) {
        "US".to_owned()
    } else if ends(&["code", "sku", "token", "key"]) {
        format!("{}-{:05}", rng.pick(NOUNS).to_uppercase(), rng.below(100_000))
    } else if v2 && ends(&["amount", "_total", "cost", "price", "_tax", "balance"]) {
        format!("{}.{:04}", rng.below(1000), rng.below(10_000))
    } else if ends(&["description", "body", "notes", "message", "content"]) {
        let mut out = String::new();
        rng.text(&mut out, 120);
        out
    } else if ends(&["name", "title"]) {
        format!("{} {}", rng.pick(ADJECTIVES), rng.pick(NOUNS))
    } else {
        rng.pick(WORDS).to_owned()
    }
}
