//! An activity: one instance of a connector, owned by one task that takes calls as messages.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{Instrument as _, field};
use wasmtime::Store;

use crate::answer::{Asked, Reply};
use crate::connector::Connector;
use crate::contract::worlds::{Answer, Exports};
use crate::contract::{
    Error, ErrorKind, Identity, ObjectInfo, ObjectSchema, Outcome, Page, Plan, QueryRequest, WriteRequest, WrittenBy,
};
use crate::deployment::{Lease, Version};
use crate::error::{CallError, Cause, Effect};
use crate::instance::{BoxFuture, Live};
use crate::observe::{Tally, Underway};
use crate::state::{Context, State};

/// A call on its way to the task. Answers whether the instance may serve another one.
type Job = Box<dyn for<'a> FnOnce(&'a mut Live) -> BoxFuture<'a, bool> + Send>;

/// One instance at work for one connection. It serves one call at a time (hence `&mut self`); make more activities to work side
/// by side. Dropping it, or the future of a call, ends a call under way at once: use [`Activity::canceller`] for an orderly end.
///
/// After [`CallError::Ended`] the activity is over and every further call says so.
pub struct Activity {
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<()>,
    canceller: Canceller,
    context: Arc<Context>,
    version: Arc<Version>,
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Activity({:?}, {:?})", self.context.connection, self.connector())
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Activity {
    /// Hands a configured instance to a task of its own.
    pub(crate) fn start(lease: Lease, live: Live, canceller: Canceller, context: &Arc<Context>) -> Self {
        let (jobs, inbox) = mpsc::channel(1);
        let (context, version) = (Arc::clone(context), Arc::clone(lease.version()));
        let program = version.program();
        let span = tracing::info_span!(
            target: "connector_host",
            "activity",
            connector.connection = context.connection,
            connector.name = program.name,
            connector.version = program.version,
        );
        let task = tokio::spawn(serve(lease, live, inbox, canceller.clone()).instrument(span));
        Self { jobs, task, canceller, context, version }
    }

    /// The version that it runs on.
    pub fn connector(&self) -> &Connector {
        self.version.connector()
    }

    /// Whether new activities of its connection run on another version.
    pub(crate) fn is_replaced(&self) -> bool {
        self.version.is_replaced()
    }

    async fn call<T: Reply + Send + 'static>(
        &mut self,
        call: Call,
        function: impl for<'a> FnOnce(&'a mut Store<State>, &'a dyn Exports) -> Answer<'a, T> + Send + 'static,
    ) -> Result<T, CallError> {
        let (mut reply, answer) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let (name, effect) = (call.name, call.effect);
        let (context, version) = (Arc::clone(&self.context), Arc::clone(&self.version));
        let job: Job = Box::new(move |live| {
            let span = tracing::info_span!(
                target: "connector_host",
                "call",
                connector.call = call.name,
                connector.object = call.object.as_deref(),
                connector.records = field::Empty,
                error.r#type = field::Empty,
            );
            let work = async move {
                begins.store(true, Ordering::Release);
                live.state().works_on(call.object.clone());
                let under_way = Underway::begin(&context, &version, call.name, call.object.clone());
                let answer = live.run(call.name, call.effect, reply.closed(), function).await;
                let answer = answer.map_err(CallError::from).and_then(|answer| call.judge(answer, live));
                under_way.end(call.tally(&answer), answer.as_ref().err());
                let usable = !matches!(answer, Err(CallError::Ended(_)));
                // Whoever does not wait any more has dropped the activity or given it up.
                let _ = reply.send(answer);
                usable
            };
            Box::pin(work.instrument(span))
        });
        if self.jobs.send(job).await.is_ok()
            && let Ok(answer) = answer.await
        {
            return answer;
        }
        // Without an answer the task ended before it took the call, or was torn down in the middle with the runtime around it.
        let (cause, effect) = match begun.load(Ordering::Acquire) {
            true => (Cause::TornDown, effect),
            false if self.version.is_retired() => (Cause::Replaced, Effect::NothingSent),
            false => (Cause::Over, Effect::NothingSent),
        };
        Err(self.version.program().ended(name, cause, effect).into())
    }

