//! Proxies of a few lines: what goes by them, what does not, and what their failures are called.

use super::certificates::tls_server;
use super::*;
use crate::egress::Origin;
use crate::{NoVariables, Secret, VariableError};

const USER: &str = "proxy user";
const PASSWORD: &str = "p@ss:w/rd%41";

/// The variables of the operator.
struct Login;

impl Variables for Login {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        match name {
            "proxy_user" => Ok(USER.into()),
            "proxy_password" => Ok(PASSWORD.into()),
            other => Err(VariableError::Undefined(other.to_owned())),
        }
    }
}

fn by_proxy(proxy: &str, target: &str) -> Transport {
    by_proxies(ProxyConfig::new(proxy.parse().unwrap()), target)
}

fn by_proxies(proxies: ProxyConfig, target: &str) -> Transport {
    let grants = vec![Grant::extra(target.parse().unwrap())];
    Transport::new(Setup { proxy: Some(proxies), variables: Arc::new(Login), ..setup(grants) })
}

fn keep_by_proxy() -> Keep {
    Keep { use_proxy: true, ..keep(0, Some(60)) }
}

async fn get_by_proxy(transport: &Transport, url: &str) -> Result<(u16, Bytes), Failure> {
    fetch(transport, request("GET", url, ""), keep_by_proxy()).await
}

