//! The body of an answer. A task takes it off the wire while the connector is busy, into a bounded buffer, and hands it over in
//! large pieces: every piece costs the connector a call and a copy, so few large ones are cheaper than many small ones.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::decode::Source;
use super::failure::Failure;
use super::pool::{Key, Lane, Pool};
use super::{Counters, Keep};

/// A piece is handed over when it is this large, ...
const PIECE: usize = 1 << 20;
/// ... or the body is complete, or nothing more came for this long.
const LULL: Duration = Duration::from_millis(5);
/// Bytes that wait for the connector at most, give or take one read; the wire waits then.
const BUFFER: usize = 2 << 20;

/// What becomes of the socket once the body is off the wire.
#[derive(Debug)]
pub(super) struct GiveBack {
    pub(super) pool: Arc<Pool>,
    pub(super) key: Key,
    pub(super) lane: Lane,
    pub(super) keep: Keep,
    pub(super) idle: Duration,
    /// The place among the requests under way, until the wire has to wait for the connector: one that is idle must not keep
    /// others from sending.
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

impl GiveBack {
    fn give(self) {
        match self.lane {
            Lane::H1(lane) => self.pool.put(self.key, lane, &self.keep, self.idle),
            // It has been in the pool all along.
            Lane::H2(lane) => drop(lane),
        }
    }
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// What there is may be handed over, little as it may be.
    release: bool,
    end: Option<Result<(), Failure>>,
    reader: Option<Waker>,
}

#[derive(Debug, Default)]
struct Pipe {
    buffer: Mutex<Buffer>,
    room: Notify,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Buffer)) {
        let mut buffer = self.lock();
        change(&mut buffer);
        let ready = buffer.end.is_some() || buffer.release || buffer.bytes.len() >= PIECE;
        let reader = if ready { buffer.reader.take() } else { None };
        drop(buffer);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn is_full(&self) -> bool {
        self.lock().bytes.len() >= BUFFER
    }

    async fn wait_for_room(&self) {
        while self.is_full() {
            self.room.notified().await;
        }
    }
}

/// The body of an answer, in large pieces. Dropping it before its end closes the socket.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    pipe: Arc<Pipe>,
    pump: Option<JoinHandle<()>>,
}

impl AnswerBody {
    /// A body without a byte.
    pub(super) fn empty(back: GiveBack) -> Self {
        back.give();
        let pipe = Arc::<Pipe>::default();
        pipe.change(|buffer| buffer.end = Some(Ok(())));
        Self { pipe, pump: None }
    }

    /// A body of at most `most` bytes, of so many if `length` is known.
    pub(super) fn start(
        source: Source,
        back: GiveBack,
        most: u64,
        length: Option<u64>,
        counters: Arc<Counters>,
    ) -> Self {
        let pipe = Arc::<Pipe>::default();
        if let Some(length) = length {
            let expected = usize::try_from(length).unwrap_or(usize::MAX).min(BUFFER);
            pipe.lock().bytes.reserve_exact(expected);
        }
        let pump = tokio::spawn(pump(source, Arc::clone(&pipe), back, most, counters));
        Self { pipe, pump: Some(pump) }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(pump) = &self.pump {
            pump.abort();
        }
    }
}

async fn pump(source: Source, pipe: Arc<Pipe>, mut back: GiveBack, most: u64, counters: Arc<Counters>) {
    let end = take_off(source, &pipe, &mut back.slot, most, &counters).await;
    if end.is_ok() {
        // Before the reader learns of the end, so that its next request finds the socket.
        back.give();
    }
    pipe.change(|buffer| buffer.end = Some(end));
}

async fn take_off(
    mut source: Source,
    pipe: &Pipe,
    slot: &mut Option<OwnedSemaphorePermit>,
    most: u64,
    counters: &Counters,
) -> Result<(), Failure> {
    let mut total: u64 = 0;
    loop {
        if pipe.is_full() {
            slot.take();
            pipe.wait_for_room().await;
        }
        let piece = match timeout(LULL, source.next()).await {
            Ok(piece) => piece,
            Err(_elapsed) => {
                pipe.change(|buffer| buffer.release = !buffer.bytes.is_empty());
                source.next().await
            }
        };
        let Some(data) = piece? else { return Ok(()) };
        total = total.saturating_add(data.len() as u64);
        if total > most {
            return Err(Failure::AnswerTooLarge(most));
        }
        counters.bytes_read.fetch_add(data.len() as u64, Ordering::Relaxed);
        pipe.change(|buffer| buffer.bytes.extend_from_slice(&data));
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let mut buffer = self.pipe.lock();
        if !buffer.bytes.is_empty() && (buffer.end.is_some() || buffer.release || buffer.bytes.len() >= PIECE) {
            let piece = std::mem::take(&mut buffer.bytes);
            buffer.release = false;
            drop(buffer);
            self.pipe.room.notify_one();
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece)))));
        }
        match &mut buffer.end {
            None => {
                buffer.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(end) => match std::mem::replace(end, Ok(())) {
                Ok(()) => Poll::Ready(None),
                Err(failure) => Poll::Ready(Some(Err(failure))),
            },
        }
    }
}
