//! TLS: whom to trust, and what breaks before and after the handshake.

use super::*;

/// A TLS server with a certificate for `127.0.0.1`, and its certificate authority as PEM. `offers`: the protocols that it speaks.
pub(super) async fn tls_server<F: Future<Output = ()> + Send>(
    offers: &[&[u8]],
    serve: impl Fn(tokio_rustls::server::TlsStream<TcpStream>, Arc<Seen>) -> F + Send + Sync + 'static,
) -> (Server, String) {
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    tls_server_as(&certificate.cert, &certificate.signing_key, offers, serve).await
}

/// A TLS server with this certificate, and the certificate as PEM.
async fn tls_server_as<F: Future<Output = ()> + Send>(
    certificate: &rcgen::Certificate,
    key: &rcgen::KeyPair,
    offers: &[&[u8]],
    serve: impl Fn(tokio_rustls::server::TlsStream<TcpStream>, Arc<Seen>) -> F + Send + Sync + 'static,
) -> (Server, String) {
    use tokio_rustls::rustls;
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    config.alpn_protocols = offers.iter().map(|offer| offer.to_vec()).collect();
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
    (server, certificate.pem())
}

pub(super) fn https(server: &Server, roots: &str) -> (Transport, String) {
    let url = format!("https://127.0.0.1:{}/", server.port);
    let grants = vec![Grant::extra(url.parse().unwrap())];
    (Transport::new(Setup { trust: tls::Trust::new(roots).unwrap(), ..setup(grants) }), url)
}

async fn answer_ok<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, seen: Arc<Seen>) {
    while read(&mut stream, &seen).await {
        stream.write_all(OK).await.unwrap();
        stream.flush().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_certificate_is_told_apart_and_an_added_authority_is_trusted() {
    let (server, pem) = tls_server(&[], answer_ok).await;
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
    let (server, pem) = tls_server(&[b"http/1.1"], |mut stream, _| async move {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_old_or_of_another_name_is_refused_with_the_reason() {
    let of = |name: &str, change: fn(&mut rcgen::CertificateParams)| {
        let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap(), key)
    };
    let old = of("127.0.0.1", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let early = of("127.0.0.1", |params| params.not_before = rcgen::date_time_ymd(2999, 1, 1));
    let other = of("other.test", |_| {});
    for ((certificate, key), reason) in [(old, "Expired"), (early, "NotValidYet"), (other, "NotValidForName")] {
        let (server, pem) = tls_server_as(&certificate, &key, &[], answer_ok).await;
        let (transport, url) = https(&server, &pem);
        let failure = get(&transport, &url).await.unwrap_err();
        assert!(matches!(&failure, Failure::Certificate(told) if told.contains(reason)), "{reason}: {failure}");
        assert!(failure.proves_unsent() && server.requests() == 0, "{reason}");
    }
}
