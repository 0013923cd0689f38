//! The test of what is on a screen, saved or not, step by step as it happens.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use connector_store::Saved;
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::answer::Answer;
use super::given::Given;
use super::state::Server;
use crate::agents::Group;
use crate::agents::testing::Tested;
use crate::draft::Draft;
use crate::error::{Failure, Result};
use crate::testing::{self, Told};

/// What is on the screen.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Screen {
    /// Let every agent of this environment's group test it.
    #[serde(skip_serializing)]
    environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<String>,
    /// Of the connection that is edited; none of a new one, or a name that is not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// As they are saved, if this is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    ca_file: Option<PathBuf>,
}

/// What whoever watches is told, as events.
struct Watching(mpsc::UnboundedSender<(String, Value)>);

type Receiver = mpsc::UnboundedReceiver<(String, Value)>;

impl Watching {
    fn tell(&self, event: &str, data: Value) -> Result<()> {
        self.0
            .send((event.to_owned(), data))
            .map_err(|_| Failure::new("nobody watches any more").with("kind", "cancelled").into())
    }
}

impl Told for Watching {
    fn step(&mut self, text: String, good: bool) -> Result<()> {
        self.tell("step", json!({ "text": text, "ok": good }))
    }

    fn note(&mut self, text: String) -> Result<()> {
        self.tell("note", json!({ "text": text }))
    }
}

#[utoipa::path(
    post,
    path = "/v1/tests",
    operation_id = "testing_run",
    summary = "Tests a connection, saved or not: events `step`, `note`, and at the end `verdict`; with `environment`, by every agent of its group",
    request_body = Screen,
    responses((status = OK, body = String, content_type = "text/event-stream")),
)]
pub(super) async fn run(
    State(server): State<Arc<Server>>,
    Given(screen): Given<Screen>,
) -> Answer<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    if screen.environment.is_some() {
        by_agents(&server, screen, Watching(sender))?;
        return Ok(events(receiver));
    }
    let saved = match &screen.name {
        Some(name) => server.session.project.connection(name).ok(),
        None => None,
    };
    let connector = saved.as_ref().map(|saved| saved.connector.clone()).or(screen.connector);
    let serving = server.serving_named(connector.as_deref()).await?;
    let name = screen.name.unwrap_or_else(|| "(new)".to_owned());
    let mut draft = Draft::from(saved.unwrap_or_else(|| Saved::new(&serving.name, name)));
    let mut wrong = Vec::new();
    if let Some(path) = screen.ca_file {
        wrong.extend(server.reach.check_ca_file(&server.session, Some(&path), draft.saved.ca_file.as_deref()).err());
        draft.saved.ca_file = Some(path);
    }
    if let Some(grants) = screen.grants {
        wrong.extend(draft.grant(&grants).err());
    }
    if let Some(settings) = screen.settings {
        wrong.extend(draft.set(settings, &serving.schema()?).err());
    }
    let counted = server.closing.begins();
    // In a task of its own: a version that is just being put in use is not left half way because whoever watched has gone. The test
    // itself ends at its next step then.
    tokio::spawn(async move {
        let _counted = counted;
        let mut watching = Watching(sender);
        let tested = match wrong.into_iter().next() {
            Some(failures) => watching.step("settings".to_owned(), false).and(Err(failures)),
            None => testing::run(&server.session, &draft, &mut watching).await,
        };
        let verdict = match tested {
            Ok(identity) => {
                json!({ "ok": true, "account": identity.account, "warnings": identity.warnings, "errors": [] })
            }
            Err(failures) => {
                let errors: Vec<Value> = failures.0.iter().map(Failure::to_json).collect();
                json!({ "ok": false, "warnings": [], "errors": errors })
            }
        };
        // Nobody may be there to hear it.
        let _ = watching.tell("verdict", verdict);
    });
    Ok(events(receiver))
}

/// Lets all agents of a group test what is on the screen.
fn by_agents(server: &Arc<Server>, mut screen: Screen, watching: Watching) -> Result<()> {
    let environment = screen.environment.take();
    let group = Group::must(&server.session, environment.as_deref())?;
    let body = serde_json::to_value(&screen).map_err(|e| Failure::defect("this is no JSON").causes_of(&e))?;
    let (server, counted) = (Arc::clone(server), server.closing.begins());
    tokio::spawn(async move {
        let _counted = counted;
        let tested = Tested { session: &server.session, group: &group, environment: environment.as_deref(), body };
        let mut tell = |event: &str, data: Value| watching.tell(event, data);
        let verdict = tokio::select! {
            tested = tested.run(&mut tell) => tested,
            // Agents go on by themselves, and nobody is to be told any more.
            () = server.session.interrupt.wait() => return,
        };
        let verdict = verdict.unwrap_or_else(|failures| {
            let errors: Vec<Value> = failures.0.iter().map(Failure::to_json).collect();
            json!({ "ok": false, "warnings": [], "errors": errors })
        });
        // Nobody may be there to hear it.
        let _ = watching.tell("verdict", verdict);
    });
    Ok(())
}

fn events(receiver: Receiver) -> Sse<impl Stream<Item = std::result::Result<Event, Infallible>>> {
    Sse::new(stream::unfold(receiver, |mut receiver| async {
        let (event, data) = receiver.recv().await?;
        Some((Ok(Event::default().event(event).data(data.to_string())), receiver))
    }))
}
