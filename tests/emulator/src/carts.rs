//! Carts: their items, which live in a table of their own and show within the cart, and the version that guards against lost
//! updates. A checkout has the id and the version of its cart.

use bytes::Bytes;

use crate::answer::{Answer, Outcome, Refusal};
use crate::data::rng::Rng;
use crate::facts::{Verb, find, resources};
use crate::json::{self, Object};
use crate::read;
use crate::rows::{record, touch};
use crate::store::{Key, Row, State};
use crate::tables::tables;
use crate::world::{Call, Target, World};

/// The items of a cart.
pub(crate) const ITEMS: &str = "v3:/carts/{cartId}/items";
const CARTS: &str = "v3:/carts";

/// Lists of a request and where the cart shows what was in them.
const GROUPS: &[(&str, &str)] =
    &[("line_items", "physical_items"), ("custom_items", "custom_items"), ("gift_certificates", "gift_certificates")];

fn table(key: &str) -> usize {
    find(key).and_then(|i| tables().access(i)).map_or(0, |a| a.table)
}

/// The cart that a path below a cart or a checkout names.
fn named(call: &Call<'_>) -> Option<Key> {
    let path = call.route.operation.path.as_str();
    let below = path.starts_with("/v3/carts/{") || path.starts_with("/v3/checkouts/{");
    let key = Key::from_plain(call.route.params.first()?);
    (below && !path.contains("metafields")).then_some(key)
}

fn version(state: &State, cart: &Key) -> Option<String> {
    state.table(table(CARTS)).get(&[], cart)?.record.get("version").map(str::to_owned)
}

/// Refuses a change that was made for another version of the cart. Who names no version is not checked.
pub(crate) fn check_version(state: &State, call: &Call<'_>, body: &Object) -> Result<(), Refusal> {
    let Some(sent) = body.get("version").filter(|v| *v != "null") else { return Ok(()) };
    let known = named(call).and_then(|cart| version(state, &cart));
    match known {
        Some(known) if json::plain(sent) != known.as_str() => {
            Err(Refusal::new(409, "The version of the cart does not match.")
                .field("version", format!("It is {known}.")))
        }
        _ => Ok(()),
    }
}

/// A cart's version grows with every change of it.
pub(crate) fn count_version(state: &mut State, call: &Call<'_>) {
    let Some(cart) = named(call) else { return };
    change(state, &cart, |cart| {
        let version: u64 = cart.get("version").and_then(|v| v.parse().ok()).unwrap_or(0);
        cart.set("version", (version + 1).to_string());
        if let Some(resource) = find(CARTS).and_then(|i| resources().get(i)) {
            touch(resource, cart);
        }
    });
}

/// A checkout's text with the version of its cart.
pub(crate) fn with_version(state: &State, cart: &Key, text: Bytes) -> Bytes {
    let Some(version) = version(state, cart) else { return text };
    let mut object = Object::parse(&String::from_utf8_lossy(&text)).unwrap_or_default();
    object.set("version", version);
    object.to_text().into()
}

fn change(state: &mut State, key: &Key, change: impl FnOnce(&mut Object)) {
    let Some(row) = state.table(table(CARTS)).get(&[], key).cloned() else { return };
    let mut cart = row.record.object();
    change(&mut cart);
    if let Ok(record) = record(&cart) {
        state.table_mut(table(CARTS)).put(Row { key: key.clone(), parents: Vec::new(), record });
    }
}

/// Writes the items into the cart's own record.
fn show(state: &mut State, cart: &Key) {
    let rows = state.table(table(ITEMS)).below(std::slice::from_ref(cart));
    let group = |item: &Object| match (item.get("product_id"), item.get("list_price")) {
        (Some(_), _) => "physical_items",
        (None, Some(_)) => "custom_items",
        (None, None) => "gift_certificates",
    };
    let mut shown = Object::default();
    for name in ["physical_items", "digital_items", "gift_certificates", "custom_items"] {
        let items: Vec<String> =
            rows.iter().map(|r| r.record.object()).filter(|i| group(i) == name).map(|i| i.to_text()).collect();
        shown.set(name, format!("[{}]", items.join(",")));
    }
    change(state, cart, |object| object.set("line_items", shown.to_text()));
}

