//! Which resources hold which rows.
//!
//! A table is what a store holds of one concept. Resources that reach the same records by different paths (twins) share a
//! table; the nested resource then says whose rows they are. Everything here is derived from the facts once per process;
//! the few relations that paths do not show stand in the lists at the top.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::facts::{Kind, Resource, resources};

/// Resources of different names that reach the same records.
const SAME: &[(&str, &str)] = &[
    ("v3:/catalog/products/{product_id}/variants", "v3:/catalog/variants"),
    ("v3:/catalog/products/{product_id}/variants/{variant_id}/metafields", "v3:/catalog/variants/metafields"),
];

/// Path prefixes whose records live under another path.
const PARENTS_ELSEWHERE: &[(&str, &str)] =
    &[("/v3/orders", "/v2/orders"), ("/v3/checkouts", "/v3/carts"), ("/v2/customers", "/v3/customers")];

/// Fields that must be unique in a store, which the API checks on writes.
const UNIQUE: &[(&str, &[&str])] = &[
    ("v3:/catalog/products", &["name", "sku"]),
    ("v3:/catalog/brands", &["name"]),
    ("v3:/customers", &["email"]),
    ("v2:/coupons", &["code"]),
    ("v3:/channels", &["name"]),
    ("v3:/segments", &["name"]),
    ("v3:/tax/classes", &["name"]),
];

/// Fields that name a record besides its key, where the API upserts by them.
const NATURAL: &[(&str, &[&str])] = &[
    ("v3:/storefront/redirects", &["site_id", "from_path"]),
    ("v3:/customers/attribute-values", &["customer_id", "attribute_id"]),
    ("v3:/storefront/custom-template-associations", &["channel_id", "entity_type", "entity_id"]),
    ("v3:/catalog/products/{product_id}/variants", &["sku"]),
];

/// What the store needs to know of a table.
#[derive(Debug)]
pub(crate) struct TableSpec {
    /// The resource that says whose rows they are.
    pub(crate) resource: usize,
    /// Fields of the record that make its key, parents' fields left out.
    pub(crate) key_fields: Vec<String>,
    /// For each parent: the field of the record that holds its key, where there is one.
    pub(crate) parent_fields: Vec<Option<String>>,
    /// For each parent: its table, where it is known.
    pub(crate) parent_tables: Vec<Option<usize>>,
    /// Field that names the parent's record, where the path does not.
    pub(crate) index_field: Option<&'static str>,
    /// Fields that no two records may share.
    pub(crate) unique: &'static [&'static str],
    /// Fields that name a record for an upsert without a key.
    pub(crate) natural: &'static [&'static str],
}

/// How one resource reaches its table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) table: usize,
    /// Its path names the parents.
    pub(crate) nested: bool,
    /// Its path names the parent, which is the record's key in a flat table (a singleton with a flat twin).
    pub(crate) parent_is_key: bool,
}

/// All tables and who reaches them.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) specs: Vec<TableSpec>,
    access: Vec<Option<Access>>,
}

impl Tables {
    /// How a resource reaches its table; `None` for resources without records.
    pub(crate) fn access(&self, resource: usize) -> Option<Access> {
        self.access.get(resource).copied().flatten()
    }

    pub(crate) fn spec(&self, table: usize) -> Option<&TableSpec> {
        self.specs.get(table)
    }

    /// Tables whose rows belong to rows of `table`, with the position of that parent.
    pub(crate) fn children(&self, table: usize) -> impl Iterator<Item = (usize, usize)> {
        self.specs
            .iter()
            .enumerate()
            .filter_map(move |(i, spec)| spec.parent_tables.iter().position(|p| *p == Some(table)).map(|at| (i, at)))
    }
}

/// The tables, derived once per process.
pub(crate) fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(derive)
}

/// The resource behind the parameter at `segment` of a path: the one whose collection path is everything before it.
fn parent_resource(prefix: &str, by_path: &HashMap<String, usize>) -> Option<usize> {
    let prefix = PARENTS_ELSEWHERE.iter().find(|(from, _)| *from == prefix).map_or(prefix, |(_, to)| to);
    by_path.get(&anonymous(prefix)).copied()
}

/// The table of the collection at this path, by whatever version it is served.
pub(crate) fn table_at(prefix: &str) -> Option<usize> {
    let prefix = PARENTS_ELSEWHERE.iter().find(|(from, _)| *from == prefix).map_or(prefix, |(_, to)| to);
    let wanted = anonymous(prefix);
    let found = resources().iter().position(|r| r.is_data() && anonymous(&r.collection_path) == wanted)?;
    tables().access(found).map(|access| access.table)
}

/// A path with its parameters' names left out.
fn anonymous(path: &str) -> String {
    path.split('/').map(|s| if s.starts_with('{') { "{}" } else { s }).collect::<Vec<_>>().join("/")
}

