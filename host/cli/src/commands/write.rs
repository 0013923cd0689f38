//! `create`, `update`, `delete`: records in, one outcome per record out.
//!
//! The whole input is read first, and unless `--continue-on-error` wants to know record by record, the connector checks all of
//! it before anything is sent. Then batches go out one after the other; before each, an outcomes file says which rows are about
//! to be under way. When a call ends without an answer, all of its records are unknown, and nothing more is sent.

use connector_host::Connection;
use connector_host::contract::{WriteMode, WriteRequest};
use serde_json::json;

use super::describe::{activity_schema, not_offered};
use crate::args::{Delete, Verb, Write, WriteOptions};
use crate::error::{Failure, Failures, Result};
use crate::input::{self, Format, Records, Rows, Source};
use crate::outcomes::{Outcomes, Tally, WITH_FILE, go_on};
use crate::progress::{Progress, counted, grouped};
use crate::remote;
use crate::schema::Schema;
use crate::sending::{self, Stop, call, complete};
use crate::session::{Session, describe, parse_schema};
use crate::unsent::{Unsent, were};
use crate::unsettled::{self, Sent, Via};

pub(super) async fn create_or_update(session: &Session, write: Write, verb: Verb) -> Result<()> {
    let mode = if write.upsert { WriteMode::Upsert } else { WriteMode::Strict };
    let job = Job::new(session, verb, &write.options, mode, write.match_on).await?;
    let source = if write.input.as_os_str() == "-" { Source::Stdin } else { Source::File(write.input) };
    job.run(source).await
}

pub(super) async fn delete(session: &Session, delete: Delete) -> Result<()> {
    let job = Job::new(session, Verb::Delete, &delete.options, WriteMode::Strict, Vec::new()).await?;
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
    via: Via,
    verb: Verb,
    options: &'a WriteOptions,
    mode: WriteMode,
    match_on: Vec<String>,
    key: Vec<String>,
    schema: Schema,
}

impl<'a> Job<'a> {
    async fn new(
        session: &'a Session,
        verb: Verb,
        options: &'a WriteOptions,
        mode: WriteMode,
        match_on: Vec<String>,
    ) -> Result<Self> {
        let (connection, via) = session.connection_and_store(&options.name).await?;
        let described = describe(&connection, &options.object).await?;
        let activity = verb.activity();
        let schema =
            activity_schema(&described, activity).ok_or_else(|| not_offered(&described, &options.object, activity))?;
        Ok(Self {
            session,
            verb,
            options,
            mode,
            match_on,
            schema: parse_schema(&schema.request)?,
            key: described.key,
            connection,
            via,
        })
    }

    async fn run(&self, source: Source) -> Result<()> {
        let by_name = match &source {
            Source::File(path) => Format::of_name(path),
            Source::Stdin | Source::Text(_) => None,
        };
        let format = self.options.input_format.or(by_name).unwrap_or(Format::Ndjson);
        let mut records = input::read(&source, format, &self.schema)?;
        let count = records.count;
        let from = self.options.from_row.unwrap_or(1);
        let beyond = |what: &str, row: u64| {
            Failure::new(format!("{what} {row} is behind the last record: {} holds {count}", source.name()))
        };
        if from > count {
            return Err(beyond("--from-row", from).into());
        }
        // A file that rows are taken from is read before they are checked; one that is only written is not made until then.
        let mut opened = if self.options.only_skipped { Some(self.outcomes()?) } else { None };
        let rows = match &opened {
            Some(outcomes) => Rows::These(outcomes.unsent.rows().clone()),
            None => Rows::From(from),
        };
        let wanted = match &rows {
            Rows::From(from) => count - from + 1,
            Rows::These(rows) => {
                if let Some(last) = rows.last().filter(|last| **last > count) {
                    return Err(beyond("skipped row", *last).hint("pass the input of the first run").into());
                }
                rows.len() as u64
            }
        };
        if wanted == 0 {
            self.session.note("the outcomes file has no row that was skipped");
        }
        if self.options.dry_run {
            return self.dry_run(&mut records, rows).await;
        }
        if !self.options.continue_on_error {
            self.check_all(&mut records, rows.clone(), &source.name()).await?;
        }
        let mut outcomes = match opened.take() {
            Some(outcomes) => outcomes,
            None => self.outcomes()?,
        };
        records.rewind_to(rows)?;
        let chatty = self.session.chatty();
        let mut progress = Progress::start(&self.connection, self.verb.done(), Some(wanted), chatty);
        let stop = if wanted == 0 { None } else { self.send(&mut records, &mut outcomes, &progress).await.err() };
        let summary = progress.finish();
        self.conclude(&outcomes, stop, count, &summary)
    }

    /// Where outcomes go, and what was not sent so far.
    fn outcomes(&self) -> Result<Outcomes, Failure> {
        let unsent = Unsent::from_row(self.options.from_row.unwrap_or(1));
        let Some(path) = &self.options.outcomes else {
            let mut outcomes = Outcomes::on_stdout();
            outcomes.unsent = unsent;
            return Ok(outcomes);
        };
        if self.options.only_skipped && !path.exists() {
            let failure = Failure::new(format!("there is no outcomes file `{}`", path.display()));
            return Err(failure.hint("--only-skipped takes the file that the first run wrote"));
        }
        let append = self.options.from_row.is_some() || self.options.only_skipped;
        let (mut outcomes, earlier) = Outcomes::in_file(path, append, &self.sent())?;
        if let Some((first, last)) = earlier.doubt {
            self.session.note(format!(
                "note: rows {first} to {last} were under way when an earlier run ended; `connector resolve {} {}` looks them up",
                self.options.name,
                path.display()
            ));
        }
        outcomes.unsent = if self.options.only_skipped { earlier.unsent } else { unsent };
        Ok(outcomes)
    }

