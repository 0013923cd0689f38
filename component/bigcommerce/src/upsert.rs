//! Creates what is missing and updates what is there, where the API itself has no such request.
//!
//! The store is read first: records are found by the fields on which the caller matches (`lookup.rs`). What is found once is
//! updated by its key, what is not found is created, and what is found more than once is refused. Between the reading and the
//! writing somebody else may create the same record: when the store refuses the double, it is looked up again and updated.

use crate::batch::{self, Way, with};
use crate::client::Client;
use crate::error::{Error, Kind, Retry};
use crate::lookup;
use crate::parents::text;
use crate::record;
use crate::scan;
use crate::table::{Object, Type, Write};
use crate::types::{Outcome, Verb, WriteRequest};
use crate::write::{Writer, by_name, check};

/// The sets of fields on which an upsert can match, the key first; empty where records cannot be both created and updated.
pub fn match_on(object: &'static Object) -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&'static str>> = Vec::new();
    let own = object.create.iter().chain(object.update).filter(|way| way.upsert).map(|way| way.match_on.to_vec());
    let natural = object.natural.iter().map(|name| vec![*name]).filter(|names| reads_by(object, names));
    let by_reading = (!object.create.is_empty() && names_by_key(object) && !object.key.is_empty())
        .then(|| std::iter::once(object.key.to_vec()).chain(natural));
    for names in own.chain(by_reading.into_iter().flatten()) {
        if !names.is_empty() && !all.contains(&names) {
            all.push(names);
        }
    }
    all
}

/// Whether an update can name its record by the key. Some have no place for it.
fn names_by_key(object: &'static Object) -> bool {
    object.update.iter().any(|way| object.key.iter().all(|key| !record::unsent(object, way, key)))
}

/// Whether records can be found by these fields, at least within the parents that every line names.
fn reads_by(object: &'static Object, names: &[&'static str]) -> bool {
    let parents = object.parents.iter().map(|parent| parent.field);
    let all: Vec<&str> = names.iter().copied().chain(parents).collect();
    lookup::possible(object, &all)
}

/// What an upsert of an object works with.
struct Upsert<'a> {
    client: &'a Client,
    object: &'static Object,
    names: Vec<&'static str>,
    create: Vec<Way>,
    update: Vec<Way>,
    continue_on_error: bool,
}

/// What is to be done with a line.
#[derive(Clone)]
struct Step {
    verb: Verb,
    line: Vec<u8>,
}

/// Creates or updates records.
///
/// # Errors
/// The object, or the fields to match on, do not allow it; nothing was sent.
pub async fn run(
    client: &Client,
    object: &'static Object,
    request: &WriteRequest,
    lines: Vec<Vec<u8>>,
) -> Result<Vec<Outcome>, Error> {
    let upsert = Upsert {
        client,
        object,
        names: names(object, &request.match_on)?,
        create: ways(object.create),
        update: ways(object.update),
        continue_on_error: request.continue_on_error,
    };
    let mut outcomes: Vec<Outcome> = lines.iter().map(|line| upsert.check(line)).collect();
    let invalid = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_));
    if request.validate_only || (outcomes.iter().any(invalid) && !request.continue_on_error) {
        return Ok(outcomes);
    }
    let rows: Vec<usize> =
        (0..lines.len()).filter(|row| matches!(outcomes.get(*row), Some(Outcome::Skipped))).collect();
    // Rows of one name go one after the other: the second of them finds what the first one created.
    let name = |row: usize| match upsert.values(lines.get(row).map_or(&[], Vec::as_slice)) {
        Some(values) => values.join("\n"),
        None => format!("\n{row}"),
    };
    for wave in by_name(rows, &name) {
        if !upsert.wave(wave, &lines, &mut outcomes).await {
            break;
        }
    }
    Ok(outcomes)
}

