//! `create`, `update`, `delete`: records in, one outcome per record out.
//!
//! The whole input is read first, and unless `--continue-on-error` wants to know record by record, the connector checks all of
//! it before anything is sent. Then batches go out one after the other; before each, an outcomes file says which rows are about
//! to be under way. When a call ends without an answer, all of its records are unknown, and nothing more is sent.

use connector_host::contract::{Error, ErrorKind, Outcome, Retry, WriteMode, WriteRequest};
use connector_host::{Activity as Instance, CallError, Connection, Effect};
use serde_json::json;

use super::describe::{activity_schema, not_offered};
use crate::args::{Activity, Delete, Write, WriteOptions};
use crate::error::{Failure, Failures, Result};
use crate::input::{self, Format, Records, Source};
use crate::outcomes::{Outcomes, Tally};
use crate::progress::{Progress, counted, grouped};
use crate::remote;
use crate::schema::Schema;
use crate::session::{Session, describe, parse_schema};
use crate::unsettled;

pub(super) async fn create_or_update(session: &Session, write: Write, activity: Activity) -> Result<()> {
    let mode = if write.upsert { WriteMode::Upsert } else { WriteMode::Strict };
    let job = Job::new(session, activity, &write.options, mode, write.match_on).await?;
    let source = if write.input.as_os_str() == "-" { Source::Stdin } else { Source::File(write.input) };
    job.run(source).await
}

pub(super) async fn delete(session: &Session, delete: Delete) -> Result<()> {
    let job = Job::new(session, Activity::Delete, &delete.options, WriteMode::Strict, Vec::new()).await?;
    let source = match delete.input {
        Some(path) if path.as_os_str() == "-" => Source::Stdin,
        Some(path) => Source::File(path),
        None => Source::Text(keys(&delete.ids, &job.key, &job.schema, &job.options.object)?),
    };
    job.run(source).await
}

/// Records for `--id`.
fn keys(ids: &[String], key: &[String], schema: &Schema, object: &str) -> Result<String> {
    let [field] = key else {
        let failure = Failure::new(format!(
            "--id names records of objects with one key field; the key of `{object}` is: {}",
            key.join(", ")
        ));
        return Err(failure.hint("pass records with these fields with --input").into());
    };
    let types = schema.property(schema.root(), field).map(|p| schema.types(p));
    let mut text = String::new();
    for id in ids.iter().map(|id| id.trim()) {
        if id.is_empty() {
            return Err(Failure::new("there is an empty key in --id").hint("write --id 1,2,3").into());
        }
        let value = match types {
            Some(types) => types.value_of(id).ok_or_else(|| {
                Failure::new(format!("the key `{field}` of `{object}` takes {}, not `{id}`", types.words()))
            })?,
            None if crate::json::is_number(id) => id.to_owned(),
            None => crate::json::quote(id),
        };
        text.push_str(&format!("{{{}:{value}}}\n", crate::json::quote(field)));
    }
    Ok(text)
}

/// One write command.
struct Job<'a> {
    session: &'a Session,
    connection: Connection,
    activity: Activity,
    options: &'a WriteOptions,
    mode: WriteMode,
    match_on: Vec<String>,
    key: Vec<String>,
    schema: Schema,
}

/// Why no more is sent.
enum Stop {
    /// A record failed, and the user wants to stop then.
    Record,
    /// The user asked for it.
    Interrupt,
    /// The call itself failed, or its outcomes cannot be kept.
    Failed(Failures),
}

impl<'a> Job<'a> {
    async fn new(
        session: &'a Session,
        activity: Activity,
        options: &'a WriteOptions,
        mode: WriteMode,
        match_on: Vec<String>,
    ) -> Result<Self> {
        let connection = session.connection(&options.name).await?;
        let described = describe(&connection, &options.object).await?;
        let schema =
            activity_schema(&described, activity).ok_or_else(|| not_offered(&described, &options.object, activity))?;
        Ok(Self {
            session,
            activity,
            options,
            mode,
            match_on,
            schema: parse_schema(&schema.request)?,
            key: described.key,
            connection,
        })
    }

