//! Runs over HTTP: started, watched, cancelled, resumed, resolved. A run goes on when whoever started it has gone; when the process shall end, it
//! stops in good order, and can be resumed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answer, Items, refusal};
use super::given::Given;
use super::state::Server;
use crate::error::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::operation::conclusion::told;
use crate::operation::report::Report;
use crate::operation::runs::Run;
use crate::operation::{Begun, Resolved, Wanted, files, resolve, resume, runs, start};

/// How often whoever watches is told.
const TICK: Duration = Duration::from_millis(500);

/// The runs of this process that are under way.
#[derive(Default)]
pub(super) struct Running(Mutex<BTreeMap<String, Active>>);

#[derive(Clone)]
struct Active {
    stop: watch::Sender<bool>,
    figures: watch::Receiver<Report>,
    rows: Option<u64>,
}

impl Running {
    fn find(&self, id: &str) -> Option<Active> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn add(&self, id: &str, active: Active) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), active);
    }

    fn remove(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// Lets a run work until its end, in a task of its own, and then what follows it.
fn spawn(server: &Arc<Server>, stop: watch::Sender<bool>, begun: Begun) -> String {
    let id = begun.id.clone();
    server.running.add(&id, Active { stop: stop.clone(), figures: begun.progress.clone(), rows: begun.rows });
    let server = Arc::clone(server);
    let counted = server.closing.begins();
    tokio::spawn(async move {
        let _counted = counted;
        let mut next = Some((begun, stop));
        while let Some((begun, stop)) = next.take() {
            let (id, operation) = (begun.id.clone(), begun.operation.clone());
            let mut working = std::pin::pin!(begun.run());
            let (run, failures) = tokio::select! {
                ended = &mut working => ended,
                () = server.session.interrupt.wait() => {
                    stop.send_replace(true);
                    working.await
                }
            };
            server.running.remove(&id);
            let good = failures.0.is_empty() && run.report.failed + run.report.unknown == 0;
            let following = if good { operation.on_success } else { operation.on_failure };
            let Some(name) = following.filter(|_| run.state != runs::State::Cancelled) else { break };
            let (stop, interrupt) = Interrupt::by_hand();
            let begun = match files::load(&server.session.project, &name) {
                Ok(saved) => {
                    let wanted = Wanted { saved: &saved, input: None, dry_run: false };
                    start(&server.session, wanted, interrupt).await
                }
                Err(failures) => Err(failures),
            };
            match begun {
                Ok(begun) => {
                    server.running.add(
                        &begun.id,
                        Active { stop: stop.clone(), figures: begun.progress.clone(), rows: begun.rows },
                    );
                    next = Some((begun, stop));
                }
                Err(failures) => tracing::warn!("the operation {name} does not run: {}", failures.in_one_line()),
            }
        }
    });
    id
}

/// Starts a run of an operation as it is now. Answers its id, and figures that change as long as it is at work.
///
/// # Errors
/// Whatever stands in its way.
pub(super) async fn launch(server: &Arc<Server>, name: &str) -> Result<(String, watch::Receiver<Report>)> {
    let saved = runnable(server, name)?;
    let (stop, interrupt) = Interrupt::by_hand();
    let begun = start(&server.session, Wanted { saved: &saved, input: None, dry_run: false }, interrupt).await?;
    let figures = begun.progress.clone();
    Ok((spawn(server, stop, begun), figures))
}

/// An operation whose chain has an end.
fn runnable(server: &Server, name: &str) -> Result<files::Saved> {
    let project = &server.session.project;
    let saved = files::load(project, name)?;
    let checked = files::check_chain(project, name, &saved.operation()?);
    checked.map_err(|failures| saved.place(failures)).map(|()| saved)
}

/// A run that has begun.
#[derive(Serialize, ToSchema)]
pub(super) struct BegunRun {
    id: String,
}

/// How a run is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    #[serde(default)]
    dry_run: bool,
}