/// The fields to match on: those of the caller, or the key.
fn names(object: &'static Object, asked: &[String]) -> Result<Vec<&'static str>, Error> {
    if object.create.is_empty() || !names_by_key(object) || object.key.is_empty() {
        let message =
            format!("`{}` has no such upsert: its records cannot be both created and updated by it", object.name);
        return Err(Error::unsupported(message).at(if asked.is_empty() { "/mode" } else { "/match-on" }));
    }
    if asked.is_empty() {
        return Ok(object.key.to_vec());
    }
    let known = |name: &String| -> Option<&'static str> {
        let fields = object.model.iter().flat_map(|model| model.fields);
        let scalar =
            fields.filter(|field| !matches!(field.node.ty, Type::Object | Type::Array)).map(|field| field.name);
        let parents = object.parents.iter().map(|parent| parent.field);
        object.key.iter().copied().chain(parents).chain(scalar).find(|field| field == name)
    };
    let mut names = Vec::new();
    for (index, name) in asked.iter().enumerate() {
        let Some(known) = known(name) else {
            let hint =
                crate::suggest::field(object, name).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let message = format!("`{}` has no field `{name}` to match on{hint}", object.name);
            return Err(Error::invalid(message).at(format!("/match-on/{index}")));
        };
        names.push(known);
    }
    if !reads_by(object, &names) {
        let offer: Vec<String> = match_on(object).iter().map(|names| format!("`{}`", names.join(","))).collect();
        let message = format!(
            "`{}` cannot be matched on `{}`: the store cannot be asked for it; it can be matched on {}",
            object.name,
            asked.join(","),
            offer.join(", ")
        );
        return Err(Error::unsupported(message).at("/match-on"));
    }
    Ok(names)
}

/// The plain ways before those by which the API itself does either.
fn ways(all: &'static [Write]) -> Vec<Way> {
    let mut ways: Vec<&'static Write> = all.iter().collect();
    ways.sort_by_key(|way| way.upsert);
    let upsert = ways.first().is_some_and(|way| way.upsert);
    ways.into_iter().filter(|way| way.upsert == upsert).map(Way::Put).collect()
}

