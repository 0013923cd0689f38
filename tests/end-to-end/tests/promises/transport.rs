//! The way to the store, seen from both ends: sockets counted there, proxies in between, and refusals told here.

use std::time::{Duration, Instant};

use connector_host::contract::{Error, ErrorKind, Outcome, QueryRequest, Retry};
use connector_host::{CallError, Grant, Limits, ProxyConfig};
use end_to_end::{Bench, query, write};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn told(result: Result<impl std::fmt::Debug, CallError>) -> Error {
    match result {
        Err(CallError::Connector(error)) => error,
        other => panic!("{other:?}"),
    }
}

async fn wait_until_open(bench: &Bench, sockets: usize) {
    let start = Instant::now();
    while bench.store.connections_open() != sockets {
        assert!(start.elapsed() < Duration::from_secs(20), "{} open", bench.store.connections_open());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keep_alive_a_second_activity_in_time_opens_no_socket_and_one_after_it_does() {
    let bench = Bench::new().await;
    let connection = bench.open(json!({ "keep_alive": true, "keep_alive_seconds": "2" })).await.unwrap();
    connection.test().await.unwrap();
    let first = bench.store.connections_accepted();
    let done = Instant::now();
    connection.test().await.unwrap();
    // A machine that is busy for two seconds here has shown nothing.
    if done.elapsed() < Duration::from_secs(2) {
        assert_eq!(bench.store.connections_accepted(), first);
    }
    let before = bench.store.connections_accepted();
    assert!(bench.store.connections_open() > 0);
    wait_until_open(&bench, 0).await;
    assert!(done.elapsed() > Duration::from_millis(1900), "{:?}", done.elapsed());
    connection.test().await.unwrap();
    assert!(bench.store.connections_accepted() > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keep_alive_each_activity_opens_and_closes_its_own_sockets() {
    let bench = Bench::new().await;
    let connection = bench.open(json!({ "keep_alive": false })).await.unwrap();
    let mut before = 0;
    for _ in 0..3 {
        let mut activity = connection.activity().await.unwrap();
        activity.test().await.unwrap();
        let accepted = bench.store.connections_accepted();
        assert!(accepted > before, "a socket of its own");
        activity.test().await.unwrap();
        assert_eq!(bench.store.connections_accepted(), accepted, "used for all that the activity does");
        drop(activity);
        wait_until_open(&bench, 0).await;
        before = accepted;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_the_host_refused_a_request_reaches_the_caller() {
    let bench = Bench::new().await;
    let origin = bench.store.base_url().parse().unwrap();
    let grant = Grant { origin, allow_private: false, beyond_asked: true };
    let connection = bench.open_as(bench.settings(), |config| config.grants = vec![grant]).await.unwrap();
    let reason = "every address of the name is private, and the grant does not allow that";
    let error = told(connection.test().await);
    assert_eq!((error.kind, error.retry), (ErrorKind::Denied, Retry::Never), "{error:?}");
    assert!(error.message.contains(reason) && error.message.contains("127.0.0.1"), "{}", error.message);
    let mut pages = connection.query(query("products")).await.unwrap();
    assert!(told(pages.next().await).message.contains(reason));
    let outcomes = connection
        .activity()
        .await
        .unwrap()
        .create(&write(
            "products",
            &[json!({ "name": "a", "type": "physical", "weight": 1, "price": 1, "categories": [] })],
        ))
        .await;
    match outcomes {
        Ok(outcomes) => match &outcomes[..] {
            [Outcome::Failed(error)] => assert!(error.message.contains(reason), "{error:?}"),
            other => panic!("{other:?}"),
        },
        error => assert!(told(error).message.contains(reason)),
    }
    assert_eq!(bench.store.connections_accepted(), 0);
}

/// A proxy that answers `CONNECT` with this status, and leads to the target if it is 200. The address.
async fn proxy(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    asked.push(stream.read_u8().await.unwrap());
                }
                let answer = format!("HTTP/1.1 {status} said\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                if status == 200 {
                    let asked = String::from_utf8(asked).unwrap();
                    let mut target = TcpStream::connect(asked.split(' ').nth(1).unwrap()).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_for_the_proxy_goes_by_it_and_its_refusal_reaches_the_caller() {
    let bench = Bench::new().await;
    bench.variables.set("proxy_user", "ada");
    bench.variables.set("proxy_password", "hunter2hunter2");
    for (status, kind) in [(200, None), (407, Some(ErrorKind::Denied)), (403, Some(ErrorKind::Denied))] {
        let address = proxy(status).await;
        let mut settings = bench.settings();
        settings["use_proxy"] = json!(true);
        let proxies = ProxyConfig::new(format!("http://[proxy_user]:[proxy_password]@{address}").parse().unwrap());
        let connection = bench.open_as(settings, |config| config.proxy = Some(proxies)).await.unwrap();
        let Some(kind) = kind else {
            connection.test().await.unwrap();
            continue;
        };
        let before = bench.store.connections_accepted();
        let error = told(connection.test().await);
        assert_eq!((error.kind, error.retry), (kind, Retry::Never), "{error:?}");
        assert!(error.message.contains(&address) && error.message.contains(&status.to_string()), "{}", error.message);
        assert!(!error.message.contains("hunter2"), "{}", error.message);
        assert_eq!(bench.store.connections_accepted(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_over_do_not_count_among_what_an_activity_holds() {
    let bench = Bench::new().await;
    let mut config = bench.config(bench.settings());
    config.limits = Limits { resources: 60, ..Limits::default() };
    let connection = bench.host.open(&bench.connector, config).await.unwrap();
    let mut activity = connection.activity().await.unwrap();
    let mut request = QueryRequest { page_size: Some(5), ..query("products") };
    loop {
        let page = activity.query(&request).await.unwrap();
        if page.next.is_none() {
            break;
        }
        request.cursor = page.next;
    }
    assert!(connection.status().requests > 90, "more than the activity may hold at once");
}
