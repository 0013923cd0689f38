//! Create, update and delete: records in, requests out, exactly one outcome per record.
//!
//! Everything is checked before the first request. Records are cut into the batches that the endpoint takes (`batch.rs`), a few
//! requests are under way at once, and what an answer means is decided per record (`outcome.rs`). A batch that the store refused
//! as a whole is sent again record by record: only that way the good records of it get through and the bad one is found. What
//! names its records may be sent again without harm. No document says that a refused batch of creates left nothing behind, so its
//! records are looked up first: sent again is what the store does not hold. Once a record failed that nothing may follow, no request is sent any
//! more, not even one that was only waiting for its turn.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use futures_util::future::{Either, poll_immediate, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::batch::{self, Batch, Way};
use crate::client::Client;
use crate::error::{Error, Retry};
use crate::host::{Answer, Local};
use crate::lookup;
use crate::outcome;
use crate::parents::text;
use crate::plan;
use crate::record;
use crate::resolve;
use crate::scan;
use crate::stop::Stop;
use crate::table::{Object, Write};
use crate::types::{Outcome, Verb, WriteRequest};
use crate::upsert;

/// Looks at the store for what it accepted and carries out later, and milliseconds before the first; every further wait is twice
/// as long.
const LOOKS: u32 = 4;
/// See `LOOKS`.
const FIRST_LOOK: u64 = 500;

/// Writes records.
///
/// # Errors
/// The request as a whole makes no sense; nothing was sent.
pub async fn write(client: &Client, verb: Verb, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
    let object = plan::find(&request.object)?;
    let ways = ways(object, verb, request)?;
    let lines: Vec<Vec<u8>> = scan::lines(&request.records).map(<[u8]>::to_vec).collect();
    let Some(&batch) = ways.first() else { return upsert::run(client, object, request, lines).await };
    let way = match lines.as_slice() {
        [line] => batch::single(&ways, line).unwrap_or(batch),
        _ => batch,
    };
    let mut outcomes = vec![Outcome::Skipped; lines.len()];
    let mut invalid = false;
    for (line, outcome) in lines.iter().zip(&mut outcomes) {
        if let Err(error) = check(object, verb, way, line) {
            *outcome = Outcome::Failed(error);
            invalid = true;
        }
    }
    if request.validate_only || (invalid && !request.continue_on_error) {
        return Ok(outcomes);
    }
    let rows: Vec<usize> =
        (0..lines.len()).filter(|row| matches!(outcomes.get(*row), Some(Outcome::Skipped))).collect();
    let mut writer = Writer::new(client, object, verb, ways, lines, outcomes);
    for wave in waves(object, verb, way, request.upsert, &writer.lines, rows) {
        if !writer.run(wave, way, request.continue_on_error).await {
            break;
        }
    }
    Ok(writer.outcomes)
}

/// Checks a record before anything is sent.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn check(object: &'static Object, verb: Verb, way: Way, line: &[u8]) -> Result<(), Error> {
    let model = match way {
        Way::Put(write) => Some(write),
        Way::Delete(_) => None,
    };
    record::check(object, verb, model, line)?;
    batch::path(way, line)?;
    batch::listable(way, line)
}

/// Rows that name the same record go one after the other, in their order; all others may go at once. A record is named by what the
/// way finds it by; what nothing names but its path is the only one there.
fn waves(
    object: &'static Object,
    verb: Verb,
    way: Way,
    upsert: bool,
    lines: &[Vec<u8>],
    rows: Vec<usize>,
) -> Vec<Vec<usize>> {
    if verb == Verb::Create && !upsert {
        return vec![rows];
    }
    let names = way.names(object);
    by_name(rows, &|row| {
        let line = lines.get(row).map_or(&[][..], Vec::as_slice);
        if names.is_empty() {
            return batch::path(way, line).unwrap_or_default();
        }
        let name = |field: &&str| text(line, field).map(|value| lookup::folded(&value));
        match names.iter().all(|field| name(field).is_none()) {
            // Without a name it is a new one.
            true => row.to_string(),
            false => names.iter().map(|field| name(field).unwrap_or_default() + "\n").collect(),
        }
    })
}

