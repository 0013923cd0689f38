//! What to ask for next: the paging of one collection as a value. Pure; `reader.rs` sends the requests.
//!
//! A source hands out targets in the order of the records behind them (`more`), and learns from every answer (`arrived`), in
//! whatever order answers come. What an answer shows to be missing comes back as targets that belong right behind it.
//!
//! # Key ranges
//! Ranges `[from, to]` do not overlap and leave nothing out, so a record that exists throughout is in exactly one of them,
//! whatever happens around it. An open range (`to` unbounded) comes first and tells the density of keys; closed ranges follow,
//! sized to be nearly full, several under way at once. A range that was fuller than expected is continued behind its last
//! record. Where keys turn out sparse, or the end is near, an open range follows again: it jumps over holes of any size, and one
//! that is not full proves the end.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::plan::Pages;
use crate::remote;

/// One request's share of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All of it.
    Once,
    /// Keys from `from` to `to`.
    Range {
        /// Least key.
        from: u128,
        /// Greatest key; none for an open range.
        to: Option<u128>,
    },
    /// A page by number, from 1.
    Page(u64),
    /// Behind this cursor or key; the beginning if none.
    After(Option<String>),
}

/// What an answer showed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Records in it.
    pub count: u32,
    /// Key of the first record, for key ranges.
    pub first: Option<u128>,
    /// Key of the last record, for key ranges.
    pub last: Option<u128>,
    /// Whether the records come in the order of their keys, as far as that was looked at.
    pub ordered: bool,
    /// Records that match the request in all, if the answer told.
    pub total: Option<u64>,
    /// Pages in all, if the answer told.
    pub total_pages: Option<u64>,
    /// Records per page that the remote granted, if it told.
    pub per_page: Option<u64>,
    /// Cursor of the next page, if the answer told.
    pub next: Option<String>,
    /// Whether the answer told about cursors at all.
    pub has_cursor: bool,
    /// Key of the last record as text, for listings that go on behind a key.
    pub last_text: Option<String>,
    /// Digest of the records.
    pub digest: u64,
}

/// The paging of one collection.
#[derive(Debug)]
pub struct Source {
    kind: Kind,
    limit: u32,
    /// Whether an answer with fewer records than asked for is complete. Where no maximum is documented it may be capped.
    short_page_ends: bool,
    /// Most records in one answer so far: no cap is below it.
    most: u32,
    /// Records per page when nothing is asked for: no cap is below that either.
    floor: u32,
    /// Digests of the pages seen, where the remote could repeat one.
    pages: BTreeSet<u64>,
}

#[derive(Debug)]
enum Kind {
    Once {
        asked: bool,
    },
    Ranges(Ranges),
    Chain {
        next: Option<Target>,
    },
    Pages {
        next: u64,
        known: Option<u64>,
        /// Greatest page that came back with records, and how many did since the beginning.
        proven: u64,
        run: u64,
        ended: bool,
    },
}

impl Kind {
    fn pages(next: u64, known: Option<u64>) -> Self {
        Kind::Pages { next, known, proven: next - 1, run: 0, ended: false }
    }
}

#[derive(Debug)]
struct Ranges {
    next: u128,
    to: u128,
    /// Records per key.
    density: f64,
    /// Records expected from `next` on, where the remote tells totals.
    remaining: Option<f64>,
    /// An open range is under way; nothing else can be planned.
    open: bool,
    /// Keys are sparser than believed: the next range is open.
    sparse: bool,
    ended: bool,
}

impl Source {
    /// The paging of a collection from its beginning.
    pub fn new(pages: &Pages, limit: u32, short_page_ends: bool, floor: u32) -> Self {
        let kind = match pages {
            Pages::Once => Kind::Once { asked: false },
            Pages::Keyset { from, to, .. } => Kind::Ranges(Ranges {
                next: *from,
                to: *to,
                density: 1.0,
                remaining: None,
                open: false,
                sparse: true,
                ended: from > to,
            }),
            Pages::Cursor | Pages::After(_) => Kind::Chain { next: Some(Target::After(None)) },
            Pages::Numbers => Kind::pages(1, None),
        };
        Self { kind, limit, short_page_ends, most: 0, floor: floor.min(limit), pages: BTreeSet::new() }
    }

