//! Who may ask: who has the operator's token; without one, who asks this machine by a name of its own. A page in a browser may not:
//! it would act with the rights of whoever opened it.

use std::net::IpAddr;

/// What is read of a request's head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head<'a> {
    /// `Host`, or the authority that the request is for.
    pub(crate) host: &'a str,
    /// `Authorization`.
    pub(crate) authorization: Option<&'a str>,
    /// Whether there is an `Origin`.
    pub(crate) from_a_page: bool,
}

/// Why a request is not answered: its status, and a sentence.
pub(crate) type Refused = (u16, &'static str);

/// Lets a request pass, or says why not.
pub(crate) fn check(token: Option<&str>, head: Head<'_>) -> Result<(), Refused> {
    if head.from_a_page {
        return Err((403, "pages in a browser are not answered"));
    }
    let Some(token) = token else {
        // A name that leads to this machine may be anybody's (DNS rebinding).
        return if is_this_machine(head.host) {
            Ok(())
        } else {
            Err((403, "ask by the address 127.0.0.1, or guard this service with CONNECTOR_TOKEN"))
        };
    };
    let given = head.authorization.and_then(|value| value.strip_prefix("Bearer "));
    if given.is_some_and(|given| same(given.as_bytes(), token.as_bytes())) {
        Ok(())
    } else {
        Err((401, "pass the token: `Authorization: Bearer TOKEN`"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(token: Option<&str>, head: Head<'_>) -> Option<u16> {
        check(token, head).err().map(|(status, _)| status)
    }

    #[test]
    fn without_a_token_this_machine_may_ask_by_its_own_names_only() {
        for host in ["127.0.0.1:8080", "localhost", "[::1]:8080"] {
            assert_eq!(status(None, Head { host, ..Head::default() }), None, "{host}");
            assert_eq!(status(None, Head { host, from_a_page: true, ..Head::default() }), Some(403), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", ""] {
            assert_eq!(status(None, Head { host, ..Head::default() }), Some(403), "{host}");
        }
    }

    #[test]
    fn with_a_token_only_who_has_it_may_ask() {
        let ask = |authorization| {
            status(Some("0123456789abcdef"), Head { host: "localhost", authorization, ..Head::default() })
        };
        assert_eq!(ask(Some("Bearer 0123456789abcdef")), None);
        for wrong in ["Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Bearer ", "0123456789abcdef"] {
            assert_eq!(ask(Some(wrong)), Some(401), "{wrong}");
        }
        assert_eq!(ask(None), Some(401));
    }
}
