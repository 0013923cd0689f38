//! Where an operation's records come from: a file, which is read and checked to its end before the first record goes anywhere, or a
//! query, page by page.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use connector_host::contract::QueryRequest;
use connector_host::{CallError, Connection, Pages};
use sha2::{Digest as _, Sha256};

use super::checkpoint::Position;
use super::rejected;
use crate::error::Failure;
use crate::input::{self, Format, Records, Rows};
use crate::interrupt::Interrupt;
use crate::json::{first_lines, lines};
use crate::remote;
use crate::request::place;
use crate::schema::Schema;
use crate::sending::Stop;

/// Rows of a file between two checkpoints.
const PAGE: u64 = 1000;

/// A source.
pub(super) enum Source {
    File(Box<Records>),
    Query(Box<Reading>),
    /// Nothing is left to be read.
    Ended,
}

/// A query.
pub(super) struct Reading {
    connection: Connection,
    request: QueryRequest,
    /// None: it has not begun.
    pages: Option<Pages>,
}

/// Some rows.
pub(super) struct Page {
    /// One per line.
    pub ndjson: Vec<u8>,
    pub count: u64,
    /// Where reading goes on; none at the end.
    pub next: Option<Position>,
    /// The watermark so far.
    pub state: Option<String>,
}

impl Source {
    pub(super) fn file(path: &Path, format: Format, schema: &Schema) -> Result<Self, Failure> {
        let records = input::read(&input::Source::File(path.to_owned()), format, schema)?;
        Ok(Self::File(Box::new(records)))
    }

    /// How many rows there are, where that is known before they are read.
    pub(super) fn rows(&self) -> Option<u64> {
        match self {
            Self::File(records) => Some(records.count),
            Self::Query(_) | Self::Ended => None,
        }
    }

    pub(super) fn query(connection: Connection, request: QueryRequest) -> Self {
        Self::Query(Box::new(Reading { connection, request, pages: None }))
    }

    /// How many rows of a file are rejected records of which nobody knows whether they are in the target.
    pub(super) fn unknown(&mut self) -> Result<u64, Failure> {
        let Self::File(records) = self else { return Ok(0) };
        let mut count = 0;
        while let Some(batch) = records.next_batch(PAGE)? {
            count += lines(&batch.ndjson).filter(|line| rejected::is_unknown(line)).count() as u64;
        }
        records.rewind_to(Rows::From(1))?;
        Ok(count)
    }

    /// The rows from here on; `read` of them were read before.
    pub(super) async fn next(&mut self, at: &Position, read: u64, interrupt: &Interrupt) -> Result<Option<Page>, Stop> {
        match self {
            Self::Ended => Ok(None),
            Self::File(records) => {
                let row = if let Position::Row(row) = at { *row } else { 1 };
                if row > records.count {
                    return Ok(None);
                }
                let failed = |failure: Failure| Stop::Failed(failure.into());
                if records.next_row() != row {
                    records.rewind_to(Rows::From(row)).map_err(failed)?;
                }
                let Some(batch) = records.next_batch(PAGE).map_err(failed)? else { return Ok(None) };
                let next = row + batch.count;
                let next = (next <= records.count).then_some(Position::Row(next));
                Ok(Some(Page { ndjson: batch.ndjson, count: batch.count, next, state: None }))
            }
            Self::Query(reading) => {
                let Reading { connection, request, pages } = &mut **reading;
                // All of its conditions are texts of the activity.
                let texts = request.filter.len();
                let failed = |error: &CallError| Stop::Failed(place(remote::call_failed(error), texts));
                if pages.is_none() {
                    if let Position::Cursor(cursor) = at {
                        request.cursor = Some(cursor.clone());
                    }
                    let begun = connection.query(request.clone()).await;
                    *pages = Some(begun.map_err(|e| failed(&e))?);
                }
                let Some(pages) = pages else { return Ok(None) };
                let _guard = interrupt.cancels(pages.canceller());
                let page = match pages.next().await {
                    Ok(Some(page)) => page,
                    Ok(None) => return Ok(None),
                    Err(error) if interrupt.asked() && error.is_cancelled() => return Err(Stop::Interrupt),
                    Err(error) => return Err(failed(&error)),
                };
                let room = request.max_records.map_or(u64::MAX, |most| most.saturating_sub(read));
                let (records, count) = first_lines(&page.records, u64::from(page.count), room);
                let next = page.next.filter(|_| count < room).map(Position::Cursor);
                Ok(Some(Page { ndjson: records.to_vec(), count, next, state: page.state }))
            }
        }
    }
}

/// Digest of a file, so that a run never goes on with another one.
pub(super) fn digest(path: &Path) -> Result<String, Failure> {
    let failed =
        |e: &std::io::Error| Failure::new(format!("cannot read the input file `{}`", path.display())).causes_of(e);
    let mut file = File::open(path).map_err(|e| failed(&e))?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer).map_err(|e| failed(&e))?;
        if read == 0 {
            return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        digest.update(buffer.get(..read).unwrap_or_default());
    }
}
