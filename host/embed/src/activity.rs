//! An activity: one instance of a connector, owned by one task that takes calls as messages.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wasmtime::Store;

use crate::contract::{
    Error, Guest, Identity, ObjectInfo, ObjectSchema, Outcome, Page, Plan, QueryRequest, WriteRequest, WrittenBy,
};
use crate::error::{CallError, Cause, Effect};
use crate::instance::{BoxFuture, Live, Program};
use crate::state::State;

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
    program: Arc<Program>,
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Activity({} {})", self.program.name, self.program.version)
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Activity {
    /// Hands a configured instance to a task of its own.
    pub(crate) fn start(mut live: Live, canceller: Canceller, program: &Arc<Program>) -> Self {
        let (jobs, mut inbox) = mpsc::channel::<Job>(1);
        let task = tokio::spawn(async move {
            while let Some(job) = inbox.recv().await {
                if !job(&mut live).await {
                    break;
                }
            }
        });
        Self { jobs, task, canceller, program: Arc::clone(program) }
    }

    async fn call<T: Answer + Send + 'static>(
        &mut self,
        call: Call,
        function: impl for<'a> FnOnce(&'a mut Store<State>, &'a Guest) -> BoxFuture<'a, wasmtime::Result<Result<T, Error>>>
        + Send
        + 'static,
    ) -> Result<T, CallError> {
        let (mut reply, answer) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let job: Job = Box::new(move |live| {
            Box::pin(async move {
                begins.store(true, Ordering::Release);
                let answer = live
                    .run(call.name, call.effect, reply.closed(), |store, instance| {
                        function(store, instance.ipaas_connector_connection())
                    })
                    .await;
                let answer = answer.map_err(CallError::from).and_then(|answer| call.judge(answer, live));
                let usable = !matches!(answer, Err(CallError::Ended(_)));
                // Whoever does not wait any more has dropped the activity or given it up.
                let _ = reply.send(answer);
                usable
            })
        });
        if self.jobs.send(job).await.is_ok()
            && let Ok(answer) = answer.await
        {
            return answer;
        }
        // Without an answer the task ended before it took the call, or was torn down in the middle with the runtime around it.
        let (cause, effect) = match begun.load(Ordering::Acquire) {
            true => (Cause::TornDown, call.effect),
            false => (Cause::Over, Effect::NothingSent),
        };
        Err(self.program.ended(call.name, cause, effect).into())
    }

    /// See [`crate::Connection::test`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn test(&mut self) -> Result<Identity, CallError> {
        self.call(Call::read("test"), |store, guest| Box::pin(guest.call_test(store))).await
    }

    /// See [`crate::Connection::list_objects`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_objects(&mut self) -> Result<Vec<ObjectInfo>, CallError> {
        self.call(Call::read("list-objects"), |store, guest| Box::pin(guest.call_list_objects(store))).await
    }

    /// See [`crate::Connection::describe_object`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn describe_object(&mut self, name: &str) -> Result<ObjectSchema, CallError> {
        let name = name.to_owned();
        self.call(Call::read("describe-object"), move |store, guest| {
            Box::pin(async move { guest.call_describe_object(store, &name).await })
        })
        .await
    }

    /// One page of a query; for the next, pass [`Page::next`] as [`QueryRequest::cursor`], to this or any other activity.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn query(&mut self, request: &QueryRequest) -> Result<Page, CallError> {
        let request = request.clone();
        self.call(Call::read("query"), move |store, guest| {
            Box::pin(async move { guest.call_query(store, &request).await })
        })
        .await
    }

    /// See [`crate::Connection::explain`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn explain(&mut self, request: &QueryRequest) -> Result<Plan, CallError> {
        let request = request.clone();
        self.call(Call::read("explain"), move |store, guest| {
            Box::pin(async move { guest.call_explain(store, &request).await })
        })
        .await
    }

    /// Creates records: one outcome per record, in order. Pass moderate batches and note them before the call, because
    /// [`CallError::Ended`] makes **every** record of the call unknown (its [`Effect`] says so); [`CallError::Connector`] means that
    /// nothing was sent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let request = request.clone();
        self.call(Call::write("create", &request), move |store, guest| {
            Box::pin(async move { guest.call_create(store, &request).await })
        })
        .await
    }

    /// Updates records; outcomes and errors as for [`Activity::create`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn update(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let request = request.clone();
        self.call(Call::write("update", &request), move |store, guest| {
            Box::pin(async move { guest.call_update(store, &request).await })
        })
        .await
    }

    /// Deletes the records that are named; outcomes and errors as for [`Activity::create`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let request = request.clone();
        self.call(Call::write("delete", &request), move |store, guest| {
            Box::pin(async move { guest.call_delete(store, &request).await })
        })
        .await
    }

    /// Looks up what became of records whose outcome is unknown. Changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn resolve(&mut self, written_by: WrittenBy, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let request = request.clone();
        let call = Call { effect: Effect::Read, ..Call::write("resolve", &request) };
        self.call(call, move |store, guest| {
            Box::pin(async move { guest.call_resolve(store, written_by, &request).await })
        })
        .await
    }

    /// A handle that ends this activity from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
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

    /// Asks for the end. The first reason stays.
    pub(crate) fn stop(&self, why: Signal) {
        self.signal.send_if_modified(|signal| {
            let first = *signal == Signal::GoOn;
            if first {
                *signal = why;
            }
            first
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
#[derive(Clone, Copy)]
struct Call {
    name: &'static str,
    /// What it means for the remote if the host has to end it.
    effect: Effect,
    /// How many outcomes the answer must hold.
    records: Option<usize>,
}

impl Call {
    fn read(name: &'static str) -> Self {
        Self { name, effect: Effect::Read, records: None }
    }

    fn write(name: &'static str, request: &WriteRequest) -> Self {
        let effect = if request.validate_only { Effect::NothingSent } else { Effect::EveryRecordUnknown };
        let lines = request.records.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        Self { name, effect, records: Some(lines.count()) }
    }

    /// What the caller gets to see of a connector's answer.
    fn judge<T: Answer>(self, answer: Result<T, Error>, live: &mut Live) -> Result<T, CallError> {
        match answer {
            Ok(mut answer) => {
                if let (Some(records), Some(outcomes)) = (self.records, answer.outcomes())
                    && records != outcomes
                {
                    // Outcomes belong to records by their place, and no place can be trusted now.
                    return Err(live.ended(self.name, Cause::Outcomes { records, outcomes }, self.effect).into());
                }
                let redactor = live.state().redactor();
                answer.clean(&mut |text| redactor.clean(text));
                Ok(answer)
            }
            Err(mut error) => match live.late() {
                // Nobody but the limit cancelled it. By the contract an error means that nothing was sent.
                Some(cause) if error.code.as_deref() == Some("cancelled") => {
                    let effect = if self.effect == Effect::Read { Effect::Read } else { Effect::NothingSent };
                    Err(live.ended(self.name, cause, effect).into())
                }
                _ => {
                    live.state().redactor().clean(&mut error.message);
                    Err(CallError::Connector(error))
                }
            },
        }
    }
}

/// What calls answer.
pub(crate) trait Answer {
    /// Takes hidden values out of what is for people.
    fn clean(&mut self, clean: &mut dyn FnMut(&mut String));

    /// How many outcomes it holds, if that is what it is.
    fn outcomes(&self) -> Option<usize> {
        None
    }
}

impl Answer for Identity {
    fn clean(&mut self, clean: &mut dyn FnMut(&mut String)) {
        clean(&mut self.account);
        self.warnings.iter_mut().for_each(clean);
    }
}

impl Answer for Vec<Outcome> {
    fn outcomes(&self) -> Option<usize> {
        Some(self.len())
    }

    fn clean(&mut self, clean: &mut dyn FnMut(&mut String)) {
        for outcome in self {
            if let Outcome::Failed(error) | Outcome::Unknown(error) = outcome {
                clean(&mut error.message);
            }
        }
    }
}

impl Answer for Plan {
    fn clean(&mut self, clean: &mut dyn FnMut(&mut String)) {
        self.steps.iter_mut().for_each(clean);
    }
}

/// Pages are data, the rest is fixed: none is searched.
macro_rules! as_it_is {
    ($($answer:ty),*) => { $(impl Answer for $answer { fn clean(&mut self, _: &mut dyn FnMut(&mut String)) {} })* };
}
as_it_is!(Page, ObjectSchema, Vec<ObjectInfo>);
