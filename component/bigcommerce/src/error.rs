//! Failures as data: the native twin of the WIT package's `error`.

use std::fmt;

/// Whose fault it is. See the WIT package's `error-kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The settings are wrong.
    Configuration,
    /// Neither this connector nor the API can do it.
    Unsupported,
    /// The caller's request is malformed.
    InvalidRequest,
    /// Credentials refused, or a scope is missing.
    Unauthorized,
    /// No such object or record.
    NotFound,
    /// The record clashes with what the store holds.
    Conflict,
    /// The store refused the data.
    Rejected,
    /// The store asked for fewer requests.
    RateLimited,
    /// The store could not be reached, or failed.
    Unavailable,
    /// The store answered with something that makes no sense.
    Protocol,
    /// The host said no, or ended the call.
    Denied,
    /// A bug here.
    Internal,
}

/// What may be done about it. See the WIT package's `retry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing until something else changes.
    Never,
    /// The store did not act; try again after this many milliseconds.
    After(u64),
    /// The store may have acted.
    OutcomeUnknown,
}

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whose fault it is.
    pub kind: Kind,
    /// What may be done about it.
    pub retry: Retry,
    /// For a person: what was tried, on what, what to do. Never a secret.
    pub message: String,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The remote's code, or one that the WIT package defines.
    pub code: Option<String>,
    /// JSON pointer into what the caller passed.
    pub pointer: Option<String>,
}

/// Code of a call that the host cancelled.
pub const CANCELLED: &str = "cancelled";
/// Code of a variable that is not defined, or not granted.
pub const UNDEFINED: &str = "undefined-variable";
/// Code of a state (`since`) that this version cannot read.
pub const STATE_VERSION: &str = "state-version";
/// Code of a cursor that this version cannot read.
pub const CURSOR_VERSION: &str = "cursor-version";

impl Error {
    /// A failure that no repetition mends.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, retry: Retry::Never, message: message.into(), status: None, code: None, pointer: None }
    }

    /// The caller's request is malformed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidRequest, message)
    }

    /// Nobody can do it.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// The host ended the call.
    pub fn cancelled() -> Self {
        Self::new(Kind::Denied, "the call was cancelled").code(CANCELLED).retry(Retry::After(0))
    }

    /// With a code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// With a JSON pointer to the offending value.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// With a word on repetition.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Whether the host cancelled the call.
    pub fn is_cancelled(&self) -> bool {
        self.code.as_deref() == Some(CANCELLED)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
