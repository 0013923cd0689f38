//! A socket that speaks HTTP/1.1: one request at a time. Dropping it closes it.

use std::sync::Arc;

use http::header::HOST;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::failure::Failure;
use super::io::{Counted, Traffic};
use super::{Request, RequestBody, Timeouts, Unanswered};

/// Most bytes of an answer that the HTTP client holds at once, its head among them. It begins with 8 KiB and grows while pieces
/// fill it.
const READ_BUFFER: usize = 512 << 10;

/// A socket, and the task that drives it.
#[derive(Debug)]
pub(super) struct Lane {
    sender: SendRequest<RequestBody>,
    task: JoinHandle<()>,
    traffic: Arc<Traffic>,
}

impl Lane {
    pub(super) async fn new(socket: Counted) -> Result<Self, Failure> {
        let traffic = socket.traffic();
        let (sender, connection) = Builder::new()
            .max_buf_size(READ_BUFFER)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|_| Failure::Unavailable)?;
        let task = tokio::spawn(async move {
            // Who waits for the answer learns of the error.
            let _ = connection.await;
        });
        Ok(Self { sender, task, traffic })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        mut self,
        mut request: Request,
        timeouts: Timeouts,
        request_limit: u64,
    ) -> Result<(http::Response<Incoming>, Self), Unanswered> {
        let address = request.uri().clone();
        // Closed by the server while idle.
        if !matches!(timeout(timeouts.connect, self.sender.ready()).await, Ok(Ok(()))) {
            return Err(Unanswered::untouched(Failure::Unavailable, request));
        }
        if let Err(failure) = in_origin_form(&mut request) {
            return Err(failure.into());
        }
        let before = self.traffic.written();
        match timeout(timeouts.first_byte, self.sender.try_send_request(request)).await {
            Ok(Ok(answer)) => Ok((answer, self)),
            Ok(Err(mut error)) => {
                let returned = error.take_message();
                let unsent = self.stop().await == before;
                let failure = Failure::of_request(error.error(), unsent, request_limit);
                let returned = returned.filter(|_| unsent).map(|mut request| {
                    *request.uri_mut() = address;
                    request
                });
                Err(Unanswered { failure, returned })
            }
            Err(_elapsed) => {
                let blocked = self.traffic.is_blocked();
                let unsent = self.stop().await == before;
                Err(if unsent {
                    Failure::ConnectTimeout
                } else if blocked {
                    Failure::WriteTimeout
                } else {
                    Failure::ReadTimeout
                }
                .into())
            }
        }
    }

    /// Closes the socket and answers, once nothing can be written any more, how much may have left.
    async fn stop(mut self) -> u64 {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.traffic.written()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The path alone, and the host in a header.
fn in_origin_form(request: &mut Request) -> Result<(), Failure> {
    let authority = request.uri().authority().ok_or(Failure::AddressInvalid)?;
    let host = http::HeaderValue::from_str(authority.as_str()).map_err(|_| Failure::AddressInvalid)?;
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() = http::Uri::from(path);
    request.headers_mut().insert(HOST, host);
    Ok(())
}