    async fn run(&self, source: Source) -> Result<()> {
        let by_name = match &source {
            Source::File(path) => Format::of_name(path),
            Source::Stdin | Source::Text(_) => None,
        };
        let format = self.options.input_format.or(by_name).unwrap_or(Format::Ndjson);
        let mut records = input::read(&source, format, &self.schema)?;
        let from = self.options.from_row;
        if from > records.count {
            let failure = Failure::new(format!(
                "--from-row {from} is behind the last record: {} holds {}",
                source.name(),
                records.count
            ));
            return Err(failure.into());
        }
        if self.options.dry_run {
            return self.dry_run(&mut records).await;
        }
        if !self.options.continue_on_error {
            self.check_all(&mut records, &source.name()).await?;
        }
        let mut outcomes = self.outcomes()?;
        records.rewind_to(from)?;
        let wanted = self.session.chatty();
        let mut progress = Progress::start(&self.connection, self.done_word(), Some(records.count - from + 1), wanted);
        let stop = self.send(&mut records, &mut outcomes, &progress).await.err();
        let summary = progress.finish();
        self.conclude(&outcomes, stop, records.count, &summary)
    }

    fn outcomes(&self) -> Result<Outcomes> {
        let Some(path) = &self.options.outcomes else {
            return Ok(Outcomes::on_stdout());
        };
        let (outcomes, doubt) = Outcomes::in_file(path, self.options.from_row > 1)?;
        if let Some(rows) = doubt {
            self.session.note(format!(
                "note: rows {} to {} were under way when an earlier run ended; `connector resolve {} {}` looks them up",
                rows.first_row,
                rows.last_row,
                self.options.name,
                path.display()
            ));
        }
        Ok(outcomes)
    }

    fn request(&self, records: Vec<u8>, validate_only: bool) -> WriteRequest {
        WriteRequest {
            object: self.options.object.clone(),
            records,
            mode: self.mode,
            match_on: self.match_on.clone(),
            continue_on_error: self.options.continue_on_error || validate_only,
            validate_only,
        }
    }

    async fn call(&self, instance: &mut Instance, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        match self.activity {
            Activity::Create => instance.create(request).await,
            Activity::Update => instance.update(request).await,
            Activity::Delete | Activity::Query => instance.delete(request).await,
        }
    }

    /// Lets the connector check all records. Sends nothing.
    async fn check(&self, records: &mut Records, outcomes: &mut Outcomes) -> Result<()> {
        records.rewind_to(self.options.from_row)?;
        let mut instance = self.connection.activity().await.map_err(|e| remote::call_failed(&e))?;
        let _guard = self.session.interrupt.cancels(instance.canceller());
        while let Some(batch) = records.next_batch(self.options.batch)? {
            let request = self.request(batch.ndjson, true);
            let result = self.call(&mut instance, &request).await.map_err(|e| remote::call_failed(&e))?;
            outcomes.write(batch.first_row, &result)?;
            if self.session.interrupt.asked() {
                return Err(Failure::new("stopped, as you asked; nothing was sent").with("kind", "cancelled").into());
            }
        }
        Ok(())
    }

    /// Refuses the whole input if one record is wrong.
    async fn check_all(&self, records: &mut Records, name: &str) -> Result<()> {
        let mut found = Outcomes::nowhere();
        self.check(records, &mut found).await?;
        let bad = found.tally.failed + found.tally.unknown;
        if bad == 0 {
            return Ok(());
        }
        let verb = if bad == 1 { "is" } else { "are" };
        let failure = Failure::new(format!("{} of {name} {verb} not valid; nothing was sent", counted(bad, "record")));
        let failure = examples(failure, &found, bad);
        Err(failure
            .hint("mend them, or pass --continue-on-error to send the others")
            .with("kind", "invalid-request")
            .into())
    }

