//! Who may ask: this machine, or who has the token. A page in a browser may only if it is this server's own: another one would act
//! with the rights of whoever opened it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use connector_host::Secret;

use super::answer::{Refusal, refusal};
use super::limits::Client;
use super::state::Server;
use crate::error::{Failure, Result};

/// Shortest token that is taken, in bytes: one that cannot be guessed.
const SHORTEST_TOKEN: usize = 16;

/// Where a browser says a request comes from.
const FETCH_SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");

/// The rules.
#[derive(Debug)]
pub(super) struct Access {
    token: Option<Secret>,
}

impl Access {
    /// # Errors
    /// A token that cannot be read, or none where others than this machine can ask.
    pub(super) fn new(listen: SocketAddr, token_file: Option<&Path>) -> Result<Self> {
        let Some(path) = token_file else {
            if listen.ip().is_loopback() {
                return Ok(Self { token: None });
            }
            let failure = Failure::new(format!("{listen} can be reached from other machines"));
            return Err(failure.hint("guard it with --token-file FILE, or listen on 127.0.0.1").into());
        };
        let text = crate::files::read_text(path)
            .map_err(|e| Failure::new(format!("cannot read the token in `{}`", path.display())).causes_of(&e))?;
        if text.trim().len() < SHORTEST_TOKEN {
            let failure = Failure::new(format!("the token in `{}` is too short", path.display()));
            return Err(failure.hint(format!("take {SHORTEST_TOKEN} random characters or more")).into());
        }
        Ok(Self { token: Some(Secret::new(text.trim())) })
    }

    /// Whether these headers let a request pass; if not, its status and why.
    fn check(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        let text = |name: &header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let host = text(&header::HOST).unwrap_or_default();
        let own = |origin: &str| origin.split_once("://").is_some_and(|(_, rest)| rest == host && !host.is_empty());
        if text(&header::ORIGIN).is_some_and(|origin| !own(origin))
            || text(&FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"))
        {
            return Err((StatusCode::FORBIDDEN, "pages of other origins are not answered"));
        }
        let Some(token) = &self.token else {
            // A name that leads to this machine may be anybody's (DNS rebinding).
            return if is_this_machine(host) {
                Ok(())
            } else {
                Err((StatusCode::FORBIDDEN, "ask by the address 127.0.0.1"))
            };
        };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if given.is_some_and(|given| same(given.as_bytes(), token.reveal().as_bytes())) {
            Ok(())
        } else {
            Err((StatusCode::UNAUTHORIZED, "pass the token: `Authorization: Bearer TOKEN`"))
        }
    }
}

/// Whether `host[:port]` is this machine by address or by its own name.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Compares in a time that does not tell where two texts differ.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differences = given.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && std::hint::black_box(differences) == 0
}

/// Lets a request pass, or says why not.
pub(super) async fn guard(
    State(server): State<Arc<Server>>,
    Extension(Client(client)): Extension<Client>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = match pass(&server, client, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

fn pass(server: &Server, client: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
    server.limits.take(client, Instant::now()).map_err(|wait| {
        let message = "this client asks for more than the server's --rate allows";
        refusal("rate-limited", message).after(wait.as_secs() + 1)
    })?;
    server.access.check(headers).map_err(|(status, reason)| refusal("denied", reason).under(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(access: &Access, headers: &[(header::HeaderName, &'static str)]) -> Option<StatusCode> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), header::HeaderValue::from_static(value)));
        access.check(&headers.collect()).err().map(|(status, _)| status)
    }

    #[test]
    fn without_a_token_this_machine_may_ask_by_its_own_names_only() {
        let access = Access { token: None };
        for host in ["127.0.0.1:8080", "localhost", "[::1]:8080"] {
            assert_eq!(status(&access, &[(header::HOST, host)]), None, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", ""] {
            assert_eq!(status(&access, &[(header::HOST, host)]), Some(StatusCode::FORBIDDEN), "{host}");
        }
    }

    #[test]
    fn only_the_servers_own_page_may_ask_from_a_browser() {
        let token = Access { token: Some(Secret::new("0123456789abcdef")) };
        for access in [Access { token: None }, token] {
            let from = |origin: &'static str, site: &'static str| {
                let headers = [(header::HOST, "localhost:80"), (header::ORIGIN, origin), (FETCH_SITE, site)];
                let given = (header::AUTHORIZATION, "Bearer 0123456789abcdef");
                status(&access, &[&headers[..], &[given]].concat())
            };
            assert_eq!(from("http://localhost:80", "same-origin"), None);
            for origin in ["http://localhost", "http://evil.example", "http://localhost:80.evil.example", "null", ""] {
                assert_eq!(from(origin, "same-origin"), Some(StatusCode::FORBIDDEN), "{origin}");
            }
            for site in ["cross-site", "same-site", ""] {
                assert_eq!(from("http://localhost:80", site), Some(StatusCode::FORBIDDEN), "{site}");
            }
        }
    }

    #[test]
    fn with_a_token_only_who_has_it_may_ask() {
        let access = Access { token: Some(Secret::new("0123456789abcdef")) };
        assert_eq!(status(&access, &[(header::AUTHORIZATION, "Bearer 0123456789abcdef")]), None);
        for wrong in ["Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Bearer ", "0123456789abcdef"] {
            assert_eq!(status(&access, &[(header::AUTHORIZATION, wrong)]), Some(StatusCode::UNAUTHORIZED), "{wrong}");
        }
        assert_eq!(status(&access, &[(header::HOST, "localhost")]), Some(StatusCode::UNAUTHORIZED));
    }
}
