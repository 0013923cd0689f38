//! Create, update and delete: records in, requests out, exactly one outcome per record.
//!
//! Everything is checked before the first request. Records are cut into the batches that the endpoint takes, a few requests
//! are under way at once, and what an answer means is decided per record (`outcome.rs`). A batch that the store refused as a
//! whole is sent again record by record: the refusal proves that nothing of it was applied, and only that way the good records
//! of it get through and the bad one is found.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use futures_util::future::{Either, poll_immediate, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::client::{Call, Client};
use crate::error::{Error, Retry};
use crate::host::{Answer, Local};
use crate::outcome;
use crate::parents::text;
use crate::plan;
use crate::record;
use crate::scan;
use crate::table::{Body, Delete, DeleteBy, Method, Object, Param, Type, Write};
use crate::types::{Outcome, Verb, WriteRequest};
use crate::url;

/// Largest body of one request, in bytes: batches are cut before that.
const MOST_BODY: usize = 1 << 20;

/// One way to write to an object.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Create or update.
    Put(&'static Write),
    /// Delete.
    Delete(&'static Delete),
}

impl Way {
    fn path(self) -> &'static str {
        match self {
            Way::Put(write) => write.path,
            Way::Delete(delete) => delete.path,
        }
    }

    fn query(self) -> &'static [Param] {
        match self {
            Way::Put(write) => write.query,
            Way::Delete(delete) => delete.query,
        }
    }

    /// Most records of one request.
    fn most(self) -> usize {
        let documented = match self {
            Way::Put(Write { body: Body::Object | Body::Empty, .. })
            | Way::Delete(Delete { by: DeleteBy::Path | DeleteBy::Fields(_) | DeleteBy::BodyKey(_), .. }) => Some(1),
            Way::Put(write) => write.max_items,
            Way::Delete(delete) => delete.max_items,
        };
        documented.unwrap_or(UNDOCUMENTED_BATCH) as usize
    }
}

/// Batch size where no maximum is documented: what most documented ones allow at least.
const UNDOCUMENTED_BATCH: u32 = 10;

/// Records that go into one request.
struct Batch {
    rows: Vec<usize>,
    way: Way,
}

/// A running write.
struct Writer<'a> {
    client: &'a Client,
    object: &'static Object,
    verb: Verb,
    lines: Rc<Vec<Vec<u8>>>,
    outcomes: Vec<Outcome>,
    ways: Vec<Way>,
}

/// Writes records.
///
/// # Errors
/// The request as a whole makes no sense; nothing was sent.
pub async fn write(client: &Client, verb: Verb, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
    let object = plan::find(&request.object)?;
    let ways = ways(object, verb, request)?;
    let lines: Vec<Vec<u8>> = scan::lines(&request.records).map(<[u8]>::to_vec).collect();
    let Some(&batch) = ways.first() else { return Ok(Vec::new()) };
    let way = match lines.as_slice() {
        [line] => single_way(&ways, line).unwrap_or(batch),
        _ => batch,
    };
    let mut outcomes = vec![Outcome::Skipped; lines.len()];
    let mut invalid = false;
    for (line, outcome) in lines.iter().zip(&mut outcomes) {
        let model = match way {
            Way::Put(write) => Some(write),
            Way::Delete(_) => None,
        };
        let checked = record::check(object, verb, model, line)
            .and_then(|()| path(way, line).map(drop))
            .and_then(|()| listable(way, line));
        if let Err(error) = checked {
            *outcome = Outcome::Failed(error);
            invalid = true;
        }
    }
    if request.validate_only || (invalid && !request.continue_on_error) {
        return Ok(outcomes);
    }
    let rows: Vec<usize> =
        (0..lines.len()).filter(|row| matches!(outcomes.get(*row), Some(Outcome::Skipped))).collect();
    let mut writer = Writer { client, object, verb, lines: Rc::new(lines), outcomes, ways };
    for wave in waves(object, verb, &writer.lines, rows) {
        if !writer.run(wave, way, request.continue_on_error).await {
            break;
        }
    }
    Ok(writer.outcomes)
}

