//! `query`: pages of records go to the output as they come, so memory stays flat however many there are.

use connector_host::contract::{Comparison, Condition, Order, QueryRequest};
use connector_host::{CallError, Connection};
use serde_json::json;

use super::{print, print_json};
use crate::args::Query;
use crate::condition::{self, Op};
use crate::error::{Failure, Failures, Result, nearest};
use crate::output::{Format, Output, WriteError};
use crate::progress::{Progress, counted};
use crate::remote;
use crate::session::{Session, describe, parse_schema};
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
    let mut since = query.since.as_deref().map(|path| StateFile::open(path, &query.name, &query.object)).transpose()?;
    let limit = query.limit.or((format == Format::Table).then_some(TABLE_RECORDS));

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
    let output = Output::open(format, query.output.as_deref(), &query.fields)?;
    let mut run = Run {
        output,
        progress: Progress::start(&connection, "read", limit, session.chatty()),
        records: 0,
        limit,
        state: None,
    };
    match run.pages(session, &connection, &request, since.as_mut()).await {
        Ok(more) => {
            let summary = run.progress.finish();
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
        Err(Stop::Failed { mut failures, cursor }) => {
            run.progress.finish();
            let partial = match run.output.abandon(run.records) {
                Ok(partial) => partial,
                Err(WriteError::Closed) => None,
                Err(WriteError::Failed(failure)) => {
                    failures.0.push(failure);
                    None
                }
            };
            if let Some(last) = failures.0.last_mut() {
                last.detail.insert("records".into(), json!(run.records));
                if let Some(path) = &partial {
                    last.detail.insert("partial".into(), json!(path.display().to_string()));
                    last.causes.push(format!(
                        "{} before that are in {}",
                        counted(run.records, "record"),
                        path.display()
                    ));
                } else if run.records > 0 {
                    last.causes.push(format!("{} before that were written", counted(run.records, "record")));
                }
                if query.since.is_some() {
                    let again = "run the same command again: it goes on where the state file says";
                    last.hint = Some(last.hint.take().map_or(again.to_owned(), |hint| format!("{hint}; {again}")));
                } else if let Some(cursor) = cursor {
                    let go_on = format!("go on with the same command and --cursor {cursor}");
                    last.hint = Some(last.hint.take().map_or(go_on.clone(), |hint| format!("{hint}; {go_on}")));
                    last.detail.insert("cursor".into(), json!(cursor));
                }
            }
            Err(failures)
        }
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
}

/// Why a query ended early.
enum Stop {
    /// Whoever reads the output has had enough.
    Closed,
    Failed {
        failures: Failures,
        cursor: Option<String>,
    },
}

impl Run {
    /// Reads all pages; says whether there is more than the limit let through.
    async fn pages(
        &mut self,
        session: &Session,
        connection: &Connection,
        request: &QueryRequest,
        mut since: Option<&mut StateFile>,
    ) -> Result<bool, Stop> {
        let begin = |failures: Failures| Stop::Failed { failures, cursor: request.cursor.clone() };
        let mut pages = connection.query(request.clone()).await.map_err(|e| begin(remote::call_failed(&e)))?;
        let _guard = session.interrupt.cancels(pages.canceller());
        loop {
            // The cursor that leads to what is about to be read: whoever goes on from it misses nothing.
            let cursor = pages.cursor().map(str::to_owned).or_else(|| request.cursor.clone());
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(false),
                Err(error) => {
                    let failures = stopped(session, connection, request, &error).await;
                    return Err(Stop::Failed { failures, cursor });
                }
            };
            let room = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.records));
            let (records, count) = cut(&page.records, u64::from(page.count), room);
            match self.output.write(records) {
                Ok(()) => {}
                Err(WriteError::Closed) => return Err(Stop::Closed),
                Err(WriteError::Failed(failure)) => {
                    return Err(Stop::Failed { failures: failure.into(), cursor });
                }
            }
            self.records += count;
            self.progress.add(count);
            self.state = page.state;
            if let (Some(since), Some(next), true) = (&mut since, &page.next, self.output.streams())
                && let Err(failure) = since.reached(next)
            {
                return Err(Stop::Failed { failures: failure.into(), cursor: page.next });
            }
            if count == room {
                return Ok(page.next.is_some() || count < u64::from(page.count));
            }
            if session.interrupt.asked() && page.next.is_some() {
                return Err(Stop::Failed { failures: interrupted().into(), cursor: page.next });
            }
        }
    }
}