impl Upsert<'_> {
    /// What a line is matched on. None if it lacks one of the fields.
    fn values(&self, line: &[u8]) -> Option<Vec<String>> {
        let names = lookup::with_parents(self.object, &self.names, line);
        names.iter().map(|name| text(line, name).filter(|value| !value.trim().is_empty())).collect()
    }

    fn by_key(&self) -> bool {
        self.names == self.object.key
    }

    /// Fields of the key that are the record's own rather than its parent's.
    fn own_key(&self) -> impl Iterator<Item = &'static str> {
        let parents = self.object.parents;
        let own = move |key: &&str| !parents.iter().any(|parent| parent.field == *key);
        self.object.key.iter().copied().filter(own)
    }

    /// `Skipped` for a line that may be sent.
    fn check(&self, line: &[u8]) -> Outcome {
        // A line without a key is a new record.
        if self.values(line).is_none() && !(self.by_key() && self.own_key().all(|key| text(line, key).is_none())) {
            let missing = self.names.iter().find(|name| text(line, name).is_none_or(|value| value.trim().is_empty()));
            let name = missing.copied().unwrap_or_default();
            let message = format!("`{name}` is missing or empty: the upsert of `{}` matches on it", self.object.name);
            return Outcome::Failed(Error::invalid(message).at(format!("/{name}")));
        }
        // Which of the two it will be is not known yet: both may be wrong, then it is.
        let created = self.checked(Verb::Create, line.to_vec());
        let as_found = |line: &[u8]| {
            let key = self.object.key.iter().filter(|key| text(line, key).is_none());
            key.fold(line.to_vec(), |line, key| with(&line, key, b"1"))
        };
        match (created, self.checked(Verb::Update, self.without_fixed(&as_found(line)))) {
            (Err(error), Err(other)) => {
                Outcome::Failed(if self.by_key() && self.values(line).is_some() { other } else { error })
            }
            _ => Outcome::Skipped,
        }
    }

    fn checked(&self, verb: Verb, line: Vec<u8>) -> Result<Step, Error> {
        let ways = if verb == Verb::Create { &self.create } else { &self.update };
        let way = ways.first().copied().ok_or_else(|| Error::unsupported("there is no way to write it"))?;
        check(self.object, verb, way, &line)?;
        Ok(Step { verb, line })
    }

    /// The line without fields on which it was matched and that an update does not take: they have their value already.
    fn without_fixed(&self, line: &[u8]) -> Vec<u8> {
        let Some(Way::Put(Write { model: Some(model), .. })) = self.update.first() else { return line.to_vec() };
        let key = self.object.key;
        let fixed = |name: &&&str| !key.contains(name) && model.field(name).is_none_or(|field| field.read_only);
        let drop: Vec<&str> = self.names.iter().filter(fixed).copied().collect();
        let mut out = Vec::with_capacity(line.len());
        match scan::remove(line, &drop, &mut out) {
            Ok(()) => out,
            Err(_) => line.to_vec(),
        }
    }

    /// Finds, then writes rows of different names. False if nothing more may be sent.
    async fn wave(&self, rows: Vec<usize>, lines: &[Vec<u8>], outcomes: &mut [Outcome]) -> bool {
        let own: Vec<&[u8]> = rows.iter().map(|row| lines.get(*row).map_or(&[][..], Vec::as_slice)).collect();
        let found = match self.find(&own).await {
            Ok(found) => found,
            Err(error) if error.is_cancelled() => return false,
            Err(mut error) => {
                // Only the store was read: nothing is in doubt.
                if error.retry == Retry::OutcomeUnknown {
                    error.retry = Retry::After(1000);
                }
                rows.iter().for_each(|row| set(outcomes, *row, Outcome::Failed(error.clone())));
                return self.continue_on_error;
            }
        };
        let mut steps: Vec<(usize, Step)> = Vec::new();
        let mut good = true;
        for ((row, line), found) in rows.into_iter().zip(own).zip(found) {
            match self.step(line, &found) {
                Ok(step) => steps.push((row, step)),
                Err(error) => {
                    good = false;
                    set(outcomes, row, Outcome::Failed(error));
                }
            }
        }
        if !good && !self.continue_on_error {
            return false;
        }
        let (creates, updates) = steps.into_iter().partition(|(_, step)| step.verb == Verb::Create);
        self.send(Verb::Update, updates, outcomes).await && self.create(creates, lines, outcomes).await
    }

    /// Creates. A record that somebody else created meanwhile, so that the store refuses it, is updated instead.
    async fn create(&self, mut steps: Vec<(usize, Step)>, lines: &[Vec<u8>], outcomes: &mut [Outcome]) -> bool {
        loop {
            let rows: Vec<usize> = steps.iter().map(|(row, _)| *row).collect();
            let go_on = self.send(Verb::Create, steps.clone(), outcomes).await;
            let refused: Vec<usize> = rows.iter().copied().filter(|row| maybe_taken(outcomes.get(*row))).collect();
            let own: Vec<&[u8]> = refused.iter().filter_map(|row| lines.get(*row).map(Vec::as_slice)).collect();
            // Where it cannot be looked up, the refusal is the outcome.
            let Ok(found) = self.find(&own).await else { return go_on };
            let mut updates = Vec::new();
            for ((row, line), found) in refused.iter().zip(own).zip(found) {
                if let ([_], Ok(step)) = (found.as_slice(), self.step(line, &found)) {
                    updates.push((*row, step));
                }
            }
            if updates.is_empty() {
                return go_on;
            }
            if !self.send(Verb::Update, updates, outcomes).await {
                return false;
            }
            let bad = |row: &usize| matches!(outcomes.get(*row), Some(Outcome::Failed(_) | Outcome::Unknown(_)));
            if go_on || rows.iter().any(bad) {
                return go_on;
            }
            // Nothing else was in the way of those that were held back.
            steps.retain(|(row, _)| matches!(outcomes.get(*row), Some(Outcome::Skipped)));
            if steps.is_empty() {
                return true;
            }
        }
    }

    /// Sends steps of one verb. False if nothing more may be sent.
    async fn send(&self, verb: Verb, steps: Vec<(usize, Step)>, outcomes: &mut [Outcome]) -> bool {
        let ways = if verb == Verb::Create { &self.create } else { &self.update };
        let (rows, sent): (Vec<usize>, Vec<Vec<u8>>) = steps.into_iter().map(|(row, step)| (row, step.line)).unzip();
        let only = match sent.as_slice() {
            [line] => batch::single(ways, line),
            _ => None,
        };
        let Some(way) = only.or(ways.first().copied()).filter(|_| !rows.is_empty()) else { return true };
        let blank = vec![Outcome::Skipped; rows.len()];
        let mut writer = Writer::new(self.client, self.object, verb, ways.clone(), sent, blank);
        let go_on = writer.run((0..rows.len()).collect(), way, self.continue_on_error).await;
        for (row, outcome) in rows.into_iter().zip(writer.outcomes) {
            // What was held back stays as an earlier request left it.
            if outcome != Outcome::Skipped {
                set(outcomes, row, outcome);
            }
        }
        go_on
    }

    /// The store's records for lines. Those that name their parents are looked for below them.
    async fn find(&self, lines: &[&[u8]]) -> Result<Vec<Vec<Vec<u8>>>, Error> {
        let mut found = vec![Vec::new(); lines.len()];
        let mut groups: Vec<(Vec<&str>, Vec<usize>)> = Vec::new();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| self.values(line).is_some()) {
            let names = lookup::with_parents(self.object, &self.names, line);
            match groups.iter_mut().find(|(known, _)| *known == names) {
                Some((_, members)) => members.push(index),
                None => groups.push((names, vec![index])),
            }
        }
        for (names, members) in groups {
            if !lookup::possible(self.object, &names) {
                let message = format!(
                    "`{}` can only be matched on `{}` below its parent: name that too",
                    self.object.name,
                    names.join(",")
                );
                return Err(Error::invalid(message));
            }
            let own: Vec<&[u8]> = members.iter().filter_map(|index| lines.get(*index).copied()).collect();
            let mut fields: Vec<&str> =
                names.iter().chain(self.object.key).map(|name| name.split('.').next().unwrap_or(name)).collect();
            fields.sort_unstable();
            fields.dedup();
            let records = lookup::find(self.client, self.object, &names, &own, &fields, false).await?;
            for (index, records) in members.into_iter().zip(records) {
                if let Some(slot) = found.get_mut(index) {
                    *slot = records;
                }
            }
        }
        Ok(found)
    }

    /// What is to be done with a line, given what the store holds.
    fn step(&self, line: &[u8], found: &[Vec<u8>]) -> Result<Step, Error> {
        let name = self.names.first().copied().unwrap_or_default();
        match found {
            [] => {
                let taken = |key: &&str| {
                    let Some(Way::Put(way)) = self.create.first() else { return false };
                    way.model.is_some_and(|model| model.field(key).is_some_and(|field| !field.read_only))
                        || way.required.contains(key)
                };
                let chosen = self.own_key().find(|key| text(line, key).is_some() && !taken(key));
                match chosen {
                    Some(key) => {
                        let message = format!(
                            "there is no such record of `{}`, and the store chooses `{key}` of new ones itself: leave it out to create one",
                            self.object.name
                        );
                        Err(Error::new(Kind::NotFound, message).at(format!("/{key}")))
                    }
                    None => self.checked(Verb::Create, line.to_vec()),
                }
            }
            [record] => {
                let mut out = self.without_fixed(line);
                for key in self.object.key.iter().filter(|key| !key.contains('.')) {
                    let Ok(Some(raw)) = scan::get(record, key) else { continue };
                    match text(line, key) {
                        None => out = with(&out, key, raw),
                        Some(own) if text(record, key).as_deref() != Some(own.as_str()) => {
                            let message =
                                format!("the record with this `{name}` has another `{key}`: {}", scan::text(raw));
                            return Err(Error::new(Kind::Conflict, message).at(format!("/{key}")));
                        }
                        Some(_) => {}
                    }
                }
                self.checked(Verb::Update, out)
            }
            many => {
                let keys: Vec<String> = many.iter().take(5).map(|record| record::key_of(self.object, record)).collect();
                let message = format!(
                    "{} records of `{}` have this `{name}`, {}: match on the key instead",
                    many.len(),
                    self.object.name,
                    keys.join(" ")
                );
                Err(Error::new(Kind::Conflict, message).at(format!("/{name}")))
            }
        }
    }
}

/// Whether the store refused a record in a way in which it also tells that there is one with the same name: 409, and 422 where
/// the operation does not document 409.
fn maybe_taken(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Failed(Error { status: Some(409 | 422), .. })))
}

fn set(outcomes: &mut [Outcome], row: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(row) {
        *slot = outcome;
    }
}
