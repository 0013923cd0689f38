//! What a mapping makes of the first rows, and what the target would refuse of it. Writes nothing.

use connector_host::contract::Outcome;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::checkpoint::Position;
use super::model::Operation;
use super::ready::{Purpose, prepare, program};
use super::runs::Order;
use super::target::Sending;
use crate::error::{Failure, Failures, Result};
use crate::interrupt::Interrupt;
use crate::json::lines;
use crate::sending::Stop;
use crate::session::Session;

/// Records that are checked in one call.
const MOST_AT_ONCE: usize = 1000;

/// A row, and what becomes of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PreviewedRow)]
pub(crate) struct Row {
    #[serde(rename = "in")]
    #[schema(value_type = Value)]
    from: Box<RawValue>,
    #[schema(value_type = Vec<Value>)]
    out: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Row {
    /// For people.
    pub(crate) fn words(&self) -> String {
        let mut text = format!("{}\n", self.from);
        for record in &self.out {
            text.push_str(&format!("  -> {record}\n"));
        }
        match &self.error {
            Some(error) => text.push_str(&format!("  error: {error}\n")),
            None if self.out.is_empty() => text.push_str("  -> no record\n"),
            None => {}
        }
        text
    }
}

/// The first `limit` rows of an operation's source.
///
/// # Errors
/// The source or the program cannot be read.
pub(crate) async fn preview(session: &Session, operation: &Operation, limit: u64) -> Result<Vec<Row>> {
    let order = Order { program: program(&session.project, operation)?, ..Order::default() };
    let mut ready = prepare(session, operation, &order, Purpose::Try).await?;
    let page = match ready.source.next(&Position::Start, 0, &session.interrupt).await {
        Ok(page) => page,
        Err(Stop::Failed(failures)) => return Err(failures),
        Err(_) => return Err(stopped()),
    };
    let ndjson = page.map(|page| page.ndjson).unwrap_or_default();
    let (first, _) = crate::json::first_lines(&ndjson, u64::MAX, limit);
    let mapped = match &mut ready.mapper {
        Some(mapper) => Some(mapper.map(first.to_vec()).await?),
        None => None,
    };
    let mut mapped = mapped.into_iter().flatten();
    let raw = |text: &[u8]| -> Result<Box<RawValue>, Failures> {
        serde_json::from_slice(text).map_err(|e| Failure::defect("a record is no JSON").causes_of(&e).into())
    };
    let mut checking = ready.checking()?;
    let mut rows = Vec::new();
    for line in lines(first) {
        let from = raw(line)?;
        let (out, error) = match mapped.next() {
            None => (vec![from.clone()], None),
            Some(Ok(records)) => (records.iter().map(|one| raw(one.as_bytes())).collect::<Result<_>>()?, None),
            Some(Err(error)) => (Vec::new(), Some(error)),
        };
        let error = match (error, &mut checking) {
            (None, Some(checking)) => wrong(checking, &out, &session.interrupt).await?,
            (error, _) => error,
        };
        rows.push(Row { from, out, error });
    }
    Ok(rows)
}

/// What the target's connector finds wrong with the records of a row first.
async fn wrong(checking: &mut Sending, records: &[Box<RawValue>], interrupt: &Interrupt) -> Result<Option<String>> {
    for batch in records.chunks(MOST_AT_ONCE) {
        let ndjson: String = batch.iter().map(|record| format!("{record}\n")).collect();
        let outcomes = match checking.send(1, batch.len() as u64, ndjson.into_bytes(), interrupt).await {
            Ok((outcomes, None)) => outcomes,
            Ok((_, Some(Stop::Failed(failures)))) | Err(Stop::Failed(failures)) => return Err(failures),
            Ok((_, Some(_))) | Err(_) => return Err(stopped()),
        };
        for outcome in outcomes {
            if let Outcome::Failed(error) | Outcome::Unknown(error) = outcome {
                return Ok(Some(error.message));
            }
        }
    }
    Ok(None)
}

fn stopped() -> Failures {
    Failure::new("stopped, as you asked").with("kind", "cancelled").into()
}
