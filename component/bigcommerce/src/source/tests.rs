//! What the paging of a collection promises, against model stores.

use std::collections::VecDeque;

use super::*;
use crate::table::Keyset;

static KEYSET: Keyset = Keyset { field: "id", from: "id:min", to: "id:max", sort: &[], ordered: true };

/// Random numbers of a printed seed.
struct Random(u64);
impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// How a model store is read.
#[derive(Clone, Copy)]
struct Way {
    limit: u32,
    /// Most records that the store puts into an answer.
    cap: u32,
    lanes: usize,
    totals: bool,
    numbered: bool,
    /// Whether keys between pages may be asked for at the end.
    late: bool,
    /// Whether the read moves to a new source now and then.
    moves: bool,
}

fn keyset(from: u128, numbered: bool, late: bool) -> Pages {
    let late = late.then_some("id:in");
    Pages::Keyset { keyset: &KEYSET, from, to: u128::MAX, numbered, chained: false, late }
}

/// Reads everything with answers in random order, while `change` alters the store. Returns the keys and the requests made.
/// Now and then the read goes on with a new source, from the place where the old one stood.
fn read(
    store: &mut BTreeSet<u128>,
    way: Way,
    random: &mut Random,
    mut change: impl FnMut(&mut BTreeSet<u128>, &mut Random),
) -> (Vec<u128>, u64) {
    let Way { mut limit, mut cap, lanes, totals, numbered, late, moves } = way;
    let mut source = Source::new(&keyset(0, numbered, late), limit, limit == cap, cap);
    let mut segments: VecDeque<(Target, Option<Vec<u128>>)> = VecDeque::new();
    let (mut requests, mut delivered, mut moved) = (0, Vec::new(), 0);
    loop {
        while segments.iter().filter(|(_, answered)| answered.is_none()).count() < lanes {
            let Some(target) = source.more() else { break };
            segments.push_back((target, None));
        }
        let waiting: Vec<usize> = (0..segments.len()).filter(|i| segments[*i].1.is_none()).collect();
        if waiting.is_empty() {
            assert!(source.ended() || !segments.is_empty());
        } else {
            change(store, random);
            let index = waiting[random.below(waiting.len() as u64) as usize];
            let target = segments[index].0.clone();
            let (keys, total_from, least) = match target {
                Target::Range { from, to } => {
                    (store.range(from..=to.unwrap_or(u128::MAX)).copied().collect::<Vec<_>>(), 0, from)
                }
                Target::Joined { from, page, .. } => {
                    (store.range(from..).copied().collect(), (page - 1) * u64::from(cap.min(limit)), from)
                }
                Target::Between(ref gaps) => {
                    assert!(late && gaps.iter().map(|(from, to)| to - from + 1).sum::<u128>() <= u128::from(limit));
                    let inside = |key: &&u128| gaps.iter().any(|(from, to)| (from..=to).contains(key));
                    (store.iter().filter(inside).copied().collect(), 0, gaps[0].0)
                }
                _ => unreachable!(),
            };
            let page: Vec<u128> = keys.iter().skip(total_from as usize).take(cap as usize).copied().collect();
            assert!(page.iter().all(|key| *key >= least));
            let seen = Seen {
                count: page.len() as u32,
                first: page.first().copied(),
                last: page.last().copied(),
                ordered: true,
                total: totals.then_some(keys.len() as u64),
                per_page: totals.then_some(cap.min(limit).into()),
                ..Seen::default()
            };
            segments[index].1 = Some(page);
            requests += 1;
            assert!(requests < 100_000, "does not end");
            for Follow { target, before } in source.arrived(&target, &seen, "read").unwrap() {
                let before = before.map(|before| segments.iter().position(|(target, _)| *target == before).unwrap());
                segments.insert(before.unwrap_or(index + 1), (target, None));
            }
        }
        while let Some((target, Some(_))) = segments.front() {
            let between = matches!(target, Target::Between(_));
            let begin = if between { 0 } else { source.begin(target).unwrap() };
            source.delivered(target);
            let (_, keys) = segments.pop_front().unwrap();
            delivered.extend(keys.unwrap().into_iter().filter(|key| *key >= begin));
            // Whoever goes on may do so behind any of them.
            if random.below(3) == 0 {
                break;
            }
        }
        let Some((front, _)) = segments.front() else {
            if source.ended() {
                return (delivered, requests);
            }
            continue;
        };
        if moves && moved < 3 && random.below(30) == 0 {
            moved += 1;
            let in_order = segments.iter().map(|(target, _)| target).find(|t| !matches!(t, Target::Between(_)));
            let from = source.begin(in_order.unwrap_or(front)).unwrap();
            let place = Target::Range { from, to: None };
            let owed = source.owed(from);
            if late {
                // Whoever goes on may ask for smaller pages.
                limit = 1 + random.below(60) as u32;
                cap = limit;
            }
            source = Source::at(&keyset(0, numbered, late), limit, limit == cap, cap, &place, &owed).unwrap();
            segments.clear();
        }
    }
}

