//! Reads the API's error answers. There are a dozen shapes of them, a few are not even JSON; whatever comes, a person gets a
//! sentence with what the store said, and nothing here can fail.

use serde_json::Value;

use crate::error::{Error, Kind, Retry};
use crate::host::{Answer, Cause, SendError};

/// Longest excerpt of a remote's text in a message, in characters.
const EXCERPT: usize = 400;
/// Most field errors quoted in one message.
const MOST_DETAILS: usize = 8;

/// The failure that an answer with an error status means. `what` says what was tried, like `read products`.
pub fn refusal(what: &str, answer: &Answer) -> Error {
    let status = answer.status;
    let (kind, advice) = match status {
        401 => (
            Kind::Unauthorized,
            "the store refused the access token: check that the token is right and belongs to this store hash",
        ),
        403 => (
            Kind::Unauthorized,
            "the token lacks the OAuth scope for it, or a limit of the plan is reached: grant the scope to the API account",
        ),
        404 => (Kind::NotFound, "the store has no such record or endpoint"),
        409 => (Kind::Conflict, "it clashes with what the store holds"),
        429 => (
            Kind::RateLimited,
            "the store takes no more requests now: its quota is used up, or there are too many at a time",
        ),
        300..=399 => {
            (Kind::Protocol, "the address redirects elsewhere, and redirects are not followed: check `base_url`")
        }
        501 => (Kind::Rejected, "the API does not do this"),
        507 => (Kind::Rejected, "a limit of the store's plan is reached"),
        500..=599 => (Kind::Unavailable, "the store failed, or is down for maintenance or suspended"),
        _ => (Kind::Rejected, "the store refused the request"),
    };
    let retry = match status {
        429 => Retry::After(asked_wait(answer).unwrap_or(30_000)),
        501 | 507 => Retry::Never,
        // These say nothing about whether the store acted.
        500..=599 | 408 | 499 => Retry::OutcomeUnknown,
        _ => Retry::Never,
    };
    let said = Said::read(&answer.body);
    let mut message = format!("cannot {what}: {advice} (HTTP {status}");
    if let Some(text) = &said.text {
        message.push_str(": ");
        message.push_str(text);
    }
    message.push(')');
    if let (503, Some(asked)) = (status, asked_wait(answer)) {
        message.push_str("; it asks for a wait of ");
        message.push_str(&asked.to_string());
        message.push_str(" ms");
    }
    Error { kind, retry, message, status: Some(status), code: said.code, pointer: said.pointer }
}

/// The wait in milliseconds that a 429 or 503 asks for.
pub fn asked_wait(answer: &Answer) -> Option<u64> {
    let seconds = match answer.status {
        429 => match answer.number("x-rate-limit-time-reset-ms") {
            None => answer.number("x-retry-after").or_else(|| answer.number("retry-after"))?,
            told => return told,
        },
        503 => serde_json::from_slice::<Value>(&answer.body).ok()?.pointer("/error/retry_after_seconds")?.as_u64()?,
        _ => return None,
    };
    Some(seconds.saturating_mul(1000))
}

/// The failure to get an answer at all.
pub fn no_answer(what: &str, authority: &str, failure: &SendError) -> Error {
    let (kind, advice) = match failure.cause {
        Cause::Name => (Kind::Unavailable, "the name does not resolve: check `base_url` and the network"),
        Cause::Connect => (Kind::Unavailable, "it cannot be reached: check `base_url`, the network and the firewall"),
        Cause::Certificate => (
            Kind::Unavailable,
            "its TLS certificate is not trusted: check `base_url`, or add the certificate authority to the host",
        ),
        Cause::Tls => (Kind::Unavailable, "the TLS handshake failed: check that it speaks TLS at this port"),
        Cause::Denied => {
            (Kind::Denied, "the host does not let this connector reach it: the operator must grant this origin")
        }
        Cause::Timeout => (Kind::Unavailable, "it did not answer in time"),
        Cause::Broken => (Kind::Unavailable, "the connection broke before the answer was complete"),
        Cause::TooLarge => (Kind::Denied, "its answer is larger than the host allows: use a smaller `page_size`"),
        Cause::Other => (Kind::Unavailable, "the request failed"),
    };
    let retry = match (failure.unsent, failure.cause) {
        (true, Cause::Certificate | Cause::Tls | Cause::Denied) => Retry::Never,
        (true, _) => Retry::After(1000),
        (false, _) => Retry::OutcomeUnknown,
    };
    let detail = if failure.detail.is_empty() { String::new() } else { format!(" ({})", excerpt(&failure.detail)) };
    let mut error = Error::new(kind, format!("cannot {what}: {authority}: {advice}{detail}")).retry(retry);
    if failure.cause == Cause::Certificate {
        error = error.code("untrusted-certificate");
    }
    error
}

/// An answer that is not what the endpoint documents.
pub fn nonsense(what: &str, reason: &str) -> Error {
    let message = format!("cannot {what}: the answer is not what it should be: {reason}");
    Error::new(Kind::Protocol, message).retry(Retry::OutcomeUnknown)
}

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// In one line.
    pub text: Option<String>,
    /// The remote's code.
    pub code: Option<String>,
    /// Pointer to the field that it names, if it names just one.
    pub pointer: Option<String>,
}