    /// See [`crate::Connection::test`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn test(&mut self) -> Result<Identity, CallError> {
        self.call(Call::read("test"), |store, exports| exports.test(store)).await
    }

    /// See [`crate::Connection::list_objects`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_objects(&mut self) -> Result<Vec<ObjectInfo>, CallError> {
        self.call(Call::read("list-objects"), |store, exports| exports.list_objects(store)).await
    }

    /// See [`crate::Connection::describe_object`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn describe_object(&mut self, name: &str) -> Result<ObjectSchema, CallError> {
        let name = name.to_owned();
        let call = Call::read("describe-object").of(&name);
        self.call(call, move |store, exports| exports.describe_object(store, name)).await
    }

    /// One page of a query; for the next, pass [`Page::next`] as [`QueryRequest::cursor`], to this or any other activity.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn query(&mut self, request: &QueryRequest) -> Result<Page, CallError> {
        let (request, cursor) = (request.clone(), request.cursor.clone());
        let call = Call { asked: Asked::Page { cursor }, ..Call::read("query").of(&request.object) };
        self.call(call, move |store, exports| exports.query(store, request)).await
    }

    /// See [`crate::Connection::explain`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn explain(&mut self, request: &QueryRequest) -> Result<Plan, CallError> {
        let request = request.clone();
        let call = Call::read("explain").of(&request.object);
        self.call(call, move |store, exports| exports.explain(store, request)).await
    }

    /// Creates records: one outcome per record, in order. Pass moderate batches and note them before the call, because
    /// [`CallError::Ended`] makes **every** record of the call unknown (its [`Effect`] says so); [`CallError::Connector`] means that
    /// nothing was sent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let request = request.clone();
        self.call(Call::write("create", &request), move |store, exports| exports.create(store, request)).await
    }

    /// Updates records; outcomes and errors as for [`Activity::create`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn update(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let request = request.clone();
        self.call(Call::write("update", &request), move |store, exports| exports.update(store, request)).await
    }

    /// Deletes the records that are named; outcomes and errors as for [`Activity::create`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let request = request.clone();
        self.call(Call::write("delete", &request), move |store, exports| exports.delete(store, request)).await
    }

    /// Looks up what became of records whose outcome is unknown. Changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn resolve(&mut self, written_by: WrittenBy, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let request = request.clone();
        let call = Call { effect: Effect::Read, ..Call::write("resolve", &request) };
        self.call(call, move |store, exports| exports.resolve(store, written_by, request)).await
    }

    /// A handle that ends this activity from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}

/// Owns the instance and makes its calls, until there are no more or its version is retired. The lease is dropped after the instance.
async fn serve(lease: Lease, mut live: Live, mut inbox: mpsc::Receiver<Job>, canceller: Canceller) {
    let retired = lease.version().retired();
    tokio::pin!(retired);
    loop {
        let job = tokio::select! {
            // A retired version takes no further call, even one that came before its task has heard of it.
            biased;
            () = &mut retired => None,
            job = inbox.recv() => job,
        };
        let Some(job) = job else { return };
        let mut work = job(&mut live);
        let usable = tokio::select! {
            biased;
            usable = &mut work => usable,
            () = &mut retired => {
                canceller.stop(Signal::Replaced);
                work.await;
                false
            }
        };
        if !usable {
            return;
        }
    }
}

/// Ends an activity in an orderly way: the connector sends nothing more, waits briefly for writes under way and returns what it
/// has. After [`crate::Limits::cancel_grace`] the call is ended hard. The activity takes no calls afterwards.
#[derive(Clone, Debug)]
pub struct Canceller {
    signal: Arc<watch::Sender<Signal>>,
}

/// Whether an activity should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    GoOn,
    /// The time for what runs on its version is over.
    Replaced,
    /// Somebody cancelled it.
    Cancelled,
    /// A call took too long.
    OutOfTime,
}

impl Canceller {
    pub(crate) fn new() -> Self {
        Self { signal: Arc::new(watch::Sender::new(Signal::GoOn)) }
    }

