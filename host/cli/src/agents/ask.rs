//! Asks agents over HTTP. Bounded in time and in what an answer may hold; no redirect is followed, because the token goes with each
//! request and to nobody else.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{Agent, Group};
use crate::error::{Failure, Failures, Result};
use crate::session::Session;

/// For a connection to an agent, or to the coordinator.
const CONNECT: Duration = Duration::from_secs(5);
/// For an answer that is given at once.
pub(super) const SOON: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
pub(super) const MOST_ANSWER: usize = 1 << 20;

/// A client for agents and coordinators, which are reached directly. `roots`: certificate authorities besides the system's.
pub(super) fn client(roots: Vec<Certificate>) -> Result<Client, Failure> {
    // Whoever was first has provided it already.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).connect_timeout(CONNECT);
    client.tls_certs_merge(roots).build().map_err(|e| Failure::defect("cannot make an HTTP client").causes_of(&e))
}

/// Sends a request to an agent.
///
/// # Errors
/// Why there is no answer, or none of an agent, with what to do about it.
pub(super) async fn send(session: &Session, name: &str, agent: &Agent, request: RequestBuilder) -> Result<Response> {
    let request = match agent.token(session)? {
        Some(token) => request.bearer_auth(token.reveal()),
        None => request,
    };
    let response = request.send().await.map_err(|e| unreachable(name, agent, &e))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = read(response).await.unwrap_or_default();
    Err(refused(name, agent, status, &body))
}

fn unreachable(name: &str, agent: &Agent, error: &reqwest::Error) -> Failure {
    let what = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
    let failure = Failure::new(format!("the agent `{name}` ({}) {what}", agent.url));
    let failure = match std::error::Error::source(error) {
        Some(cause) => failure.causes_of(cause),
        None => failure,
    };
    failure
        .hint("is `connector serve` running there, and is its `url` in agents.toml right?")
        .with("kind", "unavailable")
}

/// What an agent says against a request, in its own words where it has any.
fn refused(name: &str, agent: &Agent, status: StatusCode, body: &[u8]) -> Failures {
    let failure = Failure::new(format!("the agent `{name}` ({}) answers {}", agent.url, status.as_u16()));
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let hint = match &agent.token {
            Some(variable) => format!("the variable `{variable}` must hold the token of its --token-file"),
            None => "it wants a token: add `token = \"[VARIABLE]\"` in agents.toml".to_owned(),
        };
        return failure.hint(hint).with("kind", "unauthorized").into();
    }
    let told: Option<Value> = serde_json::from_slice(body).ok();
    match told.as_ref().and_then(|told| told.get("errors")).and_then(Value::as_array) {
        Some(errors) if status != StatusCode::NOT_FOUND => {
            let causes = errors.iter().filter_map(|error| error.get("message")?.as_str());
            causes.fold(failure, Failure::cause).with("kind", "rejected").into()
        }
        _ => failure.hint("it is no `connector serve`, or an older one").with("kind", "protocol").into(),
    }
}

/// The body of an answer.
pub(super) async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let failed = |e: reqwest::Error| Failure::new("the answer broke off").causes_of(&e.without_url());
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MOST_ANSWER {
            return Err(Failure::new(format!("the answer has more than {} MiB", MOST_ANSWER >> 20)));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// What an agent says of itself: `name`, `version`, `environment`, `connectors`.
///
/// # Errors
/// Those of [`send`]; an answer that makes no sense.
pub(super) async fn introduced(
    session: &Session,
    client: &Client,
    name: &str,
    agent: &Agent,
) -> Result<Map<String, Value>> {
    let request = client.get(format!("{}/v1/agent", agent.url)).timeout(SOON);
    let body = read(send(session, name, agent, request).await?).await?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(said)) if said.contains_key("connectors") => Ok(said),
        _ => Err(Failure::new(format!("what answers at {} is no agent", agent.url)).with("kind", "protocol").into()),
    }
}

/// The agents of a group as they answer now, all asked at once: what each says of itself, with `reachable`, `milliseconds`, and `errors` of
/// one that does not answer. `this`: the agent that this process is.
///
/// # Errors
/// None of an agent.
pub(crate) async fn list(session: &Session, group: &Group, this: Option<&str>) -> Result<Vec<Value>> {
    let client = client(Vec::new())?;
    let ask = async |(name, agent): (&String, &Agent)| {
        let began = Instant::now();
        let said = introduced(session, &client, name, agent).await;
        let mut item = Map::new();
        item.insert("name".to_owned(), json!(name));
        item.insert("url".to_owned(), json!(agent.url));
        item.insert("group".to_owned(), json!(group.name));
        item.insert("self".to_owned(), json!(this == Some(name.as_str())));
        item.insert("reachable".to_owned(), json!(said.is_ok()));
        match said {
            Ok(said) => {
                item.insert("milliseconds".to_owned(), json!(u64::try_from(began.elapsed().as_millis()).ok()));
                for key in ["version", "environment", "connectors"] {
                    item.insert(key.to_owned(), said.get(key).cloned().unwrap_or_default());
                }
            }
            Err(failures) => {
                item.insert("errors".to_owned(), failures.0.iter().map(Failure::to_json).collect());
            }
        }
        Value::Object(item)
    };
    Ok(join_all(group.agents.iter().map(ask)).await)
}
