//! Failures as HTTP answers: problem details (RFC 9457) whose `errors` are the objects that the command line prints with `--json`,
//! under the status that fits.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use connector_host::contract::{ErrorKind, Retry};
use connector_host::{CallError, Cause, Effect};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::{Blame, Failure, Failures};
use crate::remote;

/// What handlers answer.
pub(super) type Answer<T = Response> = Result<T, Refusal>;

/// A list of all there is.
#[derive(Serialize, ToSchema)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// A failure with its status.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// Seconds after which it may succeed.
    after: Option<u64>,
    errors: Vec<Value>,
    /// Members besides.
    more: Map<String, Value>,
}

impl Refusal {
    fn new(status: StatusCode, errors: Vec<Value>) -> Self {
        Self { status, after: None, errors, more: Map::new() }
    }

    /// May succeed after as many seconds.
    pub(super) fn after(self, seconds: u64) -> Self {
        Self { after: Some(seconds), ..self }
    }

    /// With another member.
    pub(super) fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.more.insert(name.to_owned(), json!(value));
        self
    }

    /// The problem as it is told.
    pub(super) fn to_json(&self) -> Value {
        let text = |error: &Value, member: &str| error.get(member).and_then(Value::as_str).map(str::to_owned);
        let kind = self.errors.first().and_then(|error| text(error, "kind")).unwrap_or_else(|| "failed".to_owned());
        let detail: Vec<String> = self.errors.iter().filter_map(|error| text(error, "message")).collect();
        let mut problem = self.more.clone();
        problem.insert("type".into(), json!(format!("about:blank#{kind}")));
        problem.insert("title".into(), json!(self.status.canonical_reason().unwrap_or("Failed")));
        problem.insert("status".into(), json!(self.status.as_u16()));
        problem.insert("detail".into(), json!(detail.join("; ")));
        problem.insert("errors".into(), json!(self.errors));
        Value::Object(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(after) = self.after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        (self.status, headers, self.to_json().to_string()).into_response()
    }
}

/// A refusal of this program.
pub(super) fn refusal(status: StatusCode, kind: &str, message: &str) -> Refusal {
    Refusal::new(status, vec![json!({ "kind": kind, "message": message })])
}

impl From<Failures> for Refusal {
    /// The first failure's kind decides.
    fn from(failures: Failures) -> Self {
        let first = failures.0.first();
        let kind = first.and_then(|failure| failure.detail.get("kind")).and_then(Value::as_str).unwrap_or_default();
        let status = match kind {
            "not-found" => StatusCode::NOT_FOUND,
            "conflict" => StatusCode::CONFLICT,
            "invalid-request" | "unsupported" => StatusCode::BAD_REQUEST,
            "configuration" | "denied" | "rejected" => StatusCode::UNPROCESSABLE_ENTITY,
            "rate-limited" => StatusCode::TOO_MANY_REQUESTS,
            "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "unauthorized" | "protocol" => StatusCode::BAD_GATEWAY,
            _ if first.is_some_and(|failure| failure.blame == Blame::Caller) => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, failures.0.iter().map(Failure::to_json).collect())
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Failures::from(failure).into()
    }
}

impl From<&CallError> for Refusal {
    fn from(error: &CallError) -> Self {
        let after = match error {
            CallError::Connector(error) => match error.retry {
                Retry::After(ms) => Some(ms.div_ceil(1000)),
                _ => None,
            },
            _ => None,
        };
        let Failures(list) = remote::call_failed(error);
        let mut errors: Vec<Value> = list.iter().map(Failure::to_json).collect();
        if let (CallError::Ended(ended), [Value::Object(told)]) = (error, errors.as_mut_slice()) {
            told.insert("effect".to_owned(), json!(effect(ended.effect)));
        }
        Self { after, ..Self::new(status(error), errors) }
    }
}

/// What an ended call means for the remote, in one word.
fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::NothingSent => "nothing-sent",
        Effect::Read => "read",
        Effect::EveryRecordUnknown => "unknown",
    }
}

fn status(error: &CallError) -> StatusCode {
    match error {
        CallError::Settings(_) => StatusCode::CONFLICT,
        CallError::Connector(error) => match error.kind {
            ErrorKind::InvalidRequest | ErrorKind::Unsupported => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict | ErrorKind::Configuration => StatusCode::CONFLICT,
            ErrorKind::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            // The store's refusal of our credentials is not the caller's: 401 would ask for the caller's own.
            ErrorKind::Unauthorized | ErrorKind::Protocol => StatusCode::BAD_GATEWAY,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        },
        CallError::Ended(ended) => match (ended.effect, &ended.cause) {
            // 503 and 504 invite whoever is in between to send it again.
            (Effect::EveryRecordUnknown, _) => StatusCode::INTERNAL_SERVER_ERROR,
            (_, Cause::Full(_) | Cause::Cancelled | Cause::CancelGrace(_) | Cause::Over | Cause::Replaced) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            (_, Cause::CallTime(_) | Cause::LateBefore(_)) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_write_whose_outcome_is_unknown_never_gets_a_status_that_invites_to_send_it_again() {
        let ended = |cause, effect| {
            let (connector, version) = ("fixed".to_owned(), "0.1.0".to_owned());
            CallError::Ended(connector_host::Ended { connector, version, call: "create", cause, effect })
        };
        let time = Duration::from_secs(1);
        for cause in [Cause::CallTime(time), Cause::CancelGrace(time), Cause::TornDown, Cause::Trap("x".to_owned())] {
            let refusal = Refusal::from(&ended(cause, Effect::EveryRecordUnknown));
            assert_eq!(refusal.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(refusal.errors[0]["effect"], "unknown");
        }
        for cause in [Cause::Full(1), Cause::Over, Cause::Replaced] {
            let refusal = Refusal::from(&ended(cause, Effect::NothingSent));
            assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refusal.errors[0]["effect"], "nothing-sent");
        }
        assert_eq!(Refusal::from(&ended(Cause::CallTime(time), Effect::Read)).status, StatusCode::GATEWAY_TIMEOUT);
    }
}