/// Rows that name the same record go one after the other, in their order; all others may go at once.
fn waves(object: &'static Object, verb: Verb, lines: &[Vec<u8>], rows: Vec<usize>) -> Vec<Vec<usize>> {
    if verb == Verb::Create || object.key.is_empty() {
        return vec![rows];
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for row in rows {
        let wave = seen.entry(record::key_of(object, lines.get(row).map_or(&[], Vec::as_slice))).or_default();
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

/// The ways that serve a request, the one for many records first. Never empty.
fn ways(object: &'static Object, verb: Verb, request: &WriteRequest) -> Result<Vec<Way>, Error> {
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
        if ways.is_empty() {
            let message = format!("`{}` has no upsert of this kind: create or update its records", object.name);
            return Err(Error::unsupported(message).at("/mode"));
        }
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
    if ways.is_empty() {
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

/// The way with the smallest batch among those whose path the record can fill.
fn single_way(ways: &[Way], line: &[u8]) -> Option<Way> {
    ways.iter().copied().filter(|way| path(*way, line).is_ok()).min_by_key(|way| way.most())
}

/// Path and query for a record.
fn path(way: Way, line: &[u8]) -> Result<String, Error> {
    let path = url::fill(way.path(), |name| text(line, name))?;
    let mut query = Vec::new();
    for param in way.query() {
        match text(line, param.field).filter(|value| !value.trim().is_empty()) {
            Some(value) => query.push((param.param, value)),
            None if param.required => {
                return Err(
                    Error::invalid(format!("`{}` is missing or empty", param.field)).at(format!("/{}", param.field))
                );
            }
            None => {}
        }
    }
    Ok(url::with_query(&path, query.iter().map(|(name, value)| (*name, value.as_str()))))
}

/// Whether the record's key can stand in a comma list: a comma in it would name other records.
fn listable(way: Way, line: &[u8]) -> Result<(), Error> {
    if let Way::Delete(Delete { by: DeleteBy::Filter { field, .. }, .. }) = way {
        match text(line, field) {
            Some(value) if value.trim().is_empty() => {}
            Some(value) if !value.contains(',') => return Ok(()),
            Some(_) => {
                return Err(Error::invalid(format!("`{field}` holds a comma and cannot be named in a list"))
                    .at(format!("/{field}")));
            }
            None => {}
        }
        return Err(
            Error::invalid(format!("`{field}` is missing or empty; it names the record")).at(format!("/{field}"))
        );
    }
    Ok(())
}

/// Appends the fields of a record that go beside the list, each with a comma behind it.
fn beside(way: Way, line: &[u8], out: &mut Vec<u8>) {
    let Way::Put(Write { beside, .. }) = way else { return };
    for name in *beside {
        if let Ok(Some(raw)) = scan::get(line, name) {
            scan::encode(name, out);
            out.push(b':');
            out.extend_from_slice(raw);
            out.push(b',');
        }
    }
}

impl Writer<'_> {
    /// Sends rows. False if nothing more may be sent.
    async fn run(&mut self, rows: Vec<usize>, way: Way, continue_on_error: bool) -> bool {
        let mut waiting = self.batches(rows, way);
        let mut under_way: FuturesUnordered<Local<'static, (Batch, Result<Answer, Error>)>> = FuturesUnordered::new();
        let lanes = self.client.settings().requests_in_flight as usize;
        let mut stopped = false;
        loop {
            stopped = stopped || poll_immediate(self.client.host().cancelled()).await.is_some();
            while !stopped && under_way.len() < lanes {
                let Some(batch) = waiting.pop_front() else { break };
                match self.call(&batch) {
                    Ok(call) => {
                        let client = self.client.clone();
                        under_way.push(Box::pin(async move { (batch, client.write(&call).await) }));
                    }
                    Err(error) => {
                        self.all(&batch, &Outcome::Failed(error));
                        stopped = !continue_on_error;
                    }
                }
            }
            if under_way.is_empty() {
                return !stopped;
            }
            // A cancelled write sends nothing more, and waits for what is on its way.
            let next = if stopped {
                under_way.next().await
            } else {
                match select(under_way.next(), self.client.host().cancelled()).await {
                    Either::Left((next, _)) => next,
                    Either::Right(_) => {
                        stopped = true;
                        continue;
                    }
                }
            };
            let Some((batch, result)) = next else { return !stopped };
            let again = self.settle(batch, result);
            for row in again.into_iter().rev() {
                let way = single_way(&self.ways, self.line(row)).unwrap_or(way);
                waiting.push_front(Batch { rows: vec![row], way });
            }
            let bad = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_) | Outcome::Unknown(_));
            stopped = stopped || (!continue_on_error && self.outcomes.iter().any(bad));
        }
    }

    fn line(&self, row: usize) -> &[u8] {
        self.lines.get(row).map_or(&[], Vec::as_slice)
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

    /// Cuts rows into batches: neighbours with the same path and the same fields beside the list, as many as the endpoint, the body and the query allow.
    fn batches(&self, rows: Vec<usize>, way: Way) -> VecDeque<Batch> {
        let mut batches: VecDeque<Batch> = VecDeque::new();
        let (mut size, mut last) = (0, Vec::new());
        let bound = match way {
            Way::Delete(Delete { by: DeleteBy::Filter { .. }, .. }) => url::MOST_QUERY,
            _ => MOST_BODY,
        };
        for row in rows {
            let line = self.line(row);
            let own = match way {
                Way::Delete(Delete { by: DeleteBy::Filter { field, .. }, .. }) => {
                    text(line, field).map_or(0, |value| 3 * value.len() + 1)
                }
                _ => line.len() + 1,
            };
            let mut path = path(way, line).unwrap_or_default().into_bytes();
            beside(way, line, &mut path);
            match batches.back_mut() {
                Some(batch) if batch.rows.len() < way.most() && size + own <= bound && path == last => {
                    batch.rows.push(row);
                    size += own;
                }
                _ => {
                    batches.push_back(Batch { rows: vec![row], way });
                    size = own;
                }
            }
            last = path;
        }
        batches
    }

    /// The request for a batch.
    fn call(&self, batch: &Batch) -> Result<Call, Error> {
        let first = batch.rows.first().map_or(&[][..], |row| self.line(*row));
        let path = path(batch.way, first)?;
        let what = format!("{} {}", self.verb.name(), self.object.name);
        match batch.way {
            Way::Put(way) => {
                let mut bodies = Vec::with_capacity(batch.rows.len());
                for row in &batch.rows {
                    bodies.push(self.body(way, self.line(*row))?);
                }
                let mut body = Vec::new();
                match way.body {
                    Body::Empty => {}
                    Body::Object => body = bodies.pop().unwrap_or_default(),
                    Body::Array | Body::Values(_) => scan::join(bodies.iter().map(Vec::as_slice), &mut body),
                    Body::Wrapped(name) => {
                        body.push(b'{');
                        beside(batch.way, first, &mut body);
                        scan::encode(name, &mut body);
                        body.push(b':');
                        scan::join(bodies.iter().map(Vec::as_slice), &mut body);
                        body.push(b'}');
                    }
                }
                let method = match way.method {
                    Method::Post => "POST",
                    Method::Put => "PUT",
                };
                Ok(Call {
                    method,
                    target: path,
                    endpoint: (way.path, way.concurrency),
                    body: (way.body != Body::Empty).then_some(body),
                    what,
                })
            }
            Way::Delete(way) => {
                let (target, body) = self.victims(way, path, &batch.rows)?;
                Ok(Call { method: "DELETE", target, endpoint: (way.path, way.concurrency), body, what })
            }
        }
    }

    /// A record as it goes into a body.
    fn body(&self, way: &'static Write, line: &[u8]) -> Result<Vec<u8>, Error> {
        let malformed = |malformed: scan::Malformed| Error::invalid(malformed.to_string());
        if let Body::Values(field) = way.body {
            let raw = scan::get(line, field).map_err(malformed)?;
            return raw
                .map(<[u8]>::to_vec)
                .ok_or_else(|| Error::invalid(format!("`{field}` is missing")).at(format!("/{field}")));
        }
        if way.path_only.is_empty() {
            return Ok(line.to_vec());
        }
        let mut out = Vec::with_capacity(line.len());
        scan::remove(line, way.path_only, &mut out).map_err(malformed)?;
        Ok(out)
    }

    /// Names the records of a delete. There is no way through here that names none: every branch needs at least one value, and
    /// a path of `DeleteBy::Path` has been filled with the record's key.
    fn victims(&self, way: &'static Delete, path: String, rows: &[usize]) -> Result<(String, Option<Vec<u8>>), Error> {
        let nameless = || Error::invalid(format!("a delete of `{}` must name its records", self.object.name));
        let key = |row: &usize, field: &str| {
            text(self.line(*row), field).filter(|value| !value.trim().is_empty()).ok_or_else(nameless)
        };
        let ids = |field: &str| -> Result<Vec<u8>, Error> {
            let mut values = Vec::new();
            for row in rows {
                let value = key(row, field)?;
                let number =
                    self.object.model.and_then(|model| model.field(field)).is_some_and(|f| f.node.ty == Type::Integer);
                let mut raw = Vec::new();
                if number {
                    raw.extend_from_slice(value.as_bytes())
                } else {
                    scan::encode(&value, &mut raw)
                }
                values.push(raw);
            }
            let mut body = Vec::new();
            scan::join(values.iter().map(Vec::as_slice), &mut body);
            if values.is_empty() { Err(nameless()) } else { Ok(body) }
        };
        match way.by {
            DeleteBy::Path if rows.len() == 1 => Ok((path, None)),
            DeleteBy::Path => Err(nameless()),
            DeleteBy::Filter { param, field } => {
                let values = rows.iter().map(|row| key(row, field)).collect::<Result<Vec<_>, _>>()?;
                if values.is_empty() || values.iter().any(|value| value.contains(',')) {
                    return Err(nameless());
                }
                Ok((url::with_query(&path, [(param, values.join(",").as_str())]), None))
            }
            DeleteBy::Fields(fields) => {
                let [row] = rows else { return Err(nameless()) };
                let pairs = fields
                    .iter()
                    .map(|(field, param)| Ok((*param, key(row, field)?)))
                    .collect::<Result<Vec<_>, Error>>()?;
                if pairs.is_empty() || pairs.iter().any(|(_, value)| value.contains(',')) {
                    return Err(nameless());
                }
                Ok((url::with_query(&path, pairs.iter().map(|(param, value)| (*param, value.as_str()))), None))
            }
            DeleteBy::BodyKey(field) => {
                let [row] = rows else { return Err(nameless()) };
                let value = key(row, field)?;
                let mut body = Vec::from(b"{");
                scan::encode(field, &mut body);
                body.push(b':');
                scan::encode(&value, &mut body);
                body.push(b'}');
                Ok((path, Some(body)))
            }
            DeleteBy::BodyIds(field) => Ok((path, Some(ids(field)?))),
            DeleteBy::WrappedIds { wrapper, field } => {
                let mut body = Vec::from(b"{");
                scan::encode(wrapper, &mut body);
                body.push(b':');
                body.extend_from_slice(&ids(field)?);
                body.push(b'}');
                Ok((path, Some(body)))
            }
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
            outcome::Verdict::Each(outcomes) => {
                for (row, outcome) in batch.rows.iter().zip(outcomes) {
                    self.set(*row, outcome);
                }
                Vec::new()
            }
            outcome::Verdict::RefusedAsAWhole => batch.rows,
        }
    }
}
