//! The attacks over the network. What a request came to is answered as a text.

use crate::guest::bindings::ipaas::connector::quota;
use crate::guest::bindings::wasi::clocks::monotonic_clock;
use crate::guest::bindings::wasi::http::outgoing_handler;
use crate::guest::bindings::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::guest::bindings::wasi::io::streams::StreamError;

const HOUR: u64 = 3_600_000_000_000;
/// As many as one would like to have.
const MANY: usize = 20_000;

/// Makes an attack over the network, if `how` names one.
pub(crate) fn attack(how: &str, url: &str) -> Option<String> {
    Some(match how {
        "fetch" => told(fetch(url, fields(Vec::new()))),
        "header-newline" => told(fetch(url, fields(vec![("x-a", b"1\r\nx-injected: yes".to_vec())]))),
        "header-name" => told(fetch(url, fields(vec![("x a\r\nx-injected", b"1".to_vec())]))),
        "header-huge" => told(fetch(url, fields(vec![("x-a", vec![b'a'; 1 << 20])]))),
        "header-many" => told(fetch(url, fields((0..500).map(|_| ("x-a", b"1".to_vec())).collect()))),
        "host-header" => told(fetch(url, fields(vec![("host", b"elsewhere.example".to_vec())]))),
        "unread" => {
            // The answers are held and nothing is read of them.
            let mut held: Vec<(IncomingResponse, _)> = Vec::new();
            for _ in 0..16 {
                match send(url, Fields::new(), None).and_then(wait) {
                    Ok(answer) => {
                        let body = answer.consume();
                        held.push((answer, body));
                    }
                    Err(failure) => return Some(failure),
                }
            }
            monotonic_clock::subscribe_duration(HOUR).block();
            format!("held {}", held.len())
        }
        "unfinished" => {
            let mut held = Vec::new();
            for _ in 0..16 {
                // The body is begun and never ended.
                match send(url, Fields::new(), Some(1_000_000)) {
                    Ok(pair) => held.push(pair),
                    Err(failure) => return Some(failure),
                }
            }
            monotonic_clock::subscribe_duration(HOUR).block();
            format!("held {}", held.len())
        }
        "requests" => {
            let mut held = Vec::new();
            for _ in 0..MANY {
                match send(url, Fields::new(), None) {
                    Ok(pair) => held.push(pair),
                    Err(failure) => return Some(failure),
                }
            }
            format!("held {}", held.len())
        }
        "held-fields" => {
            let one = || fields(vec![("x-a", vec![b'a'; 60_000])]);
            let held: Vec<_> = (0..1900).map(|_| one()).collect();
            format!("held {}", held.len())
        }
        "held-addresses" => {
            let host = "a".repeat(1 << 20);
            let held: Vec<_> = (0..1900)
                .map(|_| {
                    let request = OutgoingRequest::new(Fields::new());
                    let taken = request.set_authority(Some(&host)).is_ok();
                    (request, taken)
                })
                .collect();
            format!("held {}", held.iter().filter(|(_, taken)| *taken).count())
        }
        "held-bodies" => {
            let held: Vec<_> = (0..950)
                .map(|_| {
                    let request = OutgoingRequest::new(Fields::new());
                    (request.body(), request)
                })
                .collect();
            // Opening them takes less than one step of the clock.
            let begun = monotonic_clock::now();
            while monotonic_clock::now() - begun < 1_000_000_000 {}
            format!("held {}", held.len())
        }
        "permits" => {
            let held: Vec<_> = (0..100).map(|_| quota::reserve("everything", Some(1))).collect();
            monotonic_clock::subscribe_duration(HOUR).block();
            format!("held {}", held.len())
        }
        "upload" => match upload(url) {
            Ok(()) => "sent everything".to_owned(),
            Err(failure) => failure,
        },
        _ => return None,
    })
}

fn told(result: Result<String, String>) -> String {
    match result {
        Ok(text) => format!("answered: {text}"),
        Err(text) => format!("failed: {text}"),
    }
}

fn fields(list: Vec<(&str, Vec<u8>)>) -> Result<Fields, String> {
    let list: Vec<(String, Vec<u8>)> = list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Fields::from_list(&list).map_err(|error| format!("{error:?}"))
}

type Sent = (FutureIncomingResponse, Option<OutgoingBody>);

/// Sends a request; with a length, its body is left open.
fn send(url: &str, fields: Fields, length: Option<u64>) -> Result<Sent, String> {
    // Without a scheme the host does not see that a setting is an address.
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(length) = length {
        fields.set("content-length", &[length.to_string().into_bytes()]).map_err(|error| format!("{error:?}"))?;
    }
    let request = OutgoingRequest::new(fields);
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let body = length.map(|_| request.body().map_err(|()| "no body")).transpose()?;
    let made = request
        .set_method(if length.is_some() { &Method::Post } else { &Method::Get })
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(&format!("/{path}"))));
    made.map_err(|()| "refused to make the request")?;
    let answer = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    Ok((answer, body))
}

fn wait((answer, _body): Sent) -> Result<IncomingResponse, String> {
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(answer))) => Ok(answer),
        Some(Ok(Err(code))) => Err(format!("{code:?}")),
        _ => Err("no answer".to_owned()),
    }
}

/// The status, the `location`, and how long the body is.
fn fetch(url: &str, fields: Result<Fields, String>) -> Result<String, String> {
    let answer = wait(send(url, fields?, None)?)?;
    let status = answer.status();
    let location = answer.headers().get("location");
    let location = location.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
    let body = answer.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut length = 0;
    loop {
        match stream.blocking_read(1 << 20) {
            Ok(bytes) => length += bytes.len(),
            Err(StreamError::Closed) => return Ok(format!("{status} {location} {length} bytes")),
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
}

/// Sends a body without an end.
fn upload(url: &str) -> Result<(), String> {
    let (answer, body) = send(url, Fields::new(), Some(1 << 40))?;
    let body = body.ok_or("no body")?;
    let stream = body.write().map_err(|()| "no stream")?;
    let piece = vec![b'a'; 4096];
    for _ in 0..100_000 {
        if stream.blocking_write_and_flush(&piece).is_err() {
            drop(stream);
            return wait((answer, Some(body))).map(|_| ()).map_err(|failure| format!("failed: {failure}"));
        }
    }
    Ok(())
}
