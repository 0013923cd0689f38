//! The collections of a query, one after another: a single one, those of given parents, or those of every parent that another
//! query delivers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::client::Client;
use crate::cursor::{self, Position};
use crate::error::Error;
use crate::plan::{Access, List, Pages, Parents, Plan};
use crate::reader::Reader;
use crate::scan;
use crate::source::{Source, Target};

/// One collection of a query.
#[derive(Debug)]
pub struct Collection {
    /// Values of the path's parameters.
    pub parent: Vec<String>,
    /// Where it stands among the collections; none for the only one.
    pub place: Option<Place>,
    /// Records per page, for pages that are counted.
    pub limit: u32,
    /// What is left to ask for.
    pub source: RefCell<Source>,
}

/// Where a parent stands among the parents.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where a reader of the parents begins.
    pub page: Position,
    /// Parents to skip from there.
    pub skip: u64,
}

impl Collection {
    /// The cursor position of a share of this collection.
    pub fn position(&self, target: &Target) -> Position {
        let source = self.source.borrow();
        let inner = match target {
            Target::Range { .. } | Target::Joined { .. } | Target::Between(_) => {
                let key = source.begin(target).unwrap_or_default();
                match source.owed(key) {
                    owed if owed.is_empty() => Position::Key(key),
                    owed => Position::Owed(owed, key),
                }
            }
            Target::Page(page) => Position::Page(*page, self.limit),
            Target::After(Some(after)) => Position::After(after.clone()),
            Target::After(None) | Target::Once => Position::Start,
        };
        match &self.place {
            None => inner,
            Some(place) => {
                Position::Parent { page: Box::new(place.page.clone()), skip: place.skip, inner: Box::new(inner) }
            }
        }
    }
}

/// Hands out the collections of a query.
pub struct Collections {
    kind: Kind,
    /// Where the first collection begins, after a resumption.
    begin: Option<Target>,
    /// Keys before it that still have to be asked for.
    owed: Vec<(u128, u128)>,
    /// The parent to which that applies, where its own key says which it is.
    first: Option<Position>,
}

enum Kind {
    Single { begun: bool },
    Given { all: Vec<Vec<String>>, next: usize },
    Walk(Box<Walk>),
}

struct Walk {
    reader: Reader,
    digest: u64,
    fields: Vec<&'static str>,
    queue: VecDeque<(Vec<String>, Place)>,
    /// Where the reader's next page begins; none when there is none.
    next: Option<Position>,
    /// Parents of the next page to skip, after a resumption.
    skip: u64,
    /// The key by which parents are read in its order: then a parent's own key says where it stands.
    by_key: bool,
}

impl Collections {
    /// The collections of a query from `position` on.
    ///
    /// # Errors
    /// The position is not one of this query.
    pub fn new(client: &Client, plan: &Plan, position: Position) -> Result<Self, Error> {
        let (outer, inner) = match position {
            Position::Parent { page, skip, inner } => (Some((*page, skip)), *inner),
            other => (None, other),
        };
        let first = outer.as_ref().map(|(page, _)| page.clone()).filter(|page| matches!(page, Position::Key(_)));
        let mut owed = Vec::new();
        let begin = match inner {
            Position::Start => None,
            Position::Key(from) => Some(Target::Range { from, to: None }),
            Position::Owed(gaps, from) => {
                owed = gaps;
                Some(Target::Range { from, to: None })
            }
            Position::After(after) => Some(Target::After(Some(after))),
            Position::Page(page, _) => Some(Target::Page(page)),
            Position::Parent { .. } => return Err(cursor::misfit()),
        };
        let index = |outer: Option<(Position, u64)>| {
            usize::try_from(outer.map_or(0, |(_, skip)| skip)).map_err(|_| cursor::misfit())
        };
        // A place among parents, and a query without parents, do not belong together; nor the other way round.
        let single = matches!(&plan.access, Access::List(List { parents: Parents::None, .. }));
        if single == outer.is_some() && (single || begin.is_some()) {
            return Err(cursor::misfit());
        }
        let kind = match &plan.access {
            Access::Items { keys, .. } => Kind::Given { all: keys.clone(), next: index(outer)? },
            Access::List(List { parents: Parents::None, .. }) => Kind::Single { begun: false },
            Access::List(List { parents: Parents::Given(all), .. }) => {
                Kind::Given { all: all.clone(), next: index(outer)? }
            }
            Access::List(List { parents: Parents::Walk(walk, fields), .. }) => {
                let (page, skip) = outer.unwrap_or((Position::Start, 0));
                let keyset = matches!(&walk.access, Access::List(List { paging: Pages::Keyset { .. }, .. }));
                // What is inside of other records, or asked for part by part, is not in the order of its own keys.
                let by_key = keyset && walk.by_key_or_once();
                Kind::Walk(Box::new(Walk {
                    reader: Reader::at(client.clone(), walk.clone(), 0, page.clone())?,
                    digest: walk.digest,
                    fields: fields.clone(),
                    queue: VecDeque::new(),
                    next: Some(page),
                    skip,
                    by_key,
                }))
            }
        };
        Ok(Self { kind, begin, owed, first })
    }

