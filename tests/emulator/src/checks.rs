//! What the API checks of each record of a write, and which row the record names.

use std::collections::HashSet;
use std::sync::Arc;

use crate::answer::Refusal;
use crate::body;
use crate::config::Switches;
use crate::facts::{Resource, Verb, find, resources};
use crate::json::{self, Object};
use crate::orders;
use crate::read;
use crate::rows::{given_key, parents_of};
use crate::store::{Key, Row, State};
use crate::tables::{TableSpec, tables};
use crate::world::{Call, Target};
use crate::write::model;

/// Fields that a new record must have, where the facts do not list them because the body may be of several kinds.
const ALSO_REQUIRED: &[(&str, &[&str])] =
    &[("v3:/content/pages", &["name", "type"]), ("v3:/catalog/trees/categories", &["name"])];

/// What one record of a call comes to.
pub(crate) struct Step {
    pub(crate) object: Object,
    /// The row that it changes; `None` creates one.
    pub(crate) existing: Option<(Vec<Key>, Key)>,
    /// A record equal to an existing one: the API says nothing of it.
    pub(crate) duplicate: bool,
}

/// Checks one record and finds what it changes.
pub(crate) fn prepare(
    state: &State,
    switches: &Switches,
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
            let status = match resource.key.as_str() {
                "v3:/tax/classes" => 400,
                _ if call.route.operation.declares("404") => 404,
                _ => 422,
            };
            let mut refusal = Refusal::invalid(&names, format!("There is no record of this {names}."));
            refusal.status = status;
            return Err(refusal);
        }
        _ => {}
    }
    let also = ALSO_REQUIRED.iter().find(|(key, _)| *key == resource.key && existing.is_none());
    if let Some(field) = also.and_then(|(_, fields)| fields.iter().find(|f| !body::present(object, f))) {
        return Err(Refusal::invalid(field, format!("{field} is required.")));
    }
    if existing.is_none() || verb == Verb::Update && batch {
        required(call, object, existing.is_some())?;
    }
    body::check_types(model(resource, verb), object)?;
    if resource.key == "v2:/orders" {
        orders::check(resource, verb, object)?;
    }
    if let (Some((parents, key)), "v3:/channels") = (&existing, resource.key.as_str()) {
        living_channel(state, target, parents, key)?;
    }
    if refuses_existing(target)
        && let (Verb::Create, Some(key)) = (verb, given_key(target, resource, object))
        && state.table(target.access.table).get(&parents_of(state, target, resource, object), &key).is_some()
    {
        let status = if call.route.operation.declares("409") { 409 } else { 422 };
        let mut refusal = Refusal::invalid("", format!("{} exists already.", json::plain(&key.to_json())));
        refusal.status = switches.duplicate_status.unwrap_or(status);
        return Err(refusal);
    }
    let own = existing.as_ref().map(|(_, key)| key);
    for field in spec.unique {
        let Some(value) = object.get(field).filter(|v| v.starts_with('"') && *v != "\"\"") else { continue };
        let twice = !seen.insert((field, value.to_lowercase()));
        if twice || state.table(target.access.table).clash(field, value, own).is_some() {
            let declares = |status: &str| call.route.operation.declares(status);
            // Channels show their 409 in an example only.
            let status = if declares("422") && !declares("409") && resource.key != "v3:/channels" { 422 } else { 409 };
            let mut refusal = Refusal::invalid(field, duplicate(resource, field, value));
            refusal.status = switches.duplicate_status.unwrap_or(status);
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

/// Whether creating a record of a key that exists is refused, by the documents.
fn refuses_existing(target: &Target) -> bool {
    let key = resources().get(target.spec.resource).map_or("", |r| r.key.as_str());
    matches!(key, "v3:/pricelists/{price_list_id}/records" | "v3:/segments/{segmentId}/shopper-profiles")
}

/// What a refusal of a duplicate says.
fn duplicate(resource: &Resource, field: &str, value: &str) -> String {
    match resource.key.as_str() {
        "v3:/channels" => format!("Channel already exists with name: {}", json::plain(value)),
        "v3:/segments" => "Cannot have multiple segments with the same name.".to_owned(),
        _ => format!("The {} {field} is a duplicate.", singular(&resource.name)),
    }
}

/// A channel that was deleted or terminated takes no updates.
fn living_channel(state: &State, target: &Target, parents: &[Key], key: &Key) -> Result<(), Refusal> {
    let row = state.table(target.access.table).get(parents, key);
    match row.and_then(|row| row.record.get("status")) {
        Some("\"deleted\"" | "\"terminated\"") => {
            Err(Refusal::invalid("status", "A channel that is deleted or terminated cannot be updated."))
        }
        _ => Ok(()),
    }
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
        .filter(|f| object.get(f).is_none_or(|v| v == "null"))
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
    let own = |row: &Arc<Row>| (row.parents.clone(), row.key.clone());
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
    let same = |row: &&Arc<Row>| {
        natural.iter().all(|f| {
            let have = row.record.get(f).map(json::plain);
            have.is_some() && have == object.get(f).map(json::plain)
        })
    };
    table.rows().iter().find(same).map(own)
}

/// The key that a record names itself by.
pub(crate) fn body_key(spec: &TableSpec, object: &Object) -> Option<Key> {
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
