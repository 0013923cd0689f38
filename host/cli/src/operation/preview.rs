//! What a mapping makes of the first rows. Writes nothing.

use serde::Serialize;
use serde_json::value::RawValue;

use super::checkpoint::Position;
use super::model::Operation;
use super::runs::Order;
use super::start::{prepare, program};
use crate::error::{Failure, Failures, Result};
use crate::json::lines;
use crate::sending::Stop;
use crate::session::Session;

/// A row, and what becomes of it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    #[serde(rename = "in")]
    from: Box<RawValue>,
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
    let mut ready = prepare(session, operation, &order, true, true).await?;
    let page = match ready.source.next(&Position::Start, 0, &session.interrupt).await {
        Ok(page) => page,
        Err(Stop::Failed(failures)) => return Err(failures),
        Err(_) => return Err(Failure::new("stopped, as you asked").with("kind", "cancelled").into()),
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
    let mut rows = Vec::new();
    for line in lines(first) {
        let from = raw(line)?;
        let (out, error) = match mapped.next() {
            None => (vec![from.clone()], None),
            Some(Ok(records)) => (records.iter().map(|one| raw(one.as_bytes())).collect::<Result<_>>()?, None),
            Some(Err(error)) => (Vec::new(), Some(error)),
        };
        rows.push(Row { from, out, error });
    }
    Ok(rows)
}