fn interrupted() -> Failure {
    Failure::new("stopped, as you asked").with("kind", "cancelled")
}

async fn stopped(session: &Session, connection: &Connection, request: &QueryRequest, error: &CallError) -> Failures {
    if session.interrupt.asked() && error.is_cancelled() {
        return interrupted().into();
    }
    let mut failures = remote::call_failed(error);
    name_neighbour(connection, request, error, &mut failures).await;
    failures
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

/// The first `room` lines of a page, and how many they are.
fn cut(records: &[u8], count: u64, room: u64) -> (&[u8], u64) {
    if count <= room {
        return (records, count);
    }
    let mut left = room;
    let end = records.iter().position(|byte| {
        if left > 0 && *byte == b'\n' {
            left -= 1;
        }
        left == 0
    });
    (end.and_then(|end| records.get(..=end)).unwrap_or(records), room)
}

/// All of them, or everything that is wrong with them.
fn read_all<T>(results: impl Iterator<Item = Result<T, Failure>>) -> Result<Vec<T>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(failure) => bad.push(failure),
        }
    }
    Failures::check(bad)?;
    Ok(good)
}

fn order(text: &str) -> Result<Order, Failure> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (field, descending) = match words.as_slice() {
        [field] => (field, false),
        [field, word] if word.eq_ignore_ascii_case("asc") => (field, false),
        [field, word] if word.eq_ignore_ascii_case("desc") => (field, true),
        _ => {
            return Err(Failure::new(format!("cannot read the order `{text}`"))
                .hint("an order is FIELD, FIELD asc or FIELD desc"));
        }
    };
    Ok(Order { field: (*field).to_owned(), descending })
}

/// The conditions as the contract has them. What was typed without quotes is a text where the field holds texts.
async fn filter(
    connection: &Connection,
    object: &str,
    conditions: Vec<condition::Condition>,
) -> Result<Vec<Condition>> {
    let doubtful = |c: &condition::Condition| c.values.iter().any(|v| v.bare.as_ref() == Some(&v.json));
    let schema = if conditions.iter().any(doubtful) {
        describe(connection, object).await?.query.map(|q| parse_schema(&q.request)).transpose()?
    } else {
        None
    };
    let convert = |condition: condition::Condition| {
        let types = schema.as_ref().and_then(|s| Some(s.types(s.property(s.root(), &condition.field)?)));
        let text_wanted = types.is_some_and(crate::schema::Types::only_text) || condition.op == Op::Contains;
        let mut values = condition.values.into_iter().map(|value| match value.bare {
            Some(bare) if text_wanted && bare != "null" => crate::json::quote(&bare),
            _ => value.json,
        });
        let value = if condition.op == Op::OneOf {
            format!("[{}]", values.collect::<Vec<_>>().join(","))
        } else {
            values.next().unwrap_or_default()
        };
        Condition { field: condition.field, op: comparison(condition.op), value }
    };
    Ok(conditions.into_iter().map(convert).collect())
}

fn comparison(op: Op) -> Comparison {
    match op {
        Op::Equal => Comparison::Equal,
        Op::NotEqual => Comparison::NotEqual,
        Op::Less => Comparison::Less,
        Op::LessOrEqual => Comparison::LessOrEqual,
        Op::Greater => Comparison::Greater,
        Op::GreaterOrEqual => Comparison::GreaterOrEqual,
        Op::OneOf => Comparison::OneOf,
        Op::Contains => Comparison::Contains,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_page_is_cut_at_the_limit_and_never_within_a_record() {
        let page = b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n";
        assert_eq!(cut(page, 3, 2), (&page[..16], 2));
        assert_eq!(cut(page, 3, 3), (&page[..], 3));
        assert_eq!(cut(page, 3, u64::MAX), (&page[..], 3));
        assert_eq!(cut(b"", 0, 5), (&b""[..], 0));
    }

    #[test]
    fn an_order_is_a_field_and_a_direction() {
        assert!(order("name desc").unwrap().descending);
        assert!(!order(" name ASC").unwrap().descending);
        assert!(!order("name").unwrap().descending);
        assert!(order("name down").is_err());
        assert!(order("").is_err());
    }
}
