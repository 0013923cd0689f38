//! Creating and changing records.
//!
//! A call is carried out under one lock. Unless the API documents partial success for it, a batch is checked as a whole
//! before anything is changed.

use std::collections::HashSet;

use bytes::Bytes;

use crate::answer::{Answer, Outcome, Refusal};
use crate::body::{self, Items};
use crate::dates;
use crate::facts::{Field, Kind, Resource, Verb, find, resources};
use crate::json::{self, Object, Record, Scalar, quote};
use crate::orders;
use crate::read;
use crate::store::{Key, Row, State};
use crate::tables::{TableSpec, tables};
use crate::world::{Call, Target, World};

/// Answers POST and PUT requests.
pub(crate) fn answer(world: &World, call: &Call<'_>) -> Outcome {
    let target = call.target().ok_or_else(Refusal::not_found)?;
    let items = body::split(call.route.operation, call.body)?;
    match call.resource().kind {
        Kind::Singleton | Kind::KeyedSingleton => single(world, call, &target, items),
        _ => records(world, call, &target, &items),
    }
}

/// Changes a singleton's record.
fn single(world: &World, call: &Call<'_>, target: &Target, items: Items) -> Outcome {
    let mut state = world.write();
    if !target.parents_exist(&state) {
        return Err(Refusal::not_found());
    }
    let resource = call.resource();
    let verb = call.route.operation.verb;
    let stored = read::single_text(world, &state, call, target);
    let exists = stored.is_some();
    match verb {
        Verb::Update if !exists => return Err(Refusal::not_found()),
        Verb::Create if exists && target.access.parent_is_key => {
            return Err(Refusal::new(409, "The record exists already."));
        }
        _ => {}
    }
    let text = stored.unwrap_or_default();
    let mut object = Object::parse(&String::from_utf8_lossy(&text)).unwrap_or_default();
    let change = if items.batch { None } else { items.objects.into_iter().next() };
    let change = change.unwrap_or(items.around);
    body::check_types(model(resource, verb), &change)?;
    for (name, value) in change.iter() {
        merge(&mut object, name, value, resource.schemas.read.field(name));
    }
    let key = read::single_key(call, target);
    if target.access.parent_is_key
        && let Some(field) = target.spec.key_fields.first()
    {
        object.set(field, key.to_json());
    }
    let row = Row { key, parents: target.parents.clone(), record: record(&object)? };
    let answer = object.to_text();
    state.come_back(target.access.table, &row.parents, &row.key);
    state.table_mut(target.access.table).put(row);
    drop(state);
    let (status, envelope, shape) = call.route.operation.plain_success();
    if shape == "empty" {
        return Ok(Answer::empty(status));
    }
    Ok(Answer::enveloped(status, envelope, &answer, "{}"))
}

fn model(resource: &Resource, verb: Verb) -> &crate::facts::Model {
    match verb {
        Verb::Create => &resource.schemas.create,
        _ => &resource.schemas.update,
    }
}

fn record(object: &Object) -> Result<Record, Refusal> {
    Record::new(Bytes::from(object.to_text()), None).map_err(|e| Refusal::new(500, e.to_string()))
}

/// Sets a field; the fields of an object that is there already stay unless they are named.
fn merge(object: &mut Object, name: &str, value: &str, model: Option<&Field>) {
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

/// How a batch tells that some of its records failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Partial {
    /// Not at all: nothing is changed if one record is wrong.
    None,
    /// This status, with `data`, `errors` and `meta`.
    Status(u16),
}

fn partial(call: &Call<'_>, batch: bool) -> Partial {
    let key = call.resource().key.as_str();
    match key {
        _ if !batch => Partial::None,
        _ if key.ends_with("/metafields") => Partial::Status(422),
        "v3:/segments" => Partial::Status(409),
        _ if call.route.operation.has_partial() => Partial::Status(207),
        _ => Partial::None,
    }
}

/// What one record of a call comes to.
struct Step {
    object: Object,
    /// The row that it changes; `None` creates one.
    existing: Option<(Vec<Key>, Key)>,
    /// A record equal to an existing one: the API says nothing of it.
    duplicate: bool,
}