#[test]
fn ranges_deliver_every_record_that_exists_throughout_exactly_once() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut store = BTreeSet::new();
        let mut key: u128 = random.below(1000).into();
        for _ in 0..random.below(3000) {
            key += match random.below(500) {
                0 => 10u128.pow(random.below(20) as u32),
                1..60 => 1 + u128::from(random.below(40)),
                _ => 1,
            };
            store.insert(key);
        }
        let mut throughout = store.clone();
        let mut removed = BTreeSet::new();
        let limit = 1 + random.below(60) as u32;
        let lanes = 1 + random.below(8) as usize;
        let totals = seed % 2 == 0;
        // Every third remote caps its answers at less than is asked for, and does not say so.
        let cap = if seed % 3 == 0 { 1 + random.below(limit.into()) as u32 } else { limit };
        let way = Way { limit, cap, lanes, totals, numbered: seed % 4 == 0, late: seed % 8 == 0, moves: true };
        let (keys, _) = read(&mut store, way, &mut random, |store, random| {
            if let Some(key) = store.iter().nth(random.below(store.len().max(1) as u64) as usize).copied()
                && random.below(3) == 0
            {
                store.remove(&key);
                removed.insert(key);
            }
            if random.below(4) == 0 {
                store.insert(u128::from(random.below(100_000)));
            }
        });
        throughout.retain(|key| !removed.contains(key));
        let delivered: BTreeSet<u128> = keys.iter().copied().collect();
        assert_eq!(delivered.len(), keys.len(), "doubled records, seed {seed}");
        assert!(throughout.is_subset(&delivered), "missed records, seed {seed}");
    }
}

#[test]
fn numbered_pages_whose_records_move_between_them_miss_and_double_none() {
    for seed in 0..800 {
        let late = seed % 2 == 0;
        let mut random = Random(seed);
        let mut store: BTreeSet<u128> = (1..=u128::from(200 + random.below(4000))).collect();
        store.retain(|_| random.below(30) > 0);
        let mut throughout = store.clone();
        let mut removed = BTreeSet::new();
        // Small pages: more than are counted from one key.
        let limit = 2 + random.below(30) as u32;
        let lanes = 1 + random.below(8) as usize;
        let way = Way { limit, cap: limit, lanes, totals: true, numbered: true, late, moves: true };
        let (keys, _) = read(&mut store, way, &mut random, |store, random| {
            for _ in 0..random.below(3) {
                let nth = random.below(store.len().max(1) as u64) as usize;
                if let Some(key) = store.iter().nth(nth).copied() {
                    store.remove(&key);
                    removed.insert(key);
                }
            }
            // A record comes into sight: somewhere, or at the end.
            let last = store.last().copied().unwrap_or(0);
            store.insert(if random.below(2) == 0 { last + 1 } else { u128::from(random.below(4000)) });
        });
        throughout.retain(|key| !removed.contains(key));
        let delivered: BTreeSet<u128> = keys.iter().copied().collect();
        assert_eq!(delivered.len(), keys.len(), "doubled records, seed {seed}");
        assert!(late || keys.is_sorted(), "not in order, seed {seed}");
        assert!(throughout.is_subset(&delivered), "missed records, seed {seed}");
    }
}

#[test]
fn a_page_behind_a_wide_gap_begins_behind_it_once_the_gap_is_a_share_of_its_own() {
    for late in [false, true] {
        let mut source = Source::new(&keyset(0, true, late), 10, true, 10);
        let seen = |first, last| Seen {
            count: 10,
            total: Some(60),
            per_page: Some(10),
            first: Some(first),
            last: Some(last),
            ordered: true,
            ..Seen::default()
        };
        let first = source.more().unwrap();
        assert_eq!(source.arrived(&first, &seen(1, 10), "read").unwrap(), []);
        let page = source.more().unwrap();
        let follow = source.arrived(&page, &seen(31, 40), "read").unwrap();
        let between = Target::Range { from: 11, to: Some(30) };
        assert_eq!(follow, [Follow { target: between.clone(), before: Some(page.clone()) }]);
        // Where a cursor points while the keys between are in front, and when they are delivered.
        assert_eq!((source.begin(&between), source.begin(&page)), (Some(11), Some(31)), "late: {late}");
    }
}