/// Puts the items of a request into a cart.
pub(crate) fn add(state: &mut State, cart: &Key, body: &Object) -> Result<(), Refusal> {
    let index = table(ITEMS);
    for (list, _) in GROUPS {
        for sent in body.get(list).and_then(|t| json::elements(t).ok()).unwrap_or_default() {
            let mut item = Object::parse(sent).map_err(|_| Refusal::invalid(list, "An item must be an object."))?;
            let number = state.table_mut(index).next_id();
            let key = Key::Text(Rng::new(number as u64, "cart item", 1).uuid());
            item.set_first("id", key.to_json());
            let row = Row { key, parents: vec![cart.clone()], record: record(&item)? };
            state.table_mut(index).put(row);
        }
    }
    show(state, cart);
    Ok(())
}

/// Gives the sample carts items and their first version.
pub(crate) fn furnish(state: &mut State) {
    let index = table(ITEMS);
    for row in state.table(index).rows().to_vec() {
        let product = crate::data::reference(state, "product_id", 1).unwrap_or(Key::Int(1));
        let mut item = Object::default();
        item.set("id", row.key.to_json());
        item.set("product_id", product.to_json());
        item.set("quantity", "1");
        if let Ok(record) = record(&item) {
            state.table_mut(index).put(Row { record, ..row.as_ref().clone() });
        }
    }
    for cart in state.table(table(CARTS)).rows().to_vec() {
        show(state, &cart.key);
        change(state, &cart.key, |object| object.set("version", "1"));
    }
    // A checkout has the id of its cart.
    let index = table("v3:/checkouts");
    let carts = state.table(table(CARTS)).rows().to_vec();
    for (row, cart) in state.table(index).rows().to_vec().into_iter().zip(carts) {
        state.table_mut(index).remove(&row.parents, &row.key);
        let mut checkout = row.record.object();
        checkout.set("id", cart.key.to_json());
        if let Ok(record) = record(&checkout) {
            state.table_mut(index).put(Row { key: cart.key.clone(), parents: Vec::new(), record });
        }
    }
}

fn tell(world: &World, state: &State, call: &Call<'_>, cart: &Key) -> Outcome {
    let row = state.table(table(CARTS)).get(&[], cart).ok_or_else(Refusal::not_found)?;
    let text = read::shaped(state, call, row, world);
    let status = if call.route.operation.verb == Verb::Create { 201 } else { 200 };
    Ok(Answer::enveloped(status, "data_meta", &String::from_utf8_lossy(&text), "{}"))
}

/// Adds items to a cart, or changes one; the answer is the whole cart.
pub(crate) fn write(world: &World, call: &Call<'_>, target: &Target, body: Object) -> Outcome {
    let mut state = world.write();
    let cart = target.parents.first().cloned().ok_or_else(Refusal::not_found)?;
    if !target.parents_exist(&state) {
        return Err(Refusal::not_found());
    }
    check_version(&state, call, &body)?;
    match target.key() {
        None => {
            if !GROUPS.iter().any(|(list, _)| body.get(list).is_some_and(|t| t != "[]" && t.starts_with('['))) {
                return Err(Refusal::invalid("line_items", "line_items is required."));
            }
            add(&mut state, &cart, &body)?;
        }
        Some(key) => {
            let row = state.table(target.access.table).get(&target.parents, &key).cloned();
            let row = row.ok_or_else(Refusal::not_found)?;
            let mut item = row.record.object();
            let sent =
                ["line_item", "custom_item", "gift_certificate"].iter().find_map(|n| body.get(n)).unwrap_or("{}");
            for (name, value) in Object::parse(sent).unwrap_or_default().iter().filter(|(n, _)| *n != "id") {
                item.set(name, value);
            }
            let row = Row { record: record(&item)?, ..row.as_ref().clone() };
            state.table_mut(target.access.table).put(row);
            show(&mut state, &cart);
        }
    }
    count_version(&mut state, call);
    tell(world, &state, call, &cart)
}

/// Takes an item out. With the last one the cart itself is gone.
pub(crate) fn delete(world: &World, call: &Call<'_>, target: &Target) -> Outcome {
    let mut state = world.write();
    let cart = target.parents.first().cloned().ok_or_else(Refusal::not_found)?;
    let key = target.key().filter(|_| target.parents_exist(&state)).ok_or_else(Refusal::not_found)?;
    check_version(&state, call, &Object::parse(call.body).unwrap_or_default())?;
    state.table_mut(target.access.table).remove(&target.parents, &key).ok_or_else(Refusal::not_found)?;
    if state.table(target.access.table).below(&target.parents).is_empty() {
        state.remove_deep(table(CARTS), &[], &cart);
        return Ok(Answer::empty(204));
    }
    show(&mut state, &cart);
    count_version(&mut state, call);
    tell(world, &state, call, &cart)
}