    /// The same, from a place in the middle.
    /// None if this collection is not read in a way to which the place belongs.
    pub fn at(pages: &Pages, limit: u32, short_page_ends: bool, floor: u32, target: &Target) -> Option<Self> {
        let mut source = Self::new(pages, limit, short_page_ends, floor);
        match (&mut source.kind, target) {
            (Kind::Ranges(ranges), Target::Range { from, .. }) => {
                ranges.next = ranges.next.max(*from);
                ranges.ended = ranges.next > ranges.to;
            }
            (Kind::Chain { next }, target @ Target::After(_)) => *next = Some(target.clone()),
            (Kind::Ranges(_), Target::Page(_)) => return None,
            // Listings that turned out not to give cursors, or to have pages after all, go on by page numbers too.
            (kind, Target::Page(page)) => *kind = Kind::pages(*page, None),
            (Kind::Once { .. }, Target::Once) => {}
            _ => return None,
        }
        Some(source)
    }

    /// The next target, if there is one that can be told by now.
    pub fn more(&mut self) -> Option<Target> {
        let limit = self.limit;
        match &mut self.kind {
            Kind::Once { asked } => (!std::mem::replace(asked, true)).then_some(Target::Once),
            Kind::Chain { next } => next.take(),
            Kind::Ranges(ranges) => ranges.more(limit),
            Kind::Pages { next, known, proven, run, ended } => {
                // Without a known end, as many pages are asked for ahead as have come back full.
                let bound = known.unwrap_or_else(|| proven.saturating_add((*run).max(1)));
                if *ended || *next > bound {
                    return None;
                }
                *next += 1;
                Some(Target::Page(*next - 1))
            }
        }
    }

    /// Whether nothing will follow what was handed out, as far as known now.
    pub fn ended(&self) -> bool {
        match &self.kind {
            Kind::Once { asked } => *asked,
            Kind::Chain { next } => next.is_none(),
            Kind::Ranges(ranges) => ranges.ended,
            Kind::Pages { next, known, ended, .. } => *ended || known.is_some_and(|known| *next > known),
        }
    }

