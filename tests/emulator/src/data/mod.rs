//! Sample data: deterministic, realistic in shape and size.
//!
//! The objects that most tests use have generators of their own; every other object gets a handful of records made from
//! its model in the facts.

pub(crate) mod catalog;
pub(crate) mod people;
pub(crate) mod rng;
pub(crate) mod schema;

use bytes::Bytes;

use crate::config::Sizes;
use crate::facts::{Kind, find, resources};
use crate::json::{self, Record};
use crate::store::{Key, Row, State};
use crate::tables::{TableSpec, tables};
use rng::Rng;

/// Fills one table, sharing the names of its records' fields.
struct Filler<'a> {
    state: &'a mut State,
    table: usize,
    last: Option<Record>,
}

impl<'a> Filler<'a> {
    fn new(state: &'a mut State, resource: &str) -> Option<Self> {
        let table = tables().access(find(resource)?)?.table;
        Some(Self { state, table, last: None })
    }

    fn put(&mut self, key: Key, parents: Vec<Key>, text: String) {
        if let Ok(record) = Record::new(Bytes::from(text), self.last.as_ref()) {
            self.last = Some(record.clone());
            self.state.table_mut(self.table).put(Row { key, parents, record });
        }
    }
}

fn fill(state: &mut State, resource: &str, rows: impl IntoIterator<Item = (i64, Option<i64>, String)>) {
    let Some(mut filler) = Filler::new(state, resource) else { return };
    for (id, parent, text) in rows {
        filler.put(id.into(), parent.into_iter().map(Key::from).collect(), text);
    }
}

/// Fills an empty store.
pub(crate) fn seed(state: &mut State, seed: u64, sizes: Sizes) {
    let plain = |(id, text)| (id, None, text);
    let brands: Vec<(i64, String)> = catalog::brands(seed, sizes.brands).collect();
    let brand_ids: Vec<i64> = brands.iter().map(|(id, _)| *id).collect();
    fill(state, "brands", brands.into_iter().map(plain));

    let categories = catalog::categories(seed, sizes.categories);
    let category_ids: Vec<i64> = categories.iter().map(|(id, ..)| *id).collect();
    let trees = categories.iter().map(|(id, parent, text)| {
        let uuid = Rng::new(seed, "category uuid", *id as u64).uuid();
        let url = format!("\"url\":{{\"path\":\"\\/category-{id}\\/\",\"is_customized\":false}}");
        let head = format!("\"category_id\":{id},\"category_uuid\":\"{uuid}\",\"tree_id\":1,\"parent_id\":{parent}");
        (*id, Some(1), format!("{{{head},{text},{url}}}"))
    });
    fill(state, "trees/categories", trees);
    let flat = categories.iter().map(|(id, parent, text)| {
        let url = format!("\"custom_url\":{{\"url\":\"\\/category-{id}\\/\",\"is_customized\":false}}");
        (*id, None, format!("{{\"id\":{id},\"parent_id\":{parent},{text},{url}}}"))
    });
    fill(state, "v3:/catalog/categories", flat);

    let mut products: Vec<(i64, String, String)> = Vec::with_capacity(sizes.products);
    if let Some(mut filler) = Filler::new(state, "products") {
        for (id, text) in catalog::products(seed, sizes.products, &brand_ids, &category_ids) {
            filler.put(id.into(), Vec::new(), text);
            let field = |name| filler.last.as_ref().and_then(|r| r.get(name)).unwrap_or("\"\"").to_owned();
            products.push((id, field("name"), field("sku")));
        }
    }
    let variants =
        products.iter().map(|(id, _, sku)| (catalog::base_variant(*id), Some(*id), catalog::variant(seed, *id, sku)));
    fill(state, "products/variants", variants);

    let customers = people::customers(seed, sizes.customers);
    fill(state, "customers", customers.iter().map(|(c, text)| (c.id, None, text.clone())));
    let customers: Vec<people::Customer> = customers.into_iter().map(|(c, _)| c).collect();
    fill(state, "v2/customers", customers.iter().map(|c| (c.id, None, people::v2_customer(seed, c))));
    let mut next = 1;
    let addresses: Vec<_> = customers.iter().flat_map(|c| people::addresses(seed, c, &mut next)).collect();
    fill(state, "customers/addresses", addresses.into_iter().map(plain));

    let orders: Vec<people::Order> = people::orders(seed, sizes.orders, &customers, &products).collect();
    let lines = orders.iter().flat_map(|o| o.lines.iter().map(|(n, text)| (*n, Some(o.id), text.clone())));
    fill(state, "orders/products", lines);
    let shipping = orders.iter().map(|o| (o.address.0, Some(o.id), o.address.1.clone()));
    fill(state, "orders/shipping_addresses", shipping);
    fill(state, "orders", orders.iter().map(|o| (o.id, None, o.text.clone())));

    fill(state, "coupons", people::coupons(seed, sizes.coupons).map(plain));
    let statuses = people::STATUSES.iter().enumerate().map(|(id, name)| {
        let text = format!(
            "{{\"id\":{id},\"name\":{0},\"system_label\":{0},\"custom_label\":{0},\"system_description\":\"\"}}",
            json::quote(name)
        );
        (id as i64, None, text)
    });
    fill(state, "order_statuses", statuses);
    fill(state, "v2/store", [(0, None, store(seed))]);
    rename_single(state, "v2/store");
    others(state, seed, sizes.others);
    crate::carts::furnish(state);
    revive_channels(state);
}

