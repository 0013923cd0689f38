//! Incremental reading against a model of a store: clocks that differ, changes that show late, equal dates, runs that are
//! interrupted and go on elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use connector_bigcommerce::date::Instant;
use connector_bigcommerce::error::STATE_VERSION;
use connector_bigcommerce::incremental::{OVERLAP, Watch};
use connector_bigcommerce::table::{Object, object};

/// Random numbers of a printed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as i64
    }

    fn around(&mut self, most: i64) -> i64 {
        self.below(2 * most + 1) - most
    }
}

/// `(id, version, date of the change)`.
type Version = (i64, i64, i64);

/// A store whose writes are dated by clocks that differ, and show some time after they were dated.
struct Store {
    now: i64,
    versions: i64,
    /// By id: version, date.
    records: BTreeMap<i64, (i64, i64)>,
    /// Writes that do not show yet: when they will, and what.
    pending: Vec<(i64, Version)>,
    skew: i64,
    delay: i64,
}

impl Store {
    fn write(&mut self, id: i64, random: &mut Random) {
        self.versions += 1;
        let date = self.now + random.around(self.skew);
        let shows = self.now + random.below(self.delay + 1);
        self.pending.push((shows, (id, self.versions, date)));
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        let (due, later) = std::mem::take(&mut self.pending).into_iter().partition(|(shows, _)| *shows <= self.now);
        self.pending = later;
        for (_, (id, version, date)) in due as Vec<(i64, Version)> {
            // A write that was overtaken by a later one never shows.
            if self.records.get(&id).is_none_or(|(shown, _)| *shown < version) {
                self.records.insert(id, (version, date));
            }
        }
    }

    fn current(&self) -> BTreeSet<Version> {
        self.records.iter().map(|(id, (version, date))| (*id, *version, *date)).collect()
    }

    /// Others at work.
    fn disturb(&mut self, ids: i64, random: &mut Random) {
        // More often than not, time stands still: dates are equal.
        for _ in 0..random.below(4) {
            self.write(1 + random.below(ids), random);
        }
        let seconds = if random.below(3) == 0 { random.below(30) } else { 0 };
        self.pass(seconds);
        if random.below(10) == 0 {
            let id = random.below(ids);
            self.records.remove(&id);
        }
    }
}

/// The record as orders write it (RFC 2822), or products (ISO 8601).
fn record(version: &Version, v2: bool) -> String {
    let date = Instant::from_unix(version.2).unwrap();
    let date = if v2 { date.rfc2822() } else { date.rfc3339() };
    format!(r#"{{"id":{},"version":{},"date_modified":"{date}"}}"#, version.0, version.1)
}

fn watch(object: &'static Object, state: &str) -> Watch {
    Watch::new(object, object.incremental().unwrap(), 7, state).unwrap()
}

/// One run: pages in the order of ids. Instances are dropped between pages, and pages get lost before they are delivered.
fn run(store: &mut Store, v2: bool, state: &str, random: &mut Random, ids: i64) -> (Vec<Version>, String) {
    let object = object(if v2 { "orders" } else { "products" }).unwrap();
    let (page_size, has_date) = (1 + random.below(20) as usize, random.below(4) > 0);
    let mut delivered = Vec::new();
    let mut next = 0;
    let mut cursor: Option<String> = None;
    let mut instance = watch(object, state);
    loop {
        if random.below(3) == 0 {
            // The instance is gone; what it had read ahead with it.
            instance = watch(object, state);
            if let Some(cursor) = &cursor {
                assert_eq!(instance.resume(cursor).unwrap(), "place");
            }
        }
        let from = instance.horizon().unwrap_or(i64::MIN);
        let matching =
            store.current().into_iter().filter(|(id, _, date)| *id >= next && *date >= from.saturating_sub(1));
        let page: Vec<Version> = matching.take(page_size).collect();
        if has_date {
            instance.answered(Some(store.now + random.around(store.skew / 2)));
        }
        let lines: String = page.iter().map(|version| record(version, v2) + "\n").collect();
        instance.settle(lines.as_bytes()).unwrap();
        let taken: Vec<Version> =
            page.iter().copied().filter(|version| instance.takes(record(version, v2).as_bytes())).collect();
        store.disturb(ids, random);
        if random.below(5) == 0 {
            // The page never reached the caller.
            instance = watch(object, state);
            if let Some(cursor) = &cursor {
                instance.resume(cursor).unwrap();
            }
            continue;
        }
        delivered.extend(taken);
        if page.len() < page_size {
            return (delivered, instance.state());
        }
        next = page.last().unwrap().0 + 1;
        cursor = Some(instance.carry("place".to_owned()));
    }
}

#[test]
fn no_version_is_missed_and_none_delivered_twice_across_runs() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let ids = 1 + random.below(120);
        let v2 = seed % 2 == 0;
        let (skew, delay) = [(0, 0), (30, 0), (0, 60), (60, 60)][(seed / 2 % 4) as usize];
        let mut store =
            Store { now: 1_700_000_000, versions: 0, records: BTreeMap::new(), pending: Vec::new(), skew, delay };
        (0..ids).for_each(|id| store.write(id, &mut random));
        let rest = random.below(2000);
        store.pass(rest);
        let mut delivered = BTreeSet::new();
        let (mut state, mut suppressed) = (String::new(), 0);
        for number in 0..12 {
            let before = store.current();
            let (versions, next) = run(&mut store, v2, &state, &mut random, ids);
            suppressed += usize::from(versions.is_empty());
            for version in versions {
                assert!(delivered.insert(version), "seed {seed}, run {number}: {version:?} was delivered twice");
            }
            let after = store.current();
            let missed: Vec<_> = before.intersection(&after).filter(|version| !delivered.contains(version)).collect();
            assert!(missed.is_empty(), "seed {seed}, run {number}: {missed:?} were there throughout and are missed");
            state = next;
            // From a moment to some hours between runs.
            for _ in 0..random.below(4) {
                store.disturb(ids, &mut random);
                let most = [1, 40, 5000][random.below(3) as usize];
                let seconds = random.below(most);
                store.pass(seconds);
            }
        }
        // Once nobody writes any more, one run delivers what is left, and the next nothing.
        store.pass(1000);
        let quiet = Store { records: store.records.clone(), pending: Vec::new(), ..store };
        let mut quiet = Store { versions: 0, ..quiet };
        let object = object(if v2 { "orders" } else { "products" }).unwrap();
        for last in [false, true] {
            let mut instance = watch(object, &state);
            instance.answered(Some(quiet.now));
            for version in quiet.current() {
                let taken = instance.takes(record(&version, v2).as_bytes());
                assert!(!taken || (!last && delivered.insert(version)), "seed {seed}: {version:?} doubled at the end");
            }
            state = instance.state();
            quiet.pass(10);
        }
        assert!(quiet.current().is_subset(&delivered), "seed {seed}: missed at the end");
        assert!(suppressed < 12, "seed {seed}: nothing was ever delivered");
    }
}

