//! What the connector asks of its host, as a trait: the component implements it over its WIT imports, native tests with a fake.

use std::future::Future;
use std::pin::Pin;

use crate::error::Error;

/// A future of the component's single thread.
pub type Local<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// One HTTP request, complete.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// `https`, or `http` for a test store.
    pub https: bool,
    /// Host and port.
    pub authority: String,
    /// Path and query.
    pub target: String,
    /// Header fields.
    pub headers: Vec<(&'static str, String)>,
    /// Body; none for GET.
    pub body: Option<Vec<u8>>,
    /// Milliseconds to connect.
    pub connect_timeout: u64,
    /// Milliseconds until the first byte of the answer, and between two pieces of it.
    pub answer_timeout: u64,
}

/// One HTTP answer, complete.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Quota headers and the few others that are read; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.trim())
    }

    /// A header as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct SendError {
    /// No byte of the request left the host, so the remote cannot have acted.
    pub unsent: bool,
    /// What happened.
    pub cause: Cause,
    /// For people, from the host; free of secrets.
    pub detail: String,
}

/// What happened to a request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The name did not resolve.
    Name,
    /// Nobody listens there, or no route.
    Connect,
    /// The certificate is not trusted.
    Certificate,
    /// The TLS handshake failed otherwise.
    Tls,
    /// The host refuses this address or request.
    Denied,
    /// No answer in time.
    Timeout,
    /// The connection broke, or the answer was cut off.
    Broken,
    /// The answer is larger than the host allows.
    TooLarge,
    /// Anything else.
    Other,
}

/// What an answer said about the quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests per window.
    pub limit: Option<u32>,
    /// Requests left.
    pub left: Option<u32>,
    /// Milliseconds until the window ends.
    pub reset_ms: Option<u64>,
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For following one request.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
}

/// The host.
pub trait Host {
    /// The value of a variable, read now.
    fn variable(&self, name: &str) -> Result<String, Error>;
    /// Sets proxy use and keep-alive for the requests that follow.
    fn transport(&self, use_proxy: bool, keep_alive_seconds: Option<u32>) -> Result<(), Error>;
    /// Leave to send one request; held until the value is dropped.
    fn permit(&self, bucket: &str, concurrency: Option<u32>) -> Local<'static, Box<dyn std::any::Any>>;
    /// Passes on what an answer said about a bucket.
    fn report(&self, bucket: &str, allowance: Allowance);
    /// Sends one request, once, and reads the whole answer.
    fn send(&self, request: Request) -> Local<'static, Result<Answer, SendError>>;
    /// Ready after this many milliseconds.
    fn sleep(&self, milliseconds: u64) -> Local<'static, ()>;
    /// Ready once the host wants the call to end.
    fn cancelled(&self) -> Local<'static, ()>;
    /// Nanoseconds of a clock that only goes forward.
    fn now(&self) -> u64;
    /// A line for the operator.
    fn log(&self, level: Level, message: &str, fields: &[(&str, String)]);
}