fn listed<'a>(list: &'a [(&'static str, &'static [&'static str])], key: &str) -> &'a [&'static str] {
    list.iter().find(|(k, _)| *k == key).map_or(&[], |(_, fields)| fields)
}

fn derive() -> Tables {
    let all = resources();
    let index: HashMap<&str, usize> = all.iter().enumerate().map(|(i, r)| (r.key.as_str(), i)).collect();
    let by_path: HashMap<String, usize> =
        all.iter().enumerate().filter(|(_, r)| r.is_data()).map(|(i, r)| (anonymous(&r.collection_path), i)).collect();
    let mut access: Vec<Option<Access>> = vec![None; all.len()];
    let mut owners: Vec<usize> = Vec::new();
    for (i, resource) in all.iter().enumerate() {
        if !resource.is_data() || access.get(i).is_some_and(Option::is_some) {
            continue;
        }
        let mut group = vec![i];
        group.extend(resource.twins.iter().filter_map(|k| index.get(k.as_str()).copied()));
        for (nested, flat) in SAME {
            if *nested == resource.key || *flat == resource.key {
                group.extend([nested, flat].iter().filter_map(|k| index.get(**k).copied()).filter(|j| *j != i));
            }
        }
        group.retain(|j| all.get(*j).is_some_and(Resource::is_data));
        let holds = |j: &usize, kind| all.get(*j).is_some_and(|r: &Resource| r.kind == kind);
        let nested = |j: &usize| all.get(*j).is_some_and(|r: &Resource| !r.parent_params.is_empty());
        let list = |j: &usize| holds(j, Kind::Collection);
        let owner = group
            .iter()
            .find(|j| nested(j) && list(j))
            .or_else(|| group.iter().find(|j| list(j)))
            .or_else(|| group.iter().find(|j| nested(j)))
            .copied()
            .unwrap_or(i);
        let table = owners.len();
        owners.push(owner);
        let owner_nested = nested(&owner);
        for j in group {
            let is_nested = nested(&j);
            if let Some(slot) = access.get_mut(j) {
                let parent_is_key = is_nested && !owner_nested && holds(&j, Kind::Singleton);
                *slot = Some(Access { table, nested: is_nested && owner_nested, parent_is_key });
            }
        }
    }
    let table_of = |i: usize| access.get(i).copied().flatten().map(|a: Access| a.table);
    let specs = owners
        .iter()
        .filter_map(|i| Some((*i, all.get(*i)?)))
        .map(|(i, resource)| spec_of(i, resource, all, &by_path, &table_of))
        .collect();
    Tables { specs, access }
}

fn spec_of(
    i: usize,
    resource: &'static Resource,
    all: &'static [Resource],
    by_path: &HashMap<String, usize>,
    table_of: &dyn Fn(usize) -> Option<usize>,
) -> TableSpec {
    let mut parent_tables = Vec::new();
    let mut prefix = String::new();
    for segment in resource.collection_path.split('/').skip(1) {
        if segment.starts_with('{') {
            parent_tables.push(parent_resource(&prefix, by_path).and_then(table_of));
        }
        prefix.push('/');
        prefix.push_str(segment);
    }
    let flat = all.iter().find(|r| {
        (r.twins.contains(&resource.key) || SAME.contains(&(resource.key.as_str(), r.key.as_str())))
            && r.parent_params.is_empty()
    });
    let known = |name: &str| {
        resource.schemas.read.field(name).is_some() || flat.is_some_and(|f| f.schemas.read.field(name).is_some())
    };
    let last = resource.parent_params.len().saturating_sub(1);
    let parent_fields: Vec<Option<String>> = resource
        .parent_params
        .iter()
        .enumerate()
        .map(|(at, param)| {
            let mut name = snake(&param.name);
            if resource.key_fields == [name.as_str()] {
                // The parameter bears the name of the record's own key: the record names its parent otherwise.
                let object = resource.collection_path.split('/').rev().nth(2 + 2 * (last - at)).unwrap_or_default();
                name = format!("{}_{name}", object.trim_end_matches('s'));
            }
            let flat_field = flat.and_then(|f| f.parent_field.clone()).filter(|_| at == last);
            let metafield = (at == last && resource.name.ends_with("metafields")).then(|| "resource_id".to_owned());
            flat_field.or(metafield).or_else(|| known(&name).then_some(name))
        })
        .collect();
    let mut key_fields: Vec<String> =
        resource.key_fields.iter().filter(|k| !parent_fields.iter().flatten().any(|p| p == *k)).cloned().collect();
    if resource.key == "v2:/shipping/carrier/connection" {
        key_fields = vec!["carrier_id".to_owned()];
    }
    if resource.key == "v3:/inventory/items" {
        // A record holds all locations of a variant, so the variant alone names it.
        key_fields.truncate(1);
    }
    if resource.kind == Kind::Singleton {
        key_fields.clear();
    }
    TableSpec {
        resource: i,
        key_fields,
        parent_fields,
        parent_tables,
        index_field: resource.parent_field.as_deref().filter(|_| resource.parent_params.is_empty()),
        unique: listed(UNIQUE, &resource.key),
        natural: listed(NATURAL, &resource.key),
    }
}

/// `cartId` as `cart_id`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::facts::find;

    fn spec(name: &str) -> &'static TableSpec {
        let access = tables().access(find(name).unwrap()).unwrap();
        tables().spec(access.table).unwrap()
    }

    #[test]
    fn twins_share_a_table() {
        let table = |key: &str| tables().access(find(key).unwrap()).unwrap().table;
        assert_eq!(table("v3:/catalog/products/metafields"), table("v3:/catalog/products/{product_id}/metafields"));
        assert_eq!(table("v3:/catalog/variants"), table("v3:/catalog/products/{product_id}/variants"));
        assert_eq!(table("v3:/pricelists/records"), table("v3:/pricelists/{price_list_id}/records"));
        assert_ne!(table("v2:/customers"), table("v3:/customers"));
    }

    #[test]
    fn sub_objects_know_their_parents() {
        let images = spec("products/images");
        assert_eq!(images.parent_fields, [Some("product_id".to_owned())]);
        assert_eq!(images.parent_tables, [tables().access(find("products").unwrap()).map(|a| a.table)]);
        let metafields = spec("v3:/orders/{order_id}/metafields");
        assert_eq!(metafields.parent_fields, [Some("resource_id".to_owned())]);
        assert_eq!(metafields.parent_tables, [tables().access(find("orders").unwrap()).map(|a| a.table)]);
        let records = spec("v3:/pricelists/{price_list_id}/records");
        assert_eq!(records.key_fields, ["variant_id", "currency"]);
    }
}
