//! Runs a planned query: sends requests ahead, puts the answers in order, and delivers them page by page.
//!
//! A segment is a share of a collection; segments stand in the order of their records. Each is waiting, under way, or answered;
//! the front one is delivered once it is answered, and the cursor says where the one behind it begins. What is read ahead is
//! bounded by the requests in flight (`requests_in_flight`), by as many answers again that wait for their turn, and by the
//! records that the caller wants in all.

use std::collections::VecDeque;
use std::rc::Rc;

use futures_util::future::{Either, poll_immediate, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::client::Client;
use crate::cursor::{self, Position};
use crate::error::Error;
use crate::fetch::{self, Fetched};
use crate::host::Local;
use crate::incremental::Watch;
use crate::parents::{Collection, Collections};
use crate::plan::Plan;
use crate::source::{Follow, Target};
use crate::types::Page;

/// Segments without a matching record that are skipped before an empty page is delivered, so that a caller of a long search
/// can keep a cursor now and then.
const MOST_EMPTY: u32 = 32;

/// A running query.
pub struct Reader {
    client: Client,
    plan: Rc<Plan>,
    collections: Collections,
    /// The collection that hands out the next segment at the end.
    last: Option<Rc<Collection>>,
    segments: VecDeque<Segment>,
    under_way: FuturesUnordered<Local<'static, (u64, Result<Fetched, Error>)>>,
    next_id: u64,
    delivered: u64,
    total: Option<u64>,
    /// What an incremental run has delivered.
    watch: Option<Watch>,
}

struct Segment {
    id: u64,
    collection: Rc<Collection>,
    target: Target,
    state: State,
}

enum State {
    Waiting,
    UnderWay,
    Answered(Box<Result<Fetched, Error>>),
}

impl Reader {
    /// Begins a query, or goes on where a cursor says.
    ///
    /// # Errors
    /// A cursor that does not belong to the query.
    pub fn new(client: Client, mut plan: Plan, cursor: Option<&str>) -> Result<Self, Error> {
        let mut watch = plan.watch.clone();
        let cursor = match (cursor, &mut watch) {
            (Some(text), Some(watch)) => Some(watch.resume(text)?),
            (cursor, _) => cursor,
        };
        let (delivered, position) = match cursor {
            Some(text) => cursor::read(text, plan.digest)?,
            None => (0, Position::Start),
        };
        plan.keep_page_size(&position);
        Ok(Self { watch, ..Self::at(client, Rc::new(plan), delivered, position)? })
    }

    /// Goes on at a position.
    ///
    /// # Errors
    /// A position that is not one of this query.
    pub fn at(client: Client, plan: Rc<Plan>, delivered: u64, position: Position) -> Result<Self, Error> {
        let collections = Collections::new(&client, &plan, position)?;
        let (segments, under_way) = (VecDeque::new(), FuturesUnordered::new());
        Ok(Self {
            client,
            plan,
            collections,
            last: None,
            segments,
            under_way,
            next_id: 0,
            delivered,
            total: None,
            watch: None,
        })
    }

    /// The next page, and its cursor.
    ///
    /// # Errors
    /// What kept a request from being answered. The reader is of no use afterwards; the cursor before is.
    pub async fn page(&mut self) -> Result<Page, Error> {
        for _ in 0..MOST_EMPTY {
            let Some(mut page) = self.deliver().await? else { break };
            let left = self.plan.max_records.map(|most| most.saturating_sub(self.delivered));
            if let Some(left) = left {
                fetch::cut(&mut page, left);
            }
            self.delivered += u64::from(page.count);
            page.total = self.total;
            let satisfied = left.is_some_and(|left| u64::from(page.count) >= left);
            if !satisfied {
                self.fill().await?;
                page.next = self.cursor();
            }
            if page.count > 0 || page.next.is_none() {
                page.state = self.state(&page.next);
                return Ok(page);
            }
        }
        let next = self.cursor();
        Ok(Page { state: self.state(&next), next, total: self.total, ..Page::default() })
    }

    /// The state with which the next run begins: only behind the last record of all.
    fn state(&self, next: &Option<String>) -> Option<String> {
        let cut_short = self.plan.max_records.is_some_and(|most| self.delivered >= most);
        if next.is_some() || cut_short { None } else { self.watch.as_ref().map(Watch::state) }
    }

    /// Whether the next incremental run may deliver some records again.
    pub fn forgets(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::overflowed)
    }

    /// Where the front segment begins.
    fn cursor(&self) -> Option<String> {
        // Keys that are asked for late have no place among the pages; they are told beside it.
        let in_order = |segment: &&Segment| !matches!(segment.target, Target::Between(_));
        let front = self.segments.iter().find(in_order).or(self.segments.front())?;
        let cursor = cursor::write(self.plan.digest, self.delivered, &front.collection.position(&front.target));
        Some(match &self.watch {
            Some(watch) => watch.carry(cursor),
            None => cursor,
        })
    }

    /// The front segment's records, once they are there. None at the end of the query.
    async fn deliver(&mut self) -> Result<Option<Page>, Error> {
        if self.plan.max_records.is_some_and(|most| self.delivered >= most) {
            return Ok(None);
        }
        loop {
            self.fill().await?;
            match self.segments.front() {
                None if self.last.as_ref().is_none_or(|last| last.source.borrow().ended()) => return Ok(None),
                None => {
                    return Err(Error::new(
                        crate::error::Kind::Internal,
                        "the reader stopped before the end of the collection",
                    ));
                }
                Some(Segment { state: State::Answered(_), .. }) => {
                    if let Some(Segment { collection, target, state: State::Answered(result), .. }) =
                        self.segments.pop_front()
                    {
                        let mut fetched = (*result)?;
                        if let Some(begin) = collection.source.borrow_mut().delivered(&target) {
                            fetch::drop_below(&self.plan, begin, &mut fetched)?;
                        }
                        let watch = self.watch.as_mut();
                        return fetch::finish(&self.plan, fetched, &collection.parent, watch).map(Some);
                    }
                }
                Some(_) => match select(self.under_way.next(), self.client.host().cancelled()).await {
                    Either::Left((Some((id, result)), _)) => self.arrived(id, result)?,
                    Either::Left((None, _)) => {
                        return Err(Error::new(crate::error::Kind::Internal, "a request was lost"));
                    }
                    Either::Right(_) => return Err(Error::cancelled()),
                },
            }
        }
    }

    fn arrived(&mut self, id: u64, result: Result<Fetched, Error>) -> Result<(), Error> {
        let Some(index) = self.segments.iter().position(|segment| segment.id == id) else {
            return Ok(());
        };
        let Some(segment) = self.segments.get_mut(index) else {
            return Ok(());
        };
        let collection = segment.collection.clone();
        let mut missing = Vec::new();
        let mut further = Vec::new();
        if let Ok(fetched) = &result {
            if let Some(watch) = &mut self.watch {
                watch.answered(fetched.date);
            }
            let mut source = collection.source.borrow_mut();
            missing = source.arrived(&segment.target, &fetched.seen, &self.plan.what())?;
            // The collection at the end goes on by itself; one before it must put what it found in front of the others.
            if !self.last.as_ref().is_some_and(|last| Rc::ptr_eq(last, &collection)) {
                further.extend(std::iter::from_fn(|| source.more()));
            }
            if self.collections.is_single() && self.plan.delivers_all() && self.total.is_none() && self.delivered == 0 {
                self.total = fetched.seen.total;
            }
        }
        segment.state = State::Answered(Box::new(result));
        let ours = |segment: &Segment| Rc::ptr_eq(&segment.collection, &collection);
        for Follow { target, before } in missing {
            let before = before
                .and_then(|before| self.segments.iter().position(|segment| ours(segment) && segment.target == before));
            let at = before.unwrap_or(index + 1);
            self.insert(at, &collection, target);
        }
        // Further pages belong behind the collection's last segment.
        for target in further {
            let at = self.segments.iter().rposition(ours).unwrap_or(index) + 1;
            self.insert(at, &collection, target);
        }
        Ok(())
    }

    fn insert(&mut self, at: usize, collection: &Rc<Collection>, target: Target) {
        self.next_id += 1;
        let segment = Segment { id: self.next_id, collection: collection.clone(), target, state: State::Waiting };
        self.segments.insert(at.min(self.segments.len()), segment);
    }

    /// Sends as many requests ahead as the bounds allow, and sees to it that the front segment is there if anything is left.
    async fn fill(&mut self) -> Result<(), Error> {
        let lanes = self.client.settings().requests_in_flight as usize;
        loop {
            let waiting = self.segments.iter().position(|segment| matches!(segment.state, State::Waiting));
            let begun = self.segments.iter().filter(|segment| !matches!(segment.state, State::Waiting)).count();
            // The front segment is what the caller waits for: no bound but that of the lanes may hold it back.
            let ahead = waiting != Some(0) && (begun >= 2 * lanes || self.suffices(begun));
            if !self.segments.is_empty() && (self.under_way.len() >= lanes || ahead) {
                return Ok(());
            }
            let index = match waiting {
                Some(index) => index,
                None => match self.more().await? {
                    Some(segment) => {
                        self.segments.push_back(segment);
                        continue;
                    }
                    None => return Ok(()),
                },
            };
            let wanted = self.wanted();
            let Some(segment) = self.segments.get_mut(index) else {
                return Ok(());
            };
            segment.state = State::UnderWay;
            let id = segment.id;
            let (client, plan) = (self.client.clone(), self.plan.clone());
            let (collection, target) = (segment.collection.clone(), segment.target.clone());
            self.under_way.push(Box::pin(async move {
                (id, fetch::fetch(&client, &plan, &collection.parent, &target, wanted).await)
            }));
            // Polled once so that the request leaves now, also if the caller takes its time with the page that it gets.
            if let Some(Some((id, result))) = poll_immediate(self.under_way.next()).await {
                self.arrived(id, result)?;
            }
        }
    }

    /// Records still wanted, if the caller said how many and every record read is one delivered.
    fn wanted(&self) -> Option<u64> {
        self.plan.max_records.filter(|_| self.plan.delivers_all()).map(|most| most.saturating_sub(self.delivered))
    }

    /// Whether what was asked for will probably be all that the caller wants.
    fn suffices(&self, begun: usize) -> bool {
        let coming = (begun as u64).saturating_mul(u64::from(self.plan.limit()));
        self.wanted().is_some_and(|wanted| begun > 0 && coming >= wanted)
    }

    /// A new segment at the end: of the collection there, or of the next one.
    async fn more(&mut self) -> Result<Option<Segment>, Error> {
        loop {
            if let Some(collection) = &self.last {
                let (target, ended) = {
                    let mut source = collection.source.borrow_mut();
                    (source.more(), source.ended())
                };
                if let Some(target) = target {
                    self.next_id += 1;
                    let collection = collection.clone();
                    return Ok(Some(Segment { id: self.next_id, collection, target, state: State::Waiting }));
                }
                // The only collection may say more after the next answer; many are better read side by side.
                if !ended && self.collections.is_single() {
                    return Ok(None);
                }
            }
            match self.collections.next(&self.plan).await? {
                Some(collection) => self.last = Some(collection),
                None => return Ok(None),
            }
        }
    }
}
