//! The promises of the transport, against servers of a few lines that do one thing wrong each, at the level of bytes and sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

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
    Transport::new(Egress::new(vec![], vec![Grant::extra(origin)]), tls::Trust::default(), limits)
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
    Keep { activity, idle: seconds.map(Duration::from_secs) }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_request_arrives_once_with_path_host_and_body() {
    let server = Server::answering(OK).await;
    let transport = transport(server.origin());
    let (status, body) = fetch(&transport, request("POST", &server.url(), "{}"), keep(0, None)).await.unwrap();
    assert_eq!((status, &body[..]), (200, &b"ok"[..]));
    let seen = server.seen.requests.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with("POST /path?query HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(
        seen[0].contains(&format!("host: 127.0.0.1:{}\r\n", server.port)) && seen[0].ends_with("\r\n\r\n{}"),
        "{}",
        seen[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_is_proof_that_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{free}/");
    let failure = get(&transport(url.parse().unwrap()), &url).await.unwrap_err();
    assert!(matches!(failure, Failure::Refused) && failure.proves_unsent(), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_is_proof_that_nothing_was_sent() {
    let url = "http://does-not-exist.invalid/";
    let failure = get(&transport(url.parse().unwrap()), url).await.unwrap_err();
    assert!(matches!(failure, Failure::Dns(_) | Failure::DnsTimeout | Failure::NotFound), "{failure}");
    assert!(failure.proves_unsent());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_not_even_connected_to() {
    let server = Server::answering(OK).await;
    let asked = vec![server.origin()];
    let public_only = Transport::new(
        Egress::new(asked, vec![Grant::asked(server.origin())]),
        tls::Trust::default(),
        &Limits::default(),
    );
    let failure = get(&public_only, &server.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::AddressProhibited) && failure.proves_unsent(), "{failure}");
    let elsewhere = transport("https://api.example.com".parse().unwrap());
    let failure = get(&elsewhere, &server.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::Denied(_)) && failure.proves_unsent(), "{failure}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_before_the_request_is_read_may_have_taken_it() {
    let server = Server::start(|stream, _, _| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(stream);
    })
    .await;
    let failure = get(&transport(server.origin()), &server.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::Terminated) && !failure.proves_unsent(), "{failure}");
    assert_eq!(server.connections(), 1, "nothing is sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_after_the_first_byte_may_have_taken_it_and_is_not_tried_again() {
    let server = Server::start(|mut stream, _, _| async move {
        stream.read_u8().await.unwrap();
    })
    .await;
    let failure =
        fetch(&transport(server.origin()), request("POST", &server.url(), "{}"), keep(0, None)).await.unwrap_err();
    assert!(matches!(failure, Failure::Terminated) && !failure.proves_unsent(), "{failure}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooled_socket_that_the_server_closed_is_dropped_and_another_is_used() {
    let server = Server::start(|mut stream, seen, _| async move {
        read(&mut stream, &seen).await;
        stream.write_all(OK).await.unwrap();
    })
    .await;
    let transport = transport(server.origin());
    for _ in 0..5 {
        get(&transport, &server.url()).await.unwrap();
        server.wait_until_open(0).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((server.requests(), server.connections()), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooled_socket_that_dies_under_a_request_is_not_hidden() {
    let server = Server::start(|mut stream, seen, _| async move {
        read(&mut stream, &seen).await;
        stream.write_all(OK).await.unwrap();
        // The second request arrives, and is never answered.
        read(&mut stream, &seen).await;
    })
    .await;
    let transport = transport(server.origin());
    get(&transport, &server.url()).await.unwrap();
    let failure = fetch(&transport, request("POST", &server.url(), "{}"), keep(0, Some(60))).await.unwrap_err();
    assert!(!failure.proves_unsent(), "{failure}");
    assert_eq!((server.requests(), server.connections()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_doubled_or_wrongly_called_unsent_while_the_server_closes_at_random() {
    let seed = u64::from(std::process::id()) * 7919 + u64::from(Instant::now().elapsed().subsec_nanos());
    println!("seed {seed}");
    let server = Server::start(move |mut stream, seen, number| async move {
        // Closes each socket after one answer and a short while, so that some requests meet the closing.
        read(&mut stream, &seen).await;
        stream.write_all(OK).await.unwrap();
        let wait = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(u64::from(number).wrapping_mul(1_442_695_040_888_963_407))
            >> 33;
        tokio::time::sleep(Duration::from_micros(wait % 2000)).await;
    })
    .await;
    let transport = transport(server.origin());
    let (mut answered, mut unsent, mut unclear) = (0, 0, 0);
    for index in 0..300_u64 {
        match fetch(&transport, request("POST", &server.url(), "{}"), keep(0, Some(60))).await {
            Ok(_) => answered += 1,
            Err(failure) if failure.proves_unsent() => unsent += 1,
            Err(_) => unclear += 1,
        }
        tokio::time::sleep(Duration::from_micros(index * 37 % 1500)).await;
    }
    let seen = server.requests();
    assert!(
        answered <= seen && seen <= answered + unclear,
        "{answered} answered, {unclear} unclear, {unsent} unsent, {seen} seen"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cut_off_in_its_body_is_told() {
    for reset in [false, true] {
        let server = Server::start(move |mut stream, seen, _| async move {
            read(&mut stream, &seen).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n0123456789").await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            if reset {
                stream.set_zero_linger().unwrap();
            }
        })
        .await;
        let failure = get(&transport(server.origin()), &server.url()).await.unwrap_err();
        let expected =
            if reset { matches!(failure, Failure::Terminated) } else { matches!(failure, Failure::Incomplete) };
        assert!(expected && !failure.proves_unsent(), "{failure}");
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_and_a_stalled_body_end_in_time_and_close_the_socket() {
    for head in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n01234"] {
        let server = Server::start(move |mut stream, seen, _| async move {
            read(&mut stream, &seen).await;
            stream.write_all(head).await.unwrap();
            read(&mut stream, &seen).await;
        })
        .await;
        let start = Instant::now();
        let failure = get(&transport(server.origin()), &server.url()).await.unwrap_err();
        assert!(matches!(failure, Failure::ReadTimeout) && !failure.proves_unsent(), "{failure}");
        assert!(start.elapsed() >= SHORT.first_byte && start.elapsed() < SHORT.first_byte * 4);
        server.wait_until_open(0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_told() {
    let server = Server::answering(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let failure = get(&transport(server.origin()), &server.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::Protocol(_)) && !failure.proves_unsent(), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_above_the_limits_are_refused() {
    let limits = Limits { response_body: 100, request_body: 10, ..Limits::default() };
    let announced = Server::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n").await;
    let failure = get(&with_limits(announced.origin(), &limits), &announced.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::AnswerTooLarge(100)), "{failure}");
    let endless = Server::start(|mut stream, seen, _| async move {
        read(&mut stream, &seen).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while stream.write_all(b"10\r\n0123456789abcdef\r\n").await.is_ok() {}
    })
    .await;
    let failure = get(&with_limits(endless.origin(), &limits), &endless.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::AnswerTooLarge(100)), "{failure}");
    let ok = Server::answering(OK).await;
    let small = with_limits(ok.origin(), &limits);
    let failure = fetch(&small, request("POST", &ok.url(), "01234567890"), keep(0, None)).await.unwrap_err();
    assert!(matches!(failure, Failure::RequestTooLarge(10)), "{failure}");
    assert_eq!(ok.connections(), 0);
    let pieces = (0..3).map(|_| Ok::<_, BoxError>(http_body::Frame::data(Bytes::from_static(b"0123"))));
    let stream = without_length(pieces.collect());
    let unannounced = http::Request::builder().method("POST").uri(ok.url()).body(stream).unwrap();
    let failure = fetch(&small, unannounced, keep(0, None)).await.unwrap_err();
    assert!(matches!(failure, Failure::RequestTooLarge(10)), "{failure}");
}

/// A body without a length.
fn without_length(pieces: Vec<Result<http_body::Frame<Bytes>, BoxError>>) -> RequestBody {
    struct Pieces(std::vec::IntoIter<Result<http_body::Frame<Bytes>, BoxError>>);
    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
            std::task::Poll::Ready(self.0.next())
        }
    }
    Pieces(pieces.into_iter()).boxed_unsync()
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_answers() {
    let server =
        Server::answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(get(&transport(server.origin()), &server.url()).await.unwrap().0, 302);
    assert_eq!(server.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keep_alive_sockets_serve_one_activity_and_close_with_it() {
    let server = Server::answering(OK).await;
    let transport = transport(server.origin());
    for activity in [1, 1, 1, 2, 2] {
        fetch(&transport, request("GET", &server.url(), ""), keep(activity, None)).await.unwrap();
    }
    assert_eq!(server.connections(), 2);
    server.wait_until_open(2).await;
    transport.close_activity(1);
    server.wait_until_open(1).await;
    transport.close_activity(2);
    server.wait_until_open(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keep_alive_sockets_serve_all_activities_and_close_when_their_time_is_over() {
    let server = Server::answering(OK).await;
    let transport = transport(server.origin());
    for activity in 1..6 {
        fetch(&transport, request("GET", &server.url(), ""), keep(activity, Some(1))).await.unwrap();
        transport.close_activity(activity);
    }
    assert_eq!(server.connections(), 1);
    let start = Instant::now();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(server.seen.open.load(Ordering::SeqCst), 1);
    server.wait_until_open(0).await;
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_sockets_for_less_is_believed() {
    let server =
        Server::answering(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\ncontent-length: 2\r\n\r\nok").await;
    let transport = transport(server.origin());
    let start = Instant::now();
    get(&transport, &server.url()).await.unwrap();
    server.wait_until_open(0).await;
    assert!(
        start.elapsed() > Duration::from_millis(400) && start.elapsed() < Duration::from_millis(950),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_above_the_limit_wait() {
    static UNDER_WAY: AtomicU32 = AtomicU32::new(0);
    static MOST: AtomicU32 = AtomicU32::new(0);
    let server = Server::start(|mut stream, seen, _| async move {
        while read(&mut stream, &seen).await {
            MOST.fetch_max(UNDER_WAY.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    let transport = Arc::new(with_limits(server.origin(), &Limits { requests_in_flight: 2, ..Limits::default() }));
    let mut tasks = Vec::new();
    for _ in 0..10 {
        let (transport, url) = (Arc::clone(&transport), server.url());
        tasks.push(tokio::spawn(async move { get(&transport, &url).await.map(|_| ()) }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!((MOST.load(Ordering::SeqCst), server.requests(), server.connections()), (2, 10, 2));
    assert_eq!(transport.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_arrive_whole_and_in_few_pieces_even_if_the_reader_is_late() {
    const SIZE: usize = 5_000_000;
    for chunked in [false, true] {
        let server = Server::start(move |mut stream, seen, _| async move {
            read(&mut stream, &seen).await;
            let body: Vec<u8> = (0..SIZE).map(|index| (index * 31 % 251) as u8).collect();
            let mut answer = Vec::new();
            if chunked {
                answer.extend_from_slice(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
                for piece in body.chunks(9_999) {
                    answer.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    answer.extend_from_slice(piece);
                    answer.extend_from_slice(b"\r\n");
                }
                answer.extend_from_slice(b"0\r\n\r\n");
            } else {
                answer.extend_from_slice(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").as_bytes());
                answer.extend_from_slice(&body);
            }
            stream.write_all(&answer).await.unwrap();
            read(&mut stream, &seen).await;
        })
        .await;
        let transport = transport(server.origin());
        let answer = transport.send(request("GET", &server.url(), ""), SHORT, keep(0, Some(60))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(transport.counters().bytes_read.load(Ordering::SeqCst) < 3 << 20, "the buffer is bounded");
        assert_eq!(transport.in_flight(), 0, "a reader that is late keeps nobody else from sending");
        let (mut body, mut pieces, mut position) = (answer.into_body(), 0, 0);
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.iter().enumerate().all(|(index, byte)| *byte == ((position + index) * 31 % 251) as u8));
            position += data.len();
            pieces += 1;
        }
        assert_eq!(position, SIZE);
        assert!(pieces <= 8, "{pieces}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_a_request_or_an_answer_closes_its_socket() {
    let silent = Server::start(|mut stream, seen, _| async move {
        read(&mut stream, &seen).await;
        read(&mut stream, &seen).await;
    })
    .await;
    let transport = transport(silent.origin());
    let asked = tokio::time::timeout(Duration::from_millis(100), get(&transport, &silent.url())).await;
    assert!(asked.is_err());
    silent.wait_until_open(0).await;
    let half = Server::start(|mut stream, seen, _| async move {
        read(&mut stream, &seen).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n0123456789").await.unwrap();
        read(&mut stream, &seen).await;
    })
    .await;
    let transport = super::tests::transport(half.origin());
    let answer = transport.send(request("GET", &half.url(), ""), SHORT, keep(0, Some(60))).await.unwrap();
    half.wait_until_open(1).await;
    drop(answer);
    half.wait_until_open(0).await;
    assert_eq!(transport.in_flight(), 0);
}

/// A TLS server with a certificate for `127.0.0.1`, and its certificate authority as PEM.
async fn tls_server<F: Future<Output = ()> + Send>(
    serve: impl Fn(tokio_rustls::server::TlsStream<TcpStream>, Arc<Seen>) -> F + Send + Sync + 'static,
) -> (Server, String) {
    use tokio_rustls::rustls;
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = key.cert.der().clone();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let serve = Arc::new(serve);
    let server = Server::start(move |stream, seen, _| {
        let (acceptor, serve) = (acceptor.clone(), Arc::clone(&serve));
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, seen).await;
            }
        }
    })
    .await;
    (server, key.cert.pem())
}

fn https(server: &Server, roots: &str) -> (Transport, String) {
    let url = format!("https://127.0.0.1:{}/", server.port);
    let egress = Egress::new(vec![], vec![Grant::extra(url.parse().unwrap())]);
    (Transport::new(egress, tls::Trust::new(roots).unwrap(), &Limits::default()), url)
}

async fn answer_ok<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, seen: Arc<Seen>) {
    while read(&mut stream, &seen).await {
        stream.write_all(OK).await.unwrap();
        stream.flush().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_certificate_is_told_apart_and_an_added_authority_is_trusted() {
    let (server, pem) = tls_server(answer_ok).await;
    let (distrusting, url) = https(&server, "");
    let failure = get(&distrusting, &url).await.unwrap_err();
    assert!(matches!(failure, Failure::Certificate(_)) && failure.proves_unsent(), "{failure}");
    assert_eq!(server.requests(), 0);
    let (trusting, url) = https(&server, &pem);
    for _ in 0..3 {
        assert_eq!(get(&trusting, &url).await.unwrap().0, 200);
    }
    assert_eq!(server.requests(), 3);
    assert_eq!(server.connections(), 2, "the trusted socket is used again");
    assert!(tls::Trust::new("nonsense").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_connection_that_breaks_after_the_handshake_may_have_taken_the_request() {
    let (server, pem) = tls_server(|mut stream, _| async move {
        stream.read_u8().await.unwrap();
        stream.get_ref().0.set_zero_linger().unwrap();
    })
    .await;
    let (transport, url) = https(&server, &pem);
    let failure = get(&transport, &url).await.unwrap_err();
    assert!(matches!(failure, Failure::Terminated) && !failure.proves_unsent(), "{failure}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_fails_or_never_ends_is_proof_that_nothing_was_sent() {
    let plain = Server::answering(OK).await;
    let (transport, url) = https(&plain, "");
    let silent_plain = Server::start(|mut stream, _, _| async move {
        let _ = stream.read_u8().await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    })
    .await;
    let failure = get(&transport, &url).await.unwrap_err();
    assert!(matches!(failure, Failure::ConnectTimeout) && failure.proves_unsent(), "{failure}");
    let (transport, url) = https(&silent_plain, "");
    let failure = get(&transport, &url).await.unwrap_err();
    assert!(matches!(failure, Failure::Tls(_)) && failure.proves_unsent(), "{failure}");
}
