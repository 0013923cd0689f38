//! A socket that counts what is written to it, above TLS: the count tells whether a byte of a request may have left. It also
//! holds the socket's place among those that its connection may have open.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::frames::{Frames, Streams};

/// A stream of bytes both ways: a socket, or TLS over one, or TLS over that.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What has gone out over a socket.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    written: AtomicU64,
    blocked: AtomicBool,
}

impl Traffic {
    /// Bytes that may have left, ever.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Whether the other side has not taken what was written last.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }
}

/// A socket that counts.
pub(super) struct Counted {
    stream: Box<dyn Stream>,
    tls: bool,
    traffic: Arc<Traffic>,
    /// Of a server that speaks HTTP/2.
    frames: Option<Frames>,
    _place: OwnedSemaphorePermit,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("tls", &self.tls).field("traffic", &self.traffic).finish_non_exhaustive()
    }
}

impl Counted {
    /// `tls`: whether the stream may have sent some of what it then failed to write.
    pub(super) fn new(stream: Box<dyn Stream>, tls: bool, place: OwnedSemaphorePermit) -> Self {
        Self { stream, tls, traffic: Arc::default(), frames: None, _place: place }
    }

    pub(super) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Looks at the frames of HTTP/2 that come in.
    pub(super) fn streams(&mut self) -> Streams {
        let (frames, streams) = Frames::new();
        self.frames = Some(frames);
        streams
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.traffic.blocked.store(written.is_pending(), Ordering::Release);
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.traffic.written.fetch_add(*bytes as u64, Ordering::Release);
            }
            // TLS may have taken bytes, and sent some of them, before it failed. A plain socket that fails took none.
            Poll::Ready(Err(_)) if self.tls => {
                self.traffic.written.fetch_add(1, Ordering::Release);
            }
            _ => {}
        }
        written
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(frames) = &mut self.frames {
            frames.see(buf.filled().get(before..).unwrap_or_default());
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
