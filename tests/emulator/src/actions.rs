//! Operations that do something rather than keep what they are sent.
//!
//! What leaves a trace in the store leaves it here as well: stock levels, promotion codes, payment states, images. Everything else is
//! checked against the model of its body and answered with values of its answer's model.

use crate::answer::{Answer, Outcome, Refusal};
use crate::body;
use crate::data::rng::Rng;
use crate::data::schema;
use crate::facts::{Model, Verb, find};
use crate::json::{self, Object, quote};
use crate::rows::record;
use crate::store::{Key, Row, State, mix};
use crate::tables::{snake, table_at, tables};
use crate::world::{Call, World};

/// Answers requests to actions, and to images that are given by address or taken away.
pub(crate) fn answer(world: &World, call: &Call<'_>) -> Outcome {
    let operation = call.route.operation;
    if operation.verb == Verb::Upload && !takes_json(call) {
        return Err(Refusal::new(501, "The emulated store takes no files."));
    }
    let parents: Vec<Key> = call.route.params.iter().map(|p| Key::from_plain(p)).collect();
    let mut state = world.write();
    if !parents_exist(&state, &operation.path, &parents) {
        return Err(Refusal::not_found());
    }
    let items = body::split(operation, call.body)?;
    let schemas = &call.resource().schemas;
    let model = if operation.verb == Verb::Action { &schemas.action } else { &schemas.create };
    for item in &items.objects {
        required(model, item)?;
        body::check_types(model, item)?;
    }
    let first = items.objects.first().cloned().unwrap_or_default();
    match call.resource().key.as_str() {
        "v3:/inventory/adjustments/absolute" => adjust(&mut state, &items.objects, false),
        "v3:/inventory/adjustments/relative" => adjust(&mut state, &items.objects, true),
        "v3:/promotions/{promotion_id}/codegen" => generate(&mut state, call, &parents, &first),
        "v3:/orders/{order_id}/payment_actions/capture" => pay(&mut state, &parents, "capture pending"),
        "v3:/orders/{order_id}/payment_actions/void" => pay(&mut state, &parents, "void pending"),
        "v3:/catalog/products/{product_id}/variants/{variant_id}/image" => {
            image(&mut state, call, "products/variants", parents.last(), first.get("image_url").unwrap_or("\"\""))
        }
        "v3:/catalog/brands/{brand_id}/image" => image(&mut state, call, "brands", parents.last(), "\"\""),
        "v3:/catalog/categories/{category_id}/image" => {
            image(&mut state, call, "v3:/catalog/categories", parents.last(), "\"\"")
        }
        "v3:/customers/validate-credentials" => Ok(credentials(&state, &first)),
        _ => Ok(made_up(world, call, &items.objects)),
    }
}

fn takes_json(call: &Call<'_>) -> bool {
    call.route.operation.body.as_ref().is_some_and(|body| body.content_types.iter().any(|kind| kind.contains("json")))
}

/// Whether every record that the path names is there, as far as its table is known.
fn parents_exist(state: &State, path: &str, keys: &[Key]) -> bool {
    let mut prefix = String::new();
    let mut keys = keys.iter();
    for segment in path.split('/').skip(1) {
        if segment.starts_with('{')
            && let (Some(table), Some(key)) = (table_at(&prefix), keys.next())
            && state.table(table).get_anywhere(key).is_none()
        {
            return false;
        }
        prefix.push('/');
        prefix.push_str(segment);
    }
    true
}

fn required(model: &Model, object: &Object) -> Result<(), Refusal> {
    let missing = model.fields.iter().find(|field| field.required && object.get(&field.name).is_none());
    missing.map_or(Ok(()), |field| Err(Refusal::invalid(&field.name, format!("{} is required.", field.name))))
}

fn table_of(resource: &str) -> Option<usize> {
    Some(tables().access(find(resource)?)?.table)
}

/// Sets fields of a row.
fn change(state: &mut State, table: usize, row: &Row, fields: &[(&str, String)]) -> Result<(), Refusal> {
    let mut object = row.record.object();
    for (name, value) in fields {
        object.set(name, value.clone());
    }
    let record = record(&object)?;
    state.table_mut(table).put(Row { key: row.key.clone(), parents: row.parents.clone(), record });
    Ok(())
}