#[test]
fn a_last_page_that_repeats_another_does_not_end_the_collection() {
    let mut source = Source::new(&keyset(0, true, false), 2, true, 2);
    let seen = |first, last, total| Seen {
        count: 2,
        first: Some(first),
        last: Some(last),
        ordered: true,
        total: Some(total),
        per_page: Some(2),
        ..Seen::default()
    };
    let first = source.more().unwrap();
    assert_eq!(source.arrived(&first, &seen(1, 2, 4), "read").unwrap(), []);
    let second = source.more().unwrap();
    assert_eq!(second, Target::Joined { from: 0, page: 2, nth: 2 });
    assert_eq!(source.arrived(&second, &seen(1, 2, 4), "read").unwrap(), []);
    assert_eq!(source.delivered(&second), Some(3), "what was delivered before is dropped");
    assert!(!source.ended());
    assert_eq!(source.more(), Some(Target::Range { from: 3, to: None }));
}

#[test]
fn a_read_by_ranges_costs_few_requests_more_than_full_pages() {
    let mut random = Random(7);
    let mut store: BTreeSet<u128> = (1..=21_000).collect();
    store.retain(|_| random.below(20) > 0);
    let full = (store.len() as u64).div_ceil(250);
    for (numbered, late) in [(false, false), (true, false), (true, true)] {
        let way = Way { limit: 250, cap: 250, lanes: 4, totals: true, numbered, late, moves: false };
        let (keys, requests) = read(&mut store, way, &mut random, |_, _| {});
        assert_eq!(keys.len(), store.len());
        let most = if late { full + 2 } else { full + full / 10 + 4 };
        assert!(requests <= most, "{requests} requests for {full} pages, numbered {numbered}");
    }
}

#[test]
fn a_hole_of_any_size_costs_a_few_requests() {
    let mut store: BTreeSet<u128> = (1..=1000).chain((1..=1000).map(|key| key + 10u128.pow(19))).collect();
    for (totals, numbered) in [(true, false), (false, false), (true, true)] {
        let way = Way { limit: 250, cap: 250, lanes: 4, totals, numbered, late: numbered, moves: false };
        let (keys, requests) = read(&mut store, way, &mut Random(1), |_, _| {});
        assert_eq!(keys.len(), 2000);
        assert!(requests < 30, "{requests} requests, totals {totals}, numbered {numbered}");
    }
}

#[test]
fn a_remote_that_ignores_the_range_or_the_order_is_found_out() {
    let mut source = Source::new(&keyset(100, false, false), 2, true, 2);
    let target = source.more().unwrap();
    let seen = |first, last| Seen { count: 2, first: Some(first), last: Some(last), ordered: true, ..Seen::default() };
    assert!(source.arrived(&target, &seen(1, 2), "read").is_err());
    assert!(source.arrived(&target, &seen(102, 101), "read").is_err());
    assert!(source.arrived(&target, &seen(101, 102), "read").is_ok());
}

#[test]
fn numbered_pages_end_at_the_total_or_at_an_empty_page_and_never_repeat() {
    let mut source = Source::new(&Pages::Numbers, 2, false, 1);
    assert_eq!(source.more(), Some(Target::Page(1)));
    let page = |digest, count| Seen { count, digest, ..Seen::default() };
    source.arrived(&Target::Page(1), &page(1, 2), "read").unwrap();
    assert_eq!(source.more(), Some(Target::Page(2)));
    assert!(source.arrived(&Target::Page(2), &page(1, 2), "read").is_err());
    source.arrived(&Target::Page(2), &page(2, 2), "read").unwrap();
    assert!(!source.ended());
    assert!(source.more().is_some());
    source.arrived(&Target::Page(3), &page(3, 1), "read").unwrap();
    assert!(source.ended(), "a page shorter than another is the last, also where the maximum is not documented");

    let mut source = Source::new(&Pages::Numbers, 2, false, 2);
    source.more();
    source.arrived(&Target::Page(1), &Seen { count: 2, total_pages: Some(3), ..Seen::default() }, "read").unwrap();
    assert_eq!([source.more(), source.more(), source.more()], [Some(Target::Page(2)), Some(Target::Page(3)), None]);
}

#[test]
fn a_cursor_chain_follows_and_notices_when_it_does_not_move() {
    let mut source = Source::new(&Pages::Cursor, 2, true, 2);
    assert_eq!(source.more(), Some(Target::After(None)));
    assert_eq!(source.more(), None);
    let seen = |next: Option<&str>, digest| Seen {
        count: 2,
        has_cursor: true,
        next: next.map(str::to_owned),
        digest,
        ..Seen::default()
    };
    source.arrived(&Target::After(None), &seen(Some("a"), 1), "read").unwrap();
    let target = source.more().unwrap();
    assert!(source.arrived(&target, &seen(Some("a"), 2), "read").is_err());
    source.arrived(&target, &seen(None, 3), "read").unwrap();
    assert!(source.ended());
}
