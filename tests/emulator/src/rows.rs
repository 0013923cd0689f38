//! Rows as writes make and change them: keys, defaults, dates, and the sub-objects that come within a record.

use bytes::Bytes;

use crate::answer::Refusal;
use crate::carts;
use crate::checks::{Step, body_key};
use crate::data::schema;
use crate::dates;
use crate::facts::{Field, Resource, find, resources};
use crate::json::{self, Object, Record, quote};
use crate::orders;
use crate::store::{Key, Row, State};
use crate::tables::{TableSpec, tables};
use crate::world::{Call, Target};

pub(crate) fn record(object: &Object) -> Result<Record, Refusal> {
    Record::new(Bytes::from(object.to_text()), None).map_err(|e| Refusal::new(500, e.to_string()))
}

/// Sets a field; the fields of an object that is there already stay unless they are named.
pub(crate) fn merge(object: &mut Object, name: &str, value: &str, model: Option<&Field>) {
    let nested = value.starts_with('{') && model.is_some_and(|m| m.kind == "object" && !m.fields.is_empty());
    match object.get(name).filter(|old| nested && old.starts_with('{')) {
        Some(old) => {
            let mut inner = Object::parse(old).unwrap_or_default();
            for (n, v) in Object::parse(value).unwrap_or_default().iter() {
                inner.set(n, v);
            }
            object.set(name, inner.to_text());
        }
        None => object.set(name, value),
    }
}

/// Carries one record out and gives its row's name.
pub(crate) fn apply(
    state: &mut State,
    call: &Call<'_>,
    target: &Target,
    step: Step,
) -> Result<(Vec<Key>, Key), Refusal> {
    let table = target.access.table;
    if call.resource().key == "v2:/orders" {
        let key = step.existing.map(|(_, key)| key);
        return orders::write(state, table, key, &step.object).map(|key| (Vec::new(), key));
    }
    match step.existing {
        Some((parents, key)) => update(state, call, target, parents, key, &step.object),
        None => create(state, call, target, &step.object),
    }
}

fn now(resource: &Resource) -> String {
    let now = dates::now();
    quote(&if resource.is_v2() { dates::rfc2822(now) } else { dates::iso(now) })
}

/// Moves the date of the last change, whatever its name and format.
pub(crate) fn touch(resource: &Resource, object: &mut Object) {
    for name in ["date_modified", "updated_at", "updated_time", "last_updated"] {
        let unix = match object.get(name) {
            None => continue,
            Some(old) => old.bytes().all(|b| b.is_ascii_digit()),
        };
        object.set(name, if unix { dates::now().to_string() } else { now(resource) });
    }
}

fn update(
    state: &mut State,
    call: &Call<'_>,
    target: &Target,
    parents: Vec<Key>,
    key: Key,
    change: &Object,
) -> Result<(Vec<Key>, Key), Refusal> {
    let resource = call.resource();
    let table = target.access.table;
    let Some(row) = state.table(table).get(&parents, &key).cloned() else { return Err(Refusal::not_found()) };
    let mut object = row.record.object();
    let read_only = call.route.operation.body.as_ref().map(|b| b.documented_read_only.as_slice()).unwrap_or_default();
    for (name, value) in change.iter() {
        let model = resource.schemas.read.field(name);
        let frozen = read_only.iter().any(|f| f == name)
            || model.is_some_and(|m| m.read_only)
            // What is read-only in a channel is what its update does not list; it is ignored without a word.
            || resource.key == "v3:/channels" && resource.schemas.update.field(name).is_none()
            || target.spec.key_fields.iter().any(|f| f == name)
            || target.spec.parent_fields.iter().flatten().any(|f| f == name)
            || sub_rows(resource, name, value).is_some()
            // Counted by the store; what a request says of it is a condition.
            || name == "version";
        // Lists of what has no key are replaced; fields that no answer shows are taken and not kept.
        if !frozen && (model.is_some() || object.get(name).is_some()) {
            merge(&mut object, name, value, model);
        }
    }
    touch(resource, &mut object);
    let row = Row { key: key.clone(), parents: parents.clone(), record: record(&object)? };
    state.table_mut(table).put(row);
    put_sub_rows(state, resource, &parents, &key, change)?;
    Ok((parents, key))
}