/// Stock levels: all items of a call, or none of them.
fn adjust(state: &mut State, items: &[Object], relative: bool) -> Outcome {
    let table = table_of("inventory_items").ok_or_else(Refusal::not_found)?;
    let mut rows = Vec::new();
    for item in items {
        let named = |field: &str| item.get(field).map(|value| (format!("identity.{field}"), json::plain(value)));
        let (field, value) = ["variant_id", "sku", "product_id"]
            .into_iter()
            .find_map(named)
            .ok_or_else(|| Refusal::invalid("sku", "One of sku, product_id and variant_id must name the item."))?;
        let same = |row: &Row| row.record.lookup(&field).is_some_and(|text| json::plain(&text) == value);
        let at = state.table(table).rows().iter().position(|row| same(row));
        rows.push(at.ok_or_else(|| Refusal::invalid(&field, format!("There is no item with {field} {value}.")))?);
    }
    for (item, at) in items.iter().zip(&rows) {
        let number = |text: Option<&str>| text.and_then(|t| t.parse::<i64>().ok()).unwrap_or_default();
        let row = state.table(table).rows().get(*at);
        let list =
            row.and_then(|row| row.record.get("locations")).and_then(|t| json::elements(t).ok()).unwrap_or_default();
        let entries = list.iter().filter_map(|text| Object::parse(text).ok());
        let own = entries.into_iter().find(|e| e.get("location_id") == Some(item.get("location_id").unwrap_or("1")));
        let before = own.filter(|_| relative).map_or(0, |entry| number(entry.get("total_inventory_onhand")));
        if before + number(item.get("quantity")) < 0 {
            return Err(Refusal::invalid("quantity", "The stock cannot become negative."));
        }
    }
    for (item, at) in items.iter().zip(rows) {
        let Some(row) = state.table(table).rows().get(at).cloned() else { continue };
        let location = item.get("location_id").unwrap_or("1");
        let number = |text: &str| text.parse::<i64>().unwrap_or_default();
        let quantity = number(item.get("quantity").unwrap_or("0"));
        let list = row.record.get("locations").unwrap_or("[]").to_owned();
        let mut found = false;
        let mut locations: Vec<String> = Vec::new();
        for text in json::elements(&list).unwrap_or_default() {
            let mut entry = Object::parse(text).unwrap_or_default();
            if entry.get("location_id") == Some(location) {
                found = true;
                let before = if relative { number(entry.get("total_inventory_onhand").unwrap_or("0")) } else { 0 };
                entry.set("total_inventory_onhand", (before + quantity).to_string());
                entry.set("available_to_sell", (before + quantity).to_string());
            }
            locations.push(entry.to_text());
        }
        if !found {
            locations.push(format!(
                "{{\"location_id\":{location},\"available_to_sell\":{quantity},\"total_inventory_onhand\":{quantity}}}"
            ));
        }
        change(state, table, &row, &[("locations", format!("[{}]", locations.join(",")))])?;
    }
    Ok(Answer::json(200, format!("{{\"transaction_id\":\"{:016x}\"}}", mix(items.len() as u64))))
}

/// Promotion codes: as many records as are asked for.
fn generate(state: &mut State, call: &Call<'_>, parents: &[Key], order: &Object) -> Outcome {
    let codes = find("v3:/promotions/{promotion_id}/codes").ok_or_else(Refusal::not_found)?;
    let table = tables().access(codes).ok_or_else(Refusal::not_found)?.table;
    let count: u64 = order.get("batch_size").and_then(|n| n.parse().ok()).unwrap_or_default();
    if !(1..=250).contains(&count) {
        return Err(Refusal::invalid("batch_size", "batch_size must be between 1 and 250."));
    }
    let part = |field: &str| order.get(field).map(|text| json::plain(text).into_owned()).unwrap_or_default();
    let mut made = Vec::new();
    for _ in 0..count {
        let id = state.table_mut(table).next_id();
        let code = format!("{}{:010X}{}", part("prefix"), mix(id as u64) & 0xFF_FFFF_FFFF, part("suffix"));
        let mut object = Object::default();
        object.set("id", id.to_string());
        object.set_str("code", &code);
        object.set("current_uses", "0");
        for field in ["max_uses", "max_uses_per_customer"] {
            object.set(field, order.get(field).unwrap_or("0"));
        }
        state.table_mut(table).put(Row { key: Key::Int(id), parents: parents.to_vec(), record: record(&object)? });
        made.push(quote(&code));
    }
    let mut answer = Object::default();
    answer.set("batch_size", count.to_string());
    answer.set("codes", format!("[{}]", made.join(",")));
    let (status, envelope, _) = call.route.operation.plain_success();
    Ok(Answer::enveloped(status, envelope, &answer.to_text(), "{}"))
}

