//! `serve`: a process that stays. Its connections stay open, another version of their connector takes over while calls run, and
//! operators see what it does. It listens on this machine only, unless a token guards it.

mod access;
mod answer;
mod arguments;
mod closing;
mod listening;
mod operations;
mod page;
mod records;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use connector_host::Connection;

use crate::error::{Failure, Result, suggest};
use crate::progress::counted;
use crate::session::{Loaded, Session};
use crate::telemetry::{Telemetry, Watched};

pub(crate) use arguments::Arguments;

use access::Access;
use answer::{Answer, refusal};
use closing::Closing;
use upkeep::Upkeep;

/// Largest body of a request, in bytes: records of one write.
const LARGEST_BODY: usize = 16 << 20;

/// What all requests share.
struct Server {
    loaded: Loaded,
    /// Connections by name.
    connections: BTreeMap<String, Connection>,
    upkeep: Upkeep,
    telemetry: Arc<Telemetry>,
    access: Access,
    closing: Closing,
}

/// Runs until it is told to stop.
pub(crate) async fn run(mut session: Session, arguments: Arguments, telemetry: Arc<Telemetry>) -> Result<()> {
    let access = Access::new(arguments.listen, arguments.token_file.as_deref())?;
    session.activities = Some(arguments.activities);
    let file = upkeep::mark_of_file(&session);
    let loaded = session.connector(only_connector(&session)?.as_deref()).await?;
    let upkeep = Upkeep::new(&session, &loaded, file, &arguments);
    let connections = open_all(&session, &loaded).await?;
    upkeep.check_names(&connections)?;
    telemetry.watch(&loaded.host, Watched::new(&loaded.deployment, connections.values()));
    let cannot = |e: std::io::Error| Failure::new(format!("cannot listen on {}", arguments.listen)).causes_of(&e);
    let listener = tokio::net::TcpListener::bind(arguments.listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    // From here on, a signal is for the requests under way to heed.
    let _working = session.interrupt.working();
    let closing = Closing::new(&session.interrupt, arguments.grace);
    let server = Arc::new(Server { loaded, connections, upkeep, telemetry, access, closing });
    // A program that starts this one reads the address from here; the port may be one that the system chose.
    crate::commands::print(&format!("listening on http://{address}\n"))?;
    session.note(format!("{} open; Ctrl-C ends it", counted(server.connections.len() as u64, "connection")));
    server.tell_objects().await;
    let looking = tokio::spawn(upkeep::keep_up(Arc::clone(&server)));
    let serving = listening::answer(listener, routes(&server), &session.interrupt);
    tokio::select! {
        () = serving => {}
        () = server.closing.over() => {}
    }
    looking.abort();
    server.closing.calls_ended().await;
    Ok(())
}

/// The connector that all connections of the project use, if it is one.
fn only_connector(session: &Session) -> Result<Option<String>> {
    let mut names: Vec<String> = session.project.connections()?.into_iter().map(|saved| saved.connector).collect();
    names.sort();
    names.dedup();
    Ok(names.pop().filter(|_| names.is_empty()))
}

/// Opens every connection of this connector. One that does not open is told and left out: the others are not to blame.
async fn open_all(session: &Session, loaded: &Loaded) -> Result<BTreeMap<String, Connection>> {
    let mut open = BTreeMap::new();
    let variables = session.variables()?;
    for saved in session.project.connections()? {
        if saved.connector != loaded.connector.info().name {
            session
                .note(format!("connection `{}` is left out: it uses the connector `{}`", saved.name, saved.connector));
            continue;
        }
        match session.open(loaded, &saved, variables.clone()).await {
            Ok(connection) => {
                open.insert(saved.name, connection);
            }
            Err(failures) => failures.tell(session.global.json),
        }
    }
    Ok(open)
}

fn routes(server: &Arc<Server>) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(operations::metrics))
        .route("/v1/deployments", get(operations::deployments))
        .route("/v1/deployments/{connector}/swap", post(operations::swap))
        .route("/v1/deployments/{connector}/rollback", post(operations::rollback))
        .route("/v1/connections", get(operations::connections))
        .route("/v1/connections/{name}/status", get(operations::status))
        .route("/v1/connections/{name}/test", post(records::test))
        .route("/v1/connections/{name}/objects", get(records::objects))
        .route("/v1/connections/{name}/query", post(records::query))
        .route("/v1/connections/{name}/create", post(records::create))
        .route("/v1/connections/{name}/update", post(records::update))
        .route("/v1/connections/{name}/delete", post(records::delete))
        .route("/v1/connections/{name}/resolve/{by}", post(records::resolve))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(server), access::guard));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .merge(page::routes())
        .merge(guarded)
        .with_state(Arc::clone(server))
}

impl Server {
    /// Tells the metrics which objects there are: those of any connection, because all have the same connector.
    async fn tell_objects(&self) {
        let Some(connection) = self.connections.values().next() else { return };
        let listed = connection.list_objects().await.unwrap_or_default();
        self.telemetry.know_objects(listed.into_iter().map(|object| object.name).collect());
    }

    /// The connection of this name.
    fn connection(&self, name: &str) -> Answer<&Connection> {
        self.connections.get(name).ok_or_else(|| {
            let hint = suggest(name, self.connections.keys().map(String::as_str));
            let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            refusal(
                axum::http::StatusCode::NOT_FOUND,
                "not-found",
                &format!("no connection `{name}` is open here{hint}"),
            )
        })
    }
}
