//! Orders of v2: their lines, addresses and totals live in tables of their own, and an order shows links to them.

use bytes::Bytes;

use crate::answer::Refusal;
use crate::data::people::{self, STATUSES};
use crate::dates;
use crate::facts::{Resource, Verb, find};
use crate::json::{self, Object, Record, Scalar, quote};
use crate::store::{Key, Row, State};
use crate::tables::tables;

/// Fields of a body that are no fields of the order's own record.
const ELSEWHERE: &[&str] = &["products", "shipping_addresses", "consignments", "coupons", "fees", "billing_address"];

/// Refuses what cannot be written: v2 answers an error where v3 would ignore it.
pub(crate) fn check(resource: &Resource, verb: Verb, object: &Object) -> Result<(), Refusal> {
    let model = if verb == Verb::Create { &resource.schemas.create } else { &resource.schemas.update };
    for (name, _) in object.iter() {
        let known = resource.schemas.read.field(name).is_some();
        let writable = model.field(name).is_some_and(|f| !f.read_only);
        // An archived order comes back, and a live one goes, by this flag; the model does not list it.
        if known && !writable && name != "is_deleted" {
            let message = format!(
                "The field '{name}' cannot be written to. Please remove it from your request before trying again."
            );
            // The documented example has another status inside than outside.
            let body = format!("[{{\"status\":404,\"message\":{}}}]", quote(&message));
            return Err(Refusal::new(400, message).with_body("application/json", body));
        }
    }
    if verb == Verb::Create {
        let lines = object.get("products").is_some_and(|p| p != "[]") || object.get("consignments").is_some();
        if !lines {
            return Err(Refusal::new(400, "The field 'products' is required."));
        }
        if object.get("billing_address").is_none() {
            return Err(Refusal::new(400, "The field 'billing_address' is required."));
        }
    }
    Ok(())
}

fn table(name: &str) -> usize {
    find(name).and_then(|i| tables().access(i)).map_or(0, |a| a.table)
}

/// Whether a JSON value is a number of zero.
fn is_zero(text: &str) -> bool {
    match json::scalar(text) {
        Scalar::Number(n) => json::compare_numbers(n, "0") == Some(std::cmp::Ordering::Equal),
        Scalar::Text(t) => json::compare_numbers(&t, "0") == Some(std::cmp::Ordering::Equal),
        _ => false,
    }
}

