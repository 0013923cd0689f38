//! HTTP/2, against servers that write its frames by hand: what is shared, what closes, and what a failure proves.

use super::certificates::{https, tls_server};
use super::*;
use tokio_rustls::server::TlsStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` in the static table.
const STATUS_200: &[u8] = &[0x88];

type Http2 = TlsStream<TcpStream>;

async fn write_frame(stream: &mut Http2, kind: u8, flags: u8, id: u32, payload: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Begins a connection as the server's side does.
async fn greet(stream: &mut Http2) {
    greet_with(stream, &[]).await;
}

/// The same, with these settings.
async fn greet_with(stream: &mut Http2, settings: &[u8]) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    write_frame(stream, SETTINGS, 0, 0, settings).await.unwrap();
}

/// The stream of the next request; none when the other side has closed.
async fn next_request(stream: &mut Http2, seen: &Seen) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).await.ok()?;
        if head[3] == HEADERS {
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            seen.requests.lock().unwrap().push(id.to_string());
            return Some(id);
        }
    }
}

async fn answer(stream: &mut Http2, id: u32) -> std::io::Result<()> {
    write_frame(stream, HEADERS, END_HEADERS, id, STATUS_200).await?;
    write_frame(stream, DATA, END_STREAM, id, b"ok").await
}

/// A server that answers every request, and a client that trusts it.
async fn answering() -> (Server, Transport, String) {
    let (server, pem) = tls_server(&[b"h2"], |mut stream, seen| async move {
        greet(&mut stream).await;
        while let Some(id) = next_request(&mut stream, &seen).await {
            if answer(&mut stream, id).await.is_err() {
                break;
            }
        }
    })
    .await;
    let (transport, url) = https(&server, &pem);
    (server, transport, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_share_one_socket() {
    let (server, pem) = tls_server(&[b"h2", b"http/1.1"], |mut stream, seen| async move {
        greet(&mut stream).await;
        let mut ids = Vec::new();
        // All of them are there before the first is answered.
        while ids.len() < 8 {
            ids.push(next_request(&mut stream, &seen).await.unwrap());
        }
        for id in ids {
            answer(&mut stream, id).await.unwrap();
        }
        next_request(&mut stream, &seen).await;
    })
    .await;
    let (transport, url) = https(&server, &pem);
    let transport = Arc::new(transport);
    let long = Duration::from_secs(10);
    let timeouts = Timeouts { connect: long, first_byte: long, between_bytes: long };
    let mut tasks = Vec::new();
    for activity in 0..8 {
        let (transport, url) = (Arc::clone(&transport), url.clone());
        tasks.push(tokio::spawn(async move {
            let answer = transport.send(request("GET", &url, ""), timeouts, keep(activity, Some(60))).await.unwrap();
            assert_eq!(answer.version(), http::Version::HTTP_2);
            answer.into_body().collect().await.unwrap().to_bytes()
        }));
    }
    for task in tasks {
        assert_eq!(&task.await.unwrap()[..], b"ok");
    }
    assert_eq!((server.connections(), server.requests()), (1, 8));
    assert_eq!(transport.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keep_alive_one_socket_serves_all_activities_and_closes_when_its_time_is_over() {
    let (server, transport, url) = answering().await;
    for activity in 1..6 {
        fetch(&transport, request("GET", &url, ""), keep(activity, Some(2))).await.unwrap();
        transport.close_activity(activity);
    }
    assert_eq!((server.connections(), server.requests()), (1, 5));
    let start = Instant::now();
    server.wait_until_open(0).await;
    assert!(start.elapsed() > Duration::from_millis(1500), "{:?}", start.elapsed());
    fetch(&transport, request("GET", &url, ""), keep(6, Some(2))).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keep_alive_each_activity_opens_and_closes_its_own() {
    let (server, transport, url) = answering().await;
    for activity in [1, 1, 1, 2, 2] {
        fetch(&transport, request("GET", &url, ""), keep(activity, None)).await.unwrap();
    }
    assert_eq!((server.connections(), server.requests()), (2, 5));
    server.wait_until_open(2).await;
    transport.close_activity(1);
    server.wait_until_open(1).await;
    transport.close_activity(2);
    server.wait_until_open(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_one_request_leaves_the_others_their_socket() {
    let (server, pem) = tls_server(&[b"h2"], |mut stream, seen| async move {
        greet(&mut stream).await;
        // The first is never answered.
        next_request(&mut stream, &seen).await;
        while let Some(id) = next_request(&mut stream, &seen).await {
            answer(&mut stream, id).await.unwrap();
        }
    })
    .await;
    let (transport, url) = https(&server, &pem);
    let transport = Arc::new(transport);
    let first = {
        let (transport, url) = (Arc::clone(&transport), url.clone());
        let long = Timeouts { first_byte: Duration::from_secs(60), ..SHORT };
        tokio::spawn(async move { transport.send(request("GET", &url, ""), long, keep(0, Some(60))).await.map(drop) })
    };
    while server.requests() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.abort();
    assert!(first.await.is_err());
    let long = Timeouts { first_byte: Duration::from_secs(10), ..SHORT };
    transport.send(request("GET", &url, ""), long, keep(1, Some(60))).await.unwrap();
    assert_eq!((server.connections(), server.requests()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_on_which_no_answer_comes_takes_no_further_request() {
    let (server, pem) = tls_server(&[b"h2"], |mut stream, seen| async move {
        greet(&mut stream).await;
        while next_request(&mut stream, &seen).await.is_some() {}
    })
    .await;
    let (transport, url) = https(&server, &pem);
    for sockets in 1..3 {
        let failure = get(&transport, &url).await.unwrap_err();
        assert!(matches!(failure, Failure::ReadTimeout) && !failure.proves_unsent(), "{failure}");
        assert_eq!(server.connections(), sockets);
    }
    server.wait_until_open(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_do_not_hold_up_the_others_on_their_socket() {
    const UNREAD: u32 = 5;
    let (server, pem) = tls_server(&[b"h2"], |mut stream, seen| async move {
        greet(&mut stream).await;
        let piece = vec![b'x'; 16 << 10];
        while let Some(id) = next_request(&mut stream, &seen).await {
            if id > 2 * UNREAD - 1 {
                answer(&mut stream, id).await.unwrap();
                continue;
            }
            // As much as each stream has room for, and more in all than sockets have by default.
            write_frame(&mut stream, HEADERS, END_HEADERS, id, STATUS_200).await.unwrap();
            for _ in 0..128 {
                write_frame(&mut stream, DATA, 0, id, &piece).await.unwrap();
            }
        }
    })
    .await;
    let (transport, url) = https(&server, &pem);
    let long = Duration::from_secs(30);
    let timeouts = Timeouts { connect: long, first_byte: long, between_bytes: long };
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        unread.push(transport.send(request("GET", &url, ""), timeouts, keep(0, Some(60))).await.unwrap());
    }
    let answer = transport.send(request("GET", &url, ""), timeouts, keep(0, Some(60))).await.unwrap();
    assert_eq!(&answer.into_body().collect().await.unwrap().to_bytes()[..], b"ok");
    assert_eq!(server.connections(), 1);
}

/// Kind, flags, stream, payload.
type Frame = (u8, u8, u32, Vec<u8>);

/// A GOAWAY with the last stream that was looked at.
fn going_away(last: u32) -> Vec<u8> {
    [last.to_be_bytes(), 0_u32.to_be_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_is_told_apart_and_says_whether_the_server_may_have_acted() {
    // What the server writes to the first request, whether it closes the socket then, and what comes of it.
    let cases: [(&str, Vec<Frame>, bool, &str, bool); 11] = [
        ("refused", vec![(RST_STREAM, 0, 1, vec![0, 0, 0, 7])], false, "Unprocessed", true),
        ("going away before it", vec![(GOAWAY, 0, 0, going_away(0))], false, "Unprocessed", true),
        ("going away before it, and closed", vec![(GOAWAY, 0, 0, going_away(0))], true, "Unprocessed", true),
        ("going away after it, and closed", vec![(GOAWAY, 0, 0, going_away(1))], true, "Terminated", false),
        ("an internal error", vec![(RST_STREAM, 0, 1, vec![0, 0, 0, 2])], false, "Terminated", false),
        ("closed instead of an answer", vec![], true, "Terminated", false),
        ("no answer", vec![], false, "ReadTimeout", false),
        ("data before the head", vec![(DATA, 0, 1, b"x".to_vec())], false, "Protocol", false),
        (
            "reset in the body, even if refused",
            vec![(HEADERS, END_HEADERS, 1, STATUS_200.to_vec()), (RST_STREAM, 0, 1, vec![0, 0, 0, 7])],
            false,
            "Terminated",
            false,
        ),
        (
            "a body that is cut off by a reset that calls itself no error",
            vec![
                (HEADERS, END_HEADERS, 1, STATUS_200.to_vec()),
                (DATA, 0, 1, b"half".to_vec()),
                (RST_STREAM, 0, 1, vec![0, 0, 0, 0]),
            ],
            false,
            "Incomplete",
            false,
        ),
        ("a body that stops", vec![(HEADERS, END_HEADERS, 1, STATUS_200.to_vec())], false, "ReadTimeout", false),
    ];
    for (what, frames, closes, expected, unsent) in cases {
        let (server, pem) = tls_server(&[b"h2"], move |mut stream, seen| {
            let frames = frames.clone();
            async move {
                greet(&mut stream).await;
                next_request(&mut stream, &seen).await;
                for (kind, flags, id, payload) in frames {
                    write_frame(&mut stream, kind, flags, id, &payload).await.unwrap();
                }
                while !closes && next_request(&mut stream, &seen).await.is_some() {}
            }
        })
        .await;
        let (transport, url) = https(&server, &pem);
        let failure = fetch(&transport, request("POST", &url, "{}"), keep(0, Some(60))).await.unwrap_err();
        assert!(format!("{failure:?}").starts_with(expected), "{what}: {failure:?}");
        assert_eq!(failure.proves_unsent(), unsent, "{what}: {failure:?}");
        assert_eq!((server.connections(), server.requests()), (1, 1), "{what}: nothing is sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_the_server_closed_or_is_closing_is_dropped_and_another_is_used() {
    for says in [false, true] {
        let (server, pem) = tls_server(&[b"h2"], move |mut stream, seen| async move {
            greet(&mut stream).await;
            let id = next_request(&mut stream, &seen).await.unwrap();
            answer(&mut stream, id).await.unwrap();
            if says {
                write_frame(&mut stream, GOAWAY, 0, 0, &going_away(id)).await.unwrap();
                next_request(&mut stream, &seen).await;
            }
        })
        .await;
        let (transport, url) = https(&server, &pem);
        for _ in 0..4 {
            get(&transport, &url).await.unwrap();
            // The server's end comes first; what matters is when this one has heard of it.
            let since = Instant::now();
            while transport.open_sockets() > 0 {
                assert!(since.elapsed() < Duration::from_secs(10), "the closed socket counts as open");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        assert_eq!((server.requests(), server.connections()), (4, 4));
    }
}

/// One request at a time.
const ONE_STREAM: &[u8] = &[0, 3, 0, 0, 0, 1];

/// Sends so many requests at once, each with an activity of its own, and waits for all answers.
async fn at_once(transport: &Transport, url: &str, requests: u64) {
    let long = Duration::from_secs(60);
    let timeouts = Timeouts { connect: long, first_byte: long, between_bytes: long };
    let mut tasks = tokio::task::JoinSet::new();
    for activity in 0..requests {
        let (transport, url) = (transport.clone(), url.to_owned());
        tasks.spawn(async move {
            let answer = transport.send(request("GET", &url, ""), timeouts, keep(activity, Some(60))).await.unwrap();
            answer.into_body().collect().await.unwrap();
        });
    }
    while let Some(answered) = tasks.join_next().await {
        answered.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_beyond_what_the_server_takes_at_once_goes_to_another_socket() {
    let (server, pem) = tls_server(&[b"h2"], |mut stream, seen| async move {
        greet_with(&mut stream, ONE_STREAM).await;
        while let Some(id) = next_request(&mut stream, &seen).await {
            // Would never come on one socket.
            while seen.requests.lock().unwrap().len() < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            answer(&mut stream, id).await.unwrap();
        }
    })
    .await;
    let (transport, url) = https(&server, &pem);
    at_once(&transport, &url, 3).await;
    assert_eq!((server.connections(), server.requests()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_further_socket_may_be_opened_it_waits_for_its_turn_and_is_not_late() {
    let (server, pem) = tls_server(&[b"h2"], |mut stream, seen| async move {
        greet_with(&mut stream, ONE_STREAM).await;
        while let Some(id) = next_request(&mut stream, &seen).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer(&mut stream, id).await.unwrap();
        }
    })
    .await;
    let (transport, url) = https(&server, &pem);
    let transport = Transport { sockets: Arc::new(Semaphore::new(1)), ..transport };
    at_once(&transport, &url, 4).await;
    assert_eq!((server.connections(), server.requests()), (1, 4));
}