    /// Learns from the answer to a target. What belongs right behind it comes back.
    ///
    /// # Errors
    /// The answer cannot be right: a page that repeats the one before, a key outside of the range asked for.
    pub fn arrived(&mut self, target: &Target, seen: &Seen, what: &str) -> Result<Option<Target>, Error> {
        if !matches!(target, Target::Range { .. }) && seen.count > 0 && !self.pages.insert(seen.digest) {
            return Err(remote::nonsense(what, "the store sent the same page twice; going on would double records"));
        }
        let granted = seen
            .per_page
            .filter(|granted| *granted > 0)
            .map_or(u64::from(self.limit), |granted| granted.min(self.limit.into()));
        let capped = !self.short_page_ends && seen.per_page.is_none() && seen.count >= self.most.max(self.floor);
        self.most = self.most.max(seen.count);
        // What the remote says about the total counts more than what it grants per page.
        let full = seen.count > 0
            && match (target, seen.total) {
                (Target::Range { .. }, Some(total)) => u64::from(seen.count) < total,
                _ => u64::from(seen.count) >= granted || capped,
            };
        match (&mut self.kind, target) {
            (Kind::Ranges(ranges), Target::Range { from, to }) => {
                ranges.arrived(*from, *to, seen, self.limit, full, what)
            }
            (Kind::Chain { next }, Target::After(asked)) => {
                let following = if seen.has_cursor || seen.last_text.is_some() {
                    seen.next.clone().or_else(|| seen.last_text.clone())
                } else {
                    None
                };
                match following {
                    Some(after) if seen.count > 0 => {
                        if asked.as_ref() == Some(&after) {
                            return Err(remote::nonsense(
                                what,
                                "the store's cursor does not move on; going on would double records",
                            ));
                        }
                        *next = Some(Target::After(Some(after)));
                    }
                    None if !seen.has_cursor && full && seen.total_pages.is_none() && seen.last_text.is_none() => {
                        return Err(remote::nonsense(what, "it is a full page and says nothing about the next one"));
                    }
                    // Some listings give cursors only when asked with one; page numbers serve then.
                    None if asked.is_none() && !seen.has_cursor && seen.total_pages.is_some_and(|pages| pages > 1) => {
                        self.kind = Kind::pages(2, seen.total_pages);
                    }
                    _ => {}
                }
                Ok(None)
            }
            (Kind::Once { .. }, Target::Once) => {
                // No paging is documented, and the answer tells of more pages all the same.
                if seen.total_pages.is_some_and(|pages| pages > 1) {
                    self.kind = Kind::pages(2, seen.total_pages);
                }
                Ok(None)
            }
            (Kind::Pages { next, known, proven, run, ended }, Target::Page(page)) => {
                if let Some(pages) = seen.total_pages {
                    *known = Some(pages.max(known.unwrap_or(0)));
                    // A shorter list than before: what was asked for beyond its end just comes back empty.
                    if seen.count == 0 && *page >= pages {
                        *ended = true;
                    }
                } else if !full {
                    *ended = true;
                } else {
                    *proven = (*proven).max(*page);
                    *run += 1;
                    if *next <= *page {
                        *next = page + 1;
                    }
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

/// Widest step over keys that a closed range takes beyond what one page's density suggests.
const MOST_STRETCH: f64 = 1e30;

impl Ranges {
    fn more(&mut self, limit: u32) -> Option<Target> {
        if self.ended || self.open {
            return None;
        }
        let near_end = self.remaining.is_some_and(|left| left < f64::from(limit) / 2.0);
        if self.sparse || near_end {
            self.open = true;
            return Some(Target::Range { from: self.next, to: (self.to != u128::MAX).then_some(self.to) });
        }
        let expected = filling(limit, self.density);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a width: positive, and saturating is what is wanted"
        )]
        let width = (expected / self.density).clamp(1.0, MOST_STRETCH) as u128;
        let from = self.next;
        let to = from.saturating_add(width - 1).min(self.to);
        if to == self.to {
            self.ended = true;
        }
        self.next = to.saturating_add(1);
        if let Some(left) = &mut self.remaining {
            *left -= expected;
        }
        Some(Target::Range { from, to: Some(to) })
    }

    fn arrived(
        &mut self,
        from: u128,
        to: Option<u128>,
        seen: &Seen,
        limit: u32,
        full: bool,
        what: &str,
    ) -> Result<Option<Target>, Error> {
        for key in [seen.first, seen.last].into_iter().flatten() {
            if key < from || to.is_some_and(|to| key > to) {
                let reason = format!("key {key} is outside of the range from {from} that was asked for");
                return Err(remote::nonsense(what, &reason));
            }
        }
        if full && !seen.ordered {
            return Err(remote::nonsense(
                what,
                "the records do not come in the order of their keys, and there are more than fit into one answer",
            ));
        }
        if seen.count > 0 && (seen.first.is_none() || seen.last.is_none() || seen.first > seen.last) {
            return Err(remote::nonsense(what, "the records do not come in the order of their keys"));
        }
        let open = self.open && (to.is_none() || to == Some(self.to)) && from == self.next;
        let Some(last) = seen.last.filter(|_| full && seen.total != Some(u64::from(seen.count))) else {
            if open {
                self.ended = true;
            } else if let Some(to) = to {
                self.learn(from, to, u64::from(seen.count), limit);
            }
            return Ok(None);
        };
        let first = seen.first.unwrap_or(last);
        if open {
            self.open = false;
            self.sparse = false;
            self.next = last.saturating_add(1);
            self.density = density(u64::from(seen.count), first, last);
            self.remaining = seen.total.map(|total| total.saturating_sub(u64::from(seen.count)) as f64);
            self.ended = self.next > self.to;
            return Ok(None);
        }
        let to = to.unwrap_or(self.to);
        let total = seen.total.unwrap_or(u64::from(seen.count));
        self.learn(from, to, total, limit);
        Ok((last < to).then_some(Target::Range { from: last.saturating_add(1), to: Some(to) }))
    }

    /// Takes a closed range's density into account; a nearly empty one says that the next keys may be far away.
    fn learn(&mut self, from: u128, to: u128, count: u64, limit: u32) {
        let expected = filling(limit, self.density);
        if let Some(left) = &mut self.remaining {
            *left += expected - count as f64;
        }
        if (count as f64) < expected / 4.0 {
            self.sparse = true;
        } else {
            self.density += (density(count, from, to) - self.density) / 8.0;
        }
    }
}

fn density(count: u64, first: u128, last: u128) -> f64 {
    (count as f64 / ((last - first) as f64 + 1.0)).clamp(1.0 / MOST_STRETCH, 1.0)
}

/// How many records a range should be expected to hold. Full pages are cheapest, but a range that overflows costs a request more;
/// with keys missing at random, the count spreads by the root of `n * (1 - density)`, and twice that is a good margin.
fn filling(limit: u32, density: f64) -> f64 {
    let limit = f64::from(limit);
    (limit - 2.0 * (limit * (1.0 - density)).sqrt()).max(limit * 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Keyset;
    use std::collections::VecDeque;

    static KEYSET: Keyset = Keyset { field: "id", from: "id:min", to: "id:max", sort: &[], ordered: true };

    /// Random numbers of a printed seed.
    struct Random(u64);
    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    fn answer(store: &BTreeSet<u128>, from: u128, to: u128, limit: u32, totals: bool) -> Seen {
        let all: Vec<u128> = store.range(from..=to).copied().collect();
        let page: Vec<u128> = all.iter().take(limit as usize).copied().collect();
        Seen {
            count: page.len() as u32,
            first: page.first().copied(),
            last: page.last().copied(),
            ordered: true,
            total: totals.then_some(all.len() as u64),
            ..Seen::default()
        }
    }

    /// Reads everything with answers in random order, while `change` alters the store. Returns the keys and the requests made.
    fn read(
        store: &mut BTreeSet<u128>,
        limit: u32,
        cap: u32,
        lanes: usize,
        totals: bool,
        random: &mut Random,
        mut change: impl FnMut(&mut BTreeSet<u128>, &mut Random),
    ) -> (Vec<u128>, u64) {
        let mut source =
            Source::new(&Pages::Keyset { keyset: &KEYSET, from: 0, to: u128::MAX }, limit, limit == cap, cap);
        let mut order: VecDeque<(Target, Option<Vec<u128>>)> = VecDeque::new();
        let mut requests = 0;
        loop {
            while order.iter().filter(|(_, answered)| answered.is_none()).count() < lanes {
                let Some(target) = source.more() else { break };
                order.push_back((target, None));
            }
            let waiting: Vec<usize> = (0..order.len()).filter(|i| order[*i].1.is_none()).collect();
            if waiting.is_empty() {
                assert!(source.ended());
                return (order.into_iter().flat_map(|(_, keys)| keys.unwrap()).collect(), requests);
            }
            change(store, random);
            let index = waiting[random.below(waiting.len() as u64) as usize];
            let target = order[index].0.clone();
            let Target::Range { from, to } = target else { unreachable!() };
            let to = to.unwrap_or(u128::MAX);
            let seen = answer(store, from, to, cap, totals);
            order[index].1 = Some(store.range(from..=to).take(cap as usize).copied().collect());
            requests += 1;
            assert!(requests < 100_000, "does not end");
            if let Some(rest) = source.arrived(&target, &seen, "read").unwrap() {
                order.insert(index + 1, (rest, None));
            }
        }
    }

    #[test]
    fn ranges_deliver_every_record_that_exists_throughout_exactly_once() {
        for seed in 0..100 {
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
            let (keys, _) = read(&mut store, limit, cap, lanes, totals, &mut random, |store, random| {
                if let Some(key) = store.iter().nth(random.below(store.len().max(1) as u64) as usize).copied()
                    && random.below(3) == 0
                {
                    store.remove(&key);
                    removed.insert(key);
                }
                store.insert(u128::from(random.below(100_000)));
            });
            throughout.retain(|key| !removed.contains(key));
            let delivered: BTreeSet<u128> = keys.iter().copied().collect();
            assert_eq!(delivered.len(), keys.len(), "doubled records, seed {seed}");
            assert!(throughout.is_subset(&delivered), "missed records, seed {seed}");
        }
    }

    #[test]
    fn a_read_by_ranges_costs_few_requests_more_than_full_pages() {
        let mut random = Random(7);
        let mut store: BTreeSet<u128> = (1..=21_000).collect();
        store.retain(|_| random.below(20) > 0);
        let full = (store.len() as u64).div_ceil(250);
        let (keys, requests) = read(&mut store, 250, 250, 4, true, &mut random, |_, _| {});
        assert_eq!(keys.len(), store.len());
        assert!(requests <= full + full / 10, "{requests} requests for {full} pages");
    }

    #[test]
    fn a_hole_of_any_size_costs_a_few_requests() {
        let mut store: BTreeSet<u128> = (1..=1000).chain((1..=1000).map(|key| key + 10u128.pow(19))).collect();
        for totals in [true, false] {
            let (keys, requests) = read(&mut store, 250, 250, 4, totals, &mut Random(1), |_, _| {});
            assert_eq!(keys.len(), 2000);
            assert!(requests < 25, "{requests} requests, totals {totals}");
        }
    }

    #[test]
    fn a_remote_that_ignores_the_range_or_the_order_is_found_out() {
        let mut source = Source::new(&Pages::Keyset { keyset: &KEYSET, from: 100, to: u128::MAX }, 2, true, 2);
        let target = source.more().unwrap();
        let seen =
            |first, last| Seen { count: 2, first: Some(first), last: Some(last), ordered: true, ..Seen::default() };
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
}
