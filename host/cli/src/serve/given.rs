//! Bodies of requests: bounded in size, in the time that they may take to come, and in depth before they are read into anything; of a type that no form of another page can
//! send.

use std::path::Path;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt as _;

use super::answer::{Refusal, refusal};
use super::shape;
use crate::error::Failure;
use crate::files::not_written;

/// Largest JSON body, in bytes.
const LARGEST_JSON: usize = 1 << 20;
/// Largest body of records, in bytes: those of one write.
const LARGEST_RECORDS: usize = 16 << 20;
/// Largest body of records that are fed back to an operation, in bytes: they go into a file, and through memory piece by piece.
const LARGEST_INPUT: u64 = 64 << 20;
/// For a whole body to come: the largest one of a write at 140 KB per second. Who sends half of one holds its place for as long.
const BODY: Duration = Duration::from_secs(120);
/// The same for the largest body of records that are fed back.
const INPUT: Duration = Duration::from_secs(480);
/// Deepest JSON body, in lists and objects within each other.
const DEEPEST_JSON: usize = 32;
/// The same for a record.
const DEEPEST_RECORD: usize = 128;

/// A JSON body.
pub(super) struct Given<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Given<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        typed(request.headers(), &["application/json"])?;
        let bytes = read(request.into_body(), LARGEST_JSON, BODY).await?;
        flat(&bytes, DEEPEST_JSON)?;
        let mut body = serde_json::Deserializer::from_slice(&bytes);
        let read = serde_path_to_error::deserialize(&mut body).map_err(|error| shape::failure(&error))?;
        // What stands behind it.
        body.end().map_err(|error| refusal("invalid-request", format!("cannot read the body: {error}")))?;
        Ok(Self(read))
    }
}

/// A body of records, NDJSON or one JSON object.
pub(super) struct Lines(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let [first, second] = NDJSON;
        typed(request.headers(), &[first, second, "application/json"])?;
        let bytes = read(request.into_body(), LARGEST_RECORDS, BODY).await?;
        flat(&bytes, DEEPEST_RECORD)?;
        if bytes.trim_ascii_start().starts_with(b"[") {
            let failure = Failure::new("the body is a list, and records come one after the other");
            let hint =
                "send NDJSON: each record an object on a line of its own, without `[`, `]` and commas between them";
            return Err(failure.hint(hint).with("kind", "invalid-request").into());
        }
        Ok(Self(bytes))
    }
}

/// A JSON body, or records that are yet to come, NDJSON.
pub(super) enum GivenOrRecords<T> {
    Given(T),
    Records(Coming),
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for GivenOrRecords<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if is_typed(request.headers(), &NDJSON) {
            return Ok(Self::Records(Coming(request.into_body())));
        }
        Given::from_request(request, state).await.map(|Given(given)| Self::Given(given))
    }
}

/// A body of records that is yet to come.
pub(super) struct Coming(Body);

impl Coming {
    /// Lays them into a new file, for its owner alone, as they come.
    pub(super) async fn keep(self, path: &Path) -> Result<(), Refusal> {
        let Ok(kept) = tokio::time::timeout(INPUT, self.keep_all(path, LARGEST_INPUT)).await else {
            return Err(late(INPUT));
        };
        kept
    }

    async fn keep_all(self, path: &Path, largest: u64) -> Result<(), Refusal> {
        let failed = |e: std::io::Error| Refusal::from(not_written(path, &e));
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(path).await.map_err(failed)?;
        let (mut coming, mut length, mut depth) = (self.0.into_data_stream(), 0, Depth::default());
        while let Some(piece) = coming.next().await {
            let piece = piece.map_err(|_| broken_off())?;
            length += piece.len() as u64;
            if length > largest {
                let failure = larger(largest).hint("`connector run NAME --input FILE` takes a larger file");
                return Err(Refusal::from(failure).under(StatusCode::PAYLOAD_TOO_LARGE));
            }
            depth.read(&piece);
            depth.check(DEEPEST_RECORD)?;
            file.write_all(&piece).await.map_err(failed)?;
        }
        // The last write may be under way yet, and the one after it would tell what came of it.
        file.flush().await.map_err(failed)?;
        file.sync_data().await.map_err(failed)
    }
}

const NDJSON: [&str; 2] = ["application/x-ndjson", "application/ndjson"];

fn is_typed(headers: &HeaderMap, types: &[&str]) -> bool {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = text.split(';').next().unwrap_or_default().trim();
    types.iter().any(|one| given.eq_ignore_ascii_case(one))
}

