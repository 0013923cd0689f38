//! Runs over HTTP: started, watched, cancelled, resumed, resolved. A run goes on when whoever started it has gone; when the process shall end, it
//! stops in good order, and can be resumed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Answer, Refusal, refusal};
use super::given::GivenOrRecords;
use super::parameters::Parameters;
use super::state::Server;
use crate::error::{Failure, Failures, Result};
use crate::interrupt::Interrupt;
use crate::operation::chain::{self, Worker};
use crate::operation::conclusion::told;
use crate::operation::files::{self, Saved};
use crate::operation::report::Report;
use crate::operation::runs::{Run, Unbegun};
use crate::operation::{Begun, Input, Meanwhile, Records, Resolved, dry_run, resolve, resume, runs, start};

/// How often whoever watches is told.
const TICK: Duration = Duration::from_millis(500);

/// Runs of one list, if nobody says how many.
const USUAL: usize = 100;
/// Runs of one list at most.
const MOST: usize = 1000;

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

    fn add(&self, begun: &Begun, stop: &watch::Sender<bool>) {
        let active = Active { stop: stop.clone(), figures: begun.progress.clone(), rows: begun.rows };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(begun.id.clone(), active);
    }

    fn remove(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// Works at runs that others can watch and cancel.
struct Watched {
    server: Arc<Server>,
    /// Stops the run under way.
    stop: watch::Sender<bool>,
}

impl Worker for Watched {
    fn interrupt(&mut self) -> Interrupt {
        let (stop, interrupt) = Interrupt::by_hand();
        self.stop = stop;
        interrupt
    }

    async fn work(&mut self, begun: Begun) -> (Run, Failures) {
        let id = begun.id.clone();
        self.server.running.add(&begun, &self.stop);
        let mut working = std::pin::pin!(begun.run());
        let ended = tokio::select! {
            ended = &mut working => ended,
            () = self.server.session.interrupt.wait() => {
                self.stop.send_replace(true);
                working.await
            }
        };
        self.server.running.remove(&id);
        ended
    }

    fn ended(&mut self, run: &Run, failures: Failures, next: Option<&str>) {
        let Run { id, operation, .. } = run;
        if !failures.0.is_empty() {
            let reason = failures.in_one_line();
            tracing::warn!(target: "connector", operation, run = id, reason, "the run did not end well");
        }
        if let Some(next) = next {
            tracing::info!(target: "connector", operation, run = id, next, "another operation follows");
        }
    }
}

/// Lets a run work until its end, in a task of its own, and then what follows it.
fn spawn(server: &Arc<Server>, stop: watch::Sender<bool>, begun: Begun) {
    // Whoever is told of it can watch and cancel it from then on.
    server.running.add(&begun, &stop);
    let counted = server.closing.begins();
    let mut worker = Watched { server: Arc::clone(server), stop };
    tokio::spawn(async move {
        let _counted = counted;
        let server = Arc::clone(&worker.server);
        chain::work(&server.session, begun, &mut worker).await;
    });
}

/// A run that was started, be it that it ends at once.
pub(super) struct Launched {
    pub(super) id: String,
    /// They change as long as it is at work.
    pub(super) figures: watch::Receiver<Report>,
    /// Why it could not start, if it could not.
    pub(super) refused: Option<Failures>,
}

/// Starts a run of an operation as it was read.
///
/// # Errors
/// Whatever stands in its way, and leaves no run.
pub(super) async fn launch(server: &Arc<Server>, saved: &Saved, input: Option<Input>) -> Result<Launched> {
    let (stop, interrupt) = Interrupt::by_hand();
    let begun = start(&server.session, saved, input, interrupt).await?;
    let (id, figures, refused) = (begun.id.clone(), begun.progress.clone(), begun.refusal().cloned());
    spawn(server, stop, begun);
    Ok(Launched { id, figures, refused })
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

/// How records are fed back.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FedBack {
    /// Also those that are `unknown`: what is in the target already may be there twice then.
    #[serde(default)]
    send_unknown: bool,
    /// Writes nothing and answers the report. Without records, the body says it.
    #[serde(default)]
    dry_run: bool,
}

/// Starts a run; a dry run writes nothing and answers its report.
///
/// A body of records, NDJSON, is read instead of the source: rejected records that were mended, or any others.
#[utoipa::path(
    post,
    path = "/v1/operations/{name}/runs",
    operation_id = "runs_begin",
    params(("name" = String, Path, description = "Name of the operation"), FedBack),
    request_body(content((Start = "application/json"), (String = "application/x-ndjson"))),
    responses((status = ACCEPTED, body = BegunRun), (status = OK, body = Run)),
)]
pub(super) async fn begin(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    Parameters(fed_back): Parameters<FedBack>,
    given: GivenOrRecords<Start>,
) -> Answer {
    let project = &server.session.project;
    // What was looked at here is what runs, however long records take to come.
    let saved = files::runnable(project, &name)?;
    server.reach.check(&server.session, &saved.operation()?)?;
    let input = match given {
        GivenOrRecords::Records(coming) => {
            let folder = Unbegun::make(project)?;
            coming.keep(&folder.input()).await?;
            let input = Input { records: Records::Here(folder), send_unknown: fed_back.send_unknown };
            if fed_back.dry_run {
                return tried(&server, &saved, Some(input)).await;
            }
            Some(input)
        }
        GivenOrRecords::Given(_) if fed_back.send_unknown || fed_back.dry_run => {
            let message = "`send_unknown` and `dry_run` are for records that are fed back, and the body holds none";
            let hint = "without records, the body says it: {\"dry_run\": true}";
            return Err(Failure::new(message).hint(hint).with("kind", "invalid-request").into());
        }
        GivenOrRecords::Given(Start { dry_run: true }) => return tried(&server, &saved, None).await,
        GivenOrRecords::Given(Start { dry_run: false }) => None,
    };
    let Launched { id, refused, .. } = launch(&server, &saved, input).await?;
    if let Some(failures) = refused {
        return Err(Refusal::from(failures).with("run", id));
    }
    Ok((StatusCode::ACCEPTED, Json(BegunRun { id })).into_response())
}