fn records(world: &World, call: &Call<'_>, target: &Target, items: &Items) -> Outcome {
    let mut state = world.write();
    if !target.parents_exist(&state) {
        return Err(Refusal::not_found());
    }
    let partial = partial(call, items.batch);
    let mut seen = HashSet::new();
    let mut steps = Vec::new();
    let mut errors: Vec<(usize, Refusal)> = Vec::new();
    for (at, object) in items.objects.iter().enumerate() {
        match prepare(&state, call, target, object, items.batch, &mut seen) {
            Ok(step) => steps.push(step),
            Err(refusal) if partial == Partial::None => {
                let field = refusal.errors.first().map(|(f, _)| f.clone());
                return Err(batch_error(call, items.batch, at, field, refusal));
            }
            Err(refusal) => errors.push((at, refusal)),
        }
    }
    if steps.is_empty()
        && let (Some((_, first)), false) = (errors.first(), matches!(partial, Partial::Status(422 | 409)))
    {
        return Err(first.clone());
    }
    let mut texts = Vec::new();
    for step in steps {
        let silent = step.duplicate;
        let (parents, key) = if silent { (Vec::new(), Key::Int(0)) } else { apply(&mut state, call, target, step)? };
        if let Some(row) = state.table(target.access.table).get(&parents, &key).filter(|_| !silent) {
            let text = read::shaped(&state, call, row, world);
            texts.push(String::from_utf8_lossy(&text).into_owned());
        }
    }
    drop(state);
    Ok(tell(call, items.batch, &texts, &errors, partial))
}

/// The error of a call of which nothing was carried out.
fn batch_error(call: &Call<'_>, batch: bool, at: usize, field: Option<String>, mut refusal: Refusal) -> Refusal {
    if !batch || call.resource().is_v2() {
        return refusal;
    }
    if call.route.operation.path == "/v3/catalog/variants" || call.route.operation.path.ends_with("/records") {
        let text = format!("{{\"batch_errors\":[{}]}}", refusal.object());
        return Refusal::new(422, "").with_body("application/json", text);
    }
    if let (Some(field), Some(first)) = (field, refusal.errors.first_mut()) {
        first.0 = format!("{at}.{field}");
    }
    refusal
}

/// The answer to a call that was carried out, at least in part.
fn tell(call: &Call<'_>, batch: bool, texts: &[String], errors: &[(usize, Refusal)], partial: Partial) -> Answer {
    let (status, envelope, shape) = call.route.operation.plain_success();
    let list = format!("[{}]", texts.join(","));
    if let (Partial::Status(status), false) = (partial, errors.is_empty()) {
        let told: Vec<String> = errors
            .iter()
            .map(|(at, refusal)| {
                let mut refusal = refusal.clone();
                for (field, _) in &mut refusal.errors {
                    *field = format!("{at}.{field}");
                }
                refusal.object()
            })
            .collect();
        let (good, bad) = (texts.len(), errors.len());
        let meta = format!("{{\"total\":{},\"success\":{good},\"failed\":{bad}}}", good + bad);
        return Answer::json(status, format!("{{\"data\":{list},\"errors\":[{}],\"meta\":{meta}}}", told.join(",")));
    }
    let payload = match (shape, batch) {
        ("empty", _) => return Answer::empty(status),
        ("array", _) => list,
        (_, true) if call.resource().key.contains("inventory") => {
            format!("{{\"transaction_id\":\"{:016x}\"}}", crate::store::mix(texts.len() as u64))
        }
        // A batch whose answer is an object says nothing of its records.
        (_, true) => "{}".to_owned(),
        _ => texts.first().cloned().unwrap_or_else(|| "{}".to_owned()),
    };
    let metafields = batch && call.resource().key.ends_with("/metafields");
    let meta = if metafields {
        format!("{{\"total\":{0},\"success\":{0},\"failed\":0}}", texts.len())
    } else {
        "{}".to_owned()
    };
    Answer::enveloped(status, envelope, &payload, &meta)
}