#[test]
fn a_second_change_within_the_same_second_is_delivered() {
    let mut first = watch(object("products").unwrap(), "");
    first.answered(Some(1_700_000_000));
    assert!(first.takes(record(&(1, 1, 1_700_000_000), false).as_bytes()));
    let mut second = watch(object("products").unwrap(), &first.state());
    second.answered(Some(1_700_000_001));
    assert!(!second.takes(record(&(1, 1, 1_700_000_000), false).as_bytes()));
    assert!(second.takes(record(&(1, 2, 1_700_000_000), false).as_bytes()));
}

#[test]
fn an_unchanged_date_is_no_change_once_its_second_is_over() {
    let mut first = watch(object("products").unwrap(), "");
    first.answered(Some(1_700_000_000));
    // A stock level moved and the date did not.
    assert!(first.takes(record(&(1, 1, 1_700_000_000 - 200), false).as_bytes()));
    let mut second = watch(object("products").unwrap(), &first.state());
    assert!(!second.takes(record(&(1, 2, 1_700_000_000 - 200), false).as_bytes()));
}

#[test]
fn a_bulk_change_narrows_the_overlap_and_then_doubles_rather_than_misses() {
    let object = object("products").unwrap();
    let now = 1_700_000_000;
    let mut first = watch(object, "");
    first.answered(Some(now));
    // 100 records a second in the last 299 seconds: more than can be remembered, few enough in the last minute.
    let versions: Vec<Version> = (0..29_900).map(|id| (id, id, now - 299 + id / 100)).collect();
    assert!(versions.iter().all(|version| first.takes(record(version, false).as_bytes())));
    assert!(!first.overflowed());
    let state = first.state();
    assert!(state.len() < 200_000, "{} bytes", state.len());
    let mut second = watch(object, &state);
    assert!((now - OVERLAP..=now - 60).contains(&second.horizon().unwrap()));
    second.answered(Some(now + 5));
    assert!(!versions.iter().any(|version| second.takes(record(version, false).as_bytes())), "nothing is doubled");
    // All within one second: some come again, none is missed.
    let mut first = watch(object, "");
    first.answered(Some(now));
    let versions: Vec<Version> = (0..20_000).map(|id| (id, id, now)).collect();
    assert!(versions.iter().all(|version| first.takes(record(version, false).as_bytes())));
    assert!(first.overflowed());
    let mut second = watch(object, &first.state());
    second.answered(Some(now + 5));
    assert!(second.takes(record(&(1, 50_000, now), false).as_bytes()));
    let doubled = versions.iter().filter(|version| second.takes(record(version, false).as_bytes())).count();
    assert!((1..5000).contains(&doubled), "{doubled}");
}

#[test]
fn states_of_other_requests_and_versions_are_refused_and_say_why() {
    let object = object("orders").unwrap();
    let dates = object.incremental().unwrap();
    let mut first = watch(object, "");
    assert!(first.resume("place").is_err(), "a cursor without the run would double what was delivered");
    first.answered(Some(1_700_000_000));
    let state = first.state();
    assert!(Watch::new(object, dates, 8, &state).unwrap_err().message.contains("another store"));
    assert_eq!(Watch::new(object, dates, 7, "2.x").unwrap_err().code.as_deref(), Some(STATE_VERSION));
    for bad in ["x", "1", "1.7", "1.7.5", "1.zz.5.", "1.0000000000000007.5.A", "1.0000000000000007.5.AAAA!", "1.7.x."] {
        assert!(Watch::new(object, dates, 7, bad).unwrap_err().message.contains("malformed"), "{bad}");
    }
}

#[test]
fn objects_are_incremental_if_their_records_hold_a_date_of_their_own_change() {
    for name in ["products", "orders", "customers", "products/images", "currencies", "hooks", "products/metafields"] {
        assert!(object(name).unwrap().incremental().is_some(), "{name}");
    }
    // No date; the date of something else; nothing to list.
    for name in ["brands", "coupons", "orders/products", "segments/shopper-profiles", "carts", "time"] {
        assert!(object(name).unwrap().incremental().is_none(), "{name}");
    }
    assert_eq!(object("orders").unwrap().incremental().unwrap().field, "date_modified");
}
