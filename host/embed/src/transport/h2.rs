//! A socket that speaks HTTP/2, shared by the requests that are under way. It closes when its pool lets go of it and the last of
//! them has ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::header::HOST;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::frames::Streams;
use super::io::Counted;
use super::pool::Pool;
use super::{Request, RequestBody, Timeouts, Unanswered};

/// Largest head of an answer, with 32 bytes for each header, as the protocol counts. The server is told.
const HEAD: u32 = 256 << 10;
/// Bytes of each body that the server may send ahead of their being taken off.
const STREAM_WINDOW: u32 = 2 << 20;
/// Bytes of all bodies together: as many as the protocol can say, or answers that nobody reads would hold up the others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// The tasks of a socket: they end with it.
#[derive(Clone, Debug, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// A socket.
#[derive(Debug)]
pub(super) struct Session {
    sender: SendRequest<RequestBody>,
    driver: tokio::task::JoinHandle<()>,
    _tasks: Tasks,
    uses: Mutex<Uses>,
    /// How many requests at once the server takes.
    most: Streams,
    /// It may be dead: it takes no more requests.
    retired: AtomicBool,
    pool: Weak<Pool>,
}

#[derive(Debug)]
struct Uses {
    streams: u32,
    /// When it closes if nobody uses it.
    until: Instant,
}

impl Session {
    pub(super) async fn new(mut socket: Counted, pool: &Arc<Pool>) -> Result<Arc<Self>, Failure> {
        let most = socket.streams();
        let tasks = Tasks::default();
        let (sender, connection) = Builder::new(tasks.clone())
            .max_header_list_size(HEAD)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|_| Failure::Unavailable)?;
        let driver = tokio::spawn(async move {
            // Who waits for an answer learns of the error.
            let _ = connection.await;
        });
        Ok(Arc::new(Self {
            sender,
            driver,
            _tasks: tasks,
            uses: Mutex::new(Uses { streams: 0, until: Instant::now() }),
            most,
            retired: AtomicBool::new(false),
            pool: Arc::downgrade(pool),
        }))
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server takes no further request now. One beyond what it takes would wait in the client, unseen, and nobody could say
    /// whether it was sent.
    pub(super) fn is_full(&self) -> bool {
        self.uses().streams >= self.most.borrow().unwrap_or(0)
    }

    /// Ready when it is known how many requests the server takes, or the socket has ended.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut most = self.most.clone();
        async move {
            let _ = most.wait_for(Option::is_some).await;
        }
    }

    /// Whether it may take another request, now or later.
    pub(super) fn is_open(&self) -> bool {
        !self.retired.load(Ordering::Acquire) && !self.sender.is_closed()
    }

    /// When it closes, if it is idle.
    pub(super) fn idle_until(&self) -> Option<Instant> {
        let uses = self.uses();
        (uses.streams == 0).then_some(uses.until)
    }

    /// A place on it for one request. Afterwards the socket stays open for `idle`.
    pub(super) fn enter(self: &Arc<Self>, idle: Duration) -> Lane {
        self.uses().streams += 1;
        Lane { session: Arc::clone(self), idle }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// One request's place on a socket. Dropping it before the answer's end gives up that request, and no other.
#[derive(Debug)]
pub(super) struct Lane {
    session: Arc<Session>,
    idle: Duration,
}

impl Drop for Lane {
    fn drop(&mut self) {
        let until = Instant::now() + self.idle;
        let mut uses = self.session.uses();
        uses.streams = uses.streams.saturating_sub(1);
        uses.until = until;
        let idle = uses.streams == 0;
        drop(uses);
        if let Some(pool) = self.session.pool.upgrade() {
            pool.left(idle.then_some(until));
        }
    }
}

impl Lane {
    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        self,
        mut request: Request,
        timeouts: Timeouts,
        request_limit: u64,
    ) -> Result<(http::Response<Incoming>, Self), Unanswered> {
        // The address says it.
        request.headers_mut().remove(HOST);
        let mut sender = self.session.sender.clone();
        match timeout(timeouts.first_byte, sender.try_send_request(request)).await {
            Ok(Ok(answer)) => Ok((answer, self)),
            Ok(Err(mut error)) => match error.take_message() {
                Some(request) => {
                    self.session.retired.store(true, Ordering::Release);
                    Err(Unanswered::untouched(Failure::Unavailable, request))
                }
                None => Err(Failure::of_request(error.error(), false, request_limit).into()),
            },
            Err(_elapsed) => {
                // Nobody knows whether it is the request or the socket that is stuck.
                self.session.retired.store(true, Ordering::Release);
                Err(Failure::ReadTimeout.into())
            }
        }
    }
}
