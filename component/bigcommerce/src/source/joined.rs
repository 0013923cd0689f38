//! Pages by number, joined by keys: as quick as page numbers, as sure as key ranges.
//!
//! A page by number is a run of neighbours in the order of the keys, as the collection stood when it was asked for. While
//! others write, the runs of two requests may overlap, or records may slip through between them. The keys tell: if the first
//! key of a page follows the last key of the page before directly, nothing can lie between. If it does not, one request for
//! the keys between settles it; what overlaps is dropped. So the promise is that of key ranges, and in a collection with few
//! gaps between its keys it costs hardly more requests than there are pages, and none of them waits for another.

use std::collections::BTreeMap;

use super::Target;

/// Greatest page number that is asked for: the remote has to count its way to a page. Beyond it, counting begins anew behind a
/// key that is known by then.
const DEEPEST: u64 = 100;

/// Pages after which it is judged whether most of them needed a request for what lies between.
const TRIAL: u64 = 8;

/// Joined pages of a collection in the order of their keys.
#[derive(Debug)]
pub(super) struct Joined {
    /// Records per page.
    limit: u64,
    /// Pages are counted from this key on, after so many pages.
    anchor: (u128, u64),
    /// The next page to ask for; pages count from 1, the one that began it.
    next: u64,
    /// Pages in all, as far as known.
    known: u64,
    /// The last page that is joined to those before it.
    joined: u64,
    /// Greatest key up to which nothing is missing.
    edge: u128,
    /// Pages that came and are not joined yet.
    loose: BTreeMap<u64, Loose>,
    /// Joints that needed a request.
    gaps: u64,
    /// The page joined last is the end of the collection.
    complete: bool,
}

#[derive(Debug)]
struct Loose {
    target: Target,
    keys: Option<(u128, u128)>,
    /// By the total that came with it, nothing follows.
    last: bool,
}

/// What joining a page to those before it showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joint {
    /// The page.
    pub(super) page: Target,
    /// Least key that belongs to it: keys below were in pages before.
    pub(super) begin: u128,
    /// Keys in front of it that nothing is known about.
    pub(super) gap: Option<(u128, u128)>,
}

impl Joined {
    /// After a first page, from key `from` on, that ends at key `last`, where there are `total` records in all.
    pub(super) fn new(from: u128, last: u128, total: u64, limit: u32) -> Self {
        let limit = u64::from(limit.max(1));
        Self {
            limit,
            anchor: (from, 0),
            next: 2,
            known: total.div_ceil(limit),
            joined: 1,
            edge: last,
            loose: BTreeMap::new(),
            gaps: 0,
            complete: false,
        }
    }

    /// The next page to ask for.
    pub(super) fn more(&mut self) -> Option<Target> {
        if self.next > self.known {
            return None;
        }
        if self.next - self.anchor.1 > DEEPEST && self.joined > self.anchor.1 {
            self.anchor = (self.edge.saturating_add(1), self.joined);
        }
        let page = Target::Joined { from: self.anchor.0, page: self.next - self.anchor.1, nth: self.next };
        self.next += 1;
        Some(page)
    }

    /// Whether every page that was asked for is joined, and no other will be asked for.
    pub(super) fn done(&self) -> bool {
        self.next > self.known && self.joined + 1 == self.next
    }

    /// Whether nothing follows the last page.
    pub(super) fn complete(&self) -> bool {
        self.complete
    }

    /// The least key about which nothing is known yet.
    pub(super) fn front(&self) -> u128 {
        self.edge.saturating_add(1)
    }

    /// Takes a page that came, and joins what can be joined by now.
    pub(super) fn arrived(&mut self, target: &Target, keys: Option<(u128, u128)>, total: Option<u64>) -> Vec<Joint> {
        let Target::Joined { page, nth, .. } = target else { return Vec::new() };
        let last = total.is_some_and(|total| page.saturating_mul(self.limit) >= total);
        self.loose.insert(*nth, Loose { target: target.clone(), keys, last });
        let mut joints = Vec::new();
        while let Some(loose) = self.loose.remove(&(self.joined + 1)) {
            self.joined += 1;
            self.complete = false;
            let begin = self.front();
            let mut gap = None;
            if let Some((first, last)) = loose.keys {
                // A page that reaches back is not what its number says.
                self.complete = loose.last && first >= begin;
                gap = (first > begin).then(|| (begin, first - 1));
                self.edge = self.edge.max(last);
            }
            self.gaps += u64::from(gap.is_some());
            joints.push(Joint { page: loose.target, begin, gap });
        }
        // Ranges of keys are cheaper where most joints have to be looked at.
        if self.joined > TRIAL && self.gaps > self.joined / 3 {
            self.known = self.known.min(self.next - 1);
        }
        joints
    }
}
