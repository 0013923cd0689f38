//! A whole read through the reader, over a store that changes all the time: no record that exists throughout is missed, and none
//! comes twice, wherever another instance goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "shared with the tests of writing")]
#[path = "writes/store.rs"]
mod store;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use connector_bigcommerce::compare::Comparison;
use connector_bigcommerce::types::{Condition, QueryRequest};
use serde_json::{Value, json};

use store::{Sent, Store, answer, run};

/// Random numbers of a seed that failures name.
struct Random(u64);
impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

struct Products {
    ids: BTreeSet<u64>,
    removed: BTreeSet<u64>,
    random: Random,
}

impl Products {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut ids: BTreeSet<u64> = (100..100 + 20 + random.below(400)).collect();
        let holes = [1000, 40, 12, 3][random.below(4) as usize];
        ids.retain(|_| random.below(holes) > 0);
        Self { ids, removed: BTreeSet::new(), random }
    }

    fn change(&mut self) {
        for _ in 0..self.random.below(4) {
            let nth = self.random.below(self.ids.len().max(1) as u64) as usize;
            if let Some(id) = self.ids.iter().nth(nth).copied() {
                self.ids.remove(&id);
                self.removed.insert(id);
            }
        }
        for _ in 0..self.random.below(4) {
            let last = self.ids.last().copied().unwrap_or(100);
            let id =
                if self.random.below(2) == 0 { last + 1 + self.random.below(9) } else { 90 + self.random.below(last) };
            self.ids.insert(id);
        }
    }

    /// What the store answers to a page of products.
    fn page(&self, sent: &Sent) -> Value {
        let (_, query) = sent.line.split_once('?').expect("a query");
        let asked = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str| asked(name).map(|text| text.parse::<u64>().unwrap());
        let listed: Option<BTreeSet<u64>> =
            asked("id:in").map(|list| list.split(',').map(|id| id.parse().unwrap()).collect());
        let all: Vec<u64> = (self.ids.iter().copied())
            .filter(|id| number("id:min").is_none_or(|least| *id >= least))
            .filter(|id| number("id:max").is_none_or(|most| *id <= most))
            .filter(|id| listed.as_ref().is_none_or(|listed| listed.contains(id)))
            .collect();
        let (page, limit) = (number("page").unwrap_or(1), number("limit").unwrap());
        let data: Vec<Value> = all
            .iter()
            .skip(((page - 1) * limit) as usize)
            .take(limit as usize)
            .map(|id| json!({ "id": id, "brand_id": id % 5 }))
            .collect();
        let pagination = json!({ "total": all.len(), "per_page": limit, "current_page": page, "total_pages": (all.len() as u64).div_ceil(limit) });
        json!({ "data": data, "meta": { "pagination": pagination } })
    }
}

#[test]
fn a_read_over_several_instances_of_a_store_that_changes_misses_and_doubles_nothing() {
    let seeds = std::env::var("CONNECTOR_TEST_ROUNDS").map_or(600, |rounds| rounds.parse().unwrap());
    for seed in 0..seeds {
        let products = Rc::new(RefCell::new(Products::new(seed)));
        let held = products.clone();
        let (connector, _) = Store::new(move |sent| {
            let mut products = held.borrow_mut();
            if products.random.below(3) > 0 {
                products.change();
            }
            answer(200, products.page(sent))
        });
        let before = products.borrow().ids.clone();
        let limit = 2 + products.borrow_mut().random.below(30) as u32;
        let mut request = QueryRequest { object: "products".into(), page_size: Some(limit), ..QueryRequest::default() };
        let brand = seed % 3 == 0;
        if brand {
            request.filter = vec![Condition { field: "brand_id".into(), op: Comparison::NotEqual, value: "3".into() }];
        }
        let mut seen: Vec<u64> = Vec::new();
        loop {
            let page = run(connector.query(&request)).unwrap();
            let lines = page.records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            seen.extend(lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()["id"].as_u64().unwrap()));
            request.cursor = page.next;
            if request.cursor.is_none() {
                break;
            }
            products.borrow_mut().change();
            if products.borrow_mut().random.below(4) == 0 {
                // Whoever goes on may ask for other pages.
                request.page_size = Some(2 + products.borrow_mut().random.below(30) as u32);
            }
        }
        let got: BTreeSet<u64> = seen.iter().copied().collect();
        assert_eq!(got.len(), seen.len(), "doubled records, seed {seed}");
        let throughout = before
            .difference(&products.borrow().removed)
            .copied()
            .filter(|id| !brand || id % 5 != 3)
            .collect::<BTreeSet<_>>();
        let missed: Vec<&u64> = throughout.difference(&got).collect();
        assert!(missed.is_empty(), "missed {missed:?}, seed {seed}");
    }
}