    async fn dry_run(&self, records: &mut Records) -> Result<()> {
        let mut outcomes = match &self.options.outcomes {
            Some(path) => Outcomes::in_file(path, false)?.0,
            None => Outcomes::on_stdout(),
        };
        self.check(records, &mut outcomes).await?;
        let bad = outcomes.tally.failed + outcomes.tally.unknown;
        self.session.note(format!(
            "dry run: {} valid, {} not valid; nothing was sent",
            grouped(outcomes.tally.skipped),
            grouped(bad)
        ));
        if bad == 0 {
            return Ok(());
        }
        let failure = Failure::new(format!(
            "{} not valid",
            if bad == 1 { "1 record is".to_owned() } else { format!("{} records are", grouped(bad)) }
        ));
        Err(examples(failure, &outcomes, bad).into())
    }

    /// Sends batches until all are sent or something stops it.
    async fn send(&self, records: &mut Records, outcomes: &mut Outcomes, progress: &Progress) -> Result<(), Stop> {
        let failed = |failure: Failure| Stop::Failed(failure.into());
        let mut instance = self.connection.activity().await.map_err(|e| Stop::Failed(remote::call_failed(&e)))?;
        let _guard = self.session.interrupt.cancels(instance.canceller());
        let write = unsettled::Write::new(self.activity, &self.request(Vec::new(), false)).to_json();
        while let Some(batch) = records.next_batch(self.options.batch).map_err(failed)? {
            if self.session.interrupt.asked() {
                outcomes.go_on_at.get_or_insert(batch.first_row);
                return Err(Stop::Interrupt);
            }
            let request = self.request(batch.ndjson, false);
            outcomes.sending(batch.first_row, batch.count, &write, &request.records).map_err(failed)?;
            let (result, stop) = match self.call(&mut instance, &request).await {
                Ok(result) => complete(result, batch.count),
                Err(error) => {
                    let outcome = match &error {
                        CallError::Ended(ended) if ended.effect == Effect::EveryRecordUnknown => {
                            Outcome::Unknown(lost(&ended.to_string()))
                        }
                        _ => Outcome::Skipped,
                    };
                    let stop = if self.session.interrupt.asked() && error.is_cancelled() {
                        Stop::Interrupt
                    } else {
                        Stop::Failed(remote::call_failed(&error))
                    };
                    (vec![outcome; usize::try_from(batch.count).unwrap_or(0)], Some(stop))
                }
            };
            let before = outcomes.tally;
            outcomes.write(batch.first_row, &result).map_err(failed)?;
            progress.add(outcomes.tally.applied - before.applied);
            if let Some(stop) = stop {
                outcomes.go_on_at.get_or_insert(batch.first_row + batch.count);
                return Err(stop);
            }
            let bad = (outcomes.tally.failed - before.failed) + (outcomes.tally.unknown - before.unknown);
            let skipped = outcomes.tally.skipped > before.skipped;
            if bad > 0 && !self.options.continue_on_error {
                outcomes.go_on_at.get_or_insert(batch.first_row + batch.count);
                return Err(Stop::Record);
            }
            if skipped && self.session.interrupt.asked() {
                return Err(Stop::Interrupt);
            }
        }
        Ok(())
    }