/// A proxy that does as it is told by `CONNECT`, whatever the target's name is: it leads to this port here.
async fn forwarding(port: u16) -> Server {
    Server::start(move |mut stream, seen, _| async move {
        read(&mut stream, &seen).await;
        let mut target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_the_proxy_goes_by_it_with_the_variables_credentials_and_the_rest_does_not() {
    let target = Server::answering(OK).await;
    let proxy = forwarding(target.port).await;
    let url = format!("http://target.invalid:{}/", target.port);
    let address = format!("http://[proxy_user]:[proxy_password]@127.0.0.1:{}", proxy.port);
    let transport = by_proxy(&address, &url);
    for _ in 0..2 {
        assert_eq!(get_by_proxy(&transport, &url).await.unwrap().0, 200);
    }
    assert_eq!((proxy.connections(), target.connections(), target.requests()), (1, 1, 2));
    let asked = proxy.seen.requests.lock().unwrap()[0].clone();
    assert!(asked.starts_with(&format!("CONNECT target.invalid:{} HTTP/1.1\r\n", target.port)), "{asked}");
    // `proxy user:p@ss:w/rd%41`, as it is.
    assert!(asked.contains("proxy-authorization: Basic cHJveHkgdXNlcjpwQHNzOncvcmQlNDE=\r\n"), "{asked}");
    assert!(!target.seen.requests.lock().unwrap()[0].contains("proxy-"), "the target hears nothing of it");
    let direct = format!("http://127.0.0.1:{}/", target.port);
    let transport = by_proxy(&address, &direct);
    assert_eq!(get(&transport, &direct).await.unwrap().0, 200);
    assert_eq!(proxy.connections(), 1, "a connection that does not ask for the proxy does without");
    let bypassing = ProxyConfig { bypass: Bypass::new("127.0.0.0/8"), ..ProxyConfig::new(address.parse().unwrap()) };
    assert_eq!(get_by_proxy(&by_proxies(bypassing, &direct), &direct).await.unwrap().0, 200);
    assert_eq!(proxy.connections(), 1, "a target of the bypass list does without");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_http2_go_end_to_end_through_a_proxy_that_itself_speaks_tls() {
    let (target, pem) = tls_server(&[b"http/1.1"], |mut stream, seen| async move {
        while read(&mut stream, &seen).await {
            stream.write_all(OK).await.unwrap();
            stream.flush().await.unwrap();
        }
    })
    .await;
    let port = target.port;
    let (proxy, proxy_pem) = tls_server(&[], move |mut stream, seen| async move {
        read(&mut stream, &seen).await;
        let mut target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
    })
    .await;
    let url = format!("https://127.0.0.1:{port}/");
    let address: Proxy = format!("https://127.0.0.1:{}", proxy.port).parse().unwrap();
    let client = |roots: &str| {
        let trust = tls::Trust::new(roots).unwrap();
        let proxy = Some(ProxyConfig::new(address.clone()));
        Transport::new(Setup { trust, proxy, ..setup(vec![Grant::extra(url.parse().unwrap())]) })
    };
    assert_eq!(get_by_proxy(&client(&format!("{pem}{proxy_pem}")), &url).await.unwrap().0, 200);
    let failure = get_by_proxy(&client(&pem), &url).await.unwrap_err();
    let told = failure.to_string();
    assert!(matches!(failure, Failure::ProxyUnreachable(_)) && told.contains("certificate"), "{told}");
    let failure = get_by_proxy(&client(&proxy_pem), &url).await.unwrap_err();
    assert!(matches!(failure, Failure::Certificate(_)), "the target's certificate is not the proxy's: {failure}");
    assert_eq!(target.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_of_a_proxy_is_told_proves_that_nothing_was_sent_and_shows_no_credential() {
    // What the proxy answers to `CONNECT`, what the failure is called, and a part of its text.
    let cases: [(&'static [u8], &str, &str); 9] = [
        (
            b"HTTP/1.1 407 p@ss:w/rd%41\r\nproxy-authenticate: Basic realm=\"x\"\r\n\r\n",
            "ProxyDenied",
            "does not accept the user and password of the proxy settings (status 407)",
        ),
        (
            b"HTTP/1.1 407 No\r\nproxy-authenticate: Negotiate\r\n\r\n",
            "ProxyDenied",
            "wants Negotiate, and this host can only do Basic",
        ),
        (b"HTTP/1.1 403 proxy user\r\n\r\n", "ProxyDenied", "does it allow CONNECT to port 444?"),
        (b"HTTP/1.1 405 No\r\n\r\n", "ProxyDenied", "(status 405)"),
        (
            b"HTTP/1.1 502 No\r\n\r\n",
            "ProxyUnreachable",
            "could not connect to https://target.invalid:444 (status 502)",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nwelcome", "ProxyUnreachable", "sent bytes of its own"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "ProxyUnreachable", "does not speak HTTP"),
        (b"", "ProxyUnreachable", "broke off instead of connecting"),
        (b"HTTP/1.1 200 OK\r\n", "ProxyUnreachable", "did not connect in time"),
    ];
    for (answer, expected, text) in cases {
        let proxy = Server::start(move |mut stream, seen, _| async move {
            read(&mut stream, &seen).await;
            stream.write_all(answer).await.unwrap();
            if answer == b"HTTP/1.1 200 OK\r\n" {
                let _ = stream.read_u8().await;
            }
        })
        .await;
        let address = format!("http://[proxy_user]:[proxy_password]@127.0.0.1:{}", proxy.port);
        let failure =
            get_by_proxy(&by_proxy(&address, "https://target.invalid:444"), "https://target.invalid:444/").await;
        let failure = failure.unwrap_err();
        let told = format!("{failure} {failure:?}");
        assert!(format!("{failure:?}").starts_with(expected) && told.contains(text), "{text}: {told}");
        assert!(told.contains(&format!("http://127.0.0.1:{}", proxy.port)), "{told}");
        assert!(!told.contains(USER) && !told.contains(PASSWORD), "{told}");
        assert!(failure.proves_unsent() && failure.is_of_the_host(), "{told}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (address, expected, text) in [
        (format!("http://{closed}"), "ProxyUnreachable", "nobody listens"),
        ("http://proxy.invalid:3128".to_owned(), "ProxyUnreachable", "the proxy http://proxy.invalid:3128"),
        (format!("http://[nobody]:x@{closed}"), "ProxyDenied", "a variable of its user or password has no value"),
    ] {
        let failure = get_by_proxy(&by_proxy(&address, "https://target.invalid"), "https://target.invalid/").await;
        let failure = failure.unwrap_err();
        assert!(format!("{failure:?}").starts_with(expected), "{failure:?}");
        assert!(failure.to_string().contains(text) && failure.proves_unsent(), "{failure}");
    }
    let plain = Server::start(|mut stream, _, _| async move {
        let _ = stream.read_u8().await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    })
    .await;
    let address = format!("https://127.0.0.1:{}", plain.port);
    let failure = get_by_proxy(&by_proxy(&address, "https://target.invalid"), "https://target.invalid/").await;
    let failure = failure.unwrap_err();
    assert!(matches!(&failure, Failure::ProxyUnreachable(told) if told.contains("TLS")), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_reached_directly_may_not_be_reached_by_the_proxy_where_this_host_knows_its_address() {
    let target = Server::answering(OK).await;
    let proxy = forwarding(target.port).await;
    let known = |name: &str| match name {
        "inside.test" => vec!["10.0.0.1".parse().unwrap()],
        "mixed.test" => ["1.1.1.1", "10.0.0.1"].map(|address| address.parse().unwrap()).to_vec(),
        "outside.test" => vec!["1.1.1.1".parse().unwrap()],
        literal => literal.parse().into_iter().collect(),
    };
    for (host, allowed) in [
        ("inside.test", false),
        ("mixed.test", false),
        ("10.0.0.1", false),
        ("outside.test", true),
        ("unknown.test", true),
    ] {
        let origin: Origin = format!("http://{host}").parse().unwrap();
        let transport = Transport::new(Setup {
            egress: Egress::new(vec![origin.clone()], vec![Grant::asked(origin)]),
            proxy: Some(ProxyConfig::new(format!("http://127.0.0.1:{}", proxy.port).parse().unwrap())),
            resolver: Resolver::Fixed(known),
            ..setup(vec![])
        });
        match get_by_proxy(&transport, &format!("http://{host}/")).await {
            Ok(_) => assert!(allowed, "{host}"),
            Err(failure) => {
                assert!(!allowed && matches!(failure, Failure::AddressProhibited), "{host}: {failure}");
            }
        }
    }
    assert_eq!(proxy.connections(), 2);
    let failure =
        get_by_proxy(&by_proxy(&format!("http://127.0.0.1:{}", proxy.port), "http://a.test"), "http://b.test/").await;
    assert!(matches!(failure.unwrap_err(), Failure::Denied(_)), "the name is checked as ever");
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_only_the_proxy_knows_is_not_looked_up_again_for_every_socket() {
    static LOOKED_UP: AtomicU32 = AtomicU32::new(0);
    let proxy = Server::start(|mut stream, seen, _| async move {
        read(&mut stream, &seen).await;
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
    })
    .await;
    let transport = Transport::new(Setup {
        proxy: Some(ProxyConfig::new(format!("http://127.0.0.1:{}", proxy.port).parse().unwrap())),
        resolver: Resolver::Fixed(|host| match host {
            "127.0.0.1" => vec![std::net::Ipv4Addr::LOCALHOST.into()],
            _ => {
                LOOKED_UP.fetch_add(1, Ordering::SeqCst);
                Vec::new()
            }
        }),
        egress: Egress::new(
            vec!["http://far.test".parse().unwrap()],
            vec![Grant::asked("http://far.test".parse().unwrap())],
        ),
        ..setup(vec![])
    });
    for _ in 0..3 {
        get_by_proxy(&transport, "http://far.test/").await.unwrap_err();
    }
    assert_eq!((proxy.connections(), LOOKED_UP.load(Ordering::SeqCst)), (3, 1));
}

#[test]
fn addresses_of_proxies_are_read_and_never_printed_with_their_credentials() {
    for (text, shown) in [
        ("http://proxy.example:3128", "the proxy http://proxy.example:3128"),
        ("http://Proxy.Example", "the proxy http://proxy.example:80"),
        ("https://u:p@proxy.example/", "the proxy https://proxy.example:443"),
        ("socks5://u@[::1]", "the proxy socks5://[::1]:1080"),
        ("SOCKS5H://[user]:[password]@proxy.example:1", "the proxy socks5://proxy.example:1"),
    ] {
        let proxy: Proxy = text.parse().unwrap();
        assert_eq!((proxy.to_string(), format!("{proxy:?}")), (shown.to_owned(), format!("Proxy({shown})")));
    }
    for text in [
        "",
        "proxy:3128",
        "ftp://proxy",
        "http://",
        "http://a:b@",
        "http://proxy:0",
        "http://proxy:x",
        "http://secret@proxy/path",
    ] {
        let error = text.parse::<Proxy>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let login = |text: &str| text.parse::<Proxy>().unwrap().credentials(&NoVariables).unwrap().unwrap();
    let written = login("http://us%40er:p%3Aa%25ss@proxy");
    assert_eq!((written.user.reveal(), written.password.reveal()), ("us@er", "p:a%ss"));
}

#[test]
fn the_usual_variables_of_an_environment_are_the_default() {
    let of = |pairs: &[(&str, &str)]| {
        let pairs: Vec<(String, String)> = pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        ProxyConfig::from_environment(move |name| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    };
    let proxy = |text: &str| Some(text.parse::<Proxy>().unwrap());
    assert_eq!(of(&[]).unwrap(), None);
    assert_eq!(of(&[("NO_PROXY", "x"), ("HTTPS_PROXY", " ")]).unwrap(), None);
    let config =
        of(&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:2"), ("no_proxy", "x.test")]).unwrap().unwrap();
    assert_eq!((&config.https, &config.http), (&proxy("http://b:2"), &None));
    assert!(config.of(&"https://y.test".parse().unwrap()).is_some());
    for direct in ["https://x.test", "http://y.test"] {
        assert!(config.of(&direct.parse().unwrap()).is_none(), "{direct}");
    }
    let config = of(&[("ALL_PROXY", "socks5://c:3"), ("http_proxy", "d:4")]).unwrap().unwrap();
    assert_eq!((config.https, config.http), (proxy("socks5://c:3"), proxy("http://d:4")));
    assert_eq!(of(&[("HTTP_PROXY", "ftp://x")]).unwrap_err().0, "HTTP_PROXY");
}
