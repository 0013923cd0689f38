//! Connections and bodies that can break on purpose.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// Sockets that the emulator has seen.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) accepted: AtomicUsize,
    pub(crate) open: AtomicUsize,
    pub(crate) peak: AtomicUsize,
    /// Connections that are to be reset as soon as they are accepted.
    pub(crate) reset_next: AtomicUsize,
}

/// What a connection and the requests on it share.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) https: bool,
    reset: AtomicBool,
    notify: Notify,
}

impl Link {
    pub(crate) fn new(number: u64, https: bool) -> Self {
        Self { number, https, ..Self::default() }
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    /// Waits for the order to end.
    pub(crate) async fn ended(&self) {
        self.notify.notified().await;
    }
}

/// A socket that is counted, and that can end with a reset.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    link: Arc<Link>,
    sockets: Arc<Sockets>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>, sockets: Arc<Sockets>) -> Self {
        let open = sockets.open.fetch_add(1, Ordering::SeqCst) + 1;
        sockets.peak.fetch_max(open, Ordering::SeqCst);
        Self { stream, link, sockets }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.sockets.open.fetch_sub(1, Ordering::SeqCst);
        if self.link.reset.load(Ordering::SeqCst) {
            // Closing with a linger of zero sends RST. A failure means that the peer was faster.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A step of a body.
#[derive(Debug)]
pub(crate) enum Part {
    Data(Bytes),
    Pause(Duration),
    /// The connection is reset.
    Reset,
    /// The connection ends.
    End,
}

/// A body that is sent step by step. Its announced length may be more than what comes.
#[derive(Debug)]
pub(crate) struct Script {
    parts: VecDeque<Part>,
    announced: u64,
    pause: Option<Pin<Box<Sleep>>>,
    link: Arc<Link>,
    /// Lives as long as the answer is under way.
    _under_way: Option<Arc<UnderWay>>,
}

impl Script {
    pub(crate) fn new(parts: Vec<Part>, announced: usize, link: Arc<Link>, under_way: Arc<UnderWay>) -> Self {
        Self { parts: parts.into(), announced: announced as u64, pause: None, link, _under_way: Some(under_way) }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match self.parts.pop_front() {
                None => return Poll::Ready(None),
                Some(Part::Data(data)) => {
                    self.announced = self.announced.saturating_sub(data.len() as u64);
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Part::Pause(pause)) => self.pause = Some(Box::pin(tokio::time::sleep(pause))),
                Some(Part::Reset) => {
                    self.link.reset();
                    return Poll::Pending;
                }
                Some(Part::End) => return Poll::Ready(Some(Err(io::Error::other("the body ends here")))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && self.pause.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// Counts a request while it is under way.
#[derive(Debug)]
pub(crate) struct UnderWay {
    count: Arc<AtomicUsize>,
    pass: std::sync::Mutex<Option<crate::quota::Pass>>,
}

impl UnderWay {
    /// Enters, and tells how many are under way now.
    pub(crate) fn enter(count: &Arc<AtomicUsize>) -> (Arc<Self>, usize) {
        let now = count.fetch_add(1, Ordering::SeqCst) + 1;
        (Arc::new(Self { count: count.clone(), pass: std::sync::Mutex::default() }), now)
    }

    /// Keeps an operation's pass until the answer is through.
    pub(crate) fn keep(&self, pass: crate::quota::Pass) {
        *self.pass.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(pass);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}
