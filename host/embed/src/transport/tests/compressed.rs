//! Compressed answers: read as if they had not been, and bounded by what they unfold to.

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZstdEncoder};

use super::*;

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

async fn compressed(coding: &str, data: &[u8]) -> Vec<u8> {
    macro_rules! with {
        ($encoder:ident) => {{
            let mut encoder = $encoder::new(Vec::new());
            encoder.write_all(data).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }};
    }
    match coding {
        "gzip" => with!(GzipEncoder),
        "br" => with!(BrotliEncoder),
        "zstd" => with!(ZstdEncoder),
        other => panic!("{other}"),
    }
}

/// A server that answers with this body, in pieces of this size.
async fn server(coding: &'static str, body: Vec<u8>, piece: usize, chunked: bool) -> Server {
    Server::start(move |mut stream, seen, _| {
        let body = body.clone();
        async move {
            while read(&mut stream, &seen).await {
                let length = if chunked {
                    "transfer-encoding: chunked".to_owned()
                } else {
                    format!("content-length: {}", body.len())
                };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n{length}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                for piece in body.chunks(piece) {
                    let framed = match chunked {
                        true => [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat(),
                        false => piece.to_vec(),
                    };
                    if stream.write_all(&framed).await.is_err() {
                        return;
                    }
                }
                if chunked {
                    stream.write_all(b"0\r\n\r\n").await.unwrap();
                }
            }
        }
    })
    .await
}

fn varied(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * index % 251) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_answer_reads_as_if_it_were_not_and_leaves_its_socket_usable() {
    let data = varied(300_000);
    for coding in CODINGS {
        for chunked in [false, true] {
            let server = server(coding, compressed(coding, &data).await, 997, chunked).await;
            let transport = transport(server.origin());
            for _ in 0..2 {
                let request = request("GET", &server.url(), "");
                let answer = transport.send(request, SHORT, keep(0, Some(60))).await.unwrap();
                for header in ["content-encoding", "content-length"] {
                    assert!(!answer.headers().contains_key(header), "{coding}: {header} would not fit");
                }
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                assert!(body == data, "{coding}: {} bytes", body.len());
            }
            assert!(server.seen.requests.lock().unwrap()[0].contains("accept-encoding: gzip, br, zstd\r\n"));
            assert_eq!(server.connections(), 1, "{coding}, chunked: {chunked}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_names_codings_or_a_range_itself_gets_what_the_server_sends() {
    let body = compressed("gzip", b"hello").await;
    let server = server("gzip", body.clone(), 1000, false).await;
    let transport = transport(server.origin());
    for (name, value) in [("accept-encoding", "gzip"), ("range", "bytes=0-9")] {
        let mut request = request("GET", &server.url(), "");
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = transport.send(request, SHORT, keep(0, Some(60))).await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], "gzip");
        assert_eq!(answer.headers()["content-length"], body.len().to_string());
        assert!(answer.into_body().collect().await.unwrap().to_bytes() == body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decompression_bomb_ends_at_the_limit_of_the_body_and_is_not_unfolded_ahead_of_the_reader() {
    let bomb = vec![0; 100 << 20];
    for coding in CODINGS {
        let small = compressed(coding, &bomb).await;
        assert!(small.len() < 200_000, "{coding}: {}", small.len());
        let server = server(coding, small, 1 << 20, false).await;
        let transport = with_limits(server.origin(), &Limits { response_body: 10 << 20, ..Limits::default() });
        let answer = transport.send(request("GET", &server.url(), ""), SHORT, keep(0, Some(60))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let unfolded = transport.counters().bytes_read.load(Ordering::SeqCst);
        assert!(unfolded < 3 << 20, "{coding}: {unfolded} bytes wait for a reader that is late");
        let failure = answer.into_body().collect().await.unwrap_err();
        assert!(matches!(failure, Failure::AnswerTooLarge(limit) if limit == 10 << 20), "{coding}: {failure}");
        assert!(transport.counters().bytes_read.load(Ordering::SeqCst) <= 10 << 20);
        server.wait_until_open(0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zstd_stream_may_not_ask_for_more_memory_than_the_protocol_allows() {
    use async_compression::Level;
    use async_compression::zstd::CParameter;
    let window = [CParameter::window_log(27)];
    let mut encoder = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Fastest, &window);
    encoder.write_all(&varied(1 << 20)).await.unwrap();
    encoder.shutdown().await.unwrap();
    let server = server("zstd", encoder.into_inner(), 1 << 20, false).await;
    let failure = get(&transport(server.origin()), &server.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::ContentCoding(_)), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_answer_that_is_cut_off_damaged_or_goes_on_behind_its_end_is_told() {
    for coding in CODINGS {
        let whole = compressed(coding, &varied(100_000)).await;
        let cut = whole[..whole.len() / 2].to_vec();
        let mut damaged = whole.clone();
        damaged[..4].fill(0xff);
        let longer = [&whole[..], b"and more"].concat();
        for (body, expected) in [(cut, "Incomplete"), (damaged, "ContentCoding"), (longer, "ContentCoding")] {
            let server = server(coding, body, 1 << 20, false).await;
            let failure = get(&transport(server.origin()), &server.url()).await.unwrap_err();
            assert!(format!("{failure:?}").starts_with(expected), "{coding}, {expected}: {failure:?}");
            assert!(!failure.proves_unsent());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_more_on_the_wire_than_the_limit_ends_there_however_little_it_unfolds_to() {
    let nothing = compressed("gzip", b"").await;
    let server = server("gzip", nothing.repeat((2 << 20) / nothing.len()), 1 << 16, true).await;
    let transport = with_limits(server.origin(), &Limits { response_body: 1 << 20, ..Limits::default() });
    let failure = get(&transport, &server.url()).await.unwrap_err();
    assert!(matches!(failure, Failure::AnswerTooLarge(_)), "{failure}");
}
