//! Bytes to and from `wasi:http`: heads and whole bodies of requests, and answers that are whole or grow.

use crate::answer::Answer;
use crate::bindings::wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use crate::bindings::wasi::io::streams::{OutputStream, StreamError};

/// Largest body of a request, in bytes: records of one write.
pub(crate) const LARGEST_BODY: usize = 16 << 20;

/// Read at a time, in bytes.
const READ: u64 = 64 << 10;

/// Why a body could not be read.
pub(crate) enum Unread {
    /// It is larger than `LARGEST_BODY`.
    TooLarge,
    /// It broke off.
    Broken,
}

/// A header field as a text; the first of its name.
pub(crate) fn field(headers: &Fields, name: &str) -> Option<String> {
    headers.get(name).into_iter().next().and_then(|value| String::from_utf8(value).ok())
}

/// The whole body of a request.
pub(crate) fn body(request: &IncomingRequest) -> Result<Vec<u8>, Unread> {
    let body = request.consume().map_err(|()| Unread::Broken)?;
    // Dropped after the stream and not finished: nobody wants the trailers.
    let stream = body.stream().map_err(|()| Unread::Broken)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(piece) if bytes.len() + piece.len() > LARGEST_BODY => return Err(Unread::TooLarge),
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(Unread::Broken),
        }
    }
}

/// An answer whose body grows. Dropped without `finish`, it breaks off, and whoever reads it can tell.
pub(crate) struct Growing {
    // Before the body: the component model demands that order.
    stream: OutputStream,
    body: OutgoingBody,
}

/// Whoever asked has gone.
#[derive(Debug)]
pub(crate) struct Gone;

impl Growing {
    /// Sends the head.
    pub(crate) fn begin(
        out: ResponseOutparam,
        status: u16,
        content_type: &str,
        more: &[(&str, String)],
    ) -> Result<Self, Gone> {
        let headers = Fields::new();
        let all = more.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in std::iter::once(("content-type", content_type)).chain(all) {
            // Names and values are our own and well formed; a runtime that forbids one sends the answer without it.
            let _ = headers.append(name, value.as_bytes());
        }
        let response = OutgoingResponse::new(headers);
        response.set_status_code(status).map_err(|()| Gone)?;
        let body = response.body().map_err(|()| Gone)?;
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().map_err(|()| Gone)?;
        Ok(Self { stream, body })
    }

    /// Writes as the runtime takes it.
    pub(crate) fn write(&self, mut bytes: &[u8]) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let room = self.stream.check_write().map_err(|_| Gone)?;
            if room == 0 {
                self.stream.subscribe().block();
                continue;
            }
            let (piece, rest) = bytes.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()));
            self.stream.write(piece).map_err(|_| Gone)?;
            bytes = rest;
        }
        self.stream.blocking_flush().map_err(|_| Gone)
    }

    /// Says that it is complete.
    pub(crate) fn finish(self) {
        let Self { stream, body } = self;
        drop(stream);
        // It fails where nobody reads any more.
        let _ = OutgoingBody::finish(body, None);
    }
}

/// Sends a complete answer.
pub(crate) fn send(out: ResponseOutparam, answer: &Answer) {
    let length = ("content-length", answer.body.len().to_string());
    let headers: Vec<_> = answer.headers.iter().cloned().chain([length]).collect();
    if let Ok(growing) = Growing::begin(out, answer.status, answer.content_type, &headers)
        && growing.write(&answer.body).is_ok()
    {
        growing.finish();
    }
}
