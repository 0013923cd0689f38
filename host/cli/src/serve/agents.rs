//! Who serves: this process, and the other agents of its group as they answer now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answer, Items};
use super::parameters::Parameters;
use super::state::{Server, Serving};
use crate::agents::{Group, ask};
use crate::error_schema::Told;
use crate::variables::host_name;

/// What an agent says of itself.
#[derive(Serialize, ToSchema)]
pub(super) struct Agent {
    connectors: Vec<AgentConnector>,
    /// The one that is active.
    environment: Option<String>,
    name: String,
    version: String,
}

/// A connector that serves.
#[derive(Serialize, ToSchema)]
struct AgentConnector {
    digest: String,
    name: String,
    version: String,
}

/// An agent as it answers now. One that does not has `errors`, and neither version nor connectors.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what agents say, which passes as it came")]
pub(super) struct ListedAgent {
    #[schema(nullable = false)]
    connectors: Option<Vec<AgentConnector>>,
    environment: Option<String>,
    #[schema(nullable = false)]
    errors: Option<Vec<Told>>,
    #[schema(required)]
    group: Option<String>,
    /// Until it answered.
    #[schema(nullable = false)]
    milliseconds: Option<u64>,
    name: String,
    reachable: bool,
    /// It is the one that was asked.
    #[schema(rename = "self")]
    is_self: bool,
    #[schema(nullable = false)]
    url: Option<String>,
    #[schema(nullable = false)]
    version: Option<String>,
}

/// What this process says of itself.
#[utoipa::path(
    get,
    path = "/v1/agent",
    operation_id = "agents_this",
    responses((status = OK, body = Agent)),
)]
pub(super) async fn this(State(server): State<Arc<Server>>) -> Json<Agent> {
    Json(introduction(&server))
}

fn introduction(server: &Server) -> Agent {
    let connectors = server.connectors();
    let one = |serving: &Arc<Serving>| {
        let connector = serving.loaded.deployment.connector();
        let (digest, version) = (connector.digest().to_owned(), connector.info().version.clone());
        AgentConnector { digest, name: serving.name.clone(), version }
    };
    Agent {
        connectors: connectors.iter().map(one).collect(),
        environment: server.session.global.environment.clone(),
        name: server.agent().map_or_else(host_name, str::to_owned),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Whose agents are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The active environment, if none is named.
    environment: Option<String>,
}

/// The agents of an environment's group as they answer now; this process alone, where there is no group.
#[utoipa::path(
    get,
    path = "/v1/agents",
    operation_id = "agents_list",
    params(Whose),
    responses((status = OK, body = Items<ListedAgent>)),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    Parameters(whose): Parameters<Whose>,
) -> Answer<Json<Items<Value>>> {
    let items = match Group::of(&server.session, whose.environment.as_deref())? {
        Some(group) => ask::list(&server.session, &group, server.agent()).await?,
        None => {
            let mut item = json!(introduction(&server));
            for (key, value) in [("group", Value::Null), ("self", json!(true)), ("reachable", json!(true))] {
                item[key] = value;
            }
            vec![item]
        }
    };
    Ok(Json(Items { items }))
}