fn typed(headers: &HeaderMap, types: &[&str]) -> Result<(), Refusal> {
    if is_typed(headers, types) {
        return Ok(());
    }
    let wanted = types.first().copied().unwrap_or_default();
    let message = format!("the body's type is to be `Content-Type: {wanted}`");
    Err(refusal("invalid-request", message).under(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

async fn read(body: Body, largest: usize, time: Duration) -> Result<Bytes, Refusal> {
    let Ok(read) = tokio::time::timeout(time, to_bytes(body, largest)).await else {
        return Err(late(time));
    };
    read.map_err(|error| {
        let mut source = std::error::Error::source(&error);
        let causes = std::iter::from_fn(|| {
            let this = source?;
            source = this.source();
            Some(this)
        });
        // The only error of this kind is the bound.
        if causes.into_iter().any(|one| one.to_string().contains("length limit")) {
            return too_large(largest as u64);
        }
        broken_off()
    })
}

fn late(time: Duration) -> Refusal {
    let message = format!("the body did not come within {} s", time.as_secs_f64());
    refusal("invalid-request", message).under(StatusCode::REQUEST_TIMEOUT)
}

fn too_large(largest: u64) -> Refusal {
    Refusal::from(larger(largest)).under(StatusCode::PAYLOAD_TOO_LARGE)
}

fn larger(largest: u64) -> Failure {
    Failure::new(format!("the body is larger than {} KiB", largest >> 10)).with("kind", "invalid-request")
}

fn broken_off() -> Refusal {
    refusal("invalid-request", "the body broke off")
}

/// Refuses what is too deep, without reading it into anything.
fn flat(bytes: &[u8], deepest: usize) -> Result<(), Refusal> {
    let mut depth = Depth::default();
    depth.read(bytes);
    depth.check(deepest)
}

/// The depth of a JSON text that comes in pieces; of another one, some number.
#[derive(Default)]
struct Depth {
    now: usize,
    deepest: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Depth {
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_text => self.is_escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'[' | b'{' => {
                    self.now += 1;
                    self.deepest = self.deepest.max(self.now);
                }
                b']' | b'}' => self.now = self.now.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn check(&self, deepest: usize) -> Result<(), Refusal> {
        if self.deepest <= deepest {
            return Ok(());
        }
        let message = format!("the body has more than {deepest} lists and objects within each other");
        Err(refusal("invalid-request", message))
    }
}

/// Answers who sends a whole body in little time.
#[cfg(test)]
pub(super) async fn halves(body: Body) -> Result<Bytes, Refusal> {
    read(body, LARGEST_JSON, Duration::from_millis(200)).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_documented_bounds_are_the_real_ones() {
        let page = include_str!("../../../../docs/http-api.md");
        for row in [
            format!("| JSON body | {} MiB, {DEEPEST_JSON} lists and objects within each other |", LARGEST_JSON >> 20),
            format!("| records of one write | {} MiB, {DEEPEST_RECORD} within each other |", LARGEST_RECORDS >> 20),
            format!(
                "| records that are fed back to an operation | {} MiB, {DEEPEST_RECORD} within each other |",
                LARGEST_INPUT >> 20
            ),
            format!("| time for a whole body | {} s | 408 |", BODY.as_secs()),
            format!("| time for records that are fed back | {} s | 408 |", INPUT.as_secs()),
        ] {
            assert!(page.contains(&row), "{row}");
        }
    }

    #[tokio::test]
    async fn records_that_are_fed_back_are_laid_into_a_file_as_they_come_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let keep = |name: &str, text: String, largest| {
            let path = folder.path().join(name);
            async move { Coming(Body::from(text)).keep_all(&path, largest).await.map_err(|refused| refused.to_json()) }
        };
        keep("whole", "{}\n".repeat(3), 9).await.unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("whole")).unwrap(), "{}\n{}\n{}\n");
        assert_eq!(keep("large", "{}\n".repeat(3), 8).await.unwrap_err()["status"], 413);
        assert_eq!(keep("deep", "[".repeat(DEEPEST_RECORD + 1), 1 << 20).await.unwrap_err()["status"], 400);
    }

    #[test]
    fn depth_counts_lists_and_objects_and_not_what_stands_in_texts() {
        let depth = |text: &[u8]| {
            let mut depth = Depth::default();
            // Cut anywhere.
            text.chunks(3).for_each(|piece| depth.read(piece));
            depth.deepest
        };
        assert_eq!(depth(b"{\"a\":[{\"b\":\"[[[[\\\"{{\"}],\"c\":[]}"), 3);
        assert_eq!(depth(b"{}\n{}\n[[]]"), 2);
        assert_eq!(depth(b"1"), 0);
    }
}