fn create(state: &mut State, call: &Call<'_>, target: &Target, body: &Object) -> Result<(Vec<Key>, Key), Refusal> {
    let resource = call.resource();
    let parents = parents_of(state, target, resource, body);
    let key = new_key(state, target, resource, body);
    let object = fresh(resource, target.spec, &key, &parents, body);
    let row = Row { key: key.clone(), parents: parents.clone(), record: record(&object)? };
    state.table_mut(target.access.table).put(row);
    put_sub_rows(state, resource, &parents, &key, body)?;
    match resource.key.as_str() {
        "v3:/carts" => carts::add(state, &key, body)?,
        "v3:/catalog/products" => base_variant(state, &key, body)?,
        _ => {}
    }
    Ok((parents, key))
}

/// The variant that stands for a product without options.
fn base_variant(state: &mut State, product: &Key, body: &Object) -> Result<(), Refusal> {
    let Some(table) = find("products/variants").and_then(|i| tables().access(i)).map(|a| a.table) else {
        return Ok(());
    };
    if !state.table(table).below(std::slice::from_ref(product)).is_empty() {
        return Ok(());
    }
    let sku = body.get("sku").unwrap_or("\"\"");
    let key = Key::from(crate::data::catalog::base_variant(int(product)));
    let text = crate::data::catalog::variant(0, int(product), sku);
    let object = Object::parse(&text).map_err(|e| Refusal::new(500, e.to_string()))?;
    state.table_mut(table).put(Row { key, parents: vec![product.clone()], record: record(&object)? });
    Ok(())
}

/// The parents of a new record: from the path, or from the field that names the parent.
pub(crate) fn parents_of(state: &State, target: &Target, resource: &Resource, body: &Object) -> Vec<Key> {
    let depth = target.spec.parent_tables.len();
    if target.access.nested || depth == 0 {
        return target.parents.clone();
    }
    let field = resource.parent_field.as_deref().or(target.spec.parent_fields.last().and_then(Option::as_deref));
    let Some(last) = field.and_then(|f| body.get(f)).and_then(Key::from_json) else {
        // The parent is not named (a category without a tree): the first there is.
        let first = target.spec.parent_tables.first().copied().flatten();
        let row = first.and_then(|t| state.table(t).rows().first().cloned());
        return vec![row.map_or(Key::Int(1), |r| r.key.clone()); depth];
    };
    let above = target.spec.parent_tables.last().copied().flatten();
    let row = above.and_then(|t| state.table(t).get_anywhere(&last).cloned());
    let mut parents = row.map(|r| r.parents.clone()).unwrap_or_default();
    parents.push(last);
    parents
}

/// A key for a new record: an id of its own, or what the record says where its key means something.
fn new_key(state: &mut State, target: &Target, resource: &Resource, body: &Object) -> Key {
    if !target.own.is_empty()
        && let Some(key) = target.key()
    {
        return key;
    }
    if let Some(key) = given_key(target, resource, body) {
        return key;
    }
    let spec = target.spec;
    let table = state.table_mut(target.access.table);
    let id = table.next_id();
    let field = spec.key_fields.first().map_or("id", String::as_str);
    let text = resource.schemas.read.field(field).is_some_and(|f| f.kind == "string");
    if text || field == "uuid" {
        return Key::Text(crate::data::rng::Rng::new(id as u64, &resource.key, 99).uuid());
    }
    Key::Int(id)
}

/// The key that a new record brings along, where its key means something.
pub(crate) fn given_key(target: &Target, resource: &Resource, body: &Object) -> Option<Key> {
    let spec = target.spec;
    let own_meaning = !matches!(spec.key_fields.as_slice(), [] | [_]) || {
        let field = spec.key_fields.first().map_or("", String::as_str);
        !matches!(field, "id" | "uuid" | "category_id" | "listing_id") && !field.is_empty()
    };
    let variant = body.get("variant_id").is_none() && spec.key_fields.iter().any(|f| f == "variant_id");
    if own_meaning
        && !variant
        && let Some(key) = body_key(spec, body)
    {
        return Some(key);
    }
    let profile = body.get("id").filter(|_| resource.key.contains("shopper-profiles"));
    profile.map(|text| Key::from_json(text).unwrap_or(Key::Int(0)))
}

