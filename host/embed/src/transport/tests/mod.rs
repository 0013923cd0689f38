//! The promises of the transport, against servers of a few lines that do one thing wrong each, at the level of bytes and sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bodies;
mod cases;
mod certificates;
mod compressed;
mod http2;
mod proxies;
mod real_servers;
mod rebinding;
mod sending;
mod sockets;

use super::*;
use crate::egress::Grant;
use http_body_util::{BodyExt, Empty, Full};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SHORT: Timeouts = Timeouts {
    connect: Duration::from_millis(300),
    first_byte: Duration::from_millis(300),
    between_bytes: Duration::from_millis(300),
};

/// What a server saw.
#[derive(Default)]
struct Seen {
    connections: AtomicU32,
    open: AtomicU32,
    requests: Mutex<Vec<String>>,
    broken: AtomicBool,
}

struct Server {
    port: u16,
    seen: Arc<Seen>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(!self.seen.broken.load(Ordering::SeqCst), "the server panicked");
        }
    }
}

impl Server {
    /// Runs `serve` for every connection, with its number from 0.
    async fn start<F: Future<Output = ()> + Send>(
        serve: impl Fn(TcpStream, Arc<Seen>, u32) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Seen>::default();
        let (all, serve) = (Arc::clone(&seen), Arc::new(serve));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, serve) = (Arc::clone(&all), Arc::clone(&serve));
                let number = seen.connections.fetch_add(1, Ordering::SeqCst);
                seen.open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    struct Closing(Arc<Seen>);
                    impl Drop for Closing {
                        fn drop(&mut self) {
                            self.0.open.fetch_sub(1, Ordering::SeqCst);
                            self.0.broken.fetch_or(std::thread::panicking(), Ordering::SeqCst);
                        }
                    }
                    let _closing = Closing(Arc::clone(&seen));
                    serve(stream, seen, number).await;
                });
            }
        });
        Self { port, seen }
    }

    /// Answers every request with `answer` and keeps the socket open.
    async fn answering(answer: &'static [u8]) -> Self {
        Self::start(move |mut stream, seen, _| async move {
            while read(&mut stream, &seen).await {
                stream.write_all(answer).await.unwrap();
            }
        })
        .await
    }

    fn origin(&self) -> Origin {
        format!("http://127.0.0.1:{}", self.port).parse().unwrap()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/path?query", self.port)
    }

    fn connections(&self) -> u32 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> usize {
        self.seen.requests.lock().unwrap().len()
    }

    async fn wait_until_open(&self, sockets: u32) {
        let start = Instant::now();
        while self.seen.open.load(Ordering::SeqCst) != sockets {
            assert!(start.elapsed() < Duration::from_secs(5), "{} open", self.seen.open.load(Ordering::SeqCst));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Reads one request, with its body. False at the end of the stream.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, seen: &Seen) -> bool {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read_buf(&mut request).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
    let length =
        text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
    while request.len() < head + length {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    seen.requests.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    true
}

fn transport(origin: Origin) -> Transport {
    with_limits(origin, &Limits::default())
}

fn with_limits(origin: Origin, limits: &Limits) -> Transport {
    Transport::new(Setup { limits: limits.clone(), ..setup(vec![Grant::extra(origin)]) })
}

/// A client with the defaults, that may reach what is granted.
fn setup(grants: Vec<Grant>) -> Setup {
    Setup {
        egress: Egress::new(vec![], grants),
        trust: tls::Trust::default(),
        proxy: None,
        variables: Arc::new(crate::NoVariables),
        limits: Limits::default(),
        resolver: Resolver::System,
    }
}

fn request(method: &str, url: &str, body: &'static str) -> http::Request<RequestBody> {
    let body = Full::new(Bytes::from_static(body.as_bytes())).map_err(|never| match never {}).boxed_unsync();
    let builder = http::Request::builder().method(method).uri(url);
    if method == "GET" {
        return builder.body(Empty::new().map_err(|never| match never {}).boxed_unsync()).unwrap();
    }
    builder.header("content-length", http_body::Body::size_hint(&body).lower()).body(body).unwrap()
}

fn keep(activity: u64, seconds: Option<u64>) -> Keep {
    Keep { activity, idle: seconds.map(Duration::from_secs), use_proxy: false, over: Arc::default() }
}

/// Sends, and reads the whole answer.
async fn fetch(
    transport: &Transport,
    request: http::Request<RequestBody>,
    keep: Keep,
) -> Result<(u16, Bytes), Failure> {
    let answer = transport.send(request, SHORT, keep).await?;
    let status = answer.status().as_u16();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

async fn get(transport: &Transport, url: &str) -> Result<(u16, Bytes), Failure> {
    fetch(transport, request("GET", url, ""), keep(0, Some(60))).await
}