/// Cuts rows into waves: those of one name are in different waves, in their order.
pub(crate) fn by_name(rows: Vec<usize>, name: &dyn Fn(usize) -> String) -> Vec<Vec<usize>> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for row in rows {
        let wave = seen.entry(name(row)).or_default();
        if waves.len() <= *wave {
            waves.resize_with(*wave + 1, Vec::new);
        }
        if let Some(rows) = waves.get_mut(*wave) {
            rows.push(row);
        }
        *wave += 1;
    }
    waves
}

/// The API's own ways that serve a request, the one for many records first. Empty only for an upsert that the API does not have.
pub(crate) fn ways(object: &'static Object, verb: Verb, request: &WriteRequest) -> Result<Vec<Way>, Error> {
    let puts = |writes: &'static [Write]| writes.iter().map(Way::Put).collect::<Vec<_>>();
    let mut ways = match verb {
        Verb::Create => puts(object.create),
        Verb::Update => puts(object.update),
        Verb::Delete => object.delete.iter().map(Way::Delete).collect(),
    };
    if request.upsert {
        if verb == Verb::Delete {
            return Err(Error::invalid("a delete cannot be an upsert").at("/mode"));
        }
        ways.retain(|way| matches!(way, Way::Put(Write { upsert: true, .. })));
        let matches = |way: &Way| {
            let theirs = if let Way::Put(write) = way { write.match_on } else { &[] };
            request.match_on.is_empty() || request.match_on.iter().map(String::as_str).eq(theirs.iter().copied())
        };
        ways.retain(matches);
    } else if !request.match_on.is_empty() {
        return Err(Error::invalid("`match-on` goes with the mode `upsert`").at("/match-on"));
    } else {
        // A strict write must fail where an upsert would quietly do the other thing.
        let some = !ways.is_empty();
        ways.retain(|way| !matches!(way, Way::Put(Write { upsert: true, .. })));
        if some && ways.is_empty() {
            let message = format!("the API only creates or updates `{}` in one: use the mode `upsert`", object.name);
            return Err(Error::unsupported(message).at("/mode"));
        }
    }
    if ways.is_empty() && !request.upsert {
        let offered: Vec<_> = [
            (Verb::Create, object.create.is_empty()),
            (Verb::Update, object.update.is_empty()),
            (Verb::Delete, object.delete.is_empty()),
        ]
        .iter()
        .filter(|(_, none)| !none)
        .map(|(verb, _)| verb.name())
        .collect();
        let offer = if offered.is_empty() {
            "it can only be queried".to_owned()
        } else {
            format!("it can be written by {}", offered.join(", "))
        };
        return Err(
            Error::unsupported(format!("the API has no {} for `{}`; {offer}", verb.name(), object.name)).at("/object")
        );
    }
    Ok(ways)
}

