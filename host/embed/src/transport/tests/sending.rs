//! Sending once: what reaches the server, and what a failure proves.

use super::*;

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
    let egress = Egress::new(asked, vec![Grant::asked(server.origin())]);
    let public_only = Transport::new(Setup { egress, ..setup(vec![]) });
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
async fn what_is_not_http_is_told() {
    let server = Server::answering(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let failure = get(&transport(server.origin()), &server.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::Protocol(_)) && !failure.proves_unsent(), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_answers() {
    let server =
        Server::answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(get(&transport(server.origin()), &server.url()).await.unwrap().0, 302);
    assert_eq!(server.requests(), 1);
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
async fn timeouts_beyond_what_clocks_can_name_mean_no_timeout() {
    let server = Server::answering(OK).await;
    let endless = Timeouts { connect: Duration::MAX, first_byte: Duration::MAX, between_bytes: Duration::MAX };
    let transport = transport(server.origin());
    let answer = transport.send(request("GET", &server.url(), ""), endless, keep(0, None)).await.unwrap();
    assert_eq!(&answer.into_body().collect().await.unwrap().to_bytes()[..], b"ok");
}