/// Checks one record and finds what it changes.
fn prepare(
    state: &State,
    call: &Call<'_>,
    target: &Target,
    object: &Object,
    batch: bool,
    seen: &mut HashSet<(&'static str, String)>,
) -> Result<Step, Refusal> {
    let (resource, verb) = (call.resource(), call.route.operation.verb);
    let spec = target.spec;
    let existing = existing(state, target, object, verb);
    match (verb, &existing) {
        (Verb::Update, None) if !batch => return Err(Refusal::not_found()),
        (Verb::Update, None) => {
            let names = spec.key_fields.join(", ");
            let status = if call.route.operation.declares("404") { 404 } else { 422 };
            let mut refusal = Refusal::invalid(&names, format!("There is no record of this {names}."));
            refusal.status = status;
            return Err(refusal);
        }
        _ => {}
    }
    if existing.is_none() || verb == Verb::Update && batch {
        required(call, object, existing.is_some())?;
    }
    body::check_types(model(resource, verb), object)?;
    if resource.key == "v2:/orders" {
        orders::check(resource, verb, object)?;
    }
    let own = existing.as_ref().map(|(_, key)| key);
    for field in spec.unique {
        let Some(value) = object.get(field).filter(|v| v.starts_with('"') && *v != "\"\"") else { continue };
        let twice = !seen.insert((field, value.to_lowercase()));
        if twice || state.table(target.access.table).clash(field, value, own).is_some() {
            let status =
                if call.route.operation.declares("422") && !call.route.operation.declares("409") { 422 } else { 409 };
            let message = format!("The {} {field} is a duplicate.", singular(&resource.name));
            let mut refusal = Refusal::invalid(field, message);
            refusal.status = status;
            return Err(refusal);
        }
    }
    if let Some(field) = &resource.parent_field
        && let Some(parent) = object.get(field).and_then(Key::from_json)
        && !parent_exists(state, resource, spec, field, &parent)
    {
        return Err(Refusal::invalid(
            field,
            format!("There is no record {} that {field} names.", json::plain(&parent.to_json())),
        ));
    }
    let duplicate = resource.key == "v3:/customers/addresses" && equal_address(state, target, object, own);
    Ok(Step { object: object.clone(), existing, duplicate })
}

fn singular(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name).trim_end_matches('s')
}

/// Whether the record that a parent field names exists; true where nothing is known of it.
fn parent_exists(state: &State, resource: &Resource, spec: &TableSpec, field: &str, parent: &Key) -> bool {
    let table = match spec.parent_tables.last() {
        Some(table) => *table,
        None => {
            let object = resource.name.split('/').next().unwrap_or_default();
            let named = format!("{object}_id").replace("s_id", "_id");
            if named != field {
                return true;
            }
            find(object).and_then(|i| tables().access(i)).map(|a| a.table)
        }
    };
    table.is_none_or(|t| state.table(t).get_anywhere(parent).is_some())
}

/// Whether the customer has this very address already.
fn equal_address(state: &State, target: &Target, object: &Object, own: Option<&Key>) -> bool {
    const PARTS: &[&str] = &[
        "first_name",
        "last_name",
        "company",
        "address1",
        "address2",
        "city",
        "state_or_province",
        "postal_code",
        "country_code",
        "phone",
    ];
    let table = state.table(target.access.table);
    let old = own.and_then(|k| table.get(&[], k));
    let part = |field: &str| {
        let stored = old.and_then(|row| row.record.get(field));
        json::plain(object.get(field).or(stored).unwrap_or("\"\"")).into_owned()
    };
    let customer = Key::from_plain(&part("customer_id"));
    let same = |row: &Row| PARTS.iter().all(|f| json::plain(row.record.get(f).unwrap_or("\"\"")) == part(f));
    table.naming(&customer).iter().any(|row| same(row))
}

fn required(call: &Call<'_>, object: &Object, update: bool) -> Result<(), Refusal> {
    let resource = call.resource();
    if resource.key == "v2:/orders" {
        return Ok(());
    }
    let Some(body) = &call.route.operation.body else { return Ok(()) };
    let mut missing: Vec<&str> = body
        .documented_required
        .iter()
        .map(String::as_str)
        .filter(|f| !object.get(f).is_some_and(|v| v != "null"))
        .collect();
    // A price list record names its variant by id or by SKU.
    if body::present(object, "sku") {
        missing.retain(|f| *f != "variant_id");
    }
    if body::present(object, "variant_id") && !update {
        missing.retain(|f| *f != "sku");
    }
    if call.route.operation.verb == Verb::Upsert {
        missing.retain(|f| *f != "id");
    }
    let Some(first) = missing.first() else { return Ok(()) };
    let mut refusal = Refusal::invalid(first, format!("{first} is required."));
    for field in missing.iter().skip(1) {
        refusal = refusal.field(field, format!("{field} is required."));
    }
    refusal.title = "The request is missing required fields.".to_owned();
    Err(refusal)
}