/// A running write.
pub(crate) struct Writer<'a> {
    client: &'a Client,
    object: &'static Object,
    verb: Verb,
    ways: Vec<Way>,
    /// All records, by their rows.
    pub(crate) lines: Rc<Vec<Vec<u8>>>,
    /// One outcome per record.
    pub(crate) outcomes: Vec<Outcome>,
    /// Rows that a look at the store can tell more about.
    look: Vec<usize>,
    /// Rows of creates that the store refused together, with the refusal: it may have saved some of them.
    doubt: Vec<(Vec<usize>, Error)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        client: &'a Client,
        object: &'static Object,
        verb: Verb,
        ways: Vec<Way>,
        lines: Vec<Vec<u8>>,
        outcomes: Vec<Outcome>,
    ) -> Self {
        Self { client, object, verb, ways, lines: Rc::new(lines), outcomes, look: Vec::new(), doubt: Vec::new() }
    }

    /// Sends rows, and looks up what the answers left open. False if nothing more may be sent.
    pub(crate) async fn run(&mut self, rows: Vec<usize>, way: Way, continue_on_error: bool) -> bool {
        let go_on = self.send(rows, way, continue_on_error).await;
        self.look_up().await;
        go_on && (continue_on_error || !self.outcomes.iter().any(is_bad))
    }

    async fn send(&mut self, rows: Vec<usize>, way: Way, continue_on_error: bool) -> bool {
        let mut waiting = batch::cut(&self.lines, rows, way);
        let mut under_way: FuturesUnordered<Local<'static, (Batch, Result<Answer, Error>)>> = FuturesUnordered::new();
        let lanes = self.client.settings().requests_in_flight as usize;
        let stop = Stop::default();
        loop {
            if poll_immediate(self.client.host().cancelled()).await.is_some() {
                stop.ask();
            }
            // Nothing new is sent until it is known what a refused batch left behind.
            while !stop.is_asked() && self.doubt.is_empty() && under_way.len() < lanes {
                let Some(batch) = waiting.pop_front() else { break };
                match batch::call(self.object, self.verb, &self.lines, &batch) {
                    Ok(call) => {
                        let (client, stop) = (self.client.clone(), stop.clone());
                        under_way.push(Box::pin(async move { (batch, client.write(&call, &stop).await) }));
                    }
                    Err(error) => {
                        self.all(&batch, &Outcome::Failed(error));
                        if !continue_on_error {
                            stop.ask();
                        }
                    }
                }
            }
            if under_way.is_empty() {
                if self.doubt.is_empty() {
                    return !stop.is_asked();
                }
                for (rows, refusal) in std::mem::take(&mut self.doubt) {
                    let missing = self.left_behind(rows, &refusal, !stop.is_asked()).await;
                    self.again(&mut waiting, missing, way);
                }
                self.stop_if_bad(&stop, continue_on_error);
                continue;
            }
            // A cancelled write sends nothing more, and waits for what is on its way.
            let next = if stop.is_asked() {
                under_way.next().await
            } else {
                match select(under_way.next(), self.client.host().cancelled()).await {
                    Either::Left((next, _)) => next,
                    Either::Right(_) => {
                        stop.ask();
                        continue;
                    }
                }
            };
            let Some((batch, result)) = next else { return !stop.is_asked() };
            let again = self.settle(batch, result);
            self.again(&mut waiting, again, way);
            self.stop_if_bad(&stop, continue_on_error);
        }
    }

    fn stop_if_bad(&self, stop: &Stop, continue_on_error: bool) {
        // What may yet turn out well does not stop the others.
        let bad = |(row, outcome): (usize, &Outcome)| is_bad(outcome) && !self.look.contains(&row);
        if !continue_on_error && self.outcomes.iter().enumerate().any(bad) {
            stop.ask();
        }
    }

    /// Puts rows in front, one by one.
    fn again(&self, waiting: &mut VecDeque<Batch>, rows: Vec<usize>, way: Way) {
        for row in rows.into_iter().rev() {
            let line = self.lines.get(row).map_or(&[][..], Vec::as_slice);
            let way = batch::single(&self.ways, line).unwrap_or(way);
            waiting.push_front(Batch { rows: vec![row], way });
        }
    }

    /// Settles rows of creates that were refused together. Those that the store did not save, and that may be sent again, come back.
    async fn left_behind(&mut self, rows: Vec<usize>, refusal: &Error, again: bool) -> Vec<usize> {
        let lines = self.lines.clone();
        let own: Vec<&[u8]> = rows.iter().filter_map(|row| lines.get(*row).map(Vec::as_slice)).collect();
        let found = resolve::look_up(self.client, self.object, self.verb, &[], &own, Some(refusal)).await;
        let mut found = found.unwrap_or_default().into_iter();
        let mut missing = Vec::new();
        for row in rows {
            let mut error = refusal.clone();
            match found.next() {
                // A plan's limit, or a lock, is in the way of each of them.
                Some(Outcome::Skipped) if again && !matches!(error.status, Some(423 | 507)) => missing.push(row),
                Some(Outcome::Skipped | Outcome::Failed(_)) => self.set(row, Outcome::Failed(error)),
                other => {
                    let why = match &other {
                        Some(Outcome::Unknown(why)) => why.message.as_str(),
                        _ => "nobody can look up which of them it saved",
                    };
                    error.message.push_str("; it was sent with others, and ");
                    error.message.push_str(why);
                    self.set(row, Outcome::Unknown(error.retry(Retry::OutcomeUnknown)));
                }
            }
        }
        missing
    }

    fn all(&mut self, batch: &Batch, outcome: &Outcome) {
        for row in &batch.rows {
            self.set(*row, outcome.clone());
        }
    }

    fn set(&mut self, row: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(row) {
            *slot = outcome;
        }
    }

    /// Turns the end of a request into outcomes. Rows that must be sent again, one by one, come back.
    fn settle(&mut self, batch: Batch, result: Result<Answer, Error>) -> Vec<usize> {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => {
                let outcome = match error.retry {
                    _ if error.is_cancelled() => Outcome::Skipped,
                    Retry::OutcomeUnknown => Outcome::Unknown(error),
                    _ => Outcome::Failed(error),
                };
                self.all(&batch, &outcome);
                return Vec::new();
            }
        };
        let lines = self.lines.clone();
        let sent: Vec<&[u8]> = batch.rows.iter().map(|row| lines.get(*row).map_or(&[][..], Vec::as_slice)).collect();
        match outcome::read(self.object, self.verb, batch.way, &sent, &answer) {
            outcome::Verdict::Each { outcomes, look } => {
                for (row, outcome) in batch.rows.iter().zip(outcomes) {
                    self.set(*row, outcome);
                }
                self.look.extend(look.into_iter().filter_map(|index| batch.rows.get(index)));
                Vec::new()
            }
            outcome::Verdict::RefusedAsAWhole => batch.rows,
            outcome::Verdict::InDoubt(refusal) => {
                self.doubt.push((batch.rows, refusal));
                Vec::new()
            }
        }
    }

    /// Reads what the answers left open. What reading does not tell either stays as the answers had it.
    async fn look_up(&mut self) {
        let mut rows = std::mem::take(&mut self.look);
        let accepted = |outcome: Option<&Outcome>| matches!(outcome, Some(Outcome::Unknown(error)) if error.code.as_deref() == Some(outcome::ACCEPTED));
        for look in 0..LOOKS {
            if rows.is_empty() || poll_immediate(self.client.host().cancelled()).await.is_some() {
                return;
            }
            let lines = self.lines.clone();
            let own: Vec<&[u8]> = rows.iter().map(|row| lines.get(*row).map_or(&[][..], Vec::as_slice)).collect();
            let Ok(found) = resolve::look_up(self.client, self.object, self.verb, &[], &own, None).await else {
                return;
            };
            for (row, found) in rows.iter().zip(found) {
                match (found, self.outcomes.get(*row)) {
                    (found @ Outcome::Applied(_), _) => self.set(*row, found),
                    (found @ Outcome::Failed(_), Some(Outcome::Unknown(_))) if !accepted(self.outcomes.get(*row)) => {
                        self.set(*row, found);
                    }
                    _ => {}
                }
            }
            rows.retain(|row| accepted(self.outcomes.get(*row)));
            if !rows.is_empty() && look + 1 < LOOKS {
                let pause = self.client.host().sleep(FIRST_LOOK << look);
                if let Either::Right(_) = select(pause, self.client.host().cancelled()).await {
                    return;
                }
            }
        }
    }
}

fn is_bad(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(_) | Outcome::Unknown(_))
}