    /// Asks for the end; returns at once. A second time does nothing.
    pub fn cancel(&self) {
        self.stop(Signal::Cancelled);
    }

    /// Asks for the end. The first reason stays, but somebody who cancels means more than this activity.
    pub(crate) fn stop(&self, why: Signal) {
        self.signal.send_if_modified(|signal| {
            let stronger = *signal == Signal::GoOn || (*signal, why) == (Signal::Replaced, Signal::Cancelled);
            if stronger {
                *signal = why;
            }
            stronger
        });
    }

    /// What was ended because its version was replaced goes on elsewhere.
    pub(crate) fn move_on(&self) {
        self.signal.send_if_modified(|signal| {
            let replaced = *signal == Signal::Replaced;
            if replaced {
                *signal = Signal::GoOn;
            }
            replaced
        });
    }

    pub(crate) fn signal(&self) -> Signal {
        *self.signal.borrow()
    }

    pub(crate) fn signals(&self) -> watch::Receiver<Signal> {
        self.signal.subscribe()
    }
}

/// What is known of a call before it is made.
struct Call {
    name: &'static str,
    object: Option<Arc<str>>,
    /// What it means for the remote if the host has to end it.
    effect: Effect,
    /// What the answer must fit.
    asked: Asked,
}

impl Call {
    fn read(name: &'static str) -> Self {
        Self { name, object: None, effect: Effect::Read, asked: Asked::Other }
    }

    /// About this object.
    fn of(self, object: &str) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    fn write(name: &'static str, request: &WriteRequest) -> Self {
        let effect = if request.validate_only { Effect::NothingSent } else { Effect::EveryRecordUnknown };
        let lines = request.records.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let asked = Asked::Outcomes { records: lines.count() };
        Self { name, object: Some(request.object.as_str().into()), effect, asked }
    }

    /// What was read or written.
    fn tally<T: Reply>(&self, answer: &Result<T, CallError>) -> Tally {
        let records = self.asked.records() as u64;
        match answer {
            Ok(answer) => answer.tally(),
            Err(CallError::Ended(ended)) if ended.effect == Effect::EveryRecordUnknown => {
                Tally { records, unknown: records, ..Tally::default() }
            }
            Err(_nothing_was_sent) => Tally { records, skipped: records, ..Tally::default() },
        }
    }

    /// What the caller gets to see of a connector's answer.
    fn judge<T: Reply>(&self, answer: Result<T, Error>, live: &mut Live) -> Result<T, CallError> {
        match answer {
            Ok(mut answer) => {
                // Nobody can tell what is right about an answer that is wrong in one thing.
                if let Err(cause) = answer.check(&self.asked, &mut live.trail) {
                    return Err(live.ended(self.name, cause, self.effect).into());
                }
                if let Some(reason) = live.state().refusal() {
                    answer.errors(&mut |error| explain(error, &reason));
                }
                let log = live.state().log();
                answer.texts(&mut |text| log.clean(text));
                Ok(answer)
            }
            Err(mut error) => match live.stopped() {
                // Nobody but the host cancelled it. By the contract an error means that nothing was sent.
                Some(cause) if error.code.as_deref() == Some("cancelled") => {
                    let effect = if self.effect == Effect::Read { Effect::Read } else { Effect::NothingSent };
                    Err(live.ended(self.name, cause, effect).into())
                }
                _ => {
                    if let Some(reason) = live.state().refusal() {
                        explain(&mut error, &reason);
                    }
                    let log = live.state().log();
                    error.texts(&mut |text| log.clean(text));
                    Err(CallError::Connector(error))
                }
            },
        }
    }
}

/// Adds why the host failed a request to an error that may come of it: a connector gets a code, which cannot say.
fn explain(error: &mut Error, reason: &str) {
    let may_be = matches!(error.kind, ErrorKind::Denied | ErrorKind::Unavailable | ErrorKind::Protocol);
    // What the remote answered, it answered.
    if may_be && error.status.is_none() && !error.message.contains(reason) {
        error.message = format!("{} (the host: {reason})", error.message);
    }
}