/// The row that a record of a write names.
fn existing(state: &State, target: &Target, object: &Object, verb: Verb) -> Option<(Vec<Key>, Key)> {
    if verb == Verb::Create {
        return None;
    }
    let table = state.table(target.access.table);
    let own = |row: &std::sync::Arc<Row>| (row.parents.clone(), row.key.clone());
    if !target.own.is_empty() {
        return read::find_row(state, target).map(own);
    }
    if let Some(key) = body_key(target.spec, object) {
        let row = if target.access.nested { table.get(&target.parents, &key) } else { table.get_anywhere(&key) };
        if row.is_some() || verb == Verb::Update {
            return row.map(own);
        }
    }
    let natural = target.spec.natural;
    if natural.is_empty() || !natural.iter().all(|f| body::present(object, f)) {
        return None;
    }
    let same = |row: &&std::sync::Arc<Row>| {
        natural.iter().all(|f| {
            let have = row.record.get(f).map(json::plain);
            have.is_some() && have == object.get(f).map(json::plain)
        })
    };
    table.rows().iter().find(same).map(own)
}

/// The key that a record names itself by.
fn body_key(spec: &TableSpec, object: &Object) -> Option<Key> {
    let part = |field: &String| match field.split_once('.') {
        Some((outer, inner)) => {
            let nested = Object::parse(object.get(outer)?).ok()?;
            nested.get(inner).and_then(Key::from_json)
        }
        None => object.get(field).and_then(Key::from_json),
    };
    match spec.key_fields.as_slice() {
        [] => None,
        [one] => part(one),
        many => many.iter().map(part).collect::<Option<Vec<_>>>().map(Key::Many),
    }
}

/// Carries one record out and gives its row's name.
fn apply(state: &mut State, call: &Call<'_>, target: &Target, step: Step) -> Result<(Vec<Key>, Key), Refusal> {
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
            || target.spec.key_fields.iter().any(|f| f == name)
            || target.spec.parent_fields.iter().flatten().any(|f| f == name)
            || sub_rows(resource, name, value).is_some();
        // Lists of what has no key are replaced; fields that no answer shows are taken and not kept.
        if !frozen && (model.is_some() || object.get(name).is_some()) {
            merge(&mut object, name, value, model);
        }
    }
    if object.get("date_modified").is_some() {
        object.set("date_modified", now(resource));
    }
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
    Ok((parents, key))
}

/// The parents of a new record: from the path, or from the field that names the parent.
fn parents_of(state: &State, target: &Target, resource: &Resource, body: &Object) -> Vec<Key> {
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
        return key;
    }
    if let Some(text) = body.get("id").filter(|_| resource.key.contains("shopper-profiles")) {
        return Key::from_json(text).unwrap_or(Key::Int(0));
    }
    let table = state.table_mut(target.access.table);
    let id = table.next_id();
    let field = spec.key_fields.first().map_or("id", String::as_str);
    let text = resource.schemas.read.field(field).is_some_and(|f| f.kind == "string");
    if text || field == "uuid" {
        return Key::Text(crate::data::rng::Rng::new(id as u64, &resource.key, 99).uuid());
    }
    Key::Int(id)
}

/// A new record: what was sent, in the order of the model, with the API's defaults for the rest.
fn fresh(resource: &Resource, spec: &TableSpec, key: &Key, parents: &[Key], body: &Object) -> Object {
    let mut object = Object::default();
    let hidden = crate::data::schema::include_names(resource);
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
    crate::data::schema::name(resource, &mut object, key, parents);
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

/// Whether a JSON value is a number of zero.
pub(crate) fn is_zero(text: &str) -> bool {
    match json::scalar(text) {
        Scalar::Number(n) => json::compare_numbers(n, "0") == Some(std::cmp::Ordering::Equal),
        Scalar::Text(t) => json::compare_numbers(&t, "0") == Some(std::cmp::Ordering::Equal),
        _ => false,
    }
}