/// Channels that are deleted take no updates, so none of the sample is.
fn revive_channels(state: &mut State) {
    let Some(table) = find("channels").and_then(|i| tables().access(i)).map(|a| a.table) else { return };
    for row in state.table(table).rows().to_vec() {
        let mut channel = row.record.object();
        if matches!(channel.get("status"), Some("\"deleted\"" | "\"terminated\"")) {
            channel.set("status", "\"active\"");
            if let Ok(record) = Record::new(Bytes::from(channel.to_text()), None) {
                state.table_mut(table).put(Row { record, ..row.as_ref().clone() });
            }
        }
    }
}

/// A singleton's row has an empty key.
fn rename_single(state: &mut State, resource: &str) {
    let Some(table) = find(resource).and_then(|i| tables().access(i)).map(|a| a.table) else { return };
    if let Some(row) = state.table_mut(table).remove(&[], &Key::Int(0)) {
        let row = Row { key: Key::from_plain(""), parents: Vec::new(), record: row.record.clone() };
        state.table_mut(table).put(row);
    }
}

fn store(seed: u64) -> String {
    let mut rng = Rng::new(seed, "store", 0);
    format!(
        "{{\"id\":\"emulated\",\"account_uuid\":\"{}\",\"domain\":\"emulated-store.example.com\",\
         \"secure_url\":\"https:\\/\\/emulated-store.example.com\",\"control_panel_base_url\":\
         \"https:\\/\\/emulated-store.example.com\",\"status\":\"live\",\"name\":\"Emulated Store\",\"first_name\":\"Ada\",\
         \"last_name\":\"Owner\",\"address\":\"1 Main St\",\"country\":\"United States\",\"country_code\":\"US\",\
         \"infrastructure_region\":\"us-central1\",\"phone\":\"5550100\",\"admin_email\":\"owner@example.com\",\
         \"order_email\":\"orders@example.com\",\"favicon_url\":\"\",\"timezone\":{{\"name\":\"America\\/Chicago\",\
         \"raw_offset\":-21600,\"dst_offset\":-18000,\"dst_correction\":true,\"date_format\":{{\"display\":\"M jS Y\",\
         \"export\":\"M jS Y\",\"extended_display\":\"M jS Y @ g:i A\"}}}},\"language\":\"en\",\"currency\":\"USD\",\
         \"currency_symbol\":\"$\",\"decimal_separator\":\".\",\"thousands_separator\":\",\",\"decimal_places\":2,\
         \"currency_symbol_location\":\"left\",\"weight_units\":\"LBS\",\"dimension_units\":\"Inches\",\
         \"dimension_decimal_places\":2,\"dimension_decimal_token\":\".\",\"dimension_thousands_token\":\",\",\
         \"plan_name\":\"Enterprise\",\"plan_level\":\"Enterprise\",\"plan_is_trial\":false,\"industry\":\"Other\",\
         \"logo\":[],\"is_price_entered_with_tax\":false,\"store_id\":1001,\"default_site_id\":1000,\
         \"default_channel_id\":1,\"active_comparison_modules\":[],\"features\":{{\"stencil_enabled\":true,\
         \"sitewidehttps_enabled\":true,\"facebook_catalog_id\":\"\",\"checkout_type\":\"optimized\",\
         \"wishlists_enabled\":true,\"graphql_storefront_api_enabled\":true,\"shopper_consent_tracking_enabled\":false,\
         \"multi_storefront_enabled\":true}}}}",
        rng.uuid()
    )
}

