//! `serve`: a process that stays. Its connections stay open, another version of their connector takes over while calls run, and
//! people and operators see what it does. It listens on this machine only, unless a token guards it.

mod access;
mod activities;
mod agents;
mod answer;
mod arguments;
mod catalogue;
mod closing;
mod connections;
mod given;
mod limits;
mod listening;
mod objects;
mod openapi;
mod operations;
mod page;
mod parameters;
mod reach;
mod records;
mod runs;
mod scheduling;
mod shape;
mod state;
mod streaming;
mod testing;
mod upkeep;
mod variables;
mod watching;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agents::Group;
use crate::error::{Failure, Result};
use crate::progress::counted;
use crate::session::Session;
use crate::telemetry::{Telemetry, Watched};

pub(crate) use arguments::Arguments;

use access::Access;
use answer::{Refusal, refusal};
use parameters::Known;
use reach::Reach;
use scheduling::Claims;
use state::Server;

/// Runs until it is told to stop.
pub(crate) async fn run(mut session: Session, arguments: Arguments, telemetry: Arc<Telemetry>) -> Result<()> {
    let access = Access::new(arguments.listen, arguments.token_file.as_deref())?;
    session.activities = Some(arguments.activities);
    let reach = Reach::new(&session, &arguments.files, arguments.token_file.as_deref())?;
    let group = Group::of(&session, None)?;
    match (&group, &arguments.agent) {
        (Some(group), Some(name)) => group.check(name)?,
        (None, Some(name)) => {
            let failure = Failure::new(format!("--agent {name}: this project has no group of agents"));
            return Err(failure.hint("name it in agents.toml, and its environment with --environment").into());
        }
        (_, None) => {}
    }
    let claims = Claims::of(group.as_ref(), arguments.agent.as_deref());
    let listen = arguments.listen;
    let server = Arc::new(Server::new(session, arguments, telemetry, access, reach));
    let watched: Arc<dyn Watched> = Arc::new(Arc::downgrade(&server));
    server.telemetry.watch(&server.session.host()?, &watched);
    let open = open_all(&server).await?;
    let cannot = |e: std::io::Error| Failure::new(format!("cannot listen on {listen}")).causes_of(&e);
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    // From here on, a signal is for the requests under way to heed.
    let _working = server.session.interrupt.working();
    // A program that starts this one reads the address from here; the port may be one that the system chose.
    crate::commands::print(&format!("listening on http://{address}\n"))?;
    server.session.note(format!("{} open; Ctrl-C ends it", counted(open, "connection")));
    server.keep_schedules(claims);
    let serving = listening::answer(listener, routes(&server), &server.session.interrupt);
    tokio::select! {
        () = serving => {}
        () = server.closing.over() => {}
    }
    server.stop_looking();
    server.closing.calls_ended().await;
    Ok(())
}

/// Brings in the connectors and opens their connections. What does not open is told and left for later: the others are not to blame.
/// Answers how many are open.
async fn open_all(server: &Arc<Server>) -> Result<u64> {
    let session = &server.session;
    let all = session.project.connections()?;
    let names: BTreeSet<&str> = all.iter().map(|saved| saved.connector.as_str()).collect();
    let mut failed = None;
    for name in &names {
        failed = server.serving(Some(name)).await.err().or(failed);
    }
    if server.connectors().is_empty() {
        // A project without a connection begins with the connector that is there.
        match failed {
            Some(failures) => return Err(failures),
            None => drop(server.serving(None).await?),
        }
    }
    let mut open = Vec::new();
    for saved in &all {
        if session.global.connector.is_some() && server.connectors().iter().all(|one| one.name != saved.connector) {
            session
                .note(format!("connection `{}` is left out: it uses the connector `{}`", saved.name, saved.connector));
            continue;
        }
        match server.opened(saved).await {
            Ok(connection) => open.push(connection),
            Err(failures) => failures.tell(session.global.json),
        }
    }
    server.check_self_test(&open)?;
    Ok(open.len() as u64)
}

fn routes(server: &Arc<Server>) -> Router {
    let (described, document) = described().split_for_parts();
    let document = Arc::new(openapi::finished(document));
    let known = Arc::new(Known::of(&document));
    let guarded = described
        .route_layer(axum::middleware::from_fn_with_state(known, parameters::check))
        .route("/v1/openapi.json", get(move || async move { Json(Arc::unwrap_or_clone(document)) }))
        .fallback(|| async { no_route() })
        .method_not_allowed_fallback(|| async { no_method() })
        .layer(axum::middleware::from_fn_with_state(Arc::clone(server), access::guard));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(page::routes())
        .merge(guarded)
        .with_state(Arc::clone(server))
}

/// Every route of the API, each with its description.
fn described() -> OpenApiRouter<Arc<Server>> {
    OpenApiRouter::new()
        .routes(routes!(watching::metrics))
        .routes(routes!(watching::deployments))
        .routes(routes!(watching::swap))
        .routes(routes!(watching::rollback))
        .routes(routes!(catalogue::connectors))
        .routes(routes!(catalogue::versions))
        .routes(routes!(agents::this))
        .routes(routes!(agents::list))
        .routes(routes!(catalogue::proxy))
        .routes(routes!(variables::environments))
        .routes(routes!(variables::list))
        .routes(routes!(variables::set, variables::unset))
        .routes(routes!(testing::run))
        .routes(routes!(connections::list, connections::add))
        .routes(routes!(connections::show, connections::change, connections::delete))
        .routes(routes!(connections::dependents))
        .routes(routes!(connections::copy))
        .routes(routes!(connections::export))
        .routes(routes!(watching::status))
        .routes(routes!(objects::list))
        .routes(routes!(objects::schema))
        .routes(routes!(activities::list, activities::add))
        .routes(routes!(activities::show, activities::change, activities::delete))
        .routes(routes!(activities::duplicate))
        .routes(routes!(activities::preview))
        .routes(routes!(activities::explain))
        .routes(routes!(records::test))
        .routes(routes!(records::query))
        .routes(routes!(records::create))
        .routes(routes!(records::update))
        .routes(routes!(records::delete))
        .routes(routes!(records::resolve))
        .routes(routes!(operations::list))
        .routes(routes!(operations::check_given))
        .routes(routes!(operations::preview_given))
        .routes(routes!(operations::show, operations::put, operations::delete))
        .routes(routes!(operations::export))
        .routes(routes!(operations::duplicate))
        .routes(routes!(runs::begin))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show, runs::remove))
        .routes(routes!(runs::events))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::go_on))
        .routes(routes!(runs::settle))
        .routes(routes!(runs::rejected))
}

fn no_route() -> Refusal {
    refusal("not-found", "there is nothing under this path: /v1/openapi.json lists what there is")
}

fn no_method() -> Refusal {
    let message = "this path has other methods: /v1/openapi.json lists them";
    refusal("invalid-request", message).under(StatusCode::METHOD_NOT_ALLOWED)
}
