//! Attacks over the network, on a server that keeps what it was sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use connector_host::{Cause, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::Attack;

/// A server that gives every socket the same answer, and holds it open.
struct Server {
    url: String,
    accepted: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (accepted, seen) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (count, sink, answer) = (Arc::clone(&accepted), Arc::clone(&seen), Arc::new(answer.into()));
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (sink, answer) = (Arc::clone(&sink), Arc::clone(&answer));
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 << 10];
                    let mut answered = false;
                    while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                        sink.lock().unwrap().extend_from_slice(&buffer[..read]);
                        if !std::mem::replace(&mut answered, true) {
                            let _ = socket.write_all(&answer).await;
                        }
                    }
                });
            }
        });
        Self { url, accepted, seen, task }
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

fn attack<'a>(how: &'a str, url: &'a str) -> Attack<'a> {
    Attack { url, ..Attack::new(how) }
}

#[tokio::test(flavor = "multi_thread")]
async fn header_fields_cannot_smuggle_lines_or_name_another_host() {
    let server = Server::answering(GOOD).await;
    for how in ["header-newline", "header-name"] {
        let told = attack(how, &server.url).told().await;
        assert!(told.contains("InvalidSyntax"), "{how}: {told}");
    }
    let told = attack("host-header", &server.url).told().await;
    assert!(told.contains("Forbidden"), "{told}");
    assert_eq!((server.accepted(), server.seen().as_str()), (0, ""), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn header_fields_are_bounded_in_number_and_size() {
    let server = Server::answering(GOOD).await;
    let finding = attack("header-huge", &server.url).ended().await;
    let told = "hostile 0.1.0: query made header fields of more than 64 KiB (limit `header_bytes`)";
    assert_eq!(finding.to_string(), told);
    let told = attack("header-many", &server.url).told().await;
    assert!(told.contains("HttpRequestHeaderSectionSize") && told.contains("limits `header_fields` and"), "{told}");
    assert_eq!(server.accepted(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn header_fields_of_an_answer_are_bounded_in_number_and_size() {
    let many: String = (0..50).map(|index| format!("x-{index}: 1\r\n")).collect();
    let huge = format!("x-a: {}\r\n", "a".repeat(100 << 10));
    for fields in [many, huge] {
        let server = Server::answering(format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\n{{}}")).await;
        let limits = Limits { header_fields: 20, ..Limits::default() };
        let told = Attack { limits, ..attack("fetch", &server.url) }.told().await;
        assert!(
            told.contains("HttpResponseHeaderSectionSize") && told.contains("limits `header_fields` and"),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_host_is_reached_neither_at_once_nor_by_a_redirect() {
    let forbidden = Server::answering(GOOD).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", forbidden.url);
    let allowed = Server::answering(redirect).await;
    let told = attack("fetch", &allowed.url).told().await;
    assert!(told.starts_with("answered: 302 http://127.0.0.1:"), "a redirect is an answer like any other: {told}");
    // Without a scheme, so that it is only an address once the connector has put it together.
    let address = forbidden.url.trim_start_matches("http://");
    let told = attack("fetch", address).told().await;
    assert!(told.contains("HttpRequestDenied") && told.contains("(the host: a request to 127.0.0.1:"), "{told}");
    assert_eq!(forbidden.accepted(), 0, "nothing reached the forbidden host");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_both_ways() {
    let body = "x".repeat(200_000);
    let server = Server::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    let limits = Limits { response_body: 100_000, request_body: 100_000, ..Limits::default() };
    let told = Attack { limits: limits.clone(), ..attack("fetch", &server.url) }.told().await;
    assert!(told.contains("HttpResponseBodySize") && told.contains("limit `response_body`"), "{told}");
    let sent = server.seen().len();
    let told = Attack { limits, ..attack("upload", &server.url) }.told().await;
    assert!(told.contains("HttpRequestBodySize") && told.contains("limit `request_body`"), "{told}");
    assert!(server.seen().len() - sent < 100_000, "{} bytes were sent", server.seen().len() - sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_never_finished_end_with_the_call() {
    let short = Duration::from_millis(300);
    let big = format!("HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n{}", "x".repeat(4 << 20));
    for (how, answer) in [("unread", big.as_str()), ("unfinished", ""), ("permits", "")] {
        let server = Server::answering(answer).await;
        let limits = Limits { call_time: short, cancel_grace: short, ..Limits::default() };
        let attack = Attack { limits, ..attack(how, &server.url) };
        let connection = attack.open().await.unwrap();
        let Err(connector_host::CallError::Ended(finding)) = super::call(&connection, "query").await else { panic!() };
        assert_eq!(finding.to_string(), "hostile 0.1.0: query took longer than 0.3 s (limit `call_time`)", "{how}");
        // What it held is given back.
        let given_back = async {
            let holds = || {
                let status = connection.status();
                status.in_flight > 0 || status.quotas.iter().any(|quota| quota.in_flight + quota.waiting > 0)
            };
            while holds() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), given_back).await.unwrap_or_else(|_| panic!("{how}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_holds_for_requests_is_bounded_in_bytes() {
    let server = Server::answering("").await;
    let limits = Limits { held_bytes: 8 << 20, ..Limits::default() };
    for how in ["held-fields", "held-addresses", "held-bodies"] {
        let finding = Attack { limits: limits.clone(), ..attack(how, &server.url) }.ended().await;
        let told = "made the host hold more than 8 MiB of header fields, addresses and request bodies";
        assert_eq!(finding.cause, Cause::Held(8 << 20), "{how}");
        assert_eq!(finding.to_string(), format!("hostile 0.1.0: query {told} (limit `held_bytes`)"));
    }
    assert_eq!(server.accepted(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_number_end_with_the_resources() {
    let server = Server::answering("").await;
    let finding = attack("requests", &server.url).ended().await;
    assert_eq!(finding.cause, Cause::Resources(2000));
    // As many as may be under way at once: none that waited begins while the activity is torn down.
    assert!(server.accepted() <= 16, "{} sockets", server.accepted());
}
