//! Bodies: cut off, late, too large, and large.

use super::*;

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