/// A new record: what was sent, in the order of the model, with the API's defaults for the rest.
fn fresh(resource: &Resource, spec: &TableSpec, key: &Key, parents: &[Key], body: &Object) -> Object {
    let mut object = Object::default();
    let hidden = schema::include_names(resource);
    let now = now(resource);
    for field in &resource.schemas.read.fields {
        let name = field.name.as_str();
        if hidden.contains(&name) {
            continue;
        }
        let sent = body.get(name).filter(|v| !field.read_only && sub_rows(resource, name, v).is_none());
        match sent {
            Some(value) => object.set(name, value),
            None if matches!(name, "date_created" | "date_modified" | "created_at" | "updated_at") => {
                let unix = field.kind == "integer";
                object.set(name, if unix { dates::now().to_string() } else { now.clone() });
            }
            None => object.set(name, default_of(field)),
        }
    }
    // Fields that a table's own model does not list but its records carry, as from a twin.
    for name in spec.parent_fields.iter().flatten().chain(&spec.key_fields) {
        if let Some(value) = body.get(name) {
            object.set(name, value);
        }
    }
    schema::name(resource, &mut object, key, parents);
    if resource.key == "v3:/catalog/products" {
        let price = body.get("price").unwrap_or("0").to_owned();
        object.set("calculated_price", price);
        object.set("base_variant_id", crate::data::catalog::base_variant(int(key)).to_string());
    }
    object
}

fn int(key: &Key) -> i64 {
    match key {
        Key::Int(n) => i64::try_from(*n).unwrap_or(0),
        _ => 0,
    }
}

fn default_of(field: &Field) -> String {
    if let Some(default) = &field.default {
        return default.to_string();
    }
    if let Some(first) = field.values.first().filter(|_| field.kind == "string" && !field.nullable) {
        return first.to_string();
    }
    match field.kind.split('|').next().unwrap_or("any") {
        _ if field.nullable => "null",
        "string" => "\"\"",
        "integer" | "number" => "0",
        "boolean" => "false",
        "array" => "[]",
        "object" => "{}",
        _ => "null",
    }
    .to_owned()
}

/// The sub-object whose records a field of a parent's body holds.
fn sub_rows(resource: &Resource, name: &str, value: &str) -> Option<usize> {
    if !value.starts_with('[') || resource.is_v2() {
        return None;
    }
    let sub = format!("{}/{}", resource.name, name.replace('_', "-"));
    find(&sub).filter(|i| resources().get(*i).is_some_and(|r| r.name == sub && r.version == resource.version))
}

/// Stores the records of sub-objects that came within their parent.
fn put_sub_rows(
    state: &mut State,
    resource: &'static Resource,
    parents: &[Key],
    key: &Key,
    body: &Object,
) -> Result<(), Refusal> {
    for (name, value) in body.iter() {
        let Some(index) = sub_rows(resource, name, value) else { continue };
        let (Some(access), Some(sub)) = (tables().access(index), resources().get(index)) else { continue };
        let Some(spec) = tables().spec(access.table) else { continue };
        for element in json::elements(value).unwrap_or_default() {
            let Ok(object) = Object::parse(element) else { continue };
            let above = if access.nested { [parents, std::slice::from_ref(key)].concat() } else { Vec::new() };
            let target = Target { access, spec, parents: above.clone(), own: Vec::new() };
            let known = body_key(spec, &object).filter(|k| state.table(access.table).get(&above, k).is_some());
            let (row_key, mut record_object) = match known {
                Some(known) => {
                    let old = state.table(access.table).get(&above, &known).map(|r| r.record.object());
                    let mut merged = old.unwrap_or_default();
                    for (n, v) in object.iter() {
                        merged.set(n, v);
                    }
                    (known, merged)
                }
                None => {
                    let new = new_key(state, &target, sub, &object);
                    let made = fresh(sub, spec, &new, &above, &object);
                    (new, made)
                }
            };
            if let Some(field) = &sub.parent_field {
                record_object.set(field, key.to_json());
            }
            state.table_mut(access.table).put(Row { key: row_key, parents: above, record: record(&record_object)? });
        }
    }
    Ok(())
}