impl Said {
    /// Whether it is the API that speaks, in JSON of one of its shapes, rather than something on the way to it.
    pub fn of_the_api(body: &[u8]) -> bool {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => map.contains_key("title") || map.contains_key("errors"),
            Ok(Value::Array(items)) => items.first().is_some_and(Value::is_object),
            _ => false,
        }
    }

    /// Reads a body of any shape.
    pub fn read(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            return Self::from_value(&value);
        }
        let text = String::from_utf8_lossy(body);
        // An HTML page of a proxy or gateway is of no use to a reader.
        let text = text.trim();
        let readable = !text.is_empty() && !text.starts_with('<') && !text.starts_with('{') && !text.starts_with('[');
        Self { text: readable.then(|| excerpt(text)), ..Self::default() }
    }

    /// Reads one error of any shape.
    pub fn from_value(value: &Value) -> Self {
        match value {
            Value::String(text) => Self { text: Some(excerpt(text)), ..Self::default() },
            Value::Array(items) => items.first().map(Self::from_value).unwrap_or_default(),
            Value::Object(map) => {
                if let Some(inner) = map.get("error").filter(|inner| inner.is_object()) {
                    return Self::from_value(inner);
                }
                for list in ["errors", "batch_errors"] {
                    if let Some(Value::Array(items)) = map.get(list)
                        && let Some(first) = items.first()
                    {
                        return Self::from_value(first);
                    }
                }
                let text = ["title", "message", "detail"].iter().find_map(|name| map.get(*name)?.as_str());
                let fields = ["errors", "field_errors"].iter().find_map(|name| map.get(*name)?.as_object());
                let mut parts: Vec<String> = text.map(excerpt).into_iter().collect();
                for (field, what) in fields.into_iter().flatten().take(MOST_DETAILS) {
                    let what = what.as_str().map_or_else(|| what.to_string(), str::to_owned);
                    parts.push(format!("{}: {}", excerpt(field), excerpt(&what)));
                }
                let pointer = fields.filter(|fields| fields.len() == 1).and_then(|fields| fields.keys().next());
                Self {
                    text: (!parts.is_empty()).then(|| parts.join("; ")),
                    code: map.get("code").and_then(|code| match code {
                        Value::String(code) => Some(excerpt(code)),
                        Value::Number(code) => Some(code.to_string()),
                        _ => None,
                    }),
                    pointer: match pointer {
                        Some(field) => field_pointer(field),
                        None => text.and_then(quoted_field),
                    },
                }
            }
            _ => Self::default(),
        }
    }
}

/// `name`, `.customer_create` and `0.constraint` are the API's notations; a pointer exists for plain field names.
fn field_pointer(field: &str) -> Option<String> {
    let plain = !field.is_empty()
        && field.len() <= EXCERPT
        && field.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    (plain && !field.starts_with('.')).then(|| format!("/{}", field.replace('.', "/")))
}

/// v2 names a field within its sentence: `The field 'item_total' cannot be written to.`
fn quoted_field(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("field '")?;
    field_pointer(rest.split_once('\'')?.0)
}

/// One line, of bounded length.
fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_error_shape_gives_its_sentence() {
        for (body, text) in [
            (
                r#"{"status":422,"title":"Create customers failed.","errors":{".customer_create":"Error creating"}}"#,
                "Create customers failed.; .customer_create: Error creating",
            ),
            (r#"{"status":413,"title":"Too large","errors":{}}"#, "Too large"),
            (
                r#"{"errors":[{"status":422,"title":"Not deleted","errors":{"0.constraint":"Failed for id=12."}}],"meta":{"failed":1}}"#,
                "Not deleted; 0.constraint: Failed for id=12.",
            ),
            (r#"{"batch_errors":[{"status":422,"title":"Bad row"}]}"#, "Bad row"),
            (r#"{"error":{"code":"SERVICE_DEGRADED","message":"Slow down"}}"#, "Slow down"),
            (
                r#"[{"status":404,"message":"The requested resource was not found."}]"#,
                "The requested resource was not found.",
            ),
            ("Unauthorized", "Unauthorized"),
            (r#""Unauthorized""#, "Unauthorized"),
        ] {
            assert_eq!(Said::read(body.as_bytes()).text.as_deref(), Some(text), "{body}");
        }
        for body in ["", "<html>502</html>", "{", "[]", "null", "12", "{}", "[[]]"] {
            assert_eq!(Said::read(body.as_bytes()).text, None, "{body}");
        }
    }

    #[test]
    fn names_and_codes_of_the_store_stay_in_one_line_of_bounded_length() {
        let long = "x".repeat(10_000);
        let body = format!(r#"{{"errors":{{"a\nb":"c\r\nd","{long}":"e"}},"code":"f\n{long}"}}"#);
        let said = Said::read(body.as_bytes());
        let text = said.text.unwrap();
        assert!(text.starts_with("a b: c d; xxx") && text.len() < 1000, "{text}");
        assert!(said.code.is_some_and(|code| code.starts_with("f xxx") && code.len() < 1000));
        assert_eq!(Said::read(format!(r#"{{"errors":{{"{long}":"e"}}}}"#).as_bytes()).pointer, None);
    }

    #[test]
    fn one_refused_field_becomes_a_pointer_and_a_code_is_kept() {
        let said = Said::read(br#"{"title":"x","errors":{"variants.0.sku":"taken"}}"#);
        assert_eq!(said.pointer.as_deref(), Some("/variants/0/sku"));
        let said = Said::read(br#"[{"status":404,"message":"The field 'item_total' cannot be written to."}]"#);
        assert_eq!(said.pointer.as_deref(), Some("/item_total"));
        assert_eq!(Said::read(br#"{"error":{"code":"A","message":"b"}}"#).code.as_deref(), Some("A"));
    }
}
