//! Who may ask: this machine, or who has the token. A page in a browser may not, even one of this machine: it would act with the
//! rights of whoever opened it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use connector_host::Secret;

use super::Server;
use super::answer::refusal;
use crate::error::{Failure, Result};

/// Shortest token that is taken, in bytes: one that cannot be guessed.
const SHORTEST_TOKEN: usize = 16;

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
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::new(format!("cannot read the token in `{}`", path.display())).causes_of(&e))?;
        if text.trim().len() < SHORTEST_TOKEN {
            let failure = Failure::new(format!("the token in `{}` is too short", path.display()));
            return Err(failure.hint(format!("take {SHORTEST_TOKEN} random characters or more")).into());
        }
        Ok(Self { token: Some(Secret::new(text.trim())) })
    }

    /// Whether these headers let a request pass; if not, its status and why.
    fn check(&self, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        if headers.contains_key(header::ORIGIN) {
            return Err((StatusCode::FORBIDDEN, "pages in a browser are not answered"));
        }
        let Some(token) = &self.token else {
            // A name that leads to this machine may be anybody's (DNS rebinding).
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
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
pub(super) async fn guard(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match server.access.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err((status, reason)) => refusal(status, "denied", reason).into_response(),
    }
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
        let page = [(header::HOST, "localhost"), (header::ORIGIN, "http://localhost")];
        assert_eq!(status(&access, &page), Some(StatusCode::FORBIDDEN));
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
