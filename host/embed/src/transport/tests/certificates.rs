//! TLS: whom to trust, and what breaks before and after the handshake.

use super::*;

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
