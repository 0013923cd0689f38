//! Bodies of requests: bounded in size, in the time that they may take to come, and in depth before they are read into anything; of a type that no form of another page can
//! send.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::answer::{Refusal, refusal};

/// Largest JSON body, in bytes.
const LARGEST_JSON: usize = 1 << 20;
/// Largest body of records, in bytes: those of one write.
const LARGEST_RECORDS: usize = 16 << 20;
/// For a whole body to come: the largest one at 140 KB per second. Who sends half of one holds its place for as long.
const BODY: Duration = Duration::from_secs(120);
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
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            // What is JSON and not what was expected is told apart from what is no JSON.
            let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
            refusal(status, "invalid-request", &format!("cannot read the body: {error}"))
        })
    }
}

/// A body of records, NDJSON or one JSON object.
pub(super) struct Lines(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        typed(request.headers(), &["application/x-ndjson", "application/ndjson", "application/json"])?;
        let bytes = read(request.into_body(), LARGEST_RECORDS, BODY).await?;
        flat(&bytes, DEEPEST_RECORD)?;
        Ok(Self(bytes))
    }
}

fn typed(headers: &HeaderMap, types: &[&str]) -> Result<(), Refusal> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = text.split(';').next().unwrap_or_default().trim();
    if types.iter().any(|one| given.eq_ignore_ascii_case(one)) {
        return Ok(());
    }
    let wanted = types.first().copied().unwrap_or_default();
    let message = format!("the body's type is to be `Content-Type: {wanted}`");
    Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid-request", &message))
}

async fn read(body: Body, largest: usize, time: Duration) -> Result<Bytes, Refusal> {
    let Ok(read) = tokio::time::timeout(time, to_bytes(body, largest)).await else {
        let message = format!("the body did not come within {} s", time.as_secs_f64());
        return Err(refusal(StatusCode::REQUEST_TIMEOUT, "invalid-request", &message));
    };
    read.map_err(|error| {
        let mut source = std::error::Error::source(&error);
        let too_large = std::iter::from_fn(|| {
            let this = source?;
            source = this.source();
            Some(this)
        });
        // The only error of this kind is the bound.
        if too_large.into_iter().any(|one| one.to_string().contains("length limit")) {
            let message = format!("the body is larger than {} KiB", largest >> 10);
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "invalid-request", &message);
        }
        refusal(StatusCode::BAD_REQUEST, "invalid-request", "the body broke off")
    })
}

/// Refuses what is too deep, without reading it into anything.
fn flat(bytes: &[u8], deepest: usize) -> Result<(), Refusal> {
    if depth(bytes) <= deepest {
        return Ok(());
    }
    let message = format!("the body has more than {deepest} lists and objects within each other");
    Err(refusal(StatusCode::BAD_REQUEST, "invalid-request", &message))
}

/// The depth of a JSON text; of another one, some number.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Answers who sends a whole body in little time.
#[cfg(test)]
pub(super) async fn halves(body: Body) -> Result<Bytes, Refusal> {
    read(body, LARGEST_JSON, Duration::from_millis(200)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_bounds_are_the_real_ones() {
        let page = include_str!("../../../../docs/http-api.md");
        for row in [
            format!("| JSON body | {} MiB, {DEEPEST_JSON} lists and objects within each other |", LARGEST_JSON >> 20),
            format!("| records of one write | {} MiB, {DEEPEST_RECORD} within each other |", LARGEST_RECORDS >> 20),
            format!("| time for a whole body | {} s | 408 |", BODY.as_secs()),
        ] {
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn depth_counts_lists_and_objects_and_not_what_stands_in_texts() {
        assert_eq!(depth(b"{\"a\":[{\"b\":\"[[[[\\\"{{\"}],\"c\":[]}"), 3);
        assert_eq!(depth(b"{}\n{}\n[[]]"), 2);
        assert_eq!(depth(b"1"), 0);
    }
}
