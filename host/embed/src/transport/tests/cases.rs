//! One server per way to fail over HTTP/1.1: what the failure is called, and whether it claims that the remote did not act.

use std::pin::Pin;

use super::*;

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server, what it does to a request, and what comes of it.
struct Case {
    what: &'static str,
    /// Bytes of the request's body.
    body: usize,
    serve: fn(TcpStream, Arc<Seen>) -> Serving,
    /// The failure's name.
    failure: &'static str,
    unsent: bool,
}

const fn case(what: &'static str, serve: fn(TcpStream, Arc<Seen>) -> Serving, failure: &'static str) -> Case {
    Case { what, body: 0, serve, failure, unsent: false }
}

/// Reads a request, says something, and closes the socket in an orderly way.
fn says(mut stream: TcpStream, seen: Arc<Seen>, answer: &'static [u8]) -> Serving {
    Box::pin(async move {
        read(&mut stream, &seen).await;
        // Whoever has heard enough closes.
        let _ = stream.write_all(answer).await;
    })
}

/// Reads a request, says something, and resets the socket once it has arrived.
fn says_and_resets(mut stream: TcpStream, seen: Arc<Seen>, answer: &'static [u8]) -> Serving {
    Box::pin(async move {
        read(&mut stream, &seen).await;
        stream.write_all(answer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.set_zero_linger().unwrap();
    })
}

/// Reads a request, and says something again and again.
fn repeats(mut stream: TcpStream, seen: Arc<Seen>, first: &'static [u8], then: &'static [u8], pause: u64) -> Serving {
    Box::pin(async move {
        read(&mut stream, &seen).await;
        stream.write_all(first).await.unwrap();
        let pause = Duration::from_millis(pause);
        // Until the other side closes.
        while stream.write_all(then).await.is_ok() && tokio::time::timeout(pause, stream.read_u8()).await.is_err() {}
    })
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const GZIP: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 20\r\n\r\n";
const HEADERS: &[u8] = {
    const LINES: &[[u8; 6]] = &[*b"x: y\r\n"; 8192];
    LINES.as_flattened()
};
const LARGE_HEAD: &[u8] = &{
    let mut head = [b'x'; 1 << 20];
    let start = b"HTTP/1.1 200 OK\r\nx: ";
    let mut at = 0;
    while at < start.len() {
        head[at] = start[at];
        at += 1;
    }
    head
};

const CASES: &[Case] = &[
    case(
        "reset before the request is read",
        |s, seen| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                drop(seen);
                s.set_zero_linger().unwrap();
            })
        },
        "Terminated",
    ),
    case("closed instead of an answer", |s, seen| says(s, seen, b""), "Terminated"),
    case("reset instead of an answer", |s, seen| says_and_resets(s, seen, b""), "Terminated"),
    case("closed in the status line", |s, seen| says(s, seen, b"HTTP/1.1 20"), "Terminated"),
    case("reset in the head", |s, seen| says_and_resets(s, seen, b"HTTP/1.1 200 OK\r\ncontent-le"), "Terminated"),
    case("closed in the head", |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\ncontent-le"), "Terminated"),
    case(
        "closed in a body with a length",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234"),
        "Incomplete",
    ),
    case("reset in a body with a length", |s, seen| says_and_resets(s, seen, HEAD), "Terminated"),
    case(
        "closed in a chunk",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n1234"),
        "Incomplete",
    ),
    case(
        "closed between chunks",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n1234\r\n"),
        "Incomplete",
    ),
    case(
        "a chunk without a size",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n1234\r\n"),
        "Protocol",
    ),
    case("another protocol", |s, seen| says(s, seen, b"SSH-2.0-OpenSSH_9.2\r\n"), "Protocol"),
    case("a status that is no number", |s, seen| says(s, seen, b"HTTP/1.1 two OK\r\n\r\n"), "Protocol"),
    case(
        "two lengths",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12"),
        "Protocol",
    ),
    case(
        "a zero byte in a header",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n"),
        "Protocol",
    ),
    case(
        "a line break in a header's value",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\nx: a\rb: c\r\ncontent-length: 0\r\n\r\n"),
        "Protocol",
    ),
    case(
        "a folded header",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n"),
        "Protocol",
    ),
    case("headers without end", |s, seen| repeats(s, seen, b"HTTP/1.1 200 OK\r\n", HEADERS, 0), "HeadTooLarge"),
    case("one header of a megabyte", |s, seen| says(s, seen, LARGE_HEAD), "HeadTooLarge"),
    case("no answer", |s, seen| repeats(s, seen, b"", b"", 50), "ReadTimeout"),
    case(
        "a head that never comes to its end",
        |s, seen| repeats(s, seen, b"HTTP/1.1 200 OK\r\nx: ", b"y", 50),
        "ReadTimeout",
    ),
    case("a body that stops", |s, seen| repeats(s, seen, HEAD, b"", 50), "ReadTimeout"),
    case("a chunked body that stops", |s, seen| repeats(s, seen, CHUNKED, b"", 50), "ReadTimeout"),
    Case {
        body: 15 << 20,
        ..case(
            "a request that is not read",
            |s, _| {
                Box::pin(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    drop(s);
                })
            },
            "WriteTimeout",
        )
    },
    case("a body that is not gzip", |s, seen| repeats(s, seen, GZIP, b"this is no gzip file", 50), "ContentCoding"),
    case(
        "a coding that nobody asked for",
        |s, seen| says(s, seen, b"HTTP/1.1 200 OK\r\ncontent-encoding: x-own\r\ncontent-length: 1\r\n\r\n1"),
        "ContentCoding",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_is_told_apart_and_says_whether_the_server_may_have_acted() {
    for Case { what, body, serve, failure, unsent } in CASES {
        let server = Server::start(move |stream, seen, _| serve(stream, seen)).await;
        let transport = transport(server.origin());
        let (method, body) = if *body == 0 { ("GET", vec![]) } else { ("POST", vec![b'x'; *body]) };
        let length = body.len();
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::builder().method(method).uri(server.url());
        let request = if length == 0 { request } else { request.header("content-length", length) };
        let met = fetch(&transport, request.body(body).unwrap(), keep(0, Some(60))).await.unwrap_err();
        assert!(format!("{met:?}").starts_with(failure), "{what}: {met:?}");
        assert_eq!(met.proves_unsent(), *unsent, "{what}: {met:?}");
        assert_eq!(server.connections(), 1, "{what}: nothing is sent again");
        server.wait_until_open(0).await;
    }
}