#[utoipa::path(
    post,
    path = "/v1/operations/{name}/runs",
    operation_id = "runs_begin",
    summary = "Starts a run; a dry run writes nothing and answers its report",
    params(("name" = String, Path, description = "Name of the operation")),
    request_body = Start,
    responses((status = ACCEPTED, body = BegunRun), (status = OK, body = Run)),
)]
pub(super) async fn begin(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Given(how): Given<Start>,
) -> Answer {
    let named = files::load(&server.session.project, &name)?.operation()?;
    server.reach.check(&server.session, &named)?;
    if how.dry_run {
        let saved = runnable(&server, &name)?;
        let (_stop, interrupt) = Interrupt::by_hand();
        let wanted = Wanted { saved: &saved, input: None, dry_run: true };
        // It leaves no run to look at, so whoever wants it waits for it.
        let (run, _) = start(&server.session, wanted, interrupt).await?.run().await;
        return Ok((StatusCode::OK, Json(run)).into_response());
    }
    let (id, _) = launch(&server, &name).await?;
    Ok((StatusCode::ACCEPTED, Json(BegunRun { id })).into_response())
}

/// Which runs are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    operation: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/runs",
    operation_id = "runs_list",
    summary = "The runs of the project, the newest first",
    params(Which),
    responses((status = OK, body = Items<Run>)),
)]
pub(super) async fn list(State(server): State<Arc<Server>>, Query(which): Query<Which>) -> Json<Items<Run>> {
    let mut items = runs::list(&server.session.project, which.operation.as_deref());
    for run in &mut items {
        if let Some(active) = server.running.find(&run.id) {
            run.report = active.figures.borrow().clone();
        }
    }
    Json(Items { items })
}

#[utoipa::path(
    get,
    path = "/v1/runs/{id}",
    operation_id = "runs_show",
    summary = "One run, with its report",
    params(("id" = String, Path, description = "The run")),
    responses((status = OK, body = Run)),
)]
pub(super) async fn show(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Answer<Json<Run>> {
    let mut run = runs::load(&server.session.project, &id)?;
    if let Some(active) = server.running.find(&id) {
        run.report = active.figures.borrow().clone();
    }
    run.errors = told(&server.session.project, &run).0.iter().map(Failure::to_json).collect();
    Ok(Json(run))
}

#[utoipa::path(
    post,
    path = "/v1/runs/{id}/cancel",
    operation_id = "runs_cancel",
    summary = "Lets a run stop in good order",
    params(("id" = String, Path, description = "The run")),
    responses((status = ACCEPTED)),
)]
pub(super) async fn cancel(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Answer<StatusCode> {
    match server.running.find(&id) {
        Some(active) => {
            active.stop.send_replace(true);
        }
        // Another process may be at work at it.
        None => runs::cancel(&server.session.project, &id)?,
    }
    Ok(StatusCode::ACCEPTED)
}

#[utoipa::path(
    post,
    path = "/v1/runs/{id}/resolve",
    operation_id = "runs_resolve",
    summary = "Looks up what became of the unknown records of a run, and answers the run as it is then",
    params(("id" = String, Path, description = "The run")),
    responses((status = OK, body = Run)),
)]
pub(super) async fn settle(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Answer<Json<Run>> {
    let Resolved { run, stop, .. } = resolve(&server.session, &id).await?;
    stop?;
    Ok(Json(run))
}

#[utoipa::path(
    post,
    path = "/v1/runs/{id}/resume",
    operation_id = "runs_resume",
    summary = "Goes on with a run that did not come to its end",
    params(("id" = String, Path, description = "The run")),
    responses((status = ACCEPTED, body = BegunRun)),
)]
pub(super) async fn go_on(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Answer {
    let (stop, interrupt) = Interrupt::by_hand();
    let begun = resume(&server.session, &id, interrupt).await?;
    let id = spawn(&server, stop, begun);
    Ok((StatusCode::ACCEPTED, Json(BegunRun { id })).into_response())
}

#[utoipa::path(
    get,
    path = "/v1/runs/{id}/rejected",
    operation_id = "runs_rejected",
    summary = "The records that failed or are unknown, with their reasons",
    params(("id" = String, Path, description = "The run")),
    responses((status = OK, body = String, content_type = "application/x-ndjson")),
)]
pub(super) async fn rejected(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Answer {
    runs::load(&server.session.project, &id)?;
    let Some(path) = runs::rejected(&server.session.project, &id) else {
        return Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/x-ndjson")], "").into_response());
    };
    let cannot = || refusal(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the rejected records cannot be read");
    let file = tokio::fs::File::open(&path).await.map_err(|_| cannot())?;
    let chunks = stream::try_unfold(file, |mut file| async {
        use tokio::io::AsyncReadExt as _;
        let mut chunk = vec![0; 1 << 16];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then_some((chunk, file)))
    });
    let body = axum::body::Body::from_stream(chunks);
    Response::builder().header(header::CONTENT_TYPE, "application/x-ndjson").body(body).map_err(|_| cannot())
}

/// What whoever watches a run has seen.
struct Watching {
    server: Arc<Server>,
    id: String,
    began: tokio::time::Instant,
    before: Option<(f64, u64)>,
    over: bool,
}

#[utoipa::path(
    get,
    path = "/v1/runs/{id}/events",
    operation_id = "runs_events",
    summary = "How a run comes on: events `progress`, and at the end `end`",
    params(("id" = String, Path, description = "The run")),
    responses((status = OK, body = String, content_type = "text/event-stream")),
)]
pub(super) async fn events(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    runs::load(&server.session.project, &id)?;
    let began = tokio::time::Instant::now();
    let watching = Watching { server, id, began, before: None, over: false };
    Ok(Sse::new(stream::unfold(watching, |mut watching| async {
        if watching.over {
            return None;
        }
        let event = watching.next().await;
        Some((Ok(event), watching))
    })))
}

