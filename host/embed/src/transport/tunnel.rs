//! Through a proxy to a target: `CONNECT` over HTTP, or SOCKS5. Both carry bytes and nothing else, for `http` targets as well: a
//! proxy that forwards requests could answer, change or keep them, and nobody could tell its failure from the target's. The price:
//! an HTTP proxy must allow `CONNECT` to the target's port.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio_socks::tcp::Socks5Stream;

use super::failure::Failure;
use super::io::Stream;
use super::proxy::{Credentials, Proxy};
use crate::egress::Origin;

/// Most bytes of a proxy's answer to `CONNECT`.
const ANSWER: usize = 64 << 10;

/// Has an HTTP proxy connect to the target.
pub(super) async fn connect(
    stream: Box<dyn Stream>,
    target: &Origin,
    proxy: &Proxy,
    credentials: Option<&Credentials>,
) -> Result<Box<dyn Stream>, Failure> {
    let broken = |what: String| Failure::ProxyUnreachable(format!("{proxy} {what}"));
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(ANSWER)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| broken(format!("broke off: {error}")))?;
    let driver = tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(ask(target, credentials)?).await;
    let answer = answer.map_err(|error| match error.is_parse() {
        true => broken("does not speak HTTP".to_owned()),
        false => broken("broke off instead of connecting".to_owned()),
    })?;
    if !answer.status().is_success() {
        driver.abort();
        return Err(refused(proxy, target, answer.status(), answer.headers(), credentials.is_some()));
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(|_| broken("broke off after connecting".to_owned()))?;
    let parts = upgraded.downcast::<TokioIo<Box<dyn Stream>>>().map_err(|_| broken("gave no connection".to_owned()))?;
    if !parts.read_buf.is_empty() {
        return Err(broken("sent bytes of its own before the target's".to_owned()));
    }
    Ok(parts.io.into_inner())
}

fn ask(target: &Origin, credentials: Option<&Credentials>) -> Result<http::Request<Empty<Bytes>>, Failure> {
    let authority = match target.host().contains(':') {
        true => format!("[{}]:{}", target.host(), target.port()),
        false => format!("{}:{}", target.host(), target.port()),
    };
    let mut request = http::Request::builder().method(Method::CONNECT).uri(&authority).header(HOST, &authority);
    if let Some(Credentials { user, password }) = credentials {
        let pair = STANDARD.encode(format!("{}:{}", user.reveal(), password.reveal()));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).map_err(|_| Failure::AddressInvalid)?;
        value.set_sensitive(true);
        request = request.header(PROXY_AUTHORIZATION, value);
    }
    request.body(Empty::new()).map_err(|_| Failure::AddressInvalid)
}

/// What a refusal means. Nothing of the proxy's text is passed on: it may repeat the credentials.
fn refused(proxy: &Proxy, target: &Origin, status: StatusCode, headers: &HeaderMap, told: bool) -> Failure {
    let port = target.port();
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            let wants: Vec<&str> = headers
                .get_all(PROXY_AUTHENTICATE)
                .iter()
                .filter_map(|value| value.to_str().ok()?.split([' ', ',']).next())
                .filter(|scheme| scheme.len() <= 20 && scheme.bytes().all(|byte| byte.is_ascii_alphabetic()))
                .collect();
            let basic = wants.is_empty() || wants.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
            let what = match (told, basic) {
                (_, false) => format!("wants {}, and this host can only do Basic", wants.join(" or ")),
                (true, true) => "does not accept the user and password of the proxy settings".to_owned(),
                (false, true) => "wants user and password, and the proxy settings have none".to_owned(),
            };
            Failure::ProxyDenied(format!("{proxy} {what} (status 407)"))
        }
        // What a proxy says that could not reach the target.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Failure::ProxyUnreachable(format!("{proxy} could not connect to {target} (status {})", status.as_u16()))
        }
        _ => Failure::ProxyDenied(format!(
            "{proxy} refuses to connect to {target} (status {}); does it allow CONNECT to port {port}?",
            status.as_u16()
        )),
    }
}

/// Has a SOCKS5 proxy connect to the target, whose name the proxy looks up.
pub(super) async fn socks5(
    stream: Box<dyn Stream>,
    target: &Origin,
    proxy: &Proxy,
    credentials: Option<&Credentials>,
) -> Result<Box<dyn Stream>, Failure> {
    use tokio_socks::Error;
    let to = (target.host(), target.port());
    let connected = match credentials {
        None => Socks5Stream::connect_with_socket(stream, to).await,
        Some(Credentials { user, password }) => {
            Socks5Stream::connect_with_password_and_socket(stream, to, user.reveal(), password.reveal()).await
        }
    };
    connected.map(Socks5Stream::into_inner).map_err(|error| match error {
        Error::PasswordAuthFailure(_) => {
            Failure::ProxyDenied(format!("{proxy} does not accept the user and password of the proxy settings"))
        }
        Error::NoAcceptableAuthMethods | Error::AuthorizationRequired if credentials.is_none() => {
            Failure::ProxyDenied(format!("{proxy} wants user and password, and the proxy settings have none"))
        }
        Error::NoAcceptableAuthMethods | Error::UnknownAuthMethod => {
            Failure::ProxyDenied(format!("{proxy} wants another way to log in than user and password"))
        }
        Error::InvalidAuthValues(_) => Failure::ProxyDenied(format!(
            "{proxy} cannot be given the user and password of the proxy settings: SOCKS5 takes 1 to 255 bytes each"
        )),
        Error::ConnectionNotAllowedByRuleset => Failure::ProxyDenied(format!("{proxy} refuses to connect to {target}")),
        Error::Io(_) => Failure::ProxyUnreachable(format!("{proxy} broke off instead of connecting")),
        Error::InvalidResponseVersion | Error::InvalidReservedByte | Error::UnknownAddressType => {
            Failure::ProxyUnreachable(format!("{proxy} does not speak SOCKS5"))
        }
        other => Failure::ProxyUnreachable(format!("{proxy} could not connect to {target} ({other})")),
    })
}
