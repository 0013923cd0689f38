//! `query`: pages of records go to the output as they come, so memory stays flat however many there are.

use connector_host::contract::QueryRequest;
use connector_host::{CallError, Connection};
use serde_json::json;

use super::{print, print_json};
use crate::args::Query;
use crate::condition;
use crate::error::{Failure, Failures, Result, nearest};
use crate::json::first_lines;
use crate::output::{Format, Output, WriteError};
use crate::paths::OwnFiles;
use crate::progress::{Progress, counted};
use crate::remote;
use crate::request::{filter, order, read_all};
use crate::session::{Session, describe};
use crate::since::StateFile;

/// Records that a table shows unless more are asked for: it is for the eye, and it is kept in memory.
const TABLE_RECORDS: u64 = 50;

pub(super) async fn run(session: &Session, query: Query) -> Result<()> {
    // What was typed is read before anything is opened.
    let conditions = read_all(query.conditions.iter().map(|text| condition::parse(text)))?;
    let order_by = read_all(query.order.iter().map(|text| order(text)))?;
    let format = query.format.or_else(|| Format::of_name(query.output.as_deref()?)).unwrap_or(Format::Ndjson);
    if query.since.is_some() && format == Format::Table {
        let failure = Failure::new("a table shows the first records only, so the state could not move on");
        return Err(failure.hint("pass another --format with --since").into());
    }
    if query.output.is_none() && format == Format::Parquet {
        let failure = Failure::new("a Parquet file does not go to stdout: it is made when all records are there");
        return Err(failure.hint("pass --output NAME.parquet").into());
    }
    if let Some(path) = &query.output {
        OwnFiles::of(session).refuse(path).map_err(|failure| failure.hint("name another file with --output"))?;
    }
    let limit = query.limit.or((format == Format::Table).then_some(TABLE_RECORDS));
    // Before anything is read: a state that cannot be kept makes the read worthless.
    let state_file = if query.explain { StateFile::look } else { StateFile::open };
    let since = query.since.as_deref().map(|path| state_file(path, &query.name, &query.object)).transpose()?;

    let connection = session.connection(&query.name).await?;
    let filter = filter(&connection, &query.object, conditions).await?;
    let request = QueryRequest {
        object: query.object.clone(),
        fields: query.fields.clone(),
        filter,
        order_by,
        include: query.include.clone(),
        page_size: query.page_size,
        max_records: limit,
        since: since.as_ref().map(|since| since.state().to_owned()),
        cursor: query.cursor.clone().or_else(|| since.as_ref()?.cursor().map(str::to_owned)),
    };
    if query.explain {
        return explain(session, &connection, &request).await;
    }
    // From here on there is a file that an abrupt end would leave behind.
    let _working = session.interrupt.working();
    let mut columns = query.fields.clone();
    if format == Format::Parquet && columns.is_empty() {
        // Also where no record comes, the file has columns.
        columns = describe(&connection, &query.object).await?.fields.into_iter().map(|field| field.name).collect();
    }
    let output = Output::open(format, query.output.as_deref(), &columns, query.cursor.as_deref())?;
    if let Some(partial) = output.continues() {
        session.note(format!("going on with {} of {}", counted(output.continued(), "record"), partial.display()));
    } else if let (Some(path), Some(_)) = (&query.output, &query.cursor) {
        session.note(format!("no records before this cursor are kept here: {} begins at it", path.display()));
    }
    let progress = Progress::start(&connection, "read", limit, session.chatty());
    let mut run = Run { output, progress, records: 0, limit, state: None, since };
    match run.all(session, &connection, request).await {
        Ok(more) => {
            let summary = run.progress.finish();
            let mut since = run.since;
            match run.output.finish() {
                Ok(()) => {}
                // Not everything was taken: the next read goes on where this one was heard last.
                Err(WriteError::Closed) => since = None,
                Err(WriteError::Failed(failure)) => return Err(failure.into()),
            }
            if let Some(since) = &mut since {
                let missing = || Failure::defect("the connector gave no state at the end of an incremental read");
                since.complete(run.state.ok_or_else(missing)?)?;
            }
            let target = query.output.map(|path| format!(" into {}", path.display())).unwrap_or_default();
            session.note(format!("{}{target} in {summary}", counted(run.records, "record")));
            if more && query.limit.is_none() {
                session.note(format!("there are more than {TABLE_RECORDS}: pass --limit, or another --format"));
            }
            Ok(())
        }
        Err(Stop::Closed) => Ok(()),
        Err(Stop::Failed(ended)) => Err(run.abandon(*ended)),
    }
}

