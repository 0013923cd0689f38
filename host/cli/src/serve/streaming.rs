//! The whole result of a query as it is read: NDJSON, page by page, so that memory stays flat however many records there are. Whoever
//! reads slowly makes the query slow; whoever goes away ends it.
//!
//! The last line is no record: `{"end":{"count":N,"state":…}}`, or `{"error":{…}}` with the problem and, where there is a place to
//! go on from, its `cursor`. A stream without one of them broke off.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse as _;
use connector_host::Pages;
use connector_host::contract::Page;
use futures_util::stream;
use serde_json::json;

use super::answer::Answer;
use super::closing::Counted;
use super::records::Places;
use super::state::Server;

/// The type of such a stream.
const NDJSON: &str = "application/x-ndjson";

/// Whether this is what was asked for.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| one.split(';').next().unwrap_or_default().trim() == NDJSON)
}

struct Reading {
    server: Arc<Server>,
    pages: Pages,
    places: Places,
    /// The page that was there before the answer began.
    first: Option<Option<Page>>,
    count: u64,
    /// What the connector gave with the last page.
    state: Option<String>,
    is_over: bool,
    _counted: Counted,
}

/// Answers with all records, once the first page is there: what is wrong with a query is answered under its status.
pub(super) async fn answer(server: &Arc<Server>, mut pages: Pages, places: Places) -> Answer {
    let counted = server.closing.begins();
    let first = server.closing.call(pages.canceller(), pages.next()).await.map_err(|e| places.refusal(&e))?;
    let server = Arc::clone(server);
    let (first, state) = (Some(first), None);
    let reading = Reading { server, pages, places, first, count: 0, state, is_over: false, _counted: counted };
    let parts = stream::unfold(reading, |mut reading| async {
        if reading.is_over {
            return None;
        }
        let part = reading.next().await;
        Some((Ok::<_, Infallible>(part), reading))
    });
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(parts)).into_response())
}

impl Reading {
    /// The next page, or the last line.
    async fn next(&mut self) -> Bytes {
        loop {
            let page = match self.first.take() {
                Some(first) => Ok(first),
                None => self.server.closing.call(self.pages.canceller(), self.pages.next()).await,
            };
            let last = match page {
                // An empty part would end the answer's body for some clients.
                Ok(Some(page)) if page.records.is_empty() => {
                    self.state = page.state;
                    continue;
                }
                Ok(Some(page)) => {
                    self.count += u64::from(page.count);
                    self.state = page.state;
                    return Bytes::from(page.records);
                }
                Ok(None) => json!({ "end": { "count": self.count, "state": self.state } }),
                Err(error) => {
                    let problem = self.places.refusal(&error).with("cursor", self.pages.cursor()).to_json();
                    json!({ "error": problem })
                }
            };
            self.is_over = true;
            return Bytes::from(format!("{last}\n"));
        }
    }
}
