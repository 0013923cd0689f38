//! Ranges of keys that do not overlap and leave nothing out.
//!
//! A record that exists throughout is in exactly one of them, whatever happens around it. An open range (`to` unbounded) comes
//! first and tells how dense the keys are. Where they are dense and the remote tells totals and can be told to sort, pages by
//! number follow, joined by their keys (`joined.rs`). Elsewhere closed ranges follow, sized to be nearly full, several under
//! way at once; one that was fuller than expected is continued behind its last record. Where keys turn out sparse, or the end is
//! near, an open range follows again: it jumps over holes of any size, and one that is not full proves the end.
//!
//! Between two numbered pages a few keys may be missing, and a request must show that no record has them: one that exists
//! throughout exists at any later time too. So where the order of the records is free, those keys are owed, and one request
//! asks for many of them by name.

use std::collections::BTreeMap;

use super::joined::Joined;
use super::{Follow, Seen, Target};
use crate::error::Error;
use crate::remote;

/// Least density of keys at which pages by number are worth their joints: one page in ten needs a request more.
const DENSE: f64 = 0.9;

/// Most keys that one request asks for by name.
const MOST_OWED: u128 = 50;

/// A page by number, by the key from which it is counted and its number.
type PageId = (u128, u64);

#[derive(Debug)]
pub(super) struct Ranges {
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
    /// The remote sorts by the key on request, so that pages have numbers in its order.
    numbered: bool,
    /// Every range is open: full pages, one after the other, because a request costs more than a moment.
    chained: bool,
    /// Pages by number that are being read.
    pages: Option<Joined>,
    /// Least keys of pages that are joined and not delivered yet.
    begins: BTreeMap<PageId, u128>,
    /// Whether keys between pages may be asked for later.
    late: bool,
    /// Keys between pages that are to be asked for.
    owed: Vec<(u128, u128)>,
    /// Those that are asked for and not delivered yet.
    asked: Vec<(u128, u128)>,
}

/// Widest step over keys that a closed range takes beyond what one page's density suggests.
const MOST_STRETCH: f64 = 1e30;