/// A query under way.
struct Run {
    output: Output,
    progress: Progress,
    records: u64,
    limit: Option<u64>,
    /// What the connector gave with the last page.
    state: Option<String>,
    since: Option<StateFile>,
}

/// Why a query ended early.
enum Stop {
    /// Whoever reads the output has had enough.
    Closed,
    Failed(Box<Ended>),
}

/// A query that failed or was interrupted.
struct Ended {
    failures: Failures,
    /// Where what was not read yet begins.
    cursor: Option<String>,
    /// Whether the same call may succeed without anything being mended.
    passing: bool,
}

impl Ended {
    fn stop(failures: impl Into<Failures>, cursor: Option<String>, passing: bool) -> Stop {
        Stop::Failed(Box::new(Self { failures: failures.into(), cursor, passing }))
    }
}

impl Run {
    /// Reads everything. A cursor in the state file that the connector refuses (it is of another version, or the query was
    /// changed) must not stand in the way for ever: the read begins again where the last complete one ended.
    async fn all(
        &mut self,
        session: &Session,
        connection: &Connection,
        mut request: QueryRequest,
    ) -> Result<bool, Stop> {
        let stored = self.since.as_ref().is_some_and(|since| since.cursor().is_some());
        match self.pages(session, connection, &request).await {
            Err(Stop::Failed(ended)) if stored && self.records == 0 && refuses_cursor(&ended.failures) => {
                session.note(
                    "note: the place in the state file where the last query was interrupted cannot be used any more; \
                     reading again from the end of the last complete one, so some records come a second time",
                );
                if let Some(since) = &mut self.since {
                    since.forget_cursor();
                }
                request.cursor = None;
                self.pages(session, connection, &request).await
            }
            result => result,
        }
    }

    /// Reads all pages; says whether there is more than the limit let through.
    async fn pages(
        &mut self,
        session: &Session,
        connection: &Connection,
        request: &QueryRequest,
    ) -> Result<bool, Stop> {
        let mut pages = connection
            .query(request.clone())
            .await
            .map_err(|e| Ended::stop(remote::call_failed(&e), request.cursor.clone(), remote::is_passing(&e)))?;
        let _guard = session.interrupt.cancels(pages.canceller());
        let before = self.output.continued();
        loop {
            // The cursor that leads to what is about to be read: whoever goes on from it misses nothing.
            let cursor = pages.cursor().map(str::to_owned).or_else(|| request.cursor.clone());
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(false),
                Err(error) if session.interrupt.asked() && error.is_cancelled() => {
                    return Err(Ended::stop(interrupted(), cursor, true));
                }
                Err(error) => {
                    let mut failures = remote::call_failed(&error);
                    name_neighbour(connection, request, &error, &mut failures).await;
                    return Err(Ended::stop(failures, cursor, remote::is_passing(&error)));
                }
            };
            let room = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(before + self.records));
            let (records, count) = first_lines(&page.records, u64::from(page.count), room);
            match self.output.write(records) {
                Ok(()) => {}
                Err(WriteError::Closed) => return Err(Stop::Closed),
                Err(WriteError::Failed(failure)) => return Err(Ended::stop(failure, cursor, false)),
            }
            self.records += count;
            self.progress.add(count);
            self.state = page.state;
            if let (Some(since), Some(next), true) = (&mut self.since, &page.next, self.output.streams())
                && let Err(failure) = since.reached(next)
            {
                return Err(Ended::stop(failure, page.next, false));
            }
            if count == room {
                return Ok(page.next.is_some() || count < u64::from(page.count));
            }
            if session.interrupt.asked() && page.next.is_some() {
                return Err(Ended::stop(interrupted(), page.next, true));
            }
        }
    }

    /// Keeps what was read, and says how to go on.
    fn abandon(mut self, ended: Ended) -> Failures {
        let Ended { mut failures, cursor, passing } = ended;
        self.progress.finish();
        let to_file = !self.output.is_stdout();
        let incremental = self.since.is_some();
        let all = self.output.continued() + self.records;
        let kept = if incremental && to_file {
            // The next read begins anew, so these records will come again.
            self.output.discard();
            Ok(None)
        } else {
            self.output.abandon(self.records, cursor.as_deref())
        };
        let partial = match kept {
            Ok(partial) => partial,
            Err(WriteError::Closed) => None,
            Err(WriteError::Failed(failure)) => {
                failures.0.push(failure);
                None
            }
        };
        let Some(last) = failures.0.last_mut() else { return failures };
        last.detail.insert("records".into(), json!(self.records));
        if let Some(path) = &partial {
            last.detail.insert("partial".into(), json!(path.display().to_string()));
            let are = if all == 1 { "is" } else { "are" };
            last.notes.push(format!("{} before that {are} in {}, as NDJSON", counted(all, "record"), path.display()));
        } else if self.records > 0 && !to_file {
            let were = if self.records == 1 { "was" } else { "were" };
            last.notes.push(format!("{} before that {were} written", counted(self.records, "record")));
        }
        // To repeat what was refused helps nobody; but where something was read, there is a place to go on from.
        if !passing && self.records == 0 {
            return failures;
        }
        let first = if passing { "" } else { "once that is mended, " };
        if incremental {
            let place =
                if to_file { "begins where the last complete one ended" } else { "goes on where this one ended" };
            last.and_hint(format!("{first}run the same command again: it {place}"));
        } else if let Some(cursor) = cursor.filter(|_| !to_file || partial.is_some() || self.records == 0) {
            last.and_hint(format!("{first}go on with the same command and --cursor {cursor}"));
            last.detail.insert("cursor".into(), json!(cursor));
        }
        failures
    }
}