/// A dry run, which leaves no run to look at: whoever wants it waits for it.
async fn tried(server: &Server, saved: &Saved, input: Option<Input>) -> Answer {
    let (_stop, interrupt) = Interrupt::by_hand();
    let (run, _) = dry_run(&server.session, saved, input, interrupt).await?.run().await;
    Ok((StatusCode::OK, Json(run)).into_response())
}

/// Which runs are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    operation: Option<String>,
    /// 1 to 1000; 100 if it is missing.
    limit: Option<usize>,
    /// Where an earlier list goes on: its `next`.
    cursor: Option<String>,
}

/// Runs, and where the list goes on.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedRuns {
    items: Vec<Run>,
    /// There are more; they come with this `cursor`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/runs",
    operation_id = "runs_list",
    summary = "The runs of the project, the newest first",
    params(Which),
    responses((status = OK, body = ListedRuns)),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    Parameters(Which { operation, limit, cursor }): Parameters<Which>,
) -> Answer<Json<ListedRuns>> {
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(refusal("invalid-request", format!("`limit` is 1 to {MOST}")));
    }
    let of_this = |run: &Run| operation.as_ref().is_none_or(|name| run.operation == *name);
    let all = runs::newest(&server.session.project, cursor.as_deref()).filter(of_this);
    let mut items: Vec<Run> = all.take(limit + 1).collect();
    let has_more = items.len() > limit;
    items.truncate(limit);
    for run in &mut items {
        if let Some(active) = server.running.find(&run.id) {
            run.report = active.figures.borrow().clone();
        }
    }
    let next = items.last().filter(|_| has_more).map(|last| last.id.clone());
    Ok(Json(ListedRuns { items, next }))
}

/// How a run is removed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Removing {
    /// Also one with records that failed or are unknown, which nothing else has.
    #[serde(default)]
    rejected: bool,
}

#[utoipa::path(
    delete,
    path = "/v1/runs/{id}",
    operation_id = "runs_remove",
    summary = "Removes a run that is not at work, with all that is kept of it",
    params(("id" = String, Path, description = "The run"), Removing),
    responses((status = NO_CONTENT)),
)]
pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    Parameters(Removing { rejected }): Parameters<Removing>,
) -> Answer<StatusCode> {
    runs::remove(&server.session.project, &id, rejected)?;
    Ok(StatusCode::NO_CONTENT)
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
    run.errors = errors(&server, &run);
    Ok(Json(run))
}

