//! The test of a connection by every agent of a group, all at once. Each brings the newest allowed version of the connector on its own
//! host, opens the connection there, and tells its steps; one that is down or refuses is a failed verdict, and holds up nobody.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::lock::Mutex;
use reqwest::Client;
use serde_json::{Map, Value, json};

use super::ask::{MOST_ANSWER, client, introduced, send};
use super::{Agent, Group};
use crate::error::{Failure, Result};
use crate::session::Session;

/// For the test of one agent: it may fetch and compile a version.
const LONGEST: Duration = Duration::from_secs(120);

/// What is tested: the body of `POST /v1/tests`, without an environment.
pub(crate) struct Tested<'a> {
    pub session: &'a Session,
    pub group: &'a Group,
    /// Whose agents are asked, if one was named: agents that serve another one fail.
    pub environment: Option<&'a str>,
    pub body: Value,
}

/// Who is told each event of an agent. An error of theirs ends the test: nobody listens any more.
pub(crate) type Tell<'a> = dyn FnMut(&str, Value) -> Result<()> + Send + 'a;

/// The events that an agent's test consists of.
const EVENTS: [&str; 3] = ["step", "note", "verdict"];

impl Tested<'_> {
    /// Asks all agents. Tells each event, with its `agent`, and answers the verdict over all: `ok`, and `agents` with the verdict of each.
    ///
    /// # Errors
    /// Nobody listens any more.
    pub(crate) async fn run(&self, tell: &mut Tell<'_>) -> Result<Value> {
        let client = client(Vec::new())?;
        // One event at a time, whichever agent is first.
        let tell = Mutex::new(tell);
        let one = async |(name, agent): (&String, &Agent)| {
            let tested = tokio::time::timeout(LONGEST, self.one(&client, name, agent, &tell)).await;
            let verdict = match tested {
                Ok(Ok(verdict)) => verdict,
                Ok(Err(failures))
                    if failures.0.iter().any(|one| one.detail.get("kind") == Some(&json!("cancelled"))) =>
                {
                    return Err(failures);
                }
                Ok(Err(failures)) => failed(&failures.0),
                Err(_) => failed(&[Failure::new(format!(
                    "the agent `{name}` has not come to a verdict within {} s",
                    LONGEST.as_secs()
                ))
                .hint("look at its log")
                .with("kind", "unavailable")]),
            };
            let told = with_agent(name, verdict);
            (*tell.lock().await)("verdict", told.clone())?;
            Ok(told)
        };
        let verdicts: Vec<Value> =
            join_all(self.group.agents.iter().map(one)).await.into_iter().collect::<Result<_>>()?;
        let good = |verdict: &&Value| verdict.get("ok") == Some(&Value::Bool(true));
        let works = verdicts.iter().filter(good).count();
        let mut all = Map::new();
        all.insert("ok".to_owned(), json!(works == verdicts.len() && works > 0));
        all.insert("group".to_owned(), json!(self.group.name));
        all.insert("warnings".to_owned(), json!([]));
        let errors = match verdicts.len() {
            0 => vec![
                json!({ "message": format!("the group `{}` has no agents", self.group.name), "kind": "configuration" }),
            ],
            count if works < count => {
                let message = format!("the connection does not work on {} of {count} agents", count - works);
                vec![json!({ "message": message })]
            }
            _ => Vec::new(),
        };
        all.insert("errors".to_owned(), json!(errors));
        all.insert("agents".to_owned(), json!(verdicts));
        Ok(Value::Object(all))
    }

    /// The test by one agent; answers its verdict.
    async fn one(&self, client: &Client, name: &str, agent: &Agent, tell: &Mutex<&mut Tell<'_>>) -> Result<Value> {
        // First a question that is answered at once, so that an agent which is down is told as such.
        let said = introduced(self.session, client, name, agent).await?;
        let serves = said.get("environment").and_then(Value::as_str);
        if let Some(wanted) = self.environment.filter(|wanted| serves != Some(wanted)) {
            let serves = serves.map_or("no environment".to_owned(), |name| format!("the environment `{name}`"));
            let failure = Failure::new(format!("the agent `{name}` serves {serves}, and `{wanted}` is meant"));
            return Err(failure
                .hint(format!("start it with --environment {wanted}"))
                .with("kind", "configuration")
                .into());
        }
        let request = client.post(format!("{}/v1/tests", agent.url)).json(&self.body);
        let mut response = send(self.session, name, agent, request).await?;
        let mut events = Events::default();
        let broke = |e: reqwest::Error| {
            Failure::new(format!("the answer of the agent `{name}` broke off")).causes_of(&e.without_url())
        };
        while let Some(piece) = response.chunk().await.map_err(broke)? {
            for (event, data) in events.take(&piece)? {
                match event.as_str() {
                    "verdict" => return Ok(data),
                    _ => (*tell.lock().await)(&event, with_agent(name, data))?,
                }
            }
        }
        Err(Failure::new(format!("the agent `{name}` has come to no verdict"))
            .hint("it may just be ending: try again")
            .into())
    }
}

fn with_agent(name: &str, data: Value) -> Value {
    let mut map = match data {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    map.insert("agent".to_owned(), json!(name));
    Value::Object(map)
}

fn failed(failures: &[Failure]) -> Value {
    json!({ "ok": false, "warnings": [], "errors": failures.iter().map(Failure::to_json).collect::<Vec<_>>() })
}

/// Server-sent events as they come in.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
}

impl Events {
    /// Those that are complete with this piece.
    fn take(&mut self, piece: &[u8]) -> Result<Vec<(String, Value)>, Failure> {
        self.rest.extend_from_slice(piece);
        if self.rest.len() > MOST_ANSWER {
            return Err(
                Failure::new(format!("an event has more than {} MiB", MOST_ANSWER >> 20)).with("kind", "protocol")
            );
        }
        let mut events = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = self.rest.drain(..end + 2).collect();
            events.extend(parse(&String::from_utf8_lossy(&event)));
        }
        Ok(events)
    }
}

fn parse(text: &str) -> Option<(String, Value)> {
    let of = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let event = of("event:").filter(|event| EVENTS.contains(event))?;
    Some((event.to_owned(), serde_json::from_str(of("data:")?).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut_and_others_left_alone() {
        let text = b"event: step\ndata: {\"text\":\"a\"}\n\n: alive\n\nevent: other\ndata: {}\n\nevent: verdict\ndata: {\"ok\":true}\n\n";
        let all = vec![("step".to_owned(), json!({ "text": "a" })), ("verdict".to_owned(), json!({ "ok": true }))];
        for size in [1, 7, text.len()] {
            let mut events = Events::default();
            let read: Vec<_> = text.chunks(size).flat_map(|piece| events.take(piece).unwrap()).collect();
            assert_eq!(read, all, "{size}");
        }
        let mut events = Events::default();
        assert!(events.take(&vec![b'x'; MOST_ANSWER + 1]).is_err());
    }
}
