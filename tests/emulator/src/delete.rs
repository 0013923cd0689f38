//! Deleting records, including the traps: requests that name nothing and wipe everything.

use std::sync::Arc;

use crate::answer::{Answer, Outcome, Refusal};
use crate::carts;
use crate::filter::Filter;
use crate::json::{self, Object};
use crate::orders;
use crate::partial;
use crate::read;
use crate::store::{Key, Row, State};
use crate::tables::tables;
use crate::world::{Call, Target, World};

/// Tables that show the same customers: what goes from one goes from the other.
const LINKED: &[(&str, &str)] =
    &[("v3:/customers", "v2:/customers"), ("v3:/catalog/categories", "v3:/catalog/trees/categories")];

/// Answers DELETE requests.
pub(crate) fn answer(world: &World, call: &Call<'_>) -> Outcome {
    let target = call.target().ok_or_else(Refusal::not_found)?;
    let details = call.route.operation.delete.as_ref().ok_or_else(Refusal::not_found)?;
    if call.resource().key == carts::ITEMS {
        return carts::delete(world, call, &target);
    }
    let mut state = world.write();
    if !target.parents_exist(&state) {
        return Err(Refusal::not_found());
    }
    let gone = match details.by.as_str() {
        "id_path" => by_path(world, &mut state, call, &target)?,
        "body_ids" => by_body(&mut state, call, &target)?,
        "query_filter" => by_filter(world, &mut state, call, &target)?,
        "all" => wipe(&mut state, call, &target),
        "body_key" => by_key(&mut state, call, &target)?,
        _ => single(world, &mut state, call, &target)?,
    };
    drop(state);
    Ok(tell(call, &gone))
}

/// The answer: usually nothing, sometimes the records or their ids.
fn tell(call: &Call<'_>, gone: &[Arc<Row>]) -> Answer {
    let (status, envelope, shape) = call.route.operation.plain_success();
    match shape {
        _ if status == 204 => Answer::empty(204),
        "empty" => Answer::empty(status),
        "array" => {
            let ids: Vec<String> = gone.iter().map(|row| row.key.to_json()).collect();
            let meta = format!("{{\"total\":{0},\"success\":{0},\"failed\":0}}", ids.len());
            Answer::enveloped(status, envelope, &format!("[{}]", ids.join(",")), &meta)
        }
        _ => {
            let text = gone.first().map_or("{}", |row| row.record.as_str());
            Answer::enveloped(status, envelope, text, "{}")
        }
    }
}