    /// What the outcomes file notes of every call.
    fn sent(&self) -> Sent {
        let write = unsettled::Write::new(self.verb, &self.request(Vec::new(), false));
        Sent { via: self.via.clone(), write }
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

    /// Lets the connector check all records. Sends nothing.
    async fn check(&self, records: &mut Records, rows: Rows, outcomes: &mut Outcomes) -> Result<()> {
        records.rewind_to(rows)?;
        let mut instance = self.connection.activity().await.map_err(|e| remote::call_failed(&e))?;
        let _guard = self.session.interrupt.cancels(instance.canceller());
        while let Some(batch) = records.next_batch(self.options.batch)? {
            let request = self.request(batch.ndjson, true);
            let result = call(&mut instance, self.verb, &request).await.map_err(|e| remote::call_failed(&e))?;
            let (result, stop) = complete(result, batch.count);
            if let Some(Stop::Failed(failures)) = stop {
                return Err(failures);
            }
            outcomes.write(batch.first_row, &result)?;
            if self.session.interrupt.asked() {
                return Err(Failure::new("stopped, as you asked; nothing was sent").with("kind", "cancelled").into());
            }
        }
        Ok(())
    }

    /// Refuses the whole input if one record is wrong.
    async fn check_all(&self, records: &mut Records, rows: Rows, name: &str) -> Result<()> {
        let mut found = Outcomes::nowhere();
        self.check(records, rows, &mut found).await?;
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

    async fn dry_run(&self, records: &mut Records, rows: Rows) -> Result<()> {
        let mut outcomes = Outcomes::on_stdout();
        self.check(records, rows, &mut outcomes).await?;
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
        let sent = self.sent();
        while let Some(batch) = records.next_batch(self.options.batch).map_err(failed)? {
            if self.session.interrupt.asked() {
                return Err(Stop::Interrupt);
            }
            let request = self.request(batch.ndjson, false);
            outcomes.sending(batch.first_row, batch.count, &sent, &request.records).map_err(failed)?;
            let (result, stop) =
                sending::send(&mut instance, self.verb, &request, batch.count, &self.session.interrupt).await;
            let before = outcomes.tally;
            outcomes.write(batch.first_row, &result).map_err(failed)?;
            progress.add(outcomes.tally.applied - before.applied);
            if let Some(stop) = stop {
                return Err(stop);
            }
            let bad = (outcomes.tally.failed - before.failed) + (outcomes.tally.unknown - before.unknown);
            let skipped = outcomes.tally.skipped > before.skipped;
            if bad > 0 && !self.options.continue_on_error {
                return Err(Stop::Record);
            }
            if skipped && self.session.interrupt.asked() {
                return Err(Stop::Interrupt);
            }
        }
        Ok(())
    }

    /// Says what was done, and how to go on.
    fn conclude(&self, outcomes: &Outcomes, stop: Option<Stop>, last_row: u64, summary: &str) -> Result<()> {
        let Tally { applied, failed, unknown, skipped } = outcomes.tally;
        let verb = if self.mode == WriteMode::Upsert { "created or updated" } else { self.verb.done() };
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
            list.push(examples(Failure::new(outcomes.tally.wrong()), outcomes, failed + unknown));
        }
        match stop {
            None if list.is_empty() && skipped > 0 => {
                list.push(Failure::new(format!("{} not sent", counted(skipped, "record"))));
            }
            None | Some(Stop::Record) => {}
            Some(Stop::Interrupt) => list.push(Failure::new("stopped, as you asked").with("kind", "cancelled")),
            Some(Stop::Failed(more)) => list.extend(more.0),
        }
        if let (Some(failure), Some(file)) = (list.first_mut().filter(|_| unknown > 0), outcomes.file()) {
            failure.hint = Some(format!("`connector resolve {} {}` looks them up", self.options.name, file.display()));
        }
        match list.last_mut() {
            Some(failure) => {
                failure.detail.insert("outcomes".into(), outcomes.tally.to_json());
                self.hint_rest(failure, outcomes, last_row);
            }
            None if self.options.only_skipped && outcomes.unsent.rest().from_row <= last_row => {
                let rest = outcomes.unsent.rest();
                self.session.note(format!("row {0} and what follows was not sent yet: --from-row {0}", rest.from_row));
            }
            None => {}
        }
        Failures::check(list)
    }

    /// Says how to send what was not sent.
    fn hint_rest(&self, failure: &mut Failure, outcomes: &Outcomes, last_row: u64) {
        let rest = outcomes.unsent.rest();
        let skipped: Vec<u64> = outcomes.unsent.rows().iter().copied().collect();
        if self.options.only_skipped && !skipped.is_empty() {
            failure.and_hint(format!("{} not sent: go on with --only-skipped", were(&skipped)));
            failure.detail.insert("skipped_rows".into(), json!(skipped));
        } else if !rest.between.is_empty() {
            let hint = if rest.from_row <= last_row {
                go_on(&rest, outcomes.file().is_some())
            } else if outcomes.file().is_some() {
                format!("{} not sent: go on with --only-skipped", were(&rest.between))
            } else {
                format!("{} not sent: send them as an input of their own; {WITH_FILE}", were(&rest.between))
            };
            failure.and_hint(hint);
            failure.detail.insert("skipped_rows".into(), json!(rest.between));
        } else if rest.from_row <= last_row {
            failure
                .and_hint(format!("row {0} and what follows was not sent: go on with --from-row {0}", rest.from_row));
            failure.detail.insert("from_row".into(), json!(rest.from_row));
        }
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
}
