//! Failures as HTTP answers: problem details (RFC 9457) whose `errors` are the objects that the command line prints with `--json`,
//! under the status that fits.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use connector_host::CallError;
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
    kind: String,
    /// Seconds after which it may succeed.
    after: Option<u64>,
    errors: Vec<Value>,
    /// Members besides.
    more: Map<String, Value>,
}

impl Refusal {
    /// Under a status that tells more than its kind.
    pub(super) fn under(self, status: StatusCode) -> Self {
        Self { status, ..self }
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
        let detail: Vec<String> = self.errors.iter().filter_map(|error| text(error, "message")).collect();
        let mut problem = self.more.clone();
        problem.insert("type".into(), json!(format!("about:blank#{}", self.kind)));
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
pub(super) fn refusal(kind: &str, message: impl Into<String>) -> Refusal {
    Failure::new(message).with("kind", kind).into()
}

impl From<Failures> for Refusal {
    /// The first failure decides.
    fn from(failures: Failures) -> Self {
        let first = failures.0.first();
        let after = first.and_then(|one| one.detail.get("retry_after_ms")).and_then(Value::as_u64);
        Self {
            status: first.map_or(StatusCode::INTERNAL_SERVER_ERROR, status),
            kind: first.map_or("internal", kind).to_owned(),
            after: after.map(|ms| ms.div_ceil(1000)),
            errors: failures.0.iter().map(Failure::to_json).collect(),
            more: Map::new(),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Failures::from(failure).into()
    }
}

impl From<&CallError> for Refusal {
    fn from(error: &CallError) -> Self {
        remote::call_failed(error).into()
    }
}

/// The kind of a failure. What has none asks for something impossible, unless it is a defect.
fn kind(failure: &Failure) -> &str {
    let other = if failure.blame == Blame::Defect { "internal" } else { "invalid-request" };
    failure.kind().unwrap_or(other)
}

/// The one table of statuses: what a failure means for who asked, by its kind.
fn status(failure: &Failure) -> StatusCode {
    if failure.blame == Blame::Defect {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    match kind(failure) {
        "denied" => StatusCode::FORBIDDEN,
        "not-found" => StatusCode::NOT_FOUND,
        "conflict" | "pinned" | "version-refused" => StatusCode::CONFLICT,
        // What was read and makes sense, and whoever has the say does not want it.
        "configuration" | "rejected" => StatusCode::UNPROCESSABLE_ENTITY,
        "rate-limited" => StatusCode::TOO_MANY_REQUESTS,
        // The store's refusal of our credentials is not the caller's: 401 would ask for the caller's own.
        "unauthorized" | "protocol" => StatusCode::BAD_GATEWAY,
        "unavailable" | "cancelled" => StatusCode::SERVICE_UNAVAILABLE,
        "ended" => of_ended(failure),
        "internal" | "storage" | "connector" | "source" | "versions" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// That of a call which the host ended.
fn of_ended(failure: &Failure) -> StatusCode {
    let text = |member: &str| failure.detail.get(member).and_then(Value::as_str).unwrap_or_default();
    match (text("effect"), text("cause")) {
        // 503 and 504 invite whoever is in between to send it again.
        ("unknown", _) => StatusCode::INTERNAL_SERVER_ERROR,
        (_, "full" | "cancelled" | "cancel-grace" | "over" | "replaced") => StatusCode::SERVICE_UNAVAILABLE,
        (_, "call-time" | "late-before") => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use connector_host::contract::{Error, ErrorKind, Retry};
    use connector_host::{Cause, Effect};

    use super::*;

    #[test]
    fn every_kind_of_failure_has_its_status() {
        use ErrorKind as Kind;
        for (kind, status) in [
            (Kind::InvalidRequest, 400),
            (Kind::Unsupported, 400),
            (Kind::Denied, 403),
            (Kind::NotFound, 404),
            (Kind::Conflict, 409),
            (Kind::Configuration, 422),
            (Kind::Rejected, 422),
            (Kind::RateLimited, 429),
            (Kind::Internal, 500),
            (Kind::Unauthorized, 502),
            (Kind::Protocol, 502),
            (Kind::Unavailable, 503),
        ] {
            let error = Error { retry: Retry::After(1500), ..error(kind) };
            let told = Refusal::from(&CallError::Connector(error.clone()));
            assert_eq!((told.status.as_u16(), told.after), (status, Some(2)), "{kind:?}");
            let settings = Refusal::from(&CallError::Settings(vec![error]));
            assert_eq!(settings.status.as_u16(), status, "{kind:?}, of the settings");
        }
        let own = |kind: &str| refusal(kind, "no").status.as_u16();
        assert_eq!((own("mapping"), own("pinned"), own("cancelled"), own("storage")), (400, 409, 503, 500));
        assert_eq!(Refusal::from(Failure::new("no")).status, StatusCode::BAD_REQUEST);
        assert_eq!(Refusal::from(Failure::defect("no")).status, StatusCode::INTERNAL_SERVER_ERROR);
    }

    fn error(kind: ErrorKind) -> Error {
        Error { kind, retry: Retry::Never, message: "no".to_owned(), status: None, code: None, pointer: None }
    }

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