/// Cents of a decimal text, further digits cut off.
fn cents(text: &str) -> i64 {
    let text = json::plain(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits: String = fraction.chars().chain("00".chars()).take(2).collect();
    let whole: i64 = whole.parse().unwrap_or(0);
    whole.saturating_mul(100).saturating_add(digits.parse::<i64>().unwrap_or(0))
}

fn money(cents: i64) -> String {
    format!("\"{}.{:02}00\"", cents / 100, cents % 100)
}

/// Creates an order, or changes the one of this key.
pub(crate) fn write(state: &mut State, orders: usize, key: Option<Key>, body: &Object) -> Result<Key, Refusal> {
    let creates = key.is_none();
    let key = key.unwrap_or_else(|| Key::Int(state.table_mut(orders).next_id()));
    let mut order = match state.table(orders).get(&[], &key) {
        Some(row) => row.record.object(),
        None => blank(&key),
    };
    for (name, value) in body.iter() {
        if !ELSEWHERE.contains(&name) && (order.get(name).is_some() || name == "external_order_id") {
            order.set(name, value);
        }
    }
    if let Some(billing) = body.get("billing_address") {
        let mut merged = order.get("billing_address").and_then(|t| Object::parse(t).ok()).unwrap_or_default();
        for (name, value) in Object::parse(billing).unwrap_or_default().iter() {
            merged.set(name, value);
        }
        order.set("billing_address", merged.to_text());
    }
    if let Some(status) = body.get("status_id").and_then(|s| s.parse::<usize>().ok()) {
        order.set_str("status", STATUSES.get(status).copied().unwrap_or("Pending"));
    }
    if let Some(products) = body.get("products") {
        lines(state, &key, products)?;
    }
    if let Some(consignments) = body.get("consignments").and_then(|t| Object::parse(t).ok()) {
        for (_, group) in consignments.iter() {
            for consignment in json::elements(group).unwrap_or_default() {
                let consignment = Object::parse(consignment).unwrap_or_default();
                if let Some(items) = consignment.get("line_items") {
                    lines(state, &key, items)?;
                }
            }
        }
    }
    if let Some(fees) = body.get("fees") {
        replace_fees(state, &key, fees)?;
    }
    if creates {
        address(state, &key, body, &order)?;
    }
    totals(state, &key, &mut order, body);
    order.set_str("date_modified", &dates::rfc2822(dates::now()));
    let record = Record::new(Bytes::from(order.to_text()), None).map_err(|e| Refusal::new(500, e.to_string()))?;
    state.table_mut(orders).put(Row { key: key.clone(), parents: Vec::new(), record });
    Ok(key)
}

/// An order with nothing in it.
fn blank(key: &Key) -> Object {
    let id = match key {
        Key::Int(n) => i64::try_from(*n).unwrap_or(0),
        _ => 0,
    };
    let made = people::orders(0, 1, &[], &[]).next().map(|o| o.text).unwrap_or_default();
    let sample = format!("\\/orders\\/{}", 100);
    let mut order = Object::parse(&made.replace(&sample, &format!("\\/orders\\/{id}"))).unwrap_or_default();
    order.set("id", id.to_string());
    let now = dates::rfc2822(dates::now());
    order.set_str("date_created", &now);
    for (name, value) in [
        ("status_id", "1"),
        ("status", "\"Pending\""),
        ("is_deleted", "false"),
        ("customer_message", "\"\""),
        ("payment_method", "\"\""),
        ("payment_status", "\"\""),
        ("customer_id", "0"),
        ("ip_address", "\"\""),
        ("billing_address", "{}"),
        ("order_source", "\"external\""),
    ] {
        order.set(name, value);
    }
    order
}

/// Adds, changes and (quantity 0) removes lines.
fn lines(state: &mut State, order: &Key, text: &str) -> Result<(), Refusal> {
    let table_index = table("orders/products");
    let above = [order.clone()];
    for element in json::elements(text).unwrap_or_default() {
        let Ok(sent) = Object::parse(element) else { continue };
        let known = sent.get("id").and_then(Key::from_json);
        let old = known.as_ref().and_then(|k| state.table(table_index).get(&above, k).cloned());
        if sent.get("quantity").is_some_and(is_zero) {
            if let Some(row) = old {
                state.table_mut(table_index).remove(&above, &row.key);
            }
            continue;
        }
        let product = sent.get("product_id").and_then(Key::from_json);
        let listed = product.as_ref().and_then(|k| state.table(table("products")).get(&[], k).cloned());
        if product.as_ref().is_some_and(|p| *p != Key::Int(0)) && listed.is_none() && old.is_none() {
            return Err(Refusal::new(400, "The product does not exist."));
        }
        let (key, mut line) = match old {
            Some(row) => (row.key.clone(), row.record.object()),
            None => {
                let own = |field: &str| listed.as_ref().and_then(|r| r.record.get(field)).unwrap_or("\"\"").to_owned();
                let (name, sku) = (sent.get("name").map_or_else(|| own("name"), str::to_owned), own("sku"));
                let price =
                    sent.get("price_ex_tax").or(sent.get("price_inc_tax")).map_or_else(|| own("price"), str::to_owned);
                let quantity = sent.get("quantity").and_then(|q| q.parse().ok()).unwrap_or(1);
                let id = state.table_mut(table_index).next_id();
                let number = |key: &Key| match key {
                    Key::Int(n) => i64::try_from(*n).unwrap_or(0),
                    _ => 0,
                };
                let product = product.as_ref().map_or(0, number);
                let text = people::line(number(order), id as i64, product, &name, &sku, cents(&price), quantity);
                (Key::Int(id), Object::parse(&text).unwrap_or_default())
            }
        };
        for (name, value) in sent.iter().filter(|(n, _)| !matches!(*n, "id" | "product_options")) {
            let money_field = name.starts_with("price_");
            if line.get(name).is_some() {
                line.set(name, if money_field { money(cents(value)) } else { value.to_owned() });
            }
        }
        // A line that is changed loses its discounts.
        if line.get("applied_discounts").is_some() {
            line.set("applied_discounts", "[]");
        }
        let price = cents(line.get("price_ex_tax").unwrap_or("0"));
        let quantity: i64 = line.get("quantity").and_then(|q| q.parse().ok()).unwrap_or(1);
        for field in ["base_total", "total_ex_tax"] {
            line.set(field, money(price * quantity));
        }
        let with_tax = cents(line.get("price_inc_tax").unwrap_or("0"));
        line.set("total_inc_tax", money(with_tax * quantity));
        let record = Record::new(Bytes::from(line.to_text()), None).map_err(|e| Refusal::new(500, e.to_string()))?;
        state.table_mut(table_index).put(Row { key, parents: above.to_vec(), record });
    }
    Ok(())
}

/// The fees of a request take the place of all that were there, other than its products.
fn replace_fees(state: &mut State, order: &Key, text: &str) -> Result<(), Refusal> {
    let index = table("orders/fees");
    let above = [order.clone()];
    for row in state.table(index).below(&above) {
        state.table_mut(index).remove(&above, &row.key);
    }
    for element in json::elements(text).unwrap_or_default() {
        let Ok(mut fee) = Object::parse(element) else { continue };
        let id = Key::Int(state.table_mut(index).next_id());
        fee.set_first("id", id.to_json());
        let record = Record::new(Bytes::from(fee.to_text()), None).map_err(|e| Refusal::new(500, e.to_string()))?;
        state.table_mut(index).put(Row { key: id, parents: above.to_vec(), record });
    }
    Ok(())
}

/// The shipping address of a new order: the one sent, or the billing address.
fn address(state: &mut State, order: &Key, body: &Object, record: &Object) -> Result<(), Refusal> {
    let index = table("orders/shipping_addresses");
    let sent = body.get("shipping_addresses").and_then(|t| json::elements(t).ok()?.first().map(|e| (*e).to_owned()));
    let text = sent.or_else(|| record.get("billing_address").map(str::to_owned)).unwrap_or_else(|| "{}".to_owned());
    let mut address = Object::parse(&text).unwrap_or_default();
    let id = Key::Int(state.table_mut(index).next_id());
    address.set_first("order_id", order.to_json());
    address.set_first("id", id.to_json());
    for (name, value) in
        [("items_total", "1"), ("items_shipped", "0"), ("base_cost", "\"0.0000\""), ("shipping_zone_id", "1")]
    {
        address.set(name, value);
    }
    if address.get("shipping_method").is_none() {
        address.set("shipping_method", quote("None"));
    }
    let record = Record::new(Bytes::from(address.to_text()), None).map_err(|e| Refusal::new(500, e.to_string()))?;
    state.table_mut(index).put(Row { key: id, parents: vec![order.clone()], record });
    Ok(())
}

/// Sets the totals that were not sent.
fn totals(state: &State, order: &Key, record: &mut Object, body: &Object) {
    let lines = state.table(table("orders/products")).below(std::slice::from_ref(order));
    let sum = |field: &str| lines.iter().map(|r| cents(r.record.get(field).unwrap_or("0"))).sum::<i64>();
    let (plain, taxed) = (sum("total_ex_tax"), sum("total_inc_tax"));
    let items: i64 = lines.iter().filter_map(|r| r.record.get("quantity")?.parse::<i64>().ok()).sum();
    let shipping = cents(record.get("shipping_cost_inc_tax").unwrap_or("0"));
    for (field, value) in [
        ("subtotal_ex_tax", money(plain)),
        ("subtotal_inc_tax", money(taxed)),
        ("subtotal_tax", money(taxed - plain)),
        ("total_tax", money(taxed - plain)),
        ("total_ex_tax", money(plain + shipping)),
        ("total_inc_tax", money(taxed + shipping)),
        ("items_total", items.to_string()),
    ] {
        match body.get(field) {
            Some(sent) if sent.starts_with(['"', '-']) || sent.starts_with(|c: char| c.is_ascii_digit()) => {
                let text = if field == "items_total" { sent.to_owned() } else { money(cents(sent)) };
                record.set(field, text);
            }
            _ => record.set(field, value),
        }
    }
}

/// Archives an order: it stays, and its flag says so.
pub(crate) fn archive(state: &mut State, orders: usize, key: &Key) -> bool {
    let Some(row) = state.table(orders).get(&[], key).cloned() else { return false };
    let mut order = row.record.object();
    order.set("is_deleted", "true");
    order.set_str("date_modified", &dates::rfc2822(dates::now()));
    if let Ok(record) = Record::new(Bytes::from(order.to_text()), None) {
        state.table_mut(orders).put(Row { key: key.clone(), parents: Vec::new(), record });
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_counted_in_cents() {
        assert_eq!(cents("\"25.0000\""), 2_500);
        assert_eq!(cents("9.9"), 990);
        assert_eq!(cents("7"), 700);
        assert_eq!(money(990), "\"9.9000\"");
    }
}
