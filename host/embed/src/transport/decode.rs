//! Answers that come compressed. The host asks for that where the connector did not say what it can read, and then hands over what
//! was compressed, with headers that fit. What a body unfolds to is bounded where it is read, piece by piece.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Buf, Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, RANGE};
use http::{HeaderMap, HeaderValue, Method, Version};
use http_body::Body;
use hyper::body::Incoming;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use super::connect::deadline;
use super::failure::Failure;

/// What is asked for.
const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, br, zstd");

/// Most memory that a zstd stream may ask for, as a power of two: 8 MiB, which RFC 9659 lets nobody exceed over HTTP.
const ZSTD_WINDOW: u32 = 23;

/// Largest piece that is unfolded at once.
const UNFOLDED: usize = 64 << 10;

/// How an answer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

/// Asks for compressed answers, unless the connector says itself what it wants, or wants only a part, or no body.
pub(super) fn ask(method: &Method, headers: &mut HeaderMap) -> bool {
    let asks = !headers.contains_key(ACCEPT_ENCODING) && !headers.contains_key(RANGE) && *method != Method::HEAD;
    if asks {
        headers.insert(ACCEPT_ENCODING, ACCEPTED);
    }
    asks
}

/// How an answer is compressed that the host asked for; takes the headers away that tell of it.
///
/// # Errors
/// [`Failure::ContentCoding`] for one that was not asked for.
pub(super) fn take_coding(headers: &mut HeaderMap) -> Result<Option<Coding>, Failure> {
    let named: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .flat_map(|value| String::from_utf8_lossy(value.as_bytes()).split(',').map(str::to_owned).collect::<Vec<_>>())
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    let coding = match named.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => return Ok(None),
        ["gzip" | "x-gzip"] => Coding::Gzip,
        ["br"] => Coding::Brotli,
        ["zstd"] => Coding::Zstd,
        _ => return Err(Failure::ContentCoding(named.join(", "))),
    };
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    Ok(Some(coding))
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// A body as the connector reads it.
pub(super) enum Source {
    Plain(Wire),
    Compressed { coding: Coding, decoder: Box<dyn Decoder>, unfolded: BytesMut },
}

/// What unfolds a body; gives access to what is left of it on the wire.
pub(super) trait Decoder: AsyncRead + Send + Unpin {
    fn wire(&mut self) -> &mut Wire;
}

impl Decoder for GzipDecoder<Wire> {
    fn wire(&mut self) -> &mut Wire {
        self.get_mut()
    }
}

impl Decoder for BrotliDecoder<Wire> {
    fn wire(&mut self) -> &mut Wire {
        self.get_mut()
    }
}

impl Decoder for ZstdDecoder<Wire> {
    fn wire(&mut self) -> &mut Wire {
        self.get_mut()
    }
}

impl Source {
    pub(super) fn new(wire: Wire, coding: Option<Coding>) -> Self {
        let Some(coding) = coding else {
            return Self::Plain(wire);
        };
        let decoder: Box<dyn Decoder> = match coding {
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(wire);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            Coding::Brotli => Box::new(BrotliDecoder::new(wire)),
            Coding::Zstd => {
                let mut decoder = ZstdDecoder::with_params(wire, &[DParameter::window_log_max(ZSTD_WINDOW)]);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
        };
        Self::Compressed { coding, decoder, unfolded: BytesMut::new() }
    }

    /// The next piece; none at the end. May be given up and asked again.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Plain(wire) => poll_fn(|cx| wire.poll_piece(cx)).await,
            Self::Compressed { coding, decoder, unfolded } => {
                let broken = || Failure::ContentCoding(coding.name().to_owned());
                unfolded.reserve(UNFOLDED);
                match decoder.read_buf(unfolded).await {
                    // Nothing may come behind the end of what was compressed.
                    Ok(0) if !decoder.wire().piece.is_empty() => Err(broken()),
                    Ok(0) => match poll_fn(|cx| decoder.wire().poll_piece(cx)).await? {
                        None => Ok(None),
                        Some(_) => Err(broken()),
                    },
                    Ok(_) => Ok(Some(unfolded.split().freeze())),
                    Err(error) => Err(match error.downcast::<Failure>() {
                        Ok(failure) => failure,
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Failure::Incomplete,
                        Err(_) => broken(),
                    }),
                }
            }
        }
    }
}

/// A body as it comes off the wire, each piece within its time, and all of it within a limit: what is compressed may take more there
/// than it unfolds to.
pub(super) struct Wire {
    incoming: Incoming,
    /// Whether the protocol says which bodies are complete, which the HTTP client does not pass on (HTTP/2).
    framed: bool,
    piece: Bytes,
    between: Duration,
    taken: u64,
    most: u64,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub(super) fn new(incoming: Incoming, version: Version, between: Duration, most: u64) -> Self {
        let framed = version == Version::HTTP_2;
        Self { incoming, framed, piece: Bytes::new(), between, taken: 0, most, patience: None }
    }

    /// The client takes a stream that the server reset without an error for one that has ended: it may have been cut off.
    fn is_whole(&self) -> bool {
        !self.framed || self.incoming.is_end_stream() || self.incoming.size_hint().exact() == Some(0)
    }

    /// The next piece; none at the end.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(frame) => {
                    self.patience = None;
                    let Some(frame) = frame else {
                        return Poll::Ready(if self.is_whole() { Ok(None) } else { Err(Failure::Incomplete) });
                    };
                    let frame = frame.map_err(|error| Failure::of_body(&error))?;
                    match frame.into_data() {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => {
                            self.taken = self.taken.saturating_add(data.len() as u64);
                            let fits = self.taken <= self.most;
                            return Poll::Ready(if fits {
                                Ok(Some(data))
                            } else {
                                Err(Failure::AnswerTooLarge(self.most))
                            });
                        }
                        // Trailers.
                        Err(_) => {}
                    }
                }
                Poll::Pending => {
                    let between = self.between;
                    let patience = self.patience.get_or_insert_with(|| Box::pin(sleep_until(deadline(between))));
                    ready!(patience.as_mut().poll(cx));
                    return Poll::Ready(Err(Failure::ReadTimeout));
                }
            }
        }
    }
}

impl AsyncBufRead for Wire {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.piece.is_empty()
            && let Some(piece) = ready!(this.poll_piece(cx)).map_err(io::Error::other)?
        {
            this.piece = piece;
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().piece.advance(amount);
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let piece = ready!(self.as_mut().poll_fill_buf(cx))?;
        let amount = piece.len().min(buf.remaining());
        buf.put_slice(piece.get(..amount).unwrap_or_default());
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}