/// Whether the connector refused the cursor, and nothing else.
fn refuses_cursor(failures: &Failures) -> bool {
    let is = |failure: &Failure, key: &str, value: &str| failure.detail.get(key).is_some_and(|v| v == value);
    matches!(failures.0.as_slice(), [one] if is(one, "pointer", "/cursor") || is(one, "code", "cursor-version"))
}

fn interrupted() -> Failure {
    Failure::new("stopped, as you asked").with("kind", "cancelled")
}

/// If the connector does not know a field or the object, names the one that was probably meant.
async fn name_neighbour(connection: &Connection, request: &QueryRequest, error: &CallError, failures: &mut Failures) {
    let (CallError::Connector(error), Some(first)) = (error, failures.0.first_mut()) else {
        return;
    };
    // The connector may have named it itself.
    if first.hint.is_some() || first.message.contains("did you mean") {
        return;
    }
    let schema = match describe(connection, &request.object).await {
        Ok(schema) => schema,
        Err(inner) => {
            first.hint = inner.0.into_iter().next().and_then(|f| f.hint);
            return;
        }
    };
    let mut parts = error.pointer.as_deref().unwrap_or("").split('/').skip(1);
    let list = parts.next().unwrap_or("");
    let index: usize = parts.next().and_then(|i| i.parse().ok()).unwrap_or(0);
    let names: Vec<&str> = match list {
        "include" => schema.includes.iter().map(String::as_str).collect(),
        _ => schema.fields.iter().map(|f| f.name.as_str()).collect(),
    };
    let wanted = match list {
        "fields" => request.fields.get(index).map(String::as_str),
        "filter" => request.filter.get(index).map(|c| c.field.as_str()),
        "order-by" => request.order_by.get(index).map(|o| o.field.as_str()),
        "include" => request.include.get(index).map(String::as_str),
        _ => None,
    };
    if let Some(wanted) = wanted.filter(|w| !names.contains(w)) {
        first.hint = Some(match nearest(wanted, names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("`connector describe {} {}` lists the fields", connection.name(), request.object),
        });
    }
}

async fn explain(session: &Session, connection: &Connection, request: &QueryRequest) -> Result<()> {
    let plan = match connection.explain(request).await {
        Ok(plan) => plan,
        Err(error) => {
            let mut failures = remote::call_failed(&error);
            name_neighbour(connection, request, &error, &mut failures).await;
            return Err(failures);
        }
    };
    let consistency = super::describe::consistency(plan.consistency);
    if session.global.json {
        return print_json(&json!({ "requests": plan.requests, "consistency": consistency.0, "steps": plan.steps }));
    }
    let mut text = String::new();
    for step in &plan.steps {
        text.push_str(&format!("- {step}\n"));
    }
    match plan.requests {
        Some(requests) => text.push_str(&format!("A complete read makes {}.\n", counted(requests, "request"))),
        None => text.push_str("How many requests a complete read makes cannot be told beforehand.\n"),
    }
    text.push_str(&format!("Consistency: {} ({}).\n", consistency.0, consistency.1));
    print(&text)
}