/// Where `..._id` fields point: the field's ending and the object.
const REFERENCES: &[(&str, &str)] = &[
    ("product_id", "products"),
    ("variant_id", "products/variants"),
    ("category_id", "v3:/catalog/categories"),
    ("brand_id", "brands"),
    ("customer_id", "customers"),
    ("customer_group_id", "customer_groups"),
    ("order_id", "orders"),
    ("channel_id", "channels"),
    ("price_list_id", "pricelists"),
    ("site_id", "sites"),
    ("location_id", "inventory_locations"),
    ("country_id", "countries"),
    ("tree_id", "trees"),
    ("promotion_id", "promotions"),
    ("attribute_id", "customers/attributes"),
];

pub(crate) fn reference(state: &State, field: &str, number: u64) -> Option<Key> {
    let (_, object) = REFERENCES.iter().find(|(tail, _)| field.ends_with(tail))?;
    let rows = state.table(tables().access(find(object)?)?.table).rows();
    rows.get((number % rows.len().max(1) as u64) as usize).map(|row| row.key.clone())
}

/// Gives every table that is still empty some records; tables whose rows belong to others come after those.
fn others(state: &mut State, seed: u64, count: usize) {
    let depth = |spec: &TableSpec| spec.parent_tables.len();
    let first = |spec: &TableSpec| {
        // What others refer to comes first.
        let key = resources().get(spec.resource).map_or("", |r| r.key());
        let at = REFERENCES
            .iter()
            .position(|(_, object)| find(object).and_then(|i| resources().get(i)).is_some_and(|r| r.key() == key));
        at.unwrap_or(usize::MAX)
    };
    let mut order: Vec<(usize, &'static TableSpec)> = tables().specs.iter().enumerate().collect();
    order.sort_by_key(|(i, spec)| (depth(spec), first(spec), *i));
    for (table, spec) in order {
        let Some(resource) = resources().get(spec.resource) else { continue };
        if !state.table(table).rows().is_empty() || resource.kind() == Kind::Singleton && depth(spec) > 0 {
            continue;
        }
        if resource.kind() == Kind::Singleton {
            let key = Key::from_plain("");
            put(state, table, spec, key, Vec::new(), seed);
            continue;
        }
        let parents: Vec<Vec<Key>> = match spec.parent_tables.last() {
            None => vec![Vec::new()],
            Some(None) => Vec::new(),
            Some(Some(parent)) => {
                let path = |row: &std::sync::Arc<Row>| [row.parents.clone(), vec![row.key.clone()]].concat();
                state.table(*parent).rows().iter().take(count).map(path).collect()
            }
        };
        let mut ids = rng::Ids::new(seed, resource.key(), 1, 0);
        for above in parents {
            // The parents of a row that stands in a flat table of customers or orders are that row alone.
            let above = above.get(above.len().saturating_sub(depth(spec))..).unwrap_or_default().to_vec();
            for n in 0..count as u64 {
                let id = ids.next().unwrap_or(1);
                let key = key_of(state, spec, seed, id, n);
                put(state, table, spec, key, above.clone(), seed);
            }
        }
    }
}

/// A key of the kind that the table's records have.
fn key_of(state: &State, spec: &TableSpec, seed: u64, id: i64, n: u64) -> Key {
    let Some(resource) = resources().get(spec.resource) else { return Key::from(id) };
    let mut rng = Rng::new(seed, resource.key(), id as u64);
    let mut part = |field: &String| {
        let last = field.rsplit('.').next().unwrap_or(field);
        let kind = resource.schemas.read.field(field).map_or("integer", |f| f.kind.as_str());
        if let Some(key) = reference(state, last, n).filter(|_| {
            last != "id" && spec.key_fields.len() + spec.parent_fields.len() > 0 && !own_id(resource.key(), last)
        }) {
            return key;
        }
        let fixed = resource.schemas.read.field(field).map(|f| f.values.as_slice()).unwrap_or_default();
        if let Some(value) = fixed.get((n % fixed.len().max(1) as u64) as usize).and_then(|v| v.as_str()) {
            return Key::from_plain(value);
        }
        match kind {
            "string" if last.contains("currency") => Key::from(["USD", "EUR", "JPY"][(n % 3) as usize]),
            "string" if last == "id" || last.ends_with("uuid") || last == "token" => Key::Text(rng.uuid()),
            "string" => Key::Text(format!("{}_{id}", rng.pick(rng::NOUNS).to_lowercase())),
            _ => Key::from(id),
        }
    };
    match spec.key_fields.as_slice() {
        [] if resource.kind() == Kind::KeyedSingleton => Key::Text(rng.uuid()),
        [] => Key::from(id),
        [one] => part(one),
        many => Key::Many(many.iter().map(part).collect()),
    }
}

/// Whether a field is the key of the resource itself and no reference to another.
fn own_id(resource: &str, field: &str) -> bool {
    field == "category_id" && resource.starts_with("v3:/catalog/trees") || field == "listing_id"
}

fn put(state: &mut State, table: usize, spec: &TableSpec, key: Key, parents: Vec<Key>, seed: u64) {
    let Some(resource) = resources().get(spec.resource) else { return };
    let number = state.table(table).rows().len() as u64;
    let rng = Rng::new(seed, resource.key(), 1_000 + number);
    let text = schema::record_with(resource, &key, &parents, rng, &|field, n| reference(state, field, n));
    if let Ok(record) = Record::new(Bytes::from(text), None) {
        state.table_mut(table).put(Row { key, parents, record });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Instant;

    fn made(products: usize) -> State {
        let mut state = State::new();
        seed(&mut state, 1, Sizes { products, ..Sizes::default() });
        state
    }

    fn rows<'a>(state: &'a State, name: &str) -> &'a [std::sync::Arc<Row>] {
        state.table(tables().access(find(name).unwrap()).unwrap().table).rows()
    }

    #[test]
    fn products_have_the_size_and_the_gaps_of_a_real_store() {
        let started = Instant::now();
        let state = made(20_000);
        let products = rows(&state, "products");
        assert_eq!(products.len(), 20_000);
        let bytes: usize = products.iter().map(|r| r.record.text().len()).sum();
        let average = bytes / products.len();
        assert!((2_300..2_700).contains(&average), "{average} bytes");
        let ids: Vec<i128> = products
            .iter()
            .map(|r| match r.key {
                Key::Int(n) => n,
                _ => 0,
            })
            .collect();
        let gaps = ids.windows(2).filter(|w| w[1] - w[0] > 1).count();
        assert!((600..1_400).contains(&gaps), "{gaps} gaps");
        assert!(ids.windows(2).any(|w| w[1] - w[0] > 200), "no large hole");
        assert!(products.iter().any(|r| r.as_ref().record.as_str().contains("9007199254741")));
        println!("20,000 products in {:?}", started.elapsed());
    }

    #[test]
    fn the_same_seed_gives_the_same_store() {
        let (a, b) = (made(50), made(50));
        for spec in &tables().specs {
            let name = resources()[spec.resource].key();
            let text = |s: &State| rows(s, name).iter().map(|r| r.record.as_str().to_owned()).collect::<Vec<_>>();
            assert_eq!(text(&a), text(&b), "{name}");
        }
    }

    #[test]
    fn every_collection_has_records_that_name_themselves() {
        let state = made(50);
        for resource in resources().iter().filter(|r| r.kind() == Kind::Collection) {
            let table = rows(&state, resource.key());
            // Imports and exports make their own jobs; refunds and the like need no parent that is there.
            assert!(!table.is_empty(), "{} is empty", resource.key());
            for row in table {
                for (field, key) in resource.key_fields.iter().zip([&row.key]) {
                    if resource.key_fields.len() == 1 && resource.twins.is_empty() {
                        let found = row.record.lookup(field).and_then(|t| Key::from_json(&t));
                        assert_eq!(found.as_ref(), Some(key), "{} {field} {}", resource.key(), row.record.as_str());
                    }
                }
            }
        }
    }
}
