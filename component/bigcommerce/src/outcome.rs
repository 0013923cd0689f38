//! What the answer to a write means for each of its records.
//!
//! An outcome is only `Applied` or `Failed` where the answer proves it. What it leaves open is `Unknown`, and where reading can
//! tell (an accepted delete that is carried out later, a record that a success leaves out) the verdict says which to look up.

use serde_json::value::RawValue;

use crate::batch::Way;
use crate::error::{Error, Kind, Retry};
use crate::host::Answer;
use crate::parents::text;
use crate::partial::{Failure, Told, failures};
use crate::record;
use crate::remote::{self, Said};
use crate::scan;
use crate::slice::{self, Payload, Sliced};
use crate::table::{DeleteBy, Envelope, Method, Object, Write};
use crate::types::{Outcome, Verb};

/// Code of a record that the store accepted and deals with later.
pub const ACCEPTED: &str = "accepted";

/// What an answer means.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// One outcome per record, in order.
    Each {
        /// The outcomes, as far as the answer goes.
        outcomes: Vec<Outcome>,
        /// Positions of records that a look at the store can tell more about.
        look: Vec<usize>,
    },
    /// None of several records was applied, or it does no harm to apply them again; the answer does not tell which of them is to
    /// blame.
    RefusedAsAWhole,
    /// Several records were refused together, and nobody knows whether some of them were created.
    InDoubt(Error),
}

/// Reads the answer to a write of `sent` records.
pub fn read(object: &'static Object, verb: Verb, way: Way, sent: &[&[u8]], answer: &Answer) -> Verdict {
    let judge = Judge { object, verb, way, sent, answer, what: format!("{} {}", verb.name(), object.name) };
    match (answer.status, verb) {
        (200..=299, Verb::Delete) => judge.deleted(),
        // What is gone already is what was asked for, if it is the API that says so: a gateway knows nothing of records. Of a
        // list, it is not known which one is meant.
        (404, Verb::Delete) if sent.len() == 1 && Said::of_the_api(&answer.body) => {
            judge.all(|line| judge.applied(line))
        }
        (200..=299, _) => judge.saved(),
        _ => judge.refused(),
    }
}

struct Judge<'a> {
    object: &'static Object,
    verb: Verb,
    way: Way,
    sent: &'a [&'a [u8]],
    answer: &'a Answer,
    what: String,
}