    fn done_word(&self) -> &'static str {
        match self.activity {
            Activity::Create => "created",
            Activity::Update | Activity::Query => "updated",
            Activity::Delete => "deleted",
        }
    }

    /// Says what was done, and how to go on.
    fn conclude(&self, outcomes: &Outcomes, stop: Option<Stop>, last_row: u64, summary: &str) -> Result<()> {
        let Tally { applied, failed, unknown, skipped } = outcomes.tally;
        let verb = if self.mode == WriteMode::Upsert { "created or updated" } else { self.done_word() };
        let mut told = format!("{} {verb}", counted(applied, "record"));
        for (count, word) in [(failed, "failed"), (unknown, "unknown"), (skipped, "not sent")] {
            if count > 0 {
                told.push_str(&format!(", {} {word}", grouped(count)));
            }
        }
        let place = outcomes.file().map(|p| format!("; outcomes are in {}", p.display())).unwrap_or_default();
        self.session.note(format!("{told} in {summary}{place}"));

        let mut list = Vec::new();
        if failed + unknown > 0 {
            let mut words = Vec::new();
            for (count, word) in [(failed, "failed"), (unknown, "may or may not have been done")] {
                if count > 0 {
                    words.push(format!("{} {word}", counted(count, "record")));
                }
            }
            list.push(examples(Failure::new(words.join(", ")), outcomes, failed + unknown));
        }
        match stop {
            None | Some(Stop::Record) => {}
            Some(Stop::Interrupt) => list.push(Failure::new("stopped, as you asked").with("kind", "cancelled")),
            Some(Stop::Failed(more)) => list.extend(more.0),
        }
        if let (Some(failure), Some(file)) = (list.first_mut().filter(|_| unknown > 0), outcomes.file()) {
            failure.hint = Some(format!("`connector resolve {} {}` looks them up", self.options.name, file.display()));
        }
        if let Some(failure) = list.last_mut() {
            let tally = json!({ "applied": applied, "failed": failed, "unknown": unknown, "skipped": skipped });
            failure.detail.insert("outcomes".into(), tally);
            if let Some(row) = outcomes.go_on_at.filter(|row| *row <= last_row) {
                let go_on = format!("row {row} and what follows was not sent: go on with --from-row {row}");
                failure.hint = Some(failure.hint.take().map_or(go_on.clone(), |hint| format!("{hint}; {go_on}")));
                failure.detail.insert("from_row".into(), json!(row));
            }
        }
        Failures::check(list)
    }
}

/// Adds the first failures as causes.
fn examples(mut failure: Failure, outcomes: &Outcomes, bad: u64) -> Failure {
    for (row, error) in &outcomes.examples {
        let pointer = error.pointer.as_deref().filter(|p| !p.is_empty()).map(|p| format!(" ({p})")).unwrap_or_default();
        failure = failure.cause(format!("row {row}{pointer}: {}", error.message));
    }
    let told = outcomes.examples.len() as u64;
    if bad > told {
        failure = failure.cause(format!("and {} more", grouped(bad - told)));
    }
    let errors: Vec<_> =
        outcomes.examples.iter().map(|(row, e)| json!({ "row": row, "error": remote::to_json(e) })).collect();
    failure.with("rows", errors)
}

/// A call that ended without an answer.
fn lost(message: &str) -> Error {
    Error {
        kind: ErrorKind::Internal,
        retry: Retry::OutcomeUnknown,
        message: message.to_owned(),
        status: None,
        code: None,
        pointer: None,
    }
}

/// Holds the connector to one outcome per record. Records that it says nothing about are unknown.
fn complete(mut result: Vec<Outcome>, count: u64) -> (Vec<Outcome>, Option<Stop>) {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if result.len() == count {
        return (result, None);
    }
    let message = format!("the connector gave {} outcomes for {count} records", result.len());
    result.resize(count, Outcome::Unknown(lost(&message)));
    let failure = Failure::defect(message).hint("this is a defect of the connector: please report it");
    (result, Some(Stop::Failed(failure.into())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_on_the_command_line_become_records_with_their_digits() {
        let schema = Schema::parse(r#"{"properties":{"id":{"type":"integer"}}}"#).unwrap();
        let key = ["id".to_owned()];
        let ids = ["12345678901234567890".to_owned(), " 2".to_owned()];
        assert_eq!(keys(&ids, &key, &schema, "products").unwrap(), "{\"id\":12345678901234567890}\n{\"id\":2}\n");
        assert!(keys(&["x".to_owned()], &key, &schema, "products").is_err());
        assert!(keys(&[String::new()], &key, &schema, "products").is_err());
        let two = ["customer_id".to_owned(), "id".to_owned()];
        assert!(keys(&ids, &two, &schema, "customers/addresses").is_err());
    }

    #[test]
    fn a_record_without_an_outcome_is_unknown() {
        let (result, stop) = complete(vec![Outcome::Skipped], 3);
        assert!(matches!(result.as_slice(), [Outcome::Skipped, Outcome::Unknown(_), Outcome::Unknown(_)]));
        assert!(stop.is_some());
    }
}