/// What there is to say of a run, its rejected records included.
fn errors(server: &Server, run: &Run) -> Vec<Value> {
    told(&server.session.project, run).0.iter().map(Failure::to_json).collect()
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
    let Resolved { mut run, stop, .. } = resolve(&server.session, &id).await?;
    stop?;
    run.errors = errors(&server, &run);
    Ok(Json(run))
}

/// A run that goes on.
#[derive(Serialize, ToSchema)]
pub(super) struct ResumedRun {
    id: String,
    /// Whether the operation does something else by now. The run goes on as it was started.
    operation_changed: bool,
    /// Whether the operation is not there any more. The run goes on all the same.
    operation_gone: bool,
}

#[utoipa::path(
    post,
    path = "/v1/runs/{id}/resume",
    operation_id = "runs_resume",
    summary = "Goes on with a run that did not come to its end",
    params(("id" = String, Path, description = "The run")),
    responses((status = ACCEPTED, body = ResumedRun)),
)]
pub(super) async fn go_on(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Answer {
    let (stop, interrupt) = Interrupt::by_hand();
    let begun = resume(&server.session, &id, interrupt).await?;
    let (operation_changed, operation_gone) =
        (begun.meanwhile == Meanwhile::Changed, begun.meanwhile == Meanwhile::Gone);
    spawn(&server, stop, begun);
    Ok((StatusCode::ACCEPTED, Json(ResumedRun { id, operation_changed, operation_gone })).into_response())
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
    let cannot = || refusal("storage", "the rejected records cannot be read");
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
        let event = watching.next().await?;
        Some((Ok(event), watching))
    })))
}

impl Watching {
    /// What there is to tell next; nothing behind the end of the run, or when this process shall end before it.
    async fn next(&mut self) -> Option<Event> {
        let interrupt = &self.server.session.interrupt;
        if self.before.is_some() {
            tokio::time::sleep(TICK).await;
        }
        // In this order: a run that is no longer at work here has written how it ended.
        let active = self.server.running.find(&self.id);
        let run = runs::load(&self.server.session.project, &self.id);
        let ended = match (run, active) {
            _ if self.over => return None,
            (Ok(run), Some(active)) => {
                let report = active.figures.borrow().clone();
                return Some(self.progress(run.state, &report, active.rows));
            }
            // Another process works at it, and keeps its figures now and then.
            (Ok(run), None) if run.state == runs::State::Running => {
                return (!interrupt.asked()).then(|| self.progress(run.state, &run.report, None));
            }
            (Ok(run), None) => {
                let errors: Vec<Value> =
                    told(&self.server.session.project, &run).0.iter().map(Failure::to_json).collect();
                json!({ "state": run.state, "report": run.report, "can_resume": run.can_resume, "errors": errors })
            }
            (Err(failure), _) => json!({ "state": "failed", "errors": [failure.to_json()] }),
        };
        self.over = true;
        Some(Event::default().event("end").data(ended.to_string()))
    }

    fn progress(&mut self, state: runs::State, report: &Report, rows: Option<u64>) -> Event {
        let rate = self.rate(report);
        let mut data = json!(report);
        if let Value::Object(map) = &mut data {
            map.insert("at".to_owned(), json!(self.began.elapsed().as_secs_f64()));
            map.insert("state".to_owned(), json!(state));
            map.insert("rate".to_owned(), json!(rate));
            map.insert("quota_left".to_owned(), json!(report.quota.map(|quota| quota.left)));
            map.insert("left_seconds".to_owned(), json!(rows.and_then(|rows| report.left_seconds(rows))));
        }
        Event::default().event("progress").data(data.to_string())
    }

    /// Records per second since the last look.
    fn rate(&mut self, report: &Report) -> f64 {
        let done = report.applied + report.failed + report.unknown;
        let (seconds, before) = self.before.replace((report.seconds, done)).unwrap_or((report.seconds, done));
        let passed = report.seconds - seconds;
        if passed > 0.0 { (done.saturating_sub(before)) as f64 / passed } else { 0.0 }
    }
}