impl Ranges {
    /// Over the keys from `next` to `to`.
    pub(super) fn new(next: u128, to: u128, numbered: bool, chained: bool, late: bool) -> Self {
        Self {
            next,
            to,
            density: 1.0,
            remaining: None,
            open: false,
            sparse: true,
            ended: next > to,
            numbered,
            chained,
            pages: None,
            begins: BTreeMap::new(),
            late,
            owed: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Takes over keys that another source owed. False if they cannot be asked for here.
    pub(super) fn owe(&mut self, gaps: &[(u128, u128)]) -> bool {
        self.owed = gaps.to_vec();
        self.late && gaps.iter().all(|(from, to)| from <= to && to - from < MOST_OWED)
    }

    /// Keys below `from` that are not delivered yet.
    pub(super) fn owed_below(&self, from: u128) -> Vec<(u128, u128)> {
        self.asked.iter().chain(&self.owed).copied().filter(|(_, to)| *to < from).collect()
    }

    /// Notes that what was asked for is delivered.
    pub(super) fn settle(&mut self, gaps: &[(u128, u128)]) {
        self.asked.retain(|gap| !gaps.contains(gap));
    }

    /// The least key that no page before covers.
    pub(super) fn front(&self) -> u128 {
        self.pages.as_ref().map_or(self.next, Joined::front)
    }

    /// As many of the owed keys as one request asks for.
    fn between(&mut self, limit: u32) -> Option<Target> {
        let most = MOST_OWED.min(limit.into());
        let (mut keys, mut gaps) = (0, Vec::new());
        while keys < most
            && let Some((from, to)) = self.owed.pop()
        {
            // Pages may be smaller than when the keys were left over.
            let last = to.min(from.saturating_add(most - keys - 1));
            if last < to {
                self.owed.push((last + 1, to));
            }
            keys += width(&(from, last));
            gaps.push((from, last));
        }
        gaps.sort_unstable();
        self.asked.extend(&gaps);
        (!gaps.is_empty()).then_some(Target::Between(gaps))
    }

    /// Begins no earlier than at this key.
    pub(super) fn skip_to(&mut self, from: u128) {
        self.next = self.next.max(from);
        self.ended = self.next > self.to;
    }

    /// Whether nothing follows what was handed out.
    pub(super) fn ended(&self) -> bool {
        self.ended && self.owed.is_empty()
    }

    /// The least key that belongs to a page by number, as far as known by now.
    pub(super) fn begin(&self, page: PageId) -> u128 {
        self.begins.get(&page).copied().unwrap_or_else(|| self.front())
    }

    /// The same, once and for all.
    pub(super) fn take_begin(&mut self, page: PageId) -> Option<u128> {
        self.begins.remove(&page)
    }

    pub(super) fn more(&mut self, limit: u32) -> Option<Target> {
        if self.owed.iter().map(width).sum::<u128>() >= MOST_OWED.min(limit.into()) {
            return self.between(limit);
        }
        if let Some(pages) = &mut self.pages {
            // When every page is asked for, a lane is free for what is owed by then.
            return pages.more().or_else(|| self.between(limit));
        }
        if !self.owed.is_empty() {
            return self.between(limit);
        }
        if self.ended || self.open {
            return None;
        }
        let near_end = self.remaining.is_some_and(|left| left < f64::from(limit) / 2.0);
        if self.sparse || self.chained || near_end {
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

    /// Learns from the answer to a range.
    pub(super) fn arrived(
        &mut self,
        from: u128,
        to: Option<u128>,
        seen: &Seen,
        limit: u32,
        full: bool,
        what: &str,
    ) -> Result<Vec<Follow>, Error> {
        check(from, to, seen, what)?;
        if full && !seen.ordered {
            return Err(remote::nonsense(
                what,
                "the records do not come in the order of their keys, and there are more than fit into one answer",
            ));
        }
        let open = self.open && (to.is_none() || to == Some(self.to)) && from == self.next;
        let Some(last) = seen.last.filter(|_| full && seen.total != Some(u64::from(seen.count))) else {
            if open {
                self.ended = true;
            } else if let Some(to) = to {
                self.learn(from, to, u64::from(seen.count), limit);
            }
            return Ok(Vec::new());
        };
        let first = seen.first.unwrap_or(last);
        if open {
            self.open = false;
            self.sparse = false;
            self.next = last.saturating_add(1);
            self.density = density(u64::from(seen.count), first, last);
            self.remaining = seen.total.map(|total| total.saturating_sub(u64::from(seen.count)) as f64);
            self.ended = self.next > self.to;
            if self.numbered && !self.ended && self.density >= DENSE && seen.per_page == Some(limit.into()) {
                let total = seen.total.filter(|_| seen.count == limit);
                self.pages = total.map(|total| Joined::new(from, last, total, limit));
            }
            return Ok(Vec::new());
        }
        let to = to.unwrap_or(self.to);
        let total = seen.total.unwrap_or(u64::from(seen.count));
        self.learn(from, to, total, limit);
        let rest = Target::Range { from: last.saturating_add(1), to: Some(to) };
        Ok((last < to).then_some(Follow { target: rest, before: None }).into_iter().collect())
    }

    /// Learns from the answer to a page by number.
    pub(super) fn page_arrived(
        &mut self,
        page: &Target,
        seen: &Seen,
        limit: u32,
        what: &str,
    ) -> Result<Vec<Follow>, Error> {
        let Target::Joined { from, .. } = page else { return Ok(Vec::new()) };
        let most = MOST_OWED.min(limit.into());
        check(*from, Some(self.to), seen, what)?;
        let Some(pages) = &mut self.pages else { return Ok(Vec::new()) };
        let joints = pages.arrived(page, seen.first.zip(seen.last), seen.total);
        if pages.done() {
            // An open range proves the end, unless the last page did.
            (self.next, self.sparse) = (pages.front(), true);
            self.ended = pages.complete() || self.next > self.to;
            self.pages = None;
        }
        let mut follow = Vec::new();
        for joint in joints {
            let mut begin = joint.begin;
            match joint.gap {
                Some(gap) if self.late && width(&gap) <= most => self.owed.push(gap),
                Some((from, to)) => {
                    // The keys between are a share of their own, which may be delivered when the page is not.
                    begin = to.saturating_add(1);
                    let target = Target::Range { from, to: Some(to) };
                    follow.push(Follow { target, before: Some(joint.page.clone()) });
                }
                None => {}
            }
            if let Target::Joined { from, page, .. } = joint.page {
                self.begins.insert((from, page), begin);
            }
        }
        Ok(follow)
    }

    /// Takes a closed range's density into account; a nearly empty one says that the next keys may be far away.
    fn learn(&mut self, from: u128, to: u128, count: u64, limit: u32) {
        // The keys between two pages tell nothing about those to come.
        if self.pages.is_some() {
            return;
        }
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

/// How many keys there are from the first to the last.
fn width((from, to): &(u128, u128)) -> u128 {
    to.saturating_sub(*from).saturating_add(1)
}

/// Refuses an answer that holds more than the keys that were asked for by name.
pub(super) fn check_between(gaps: &[(u128, u128)], seen: &Seen, what: &str) -> Result<(), Error> {
    let inside = |key: &u128| gaps.iter().any(|(from, to)| (from..=to).contains(&key));
    let all = seen.total.is_none_or(|total| total <= seen.count.into());
    if all && seen.first.iter().chain(&seen.last).all(inside) && u128::from(seen.count) <= gaps.iter().map(width).sum()
    {
        return Ok(());
    }
    Err(remote::nonsense(what, "it does not hold the records whose keys were asked for, and no others"))
}

/// Refuses keys outside of what was asked for, and records that are not in the order of their keys.
fn check(from: u128, to: Option<u128>, seen: &Seen, what: &str) -> Result<(), Error> {
    for key in [seen.first, seen.last].into_iter().flatten() {
        if key < from || to.is_some_and(|to| key > to) {
            let reason = format!("key {key} is outside of the range from {from} that was asked for");
            return Err(remote::nonsense(what, &reason));
        }
    }
    if seen.count > 0 && (seen.first.is_none() || seen.last.is_none() || seen.first > seen.last) {
        return Err(remote::nonsense(what, "the records do not come in the order of their keys"));
    }
    Ok(())
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