impl Judge<'_> {
    fn all(&self, outcome: impl Fn(&[u8]) -> Outcome) -> Verdict {
        Verdict::Each { outcomes: self.sent.iter().map(|line| outcome(line)).collect(), look: Vec::new() }
    }

    /// Every record has this outcome, unless the store shows another.
    fn look_at_all(&self, error: &Error) -> Verdict {
        let outcomes = self.sent.iter().map(|_| Outcome::Unknown(error.clone())).collect();
        Verdict::Each { outcomes, look: (0..self.sent.len()).collect() }
    }

    /// Done; of the record, the store said no more than what names it.
    fn applied(&self, line: &[u8]) -> Outcome {
        Outcome::Applied(record::key_of(self.object, line))
    }

    fn error(&self, kind: Kind, reason: &str) -> Error {
        let mut error = Error::new(kind, format!("cannot {}: {reason} (HTTP {})", self.what, self.answer.status));
        error.status = Some(self.answer.status);
        error
    }

    fn unknown(&self, reason: &str) -> Error {
        self.error(Kind::Rejected, reason).retry(Retry::OutcomeUnknown)
    }

    fn failed(&self, said: &Said) -> Outcome {
        let reason = said.text.clone().unwrap_or_else(|| "the store does not say why".to_owned());
        let kind = if self.answer.status == 409 { Kind::Conflict } else { Kind::Rejected };
        let mut error = self.error(kind, &reason);
        error.code.clone_from(&said.code);
        error.pointer.clone_from(&said.pointer);
        Outcome::Failed(error)
    }

    /// A delete that succeeded, at least in part, now or later.
    fn deleted(&self) -> Verdict {
        if self.answer.status == 202 {
            let reason = "the store accepted it and carries it out later: look again in a moment";
            return self.look_at_all(&self.unknown(reason).code(ACCEPTED));
        }
        let told = Told::read(&self.answer.body);
        if told.failures.is_empty() && told.failed.unwrap_or(0) == 0 {
            return self.all(|line| self.applied(line));
        }
        self.deleted_in_part(&told)
    }

    /// A delete of which some records failed. Those that are not there any more are found out by looking.
    fn deleted_in_part(&self, told: &Told) -> Verdict {
        let (mut outcomes, mut look) = (Vec::new(), Vec::new());
        let key = match self.way {
            Way::Delete(delete) => match delete.by {
                DeleteBy::BodyIds(field) | DeleteBy::WrappedIds { field, .. } | DeleteBy::Filter { field, .. } => field,
                DeleteBy::BodyKey(field) => field,
                DeleteBy::Path | DeleteBy::Fields(_) => "id",
            },
            Way::Put(_) => "id",
        };
        let mut vague = told.failures.iter().filter(|failure| !failure.is_precise());
        for (index, line) in self.sent.iter().enumerate() {
            let done = text(line, key).is_some_and(|id| told.ids.contains(&id));
            outcomes.push(match told.failures.iter().find(|failure| failure.is_about(index, line)) {
                _ if done => self.applied(line),
                Some(failure) => self.failed(&failure.said),
                None if told.ids.is_empty() && told.is_exact() => self.applied(line),
                None => {
                    look.push(index);
                    match vague.next() {
                        Some(failure) if !told.ids.is_empty() => self.failed(&failure.said),
                        _ => Outcome::Unknown(
                            self.unknown("some of the records were not deleted, and the store does not say which"),
                        ),
                    }
                }
            });
        }
        Verdict::Each { outcomes, look }
    }

    /// A success, which may hold fewer records than were sent, or say that some part of it failed (207).
    fn saved(&self) -> Verdict {
        let answer = self.answer;
        let (envelope, answers_records) = match self.way {
            Way::Put(write) => (write.envelope, write.answers_records),
            Way::Delete(_) => (Envelope::Bare, false),
        };
        let keys = || self.all(|line| self.applied(line));
        if answer.body.iter().all(u8::is_ascii_whitespace) {
            return keys();
        }
        let acts = matches!(self.way, Way::Put(Write { result: Some(_), .. }));
        if !answers_records && !acts && answer.status != 207 {
            let told = Told::read(&answer.body);
            return if told.failed.unwrap_or(0) > 0 { self.by_counts(&told) } else { keys() };
        }
        // The body of a 207 is an envelope, whatever that of a plain success is.
        let sliced = slice::split(answer.body.clone(), envelope);
        let sliced = match sliced {
            Ok(sliced) if sliced.objects => sliced,
            // The status says that the store acted; what it made of the records, nobody knows.
            Ok(_) | Err(_) => {
                let reason = "the store said that it is done, and its answer is cut off or malformed";
                let error = remote::nonsense(&self.what, reason);
                return self.all(|_| Outcome::Unknown(error.clone()));
            }
        };
        let records = records(&sliced);
        if acts {
            return self.all(|line| self.result(line, &sliced, &records));
        }
        let errors = sliced.errors.as_deref().map(each_error).unwrap_or_default();
        if let ([_], 207) = (self.sent, answer.status) {
            return Verdict::Each { outcomes: vec![self.in_part(&records, &errors)], look: Vec::new() };
        }
        if answer.status == 207 && (envelope == Envelope::Bare || sliced.payload != Payload::Array) {
            return match slice::split(answer.body.clone(), Envelope::Data) {
                Ok(inner) if inner.payload == Payload::Array && inner.objects => {
                    let errors = inner.errors.as_deref().map(each_error).unwrap_or_default();
                    self.pair_up(&self::records(&inner), &errors)
                }
                _ => self.by_counts(&Told::read(&answer.body)),
            };
        }
        if let ([line], [record]) = (self.sent, records.as_slice()) {
            return Verdict::Each { outcomes: vec![self.kept(line, record)], look: Vec::new() };
        }
        if records.is_empty() && !matches!(sliced.payload, Payload::Array) && errors.is_empty() {
            return keys();
        }
        self.pair_up(&records, &errors)
    }

    /// The answer of an operation that does something, with the fields that name on what it was done. A list stands in `data`.
    fn result(&self, line: &[u8], sliced: &Sliced, records: &[&[u8]]) -> Outcome {
        let mut answer = match (sliced.payload, records) {
            (Payload::Object, [record]) => record.to_vec(),
            (Payload::Array, _) => {
                let mut list = Vec::from(b"{\"data\":");
                scan::join(records.iter().copied(), &mut list);
                list.push(b'}');
                list
            }
            _ => Vec::from(b"{}"),
        };
        for key in self.object.key.iter().rev() {
            if let (Ok(Some(raw)), Ok(None)) = (scan::get(line, key), scan::get(&answer, key)) {
                let mut named = Vec::with_capacity(answer.len() + raw.len());
                if scan::inject(&answer, key, raw, &mut named).is_ok() {
                    answer = named;
                }
            }
        }
        Outcome::Applied(as_text(&answer))
    }

    /// A record that came back. The store may have left a field as it was without a word, or have written another record than
    /// the one that was named.
    fn kept(&self, line: &[u8], record: &[u8]) -> Outcome {
        let number = |record: &[u8], key: &str| text(record, key)?.parse::<u64>().ok();
        let mixed = |key: &&&str| number(line, key).zip(number(record, key)).is_some_and(|(asked, kept)| asked != kept);
        if let Some(key) = self.object.key.iter().find(mixed) {
            let reason = "the store's answer shows another record than the one that was named";
            return Outcome::Unknown(self.unknown(reason).at(format!("/{key}")));
        }
        let fixed = match self.way {
            Way::Put(Write { fixed, .. }) => fixed,
            Way::Delete(_) => return Outcome::Applied(as_text(record)),
        };
        let ignored = fixed.iter().find_map(|field| {
            let (asked, kept) = (text(line, field)?, text(record, field)?);
            (asked != kept).then_some((field, kept))
        });
        let Some((field, kept)) = ignored else { return Outcome::Applied(as_text(record)) };
        let reason = format!("the store never changes `{field}` and left it at `{kept}`; everything else was saved");
        Outcome::Unknown(self.unknown(&reason).at(format!("/{field}")))
    }

    /// 207 for one record: some part of it was saved, some was not. Only a record that came back whole is done.
    fn in_part(&self, records: &[&[u8]], errors: &[Failure]) -> Outcome {
        match records {
            [record] if errors.is_empty() && self.object.key.iter().all(|key| text(record, key).is_some()) => {
                Outcome::Applied(as_text(record))
            }
            _ if Told::read(&self.answer.body).success == Some(0) => {
                self.failed(&errors.first().map(|failure| failure.said.clone()).unwrap_or_default())
            }
            _ => {
                let said = errors.iter().find_map(|failure| failure.said.text.clone());
                let said = said.or_else(|| Said::read(&self.answer.body).text);
                let reason = said.unwrap_or_else(|| "the store does not say what".to_owned());
                let message = format!(
                    "cannot {} in full: a part of the record was saved, another was not (HTTP 207: {reason}); look at it in the store",
                    self.what
                );
                let mut error = Error::new(Kind::Rejected, message).retry(Retry::OutcomeUnknown);
                error.status = Some(207);
                Outcome::Unknown(error)
            }
        }
    }

    /// A refusal. Some of them (422 of metafields, 409 of segments) tell of records that were dealt with all the same.
    fn refused(&self) -> Verdict {
        let error = remote::refusal(&self.what, self.answer);
        if error.retry == Retry::OutcomeUnknown {
            return self.all(|_| Outcome::Unknown(error.clone()));
        }
        // Some endpoints tell in the body of a refusal what they saved: without it nobody knows.
        if let (409 | 422, false) = (self.answer.status, self.answer.body.is_empty())
            && serde_json::from_slice::<&RawValue>(&self.answer.body).is_err()
        {
            let error = remote::nonsense(&self.what, "the store refused it, and its answer is cut off or malformed");
            return self.all(|_| Outcome::Unknown(error.clone()));
        }
        let told = match self.answer.status {
            409 | 422 => Told::read(&self.answer.body),
            _ => Told::default(),
        };
        if let (Way::Put(_), 409 | 422) = (self.way, self.answer.status)
            && let Ok(sliced) = slice::split(self.answer.body.clone(), Envelope::Data)
            && sliced.payload == Payload::Array
            && sliced.objects
        {
            let errors = sliced.errors.as_deref().map(each_error).unwrap_or_default();
            return self.pair_up(&records(&sliced), &errors);
        }
        match self.way {
            Way::Delete(_) if !told.ids.is_empty() || told.success.unwrap_or(0) > 0 => {
                return self.deleted_in_part(&told);
            }
            Way::Put(_) if told.success.unwrap_or(0) > 0 => return self.by_counts(&told),
            // Errors that name their records by fields stand for those records; the others may have been saved.
            Way::Put(_) if told.batch && self.sent.len() > 1 && told.failures.iter().any(|f| !f.names.is_empty()) => {
                return self.by_counts(&Told { failed: Some(u64::MAX), ..told });
            }
            _ => {}
        }
        if let (Way::Put(Write { result: Some(_), method: Method::Post, .. }), 2..) = (self.way, self.sent.len()) {
            // What acts is not sent again one by one: it is not documented that a refused batch was refused whole, and an
            // adjustment sent twice counts twice.
            let together = format!("the store refused the {} records of this request together", self.sent.len());
            let error = Error { message: format!("{} ({together})", error.message), ..error };
            return self.all(|_| Outcome::Failed(error.clone()));
        }
        match (self.sent.len(), self.answer.status) {
            // A wrong token or a used-up quota concerns no single record.
            (0 | 1, _) | (_, 401 | 403 | 405 | 406 | 415 | 429 | 501) => self.all(|_| Outcome::Failed(error.clone())),
            // What cannot be read, and what is too large, is not begun.
            (_, status) if status != 400 && status != 413 && !self.repeatable() => Verdict::InDoubt(error),
            // A plan's limit, or a lock, is in the way of each of them.
            (_, 423 | 507) => {
                let outcomes = self.sent.iter().map(|_| Outcome::Failed(error.clone())).collect();
                Verdict::Each { outcomes, look: (0..self.sent.len()).collect() }
            }
            _ => Verdict::RefusedAsAWhole,
        }
    }

    /// Whether the records can be sent twice without becoming two: each of them names the one that it means.
    fn repeatable(&self) -> bool {
        let names = self.way.names(self.object);
        match self.way {
            Way::Put(write) => {
                let has = |line: &[u8], name| write.one_of.contains(name) || text(line, name).is_some();
                let all = |line: &&[u8]| names.iter().all(|name| has(line, name));
                // What acts by PUT sets a state, whichever it was before.
                let named = || !names.is_empty() && self.sent.iter().all(all);
                write.method == Method::Put && (write.result.is_some() || named())
            }
            Way::Delete(_) => true,
        }
    }

    /// A partial success that does not give the records back, but names or counts those that failed.
    fn by_counts(&self, told: &Told) -> Verdict {
        let (mut outcomes, mut look) = (Vec::new(), Vec::new());
        let first = told.failures.first().map(|failure| failure.said.clone()).unwrap_or_default();
        for (index, line) in self.sent.iter().enumerate() {
            outcomes.push(match told.failures.iter().find(|failure| failure.is_about(index, line)) {
                Some(failure) => self.failed(&failure.said),
                None if told.is_exact() => self.applied(line),
                None if told.success == Some(0) => self.failed(&first),
                None => {
                    look.push(index);
                    let reason = first.text.as_deref().unwrap_or("some of the records were not saved");
                    Outcome::Unknown(
                        self.unknown(&format!("{reason}; the store does not say whether this record was saved")),
                    )
                }
            });
        }
        Verdict::Each { outcomes, look }
    }

    /// Pairs sent records with those that came back; one without is not in the store, unless something came back that belongs to
    /// none. An update that a success leaves out without a word may have had nothing to change: looking tells.
    fn pair_up(&self, records: &[&[u8]], errors: &[Failure]) -> Verdict {
        let (status, verb) = (self.answer.status, self.verb);
        let names = self.way.names(self.object);
        let (pairs, left) = record::pair(names, self.object.natural, verb, self.sent, records);
        let mut unmatched = errors.iter().filter(|failure| !failure.is_precise());
        let mut look = Vec::new();
        let outcomes = pairs.into_iter().zip(self.sent).enumerate().map(|(index, (pair, line))| {
            let Some(record) = pair.map(|at| records.get(at).copied().unwrap_or_default()) else {
                let own = errors.iter().find(|failure| failure.is_about(index, line)).or_else(|| unmatched.next());
                let kind = match (status, verb) {
                    (409 | 200 | 201, Verb::Create) => Kind::Conflict,
                    (200 | 201, _) => Kind::NotFound,
                    _ => Kind::Rejected,
                };
                let reason = own.and_then(|failure| failure.said.text.clone()).unwrap_or_else(|| {
                    let guess = if verb == Verb::Create {
                        "an equal record may exist already"
                    } else {
                        "there may be no such record, or nothing to change"
                    };
                    format!("the store's answer does not hold it; {guess}")
                });
                if verb != Verb::Create && (left > 0 || own.is_none()) {
                    look.push(index);
                }
                let mut error = self.error(kind, &reason);
                error.code = own.and_then(|failure| failure.said.code.clone());
                error.pointer = own.and_then(|failure| failure.said.pointer.clone());
                if left > 0 {
                    return Outcome::Unknown(error.retry(Retry::OutcomeUnknown));
                }
                return Outcome::Failed(error);
            };
            self.kept(line, record)
        });
        let outcomes = outcomes.collect();
        Verdict::Each { outcomes, look }
    }
}

fn records(sliced: &Sliced) -> Vec<&[u8]> {
    (0..sliced.count as usize).filter_map(|index| sliced.record(index)).collect()
}

/// The errors of an envelope, as one list.
fn each_error(raw: &str) -> Vec<Failure> {
    serde_json::from_str(raw).map(|errors| failures(&errors)).unwrap_or_default()
}

fn as_text(record: &[u8]) -> String {
    // Records are lines of a checked answer; a record that is no JSON inside is handed on as what it is known by.
    match core::str::from_utf8(record) {
        Ok(text) if serde_json::from_str::<&RawValue>(text).is_ok() => text.to_owned(),
        _ => "{}".to_owned(),
    }
}