    /// Whether there is exactly one.
    pub fn is_single(&self) -> bool {
        matches!(self.kind, Kind::Single { .. })
    }

    /// The next collection.
    ///
    /// # Errors
    /// The parents cannot be read.
    pub async fn next(&mut self, plan: &Plan) -> Result<Option<Rc<Collection>>, Error> {
        let (parent, place) = match &mut self.kind {
            Kind::Single { begun } => {
                if std::mem::replace(begun, true) {
                    return Ok(None);
                }
                (Vec::new(), None)
            }
            Kind::Given { all, next } => {
                let Some(parent) = all.get(*next) else { return Ok(None) };
                let place = Place { page: Position::Start, skip: *next as u64 };
                *next += 1;
                (parent.clone(), Some(place))
            }
            Kind::Walk(walk) => match walk.next().await? {
                Some((parent, place)) => (parent, Some(place)),
                None => return Ok(None),
            },
        };
        // A place inside of a parent that is gone by now is no place inside of the next one.
        let gone = self.first.take().is_some_and(|first| place.as_ref().is_some_and(|place| place.page != first));
        let begin = self.begin.take().filter(|_| !gone);
        let source = match (&plan.access, begin) {
            (Access::Items { .. }, _) => Source::new(&Pages::Once, 1, true, 1),
            (Access::List(list), None) => Source::new(&list.paging, list.limit, list.short_page_ends, list.floor),
            (Access::List(list), Some(target)) => {
                Source::at(&list.paging, list.limit, list.short_page_ends, list.floor, &target, &self.owed)
                    .ok_or_else(cursor::misfit)?
            }
        };
        Ok(Some(Rc::new(Collection { parent, place, limit: plan.limit(), source: RefCell::new(source) })))
    }
}

impl Walk {
    async fn next(&mut self) -> Result<Option<(Vec<String>, Place)>, Error> {
        while self.queue.is_empty() {
            let Some(page) = self.next.take() else { return Ok(None) };
            let answer = Box::pin(self.reader.page()).await?;
            for (index, record) in scan::lines(&answer.records).enumerate() {
                let values = self.fields.iter().map(|field| text(record, field)).collect::<Option<Vec<_>>>();
                let values =
                    values.ok_or_else(|| crate::remote::nonsense("read the parent records", "a record has no key"))?;
                let skip = index as u64;
                let exact = values.last().filter(|_| self.by_key).and_then(|key| key.parse().ok());
                let place = match exact {
                    Some(key) => Place { page: Position::Key(key), skip: 0 },
                    None => Place { page: page.clone(), skip },
                };
                if skip >= self.skip {
                    self.queue.push_back((values, place));
                }
            }
            self.skip = 0;
            self.next = match &answer.next {
                Some(cursor) => Some(cursor::read(cursor, self.digest)?.1),
                None => None,
            };
        }
        Ok(self.queue.pop_front())
    }
}

/// A scalar field of a record as text.
pub fn text(record: &[u8], field: &str) -> Option<String> {
    let raw = scan::get(record, field).ok()??;
    match raw.first()? {
        b'"' => Some(scan::decode(raw)?.into_owned()),
        b'{' | b'[' | b'n' => None,
        _ => Some(scan::text(raw).to_owned()),
    }
}
