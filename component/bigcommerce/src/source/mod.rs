//! What to ask for next: the paging of one collection as a value. Pure; `reader.rs` sends the requests.
//!
//! A source hands out targets in the order of the records behind them (`more`), and learns from every answer (`arrived`), in
//! whatever order answers come. What an answer shows to be missing comes back as targets that belong right behind it.
//! `ranges.rs` and `joined.rs` are the ways of reading that miss and double nothing while others write.

mod joined;
mod ranges;

use std::collections::BTreeSet;

use crate::error::Error;
use crate::plan::Pages;
use crate::remote;

use ranges::Ranges;

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
    /// A page by number, from 1, of the records whose keys are at least `from`.
    Joined {
        /// Least key of the first page.
        from: u128,
        /// Number of the page.
        page: u64,
        /// Which of the joined pages it is.
        nth: u64,
    },
    /// The keys between joined pages, each from its first to its last, about which nothing was known.
    Between(Vec<(u128, u128)>),
    /// A page by number, from 1.
    Page(u64),
    /// Behind this cursor or key; the beginning if none.
    After(Option<String>),
}

/// A target that an answer showed to be missing.
#[derive(Debug, PartialEq, Eq)]
pub struct Follow {
    /// What to ask for.
    pub target: Target,
    /// The target in front of which it belongs; right behind the one that was answered if none.
    pub before: Option<Target>,
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
    Ranges(Box<Ranges>),
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

impl Source {
    /// The paging of a collection from its beginning.
    pub fn new(pages: &Pages, limit: u32, short_page_ends: bool, floor: u32) -> Self {
        let kind = match pages {
            Pages::Once => Kind::Once { asked: false },
            Pages::Keyset { from, to, numbered, chained, late, .. } => {
                Kind::Ranges(Box::new(Ranges::new(*from, *to, *numbered, *chained, late.is_some())))
            }
            Pages::Cursor | Pages::After(_) => Kind::Chain { next: Some(Target::After(None)) },
            Pages::Numbers => Kind::pages(1, None),
        };
        Self { kind, limit, short_page_ends, most: 0, floor: floor.min(limit), pages: BTreeSet::new() }
    }

    /// The same, from a place in the middle; `owed` are keys before it that still have to be asked for.
    /// None if this collection is not read in a way to which the place belongs.
    pub fn at(
        pages: &Pages,
        limit: u32,
        short_page_ends: bool,
        floor: u32,
        target: &Target,
        owed: &[(u128, u128)],
    ) -> Option<Self> {
        let mut source = Self::new(pages, limit, short_page_ends, floor);
        if !owed.is_empty() {
            let Kind::Ranges(ranges) = &mut source.kind else { return None };
            ranges.owe(owed).then_some(())?;
        }
        match (&mut source.kind, target) {
            (Kind::Ranges(ranges), Target::Range { from, .. }) => {
                ranges.skip_to(*from);
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
            Kind::Ranges(ranges) => ranges.ended(),
            Kind::Pages { next, known, ended, .. } => *ended || known.is_some_and(|known| *next > known),
        }
    }

    /// The least key that belongs to a target which is not delivered yet, where reading goes by keys.
    pub fn begin(&self, target: &Target) -> Option<u128> {
        match (&self.kind, target) {
            (_, Target::Range { from, .. }) => Some(*from),
            (Kind::Ranges(ranges), Target::Joined { from, page, .. }) => Some(ranges.begin((*from, *page))),
            (Kind::Ranges(ranges), Target::Between(_)) => Some(ranges.front()),
            _ => None,
        }
    }

    /// Keys below `from` that are not delivered and will be asked for later.
    pub fn owed(&self, from: u128) -> Vec<(u128, u128)> {
        match &self.kind {
            Kind::Ranges(ranges) => ranges.owed_below(from),
            _ => Vec::new(),
        }
    }

    /// The least key of a page that is delivered now: records with lower keys were delivered before.
    pub fn delivered(&mut self, target: &Target) -> Option<u128> {
        match (&mut self.kind, target) {
            (Kind::Ranges(ranges), Target::Joined { from, page, .. }) => ranges.take_begin((*from, *page)),
            (Kind::Ranges(ranges), Target::Between(gaps)) => {
                ranges.settle(gaps);
                None
            }
            _ => None,
        }
    }

    /// Learns from the answer to a target. What turned out to be missing comes back.
    ///
    /// # Errors
    /// The answer cannot be right: a page that repeats the one before, a key outside of the range asked for.
    pub fn arrived(&mut self, target: &Target, seen: &Seen, what: &str) -> Result<Vec<Follow>, Error> {
        if !matches!(target, Target::Range { .. } | Target::Joined { .. } | Target::Between(_))
            && seen.count > 0
            && !self.pages.insert(seen.digest)
        {
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
            (Kind::Ranges(ranges), page @ Target::Joined { .. }) => ranges.page_arrived(page, seen, self.limit, what),
            (Kind::Ranges(_), Target::Between(gaps)) => ranges::check_between(gaps, seen, what).map(|()| Vec::new()),
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
                Ok(Vec::new())
            }
            (Kind::Once { .. }, Target::Once) => {
                // No paging is documented, and the answer tells of more pages all the same.
                if seen.total_pages.is_some_and(|pages| pages > 1) {
                    self.kind = Kind::pages(2, seen.total_pages);
                }
                Ok(Vec::new())
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
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests;
