//! What deletes of the emulated store take away, and what they leave.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::config::{Sizes, Switches};
use crate::facts::{Kind, resources};
use crate::route;

fn world() -> World {
    let mut state = State::new();
    let sizes = Sizes { products: 3, orders: 3, customers: 4, brands: 2, categories: 3, coupons: 3, others: 2 };
    crate::data::seed(&mut state, 1, sizes);
    World::new(state, Switches::default(), 1)
}

fn call(world: &World, path: &str, query: &[(&str, String)], body: &str) -> Outcome {
    let route = route::find("DELETE", path).unwrap();
    let query: Vec<(String, String)> = query.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    answer(world, &Call { route: &route, query: &query, body })
}

#[test]
fn a_named_record_goes_alone_from_every_collection() {
    let mut done = 0;
    for (at, resource) in resources().iter().enumerate().filter(|(_, r)| r.kind == Kind::Collection) {
        for operation in resource.operations.iter().filter(|o| o.method == "DELETE") {
            let world = world();
            let access = tables().access(at).unwrap();
            let rows = world.read().table(access.table).rows().to_vec();
            let row = &rows[0];
            let first = match &row.key {
                Key::Many(own) => &own[0],
                one => one,
            };
            let key = json::plain(&first.to_json()).into_owned();
            let mut parts: Vec<Key> = if access.nested { row.parents.clone() } else { Vec::new() };
            match &row.key {
                Key::Many(own) => parts.extend(own.clone()),
                one => parts.push(one.clone()),
            }
            let mut parts = parts.iter().map(|k| json::plain(&k.to_json()).into_owned());
            let segments = operation
                .path
                .split('/')
                .map(|s| if s.starts_with('{') { parts.next().unwrap() } else { s.to_owned() });
            let path = segments.collect::<Vec<_>>().join("/");
            let details = operation.delete.as_ref().unwrap();
            let own = details.filters.iter().find(|f| {
                *f == "id:in" || *f == "uuid:in" || resource.key_fields.iter().any(|k| *f == &format!("{k}:in"))
            });
            let result = match (details.by.as_str(), own) {
                ("id_path", _) => {
                    let query = [("channel_id", "1".to_owned())];
                    call(&world, &path, &query[..usize::from(!details.filters.is_empty())], "")
                }
                ("body_ids", _) => call(&world, &path, &[], &format!("[{}]", row.key.to_json())),
                ("query_filter", Some(name)) => call(&world, &path, &[(name.as_str(), key)], ""),
                _ => continue,
            };
            let kept = |r: &Refusal| {
                r.title.contains("bulk delete") || r.errors.iter().any(|(_, m)| m.contains("cannot be deleted"))
            };
            if matches!(&result, Err(r) if kept(r)) {
                continue;
            }
            let status = result.map(|a| a.status).map_err(|r| format!("{path} {}: {}", r.status, r.title)).unwrap();
            assert!(matches!(status, 200 | 202 | 204), "{path}: {status}");
            let left = world.read().table(access.table).rows().to_vec();
            let archived = usize::from(resource.key == "v2:/orders");
            let gone = rows.len() - left.len() + archived;
            let composite = resource.key_fields.len() > 1 && details.by == "query_filter";
            assert!(gone == 1 || composite && gone >= 1, "{} {path}: {gone} gone", operation.path);
            assert_eq!(world.read().wipes, 0, "{path}");
            done += 1;
        }
    }
    assert!(done > 60, "{done}");
}

#[test]
fn every_filter_of_a_delete_compares_something() {
    let mut blind = Vec::new();
    for resource in resources() {
        for delete in resource.operations.iter().filter_map(|o| o.delete.as_ref()) {
            // Elsewhere a parameter says of which channel the record is meant.
            for name in delete.filters.iter().filter(|_| delete.by == "query_filter") {
                let (field, operator) = name.split_once(':').unwrap_or((name, "eq"));
                let filter = Filter::parse(resource, field, operator, name, "1", false);
                if filter.is_ok_and(|f| f.is_blind()) {
                    blind.push(format!("{} {name}", resource.key()));
                }
            }
        }
    }
    assert_eq!(blind, Vec::<String>::new());
}

#[test]
fn what_the_documents_forbid_without_a_filter_is_refused() {
    let world = world();
    for path in ["/v3/catalog/products", "/v3/catalog/brands", "/v3/catalog/trees", "/v3/promotions", "/v3/tax/zones"] {
        assert!(call(&world, path, &[], "").is_err(), "{path}");
    }
    assert_eq!(call(&world, "/v3/tax/classes", &[], "").unwrap_err().status, 404);
    assert_eq!(call(&world, "/v3/customers", &[], "").unwrap().status, 204);
    assert_eq!(world.read().wipes, 0);
    world.switch(|s| s.optional_filter_deletes_all = false);
    assert!(call(&world, "/v2/coupons", &[], "").is_err());
    world.switch(|s| s.optional_filter_deletes_all = true);
    assert_eq!(call(&world, "/v2/coupons", &[], "").unwrap().status, 204);
    assert_eq!(world.read().wipes, 1);
}
