//! Sockets that are kept: who may use them, when they close, and what dies with them.

use super::*;

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
async fn a_socket_that_is_kept_for_less_than_those_before_it_closes_in_its_own_time() {
    let long = Server::answering(OK).await;
    let short = Server::answering(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\ncontent-length: 2\r\n\r\nok").await;
    let grants = [&long, &short].map(|server| Grant::extra(server.origin())).to_vec();
    let transport = Transport::new(setup(grants));
    get(&transport, &long.url()).await.unwrap();
    // The one that closes idle sockets sleeps until the first one's time is over by now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    get(&transport, &short.url()).await.unwrap();
    let start = Instant::now();
    short.wait_until_open(0).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    long.wait_until_open(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_sockets_are_open_than_the_limit_says_and_idle_ones_make_room() {
    static BUSY: AtomicU32 = AtomicU32::new(0);
    static MOST: AtomicU32 = AtomicU32::new(0);
    async fn serve(mut stream: TcpStream, seen: Arc<Seen>) {
        while read(&mut stream, &seen).await {
            MOST.fetch_max(BUSY.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            BUSY.fetch_sub(1, Ordering::SeqCst);
            stream.write_all(OK).await.unwrap();
        }
    }
    let one = Server::start(|stream, seen, _| serve(stream, seen)).await;
    let other = Server::start(|stream, seen, _| serve(stream, seen)).await;
    let grants = [&one, &other].map(|server| Grant::extra(server.origin())).to_vec();
    let limits = Limits { sockets: 2, requests_in_flight: 8, ..Limits::default() };
    let transport = Arc::new(Transport::new(Setup { limits, ..setup(grants) }));
    let long = Duration::from_secs(30);
    let timeouts = Timeouts { connect: long, first_byte: long, between_bytes: long };
    let mut tasks = Vec::new();
    for number in 0..24 {
        let (transport, url) = (Arc::clone(&transport), if number % 3 == 0 { other.url() } else { one.url() });
        tasks.push(tokio::spawn(async move {
            let answer = transport.send(request("GET", &url, ""), timeouts, keep(0, Some(60))).await.unwrap();
            answer.into_body().collect().await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((one.requests(), other.requests()), (16, 8));
    assert_eq!(MOST.load(Ordering::SeqCst), 2, "sockets that were busy at the same time");
    assert!(one.connections() + other.connections() < 24, "they are used again where they can be");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_finds_no_socket_in_time_is_told_the_limit_and_was_not_sent() {
    let server = Server::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot all").await;
    let limits = Limits { sockets: 1, ..Limits::default() };
    let transport = with_limits(server.origin(), &limits);
    let long = Timeouts { between_bytes: Duration::from_secs(60), ..SHORT };
    let unread = transport.send(request("GET", &server.url(), ""), long, keep(0, Some(60))).await.unwrap();
    let failure = get(&transport, &server.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::SocketLimit(1)) && failure.proves_unsent(), "{failure}");
    assert_eq!(server.requests(), 1);
    drop(unread);
    transport.send(request("GET", &server.url(), ""), long, keep(0, Some(60))).await.unwrap();
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
    let transport = super::transport(half.origin());
    let answer = transport.send(request("GET", &half.url(), ""), SHORT, keep(0, Some(60))).await.unwrap();
    half.wait_until_open(1).await;
    drop(answer);
    half.wait_until_open(0).await;
    assert_eq!(transport.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_comes_back_after_its_activity_ended_is_closed_and_nothing_waiting_begins() {
    let server = Server::answering(OK).await;
    let limits = Limits { requests_in_flight: 1, ..Limits::default() };
    let transport = with_limits(server.origin(), &limits);
    let keep = keep(1, None);
    let answer = transport.send(request("GET", &server.url(), ""), SHORT, keep.clone()).await.unwrap();
    let waiting = {
        let (transport, url, keep) = (transport.clone(), server.url(), keep.clone());
        tokio::spawn(async move { transport.send(request("GET", &url, ""), SHORT, keep).await.map(drop) })
    };
    keep.over.store(true, Ordering::SeqCst);
    transport.close_activity(1);
    // The body is taken only now, or was before: the socket is not kept in either case.
    drop(answer.into_body().collect().await);
    let failure = waiting.await.unwrap();
    assert!(failure.is_ok() || failure.unwrap_err().proves_unsent());
    server.wait_until_open(0).await;
    let failure = fetch(&transport, request("GET", &server.url(), ""), keep).await.unwrap_err();
    assert!(failure.proves_unsent(), "{failure}");
    assert!(server.requests() <= 2);
}