impl Watching {
    async fn next(&mut self) -> Event {
        if self.before.is_some() {
            tokio::time::sleep(TICK).await;
        }
        // In this order: a run that is no longer at work here has written how it ended.
        let active = self.server.running.find(&self.id);
        let run = runs::load(&self.server.session.project, &self.id);
        match (run, active) {
            (Ok(run), Some(active)) => {
                let report = active.figures.borrow().clone();
                let rate = self.rate(&report);
                let left = report.quota.map(|quota| quota.left);
                let left_seconds = active.rows.and_then(|rows| report.left_seconds(rows));
                let mut data = json!(report);
                if let Value::Object(map) = &mut data {
                    map.insert("at".to_owned(), json!(self.began.elapsed().as_secs_f64()));
                    map.insert("state".to_owned(), json!(run.state));
                    map.insert("rate".to_owned(), json!(rate));
                    map.insert("quota_left".to_owned(), json!(left));
                    map.insert("left_seconds".to_owned(), json!(left_seconds));
                }
                Event::default().event("progress").data(data.to_string())
            }
            (Ok(run), None) => {
                self.over = true;
                let errors: Vec<Value> =
                    told(&self.server.session.project, &run).0.iter().map(Failure::to_json).collect();
                let end = json!({ "state": run.state, "report": run.report, "errors": errors });
                Event::default().event("end").data(end.to_string())
            }
            (Err(failure), _) => {
                self.over = true;
                Event::default()
                    .event("end")
                    .data(json!({ "state": "failed", "errors": [failure.to_json()] }).to_string())
            }
        }
    }

    /// Records per second since the last look.
    fn rate(&mut self, report: &Report) -> f64 {
        let done = report.applied + report.failed + report.unknown;
        let (seconds, before) = self.before.replace((report.seconds, done)).unwrap_or((report.seconds, done));
        let passed = report.seconds - seconds;
        if passed > 0.0 { (done.saturating_sub(before)) as f64 / passed } else { 0.0 }
    }
}
