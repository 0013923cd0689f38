//! Failures as HTTP answers: the same object that the command line prints with `--json`, under the status that fits.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use connector_host::contract::{ErrorKind, Retry};
use connector_host::{CallError, Cause};
use serde_json::{Value, json};

use crate::error::Failures;
use crate::remote;

/// What handlers answer.
pub(super) type Answer<T = Response> = Result<T, Refusal>;

/// A failure with its status.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// Seconds after which it may succeed.
    after: Option<u64>,
    body: Value,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(after) = self.after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        (self.status, headers, Json(self.body)).into_response()
    }
}

/// A refusal of this program.
pub(super) fn refusal(status: StatusCode, kind: &str, message: &str) -> Refusal {
    Refusal { status, after: None, body: json!({ "errors": [{ "kind": kind, "message": message }] }) }
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
        let errors: Vec<Value> = list.iter().map(crate::error::Failure::to_json).collect();
        Self { status: status(error), after, body: json!({ "errors": errors }) }
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
        CallError::Ended(ended) => match ended.cause {
            Cause::Full(_) | Cause::Cancelled | Cause::CancelGrace(_) | Cause::Over => StatusCode::SERVICE_UNAVAILABLE,
            Cause::CallTime(_) | Cause::LateBefore(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