/// The payment of an order is on its way to another state.
fn pay(state: &mut State, parents: &[Key], status: &str) -> Outcome {
    let table = table_of("orders").ok_or_else(Refusal::not_found)?;
    let row = parents.first().and_then(|key| state.table(table).get_anywhere(key)).cloned();
    change(state, table, &*row.ok_or_else(Refusal::not_found)?, &[("payment_status", quote(status))])?;
    Ok(Answer::json(201, "{}"))
}

/// The image of a record is set, or taken away.
fn image(state: &mut State, call: &Call<'_>, resource: &str, key: Option<&Key>, url: &str) -> Outcome {
    let table = table_of(resource).ok_or_else(Refusal::not_found)?;
    let row = key.and_then(|key| state.table(table).get_anywhere(key)).cloned();
    change(state, table, &*row.ok_or_else(Refusal::not_found)?, &[("image_url", url.to_owned())])?;
    let (status, envelope, shape) = call.route.operation.plain_success();
    if shape == "empty" {
        return Ok(Answer::empty(status));
    }
    Ok(Answer::enveloped(status, envelope, &format!("{{\"image_url\":{url}}}"), "{}"))
}

/// Whose e-mail address it is; the emulated store knows no passwords.
fn credentials(state: &State, asked: &Object) -> Answer {
    let email = asked.get("email").map(json::plain).unwrap_or_default();
    let same = |row: &Row| row.record.get("email").is_some_and(|text| json::plain(text) == email);
    let found = table_of("customers").and_then(|table| state.table(table).rows().iter().find(|row| same(row)).cloned());
    let text = match found {
        Some(row) => format!("{{\"customer_id\":{},\"is_valid\":true}}", row.key.to_json()),
        None => "{\"customer_id\":null,\"is_valid\":false}".to_owned(),
    };
    Answer::json(200, text)
}

/// Values of the answer's model; those that the request names are the request's.
fn made_up(world: &World, call: &Call<'_>, asked: &[Object]) -> Answer {
    let (status, envelope, shape) = call.route.operation.plain_success();
    if shape == "empty" || status == 204 {
        return Answer::empty(status);
    }
    let resource = call.resource();
    let one = |number: usize, asked: Option<&Object>| {
        let mut rng = Rng::new(world.seed, &resource.key, number as u64);
        let mut object = Object::default();
        let parents = || resource.parent_params.iter().map(|param| snake(&param.name)).zip(&call.route.params);
        for field in &resource.schemas.read.fields {
            let above =
                parents().find(|(name, _)| *name == field.name).map(|(_, text)| Key::from_plain(text).to_json());
            let given = above.or_else(|| asked.and_then(|asked| asked.get(&field.name)).map(str::to_owned));
            let value = || schema::value(field, resource.is_v2(), &mut rng, &|_, _| None, 0);
            object.set(&field.name, given.unwrap_or_else(value));
        }
        object.to_text()
    };
    let payload = if shape == "array" {
        let inner = asked.first().and_then(|asked| asked.get("items")).and_then(|list| json::elements(list).ok());
        let inner: Vec<Object> = inner.unwrap_or_default().iter().filter_map(|text| Object::parse(text).ok()).collect();
        let asked = if inner.is_empty() { asked } else { &inner };
        let all: Vec<String> = asked.iter().enumerate().map(|(number, asked)| one(number, Some(asked))).collect();
        format!("[{}]", all.join(","))
    } else {
        one(0, asked.first())
    };
    Answer::enveloped(status, envelope, &payload, "{}")
}