/// Why a record cannot be deleted.
fn guard(state: &State, call: &Call<'_>, row: &Row) -> Result<(), Refusal> {
    let table = |name: &str| crate::facts::find(name).and_then(|i| tables().access(i)).map_or(0, |a| a.table);
    match call.resource().name.as_str() {
        "categories" | "trees/categories" => {
            let own = row.key.to_json();
            let holds = |r: &Arc<Row>| {
                r.record
                    .get("categories")
                    .and_then(|t| json::elements(t).ok())
                    .is_some_and(|c| c.contains(&own.as_str()))
            };
            if state.table(table("products")).rows().iter().any(holds) {
                return Err(Refusal::invalid("id", "Categories with products cannot be deleted."));
            }
        }
        "promotions" => {
            let codes = state.table(table("promotions/codes")).below(std::slice::from_ref(&row.key));
            if !codes.is_empty() {
                return Err(Refusal::invalid("id", "Promotions with codes cannot be deleted."));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Takes a row out, or archives it where the API does so.
fn take(state: &mut State, call: &Call<'_>, target: &Target, row: &Arc<Row>) {
    if call.resource().key == "v2:/orders" {
        orders::archive(state, target.access.table, &row.key);
        return;
    }
    state.remove_deep(target.access.table, &row.parents, &row.key);
    match call.resource().key.as_str() {
        "v3:/inventory/locations" => forget_stock(state, &row.key),
        "v3:/tax/zones" => forget_where(state, "v3:/tax/rates", "tax_zone_id", &row.key),
        _ => {}
    }
    for (a, b) in LINKED {
        let other = match call.resource().key.as_str() {
            key if key == *a => b,
            key if key == *b => a,
            _ => continue,
        };
        let access = crate::facts::find(other).and_then(|i| tables().access(i));
        if let Some(table) = access.map(|a| a.table)
            && let Some(twin) = state.table(table).get_anywhere(&row.key).cloned()
        {
            state.remove_deep(table, &twin.parents, &twin.key);
        }
    }
    if call.resource().key == "v3:/customers" || call.resource().key == "v2:/customers" {
        forget_flat(state, "customers/addresses", &row.key);
        forget_flat(state, "customers/attribute-values", &row.key);
    }
}

/// Takes a location out of the stock of every item, and items without any.
fn forget_stock(state: &mut State, location: &Key) {
    let Some(table) = crate::facts::find("inventory_items").and_then(|i| tables().access(i)).map(|a| a.table) else {
        return;
    };
    for row in state.table(table).rows().to_vec() {
        let mut object = row.record.object();
        let locations = object.get("locations").and_then(|t| json::elements(t).ok()).unwrap_or_default();
        let own = |text: &str| Object::parse(text).ok()?.get("location_id").and_then(Key::from_json);
        let left: Vec<&str> = locations.iter().copied().filter(|l| own(l).as_ref() != Some(location)).collect();
        if left.len() == locations.len() {
            continue;
        }
        let (text, empty) = (format!("[{}]", left.join(",")), left.is_empty());
        object.set("locations", text);
        if empty {
            state.table_mut(table).remove(&row.parents, &row.key);
        } else if let Ok(record) = crate::rows::record(&object) {
            state.table_mut(table).put(Row { record, ..row.as_ref().clone() });
        }
    }
}

/// Takes out the rows of a table whose field holds this key.
fn forget_where(state: &mut State, name: &str, field: &str, key: &Key) {
    let Some(table) = crate::facts::find(name).and_then(|i| tables().access(i)).map(|a| a.table) else { return };
    for row in state.table(table).rows().to_vec() {
        if row.record.get(field).and_then(Key::from_json).as_ref() == Some(key) {
            state.remove_deep(table, &row.parents, &row.key);
        }
    }
}

/// Takes out the rows of a flat table that name a parent which is gone.
fn forget_flat(state: &mut State, name: &str, key: &Key) {
    let Some(table) = crate::facts::find(name).and_then(|i| tables().access(i)).map(|a| a.table) else { return };
    for row in state.table(table).naming(key) {
        state.table_mut(table).remove(&row.parents, &row.key);
    }
}

fn by_path(world: &World, state: &mut State, call: &Call<'_>, target: &Target) -> Result<Vec<Arc<Row>>, Refusal> {
    let Some(row) = read::find_row(state, target).cloned() else {
        let told = call.route.operation.declares("404") || world.switches().delete_missing_is_404;
        return if told { Err(Refusal::not_found()) } else { Ok(Vec::new()) };
    };
    let archived = call.resource().key == "v2:/orders" && row.record.get("is_deleted") == Some("true");
    if archived {
        return Ok(Vec::new());
    }
    guard(state, call, &row)?;
    take(state, call, target, &row);
    Ok(vec![row])
}

fn by_body(state: &mut State, call: &Call<'_>, target: &Target) -> Result<Vec<Arc<Row>>, Refusal> {
    let text = json::compact(call.body);
    let wrapper = call.route.operation.body.as_ref().and_then(|b| b.wrapper.clone());
    let list = match (text.starts_with('['), Object::parse(&text)) {
        (true, _) => text,
        (false, Ok(object)) => {
            let inner = wrapper.as_deref().and_then(|w| object.get(w)).or(object.get("ids"));
            inner.unwrap_or("[]").to_owned()
        }
        _ => return Err(Refusal::new(400, "The request body is not valid JSON.")),
    };
    let ids = json::elements(&list).map_err(|_| Refusal::invalid("body", "The body must be an array of ids."))?;
    if ids.is_empty() {
        return Err(Refusal::invalid("body", "The array must not be empty."));
    }
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for (at, id) in ids.into_iter().enumerate() {
        let key = Key::from_json(id).ok_or_else(|| Refusal::invalid("body", "An id is null."))?;
        let table = state.table(target.access.table);
        let row = if target.access.nested { table.get(&target.parents, &key) } else { table.get_anywhere(&key) };
        let absent = || partial::indexed(Refusal::invalid("id", format!("There is no record {id}.")), at);
        match row {
            Some(row) => rows.push(row.clone()),
            None => errors.push(absent()),
        }
    }
    // Of metafields those that exist are deleted, whatever is named beside them.
    if !call.resource().key.ends_with("/metafields")
        && let Some(first) = errors.first()
    {
        return Err(first.clone());
    }
    for row in &rows {
        take(state, call, target, row);
    }
    if errors.is_empty() { Ok(rows) } else { Err(listed_refusal(&rows, &errors)) }
}

/// The refusal of a batch of ids of which some were not there: the ids that were deleted, and an error for each other one.
fn listed_refusal(gone: &[Arc<Row>], errors: &[Refusal]) -> Refusal {
    let ids: Vec<String> = gone.iter().map(|row| row.key.to_json()).collect();
    let told: Vec<String> = errors.iter().map(Refusal::object).collect();
    let (success, failed) = (gone.len(), errors.len());
    let meta = format!("{{\"total\":{},\"success\":{success},\"failed\":{failed}}}", success + failed);
    let body = format!("{{\"data\":[{}],\"errors\":[{}],\"meta\":{meta}}}", ids.join(","), told.join(","));
    Refusal::new(422, "Some of the records were not deleted.")
        .with_body("application/json", body)
        .after_acting(success > 0)
}

/// Deletes the record whose key the body holds by its name.
fn by_key(state: &mut State, call: &Call<'_>, target: &Target) -> Result<Vec<Arc<Row>>, Refusal> {
    let body = Object::parse(call.body).map_err(|_| Refusal::new(400, "The request body is not valid JSON."))?;
    let field = target.spec.key_fields.first().map_or("id", String::as_str);
    let key = body.get(field).and_then(Key::from_json);
    let key = key.ok_or_else(|| Refusal::invalid(field, format!("{field} is required.")))?;
    let row = state.table(target.access.table).get_anywhere(&key).cloned().ok_or_else(Refusal::not_found)?;
    take(state, call, target, &row);
    Ok(vec![row])
}

/// Whether a filter's value holds any value at all. The documents do not say what blanks and commas alone come to: for a delete
/// the worst is assumed, which is that there is no filter.
fn names_any(value: &str) -> bool {
    value.split(',').any(|one| !one.trim().is_empty())
}

fn by_filter(world: &World, state: &mut State, call: &Call<'_>, target: &Target) -> Result<Vec<Arc<Row>>, Refusal> {
    let Some(details) = &call.route.operation.delete else { return Err(Refusal::not_found()) };
    let resource = call.resource();
    let mut filters = Vec::new();
    for (name, value) in call.query.iter().filter(|(n, v)| names_any(v) && details.filters.contains(n)) {
        let filter = match Filter::of(resource, name, value) {
            Some(filter) => filter?,
            None => {
                let (field, operator) = name.split_once(':').unwrap_or((name, "eq"));
                Filter::parse(resource, field, operator, name, value, false)?
            }
        };
        if filter.is_blind() {
            // A list may ignore such a condition; a delete that did so would take everything.
            return Err(Refusal::invalid(
                name,
                format!("The emulated records hold nothing that {name} could compare."),
            ));
        }
        filters.push(filter);
    }
    if filters.is_empty() {
        return match details.unfiltered.as_str() {
            "204_no_change" => Ok(Vec::new()),
            "deletes_all" => Ok(wipe(state, call, target)),
            "undocumented" if world.switches().optional_filter_deletes_all => Ok(wipe(state, call, target)),
            "404" => Err(Refusal::not_found()),
            _ if resource.key.starts_with("v3:/promotions") => Err(bulk_refusal("Parameter id:in is required", &[], 0)),
            _ => Err(Refusal::invalid("id:in", "A filter must be supplied.")),
        };
    }
    let named: usize = filters.iter().map(|f| f.values.len()).max().unwrap_or(0);
    if let Some(max) = details.max_items
        && read::names_keys(&filters)
        && named > max
    {
        return Err(Refusal::new(413, format!("At most {max} records can be deleted at once.")));
    }
    let mut rows = read::chosen(state, target, filters);
    rows.truncate(details.max_items.unwrap_or(usize::MAX));
    match resource.key.as_str() {
        "v3:/promotions" => return promotions(state, call, target, &rows),
        "v3:/content/pages" | "v3:/tax/classes" => missing(state, call, target, &rows, named)?,
        _ => {}
    }
    for row in &rows {
        guard(state, call, row)?;
    }
    for row in &rows {
        take(state, call, target, row);
    }
    Ok(rows)
}

/// Some of the named records do not exist. Of pages the others are deleted all the same, of tax classes none is.
fn missing(
    state: &mut State,
    call: &Call<'_>,
    target: &Target,
    rows: &[Arc<Row>],
    named: usize,
) -> Result<(), Refusal> {
    if rows.len() == named {
        return Ok(());
    }
    if call.resource().key == "v3:/tax/classes" {
        return Err(Refusal::new(400, "A tax class was not found."));
    }
    for row in rows {
        take(state, call, target, row);
    }
    Err(Refusal::new(404, "A page of these ids was not found.").after_acting(!rows.is_empty()))
}

/// Promotions that still have codes stay, and the answer names them by their place; the others go.
fn promotions(
    state: &mut State,
    call: &Call<'_>,
    target: &Target,
    rows: &[Arc<Row>],
) -> Result<Vec<Arc<Row>>, Refusal> {
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    for (at, row) in rows.iter().enumerate() {
        match guard(state, call, row) {
            Ok(()) => {
                take(state, call, target, row);
                gone.push(row.clone());
            }
            Err(_) => {
                let id = row.key.to_json();
                kept.push((
                    format!("{at}.code"),
                    format!("Failed for id={id}. Error: some relating codes are still present."),
                ));
            }
        }
    }
    if kept.is_empty() {
        Ok(gone)
    } else {
        Err(bulk_refusal("Errors occurred in bulk delete action.", &kept, rows.len()))
    }
}

/// The refusal of a bulk delete, which counts what was deleted nevertheless.
fn bulk_refusal(title: &str, kept: &[(String, String)], total: usize) -> Refusal {
    let mut error = Refusal::new(422, title);
    error.errors = kept.to_vec();
    let (success, failed) = (total - kept.len(), kept.len());
    let meta = format!("{{\"total\":{total},\"success\":{success},\"failed\":{failed}}}");
    Refusal::new(422, title)
        .with_body("application/json", format!("{{\"errors\":[{}],\"meta\":{meta}}}", error.object()))
        .after_acting(success > 0)
}

/// Deletes what a request without a filter deletes: all of it, or as much as one call takes.
fn wipe(state: &mut State, call: &Call<'_>, target: &Target) -> Vec<Arc<Row>> {
    let table = state.table(target.access.table);
    let all = if target.parents.is_empty() { table.rows().to_vec() } else { table.below(&target.parents) };
    let unfiltered = call.route.operation.delete.as_ref().map_or("", |d| d.unfiltered.as_str());
    let most = match (call.resource().key.as_str(), unfiltered) {
        ("v2:/customers", _) => 100,
        (_, "deletes_a_page") => 50,
        _ => usize::MAX,
    };
    let keeps =
        |row: &Arc<Row>| call.resource().key == "v2:/currencies" && row.record.get("is_default") == Some("true");
    let rows: Vec<Arc<Row>> = all.into_iter().filter(|row| !keeps(row)).take(most).collect();
    state.wipes += 1;
    for row in &rows {
        take(state, call, target, row);
    }
    rows
}

/// Deletes a singleton's record.
fn single(world: &World, state: &mut State, call: &Call<'_>, target: &Target) -> Result<Vec<Arc<Row>>, Refusal> {
    let text = read::single_text(world, state, call, target).ok_or_else(Refusal::not_found)?;
    let key = read::single_key(call, target);
    state.go(target.access.table, &target.parents, &key);
    let removed = state.table_mut(target.access.table).remove(&target.parents, &key);
    let record = crate::json::Record::new(text, None).map_err(|e| Refusal::new(500, e.to_string()))?;
    let made = || Arc::new(Row { key: key.clone(), parents: target.parents.clone(), record });
    Ok(vec![removed.unwrap_or_else(made)])
}

#[cfg(test)]
#[path = "delete_tests.rs"]
mod tests;
