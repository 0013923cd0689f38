//! An instance of a connector, and the one way to call it: under a clock, a cancellation and the limits. Whatever ends a call
//! hard also ends the instance, because nobody knows what state it is in.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use wasmtime::Store;

use crate::contract::{Instance, InstancePre};
use crate::engine::Runtime;
use crate::error::{Cause, Effect, Ended};
use crate::limits::Limits;
use crate::state::{Context, State};

/// A future that may cross threads.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A component that is ready to be instantiated, with the name by which findings about it are told.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) pre: InstancePre<State>,
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Program {
    /// A finding about a call.
    pub(crate) fn ended(&self, call: &'static str, cause: Cause, effect: Effect) -> Ended {
        Ended { connector: self.name.clone(), version: self.version.clone(), call, cause, effect }
    }
}

/// An instance at a call boundary.
pub(crate) struct Live {
    program: Arc<Program>,
    limits: Limits,
    store: Store<State>,
    instance: Instance,
    cancelled: watch::Receiver<bool>,
}

impl Live {
    /// A new instance. `call` is what it is made for.
    pub(crate) async fn new(
        program: &Arc<Program>,
        context: &Arc<Context>,
        cancelled: watch::Receiver<bool>,
        call: &'static str,
    ) -> Result<Self, Ended> {
        let _ticks = program.runtime.ticker.run();
        let limits = context.limits.clone();
        let mut store = Store::new(&program.runtime.engine, State::new(Arc::clone(context), cancelled.clone()));
        store.limiter(|state| state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(State::tick);
        let made = tokio::time::timeout(limits.call_time, program.pre.instantiate_async(&mut store)).await;
        let cause = match made {
            Ok(Ok(instance)) => {
                return Ok(Self { program: Arc::clone(program), limits, store, instance, cancelled });
            }
            Ok(Err(error)) => store.data().exceeded().unwrap_or_else(|| Cause::Instance(in_short(&error))),
            Err(_elapsed) => Cause::CallTime(limits.call_time),
        };
        Err(program.ended(call, cause, Effect::NothingSent))
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// Makes a call. `abandoned` ends it when nobody waits for the answer any more. After an error the instance must not be used.
    pub(crate) async fn run<T>(
        &mut self,
        call: &'static str,
        effect: Effect,
        abandoned: impl Future<Output = ()>,
        function: impl for<'a> FnOnce(&'a mut Store<State>, &'a Instance) -> BoxFuture<'a, wasmtime::Result<T>>,
    ) -> Result<T, Ended> {
        if *self.cancelled.borrow() {
            return Err(self.program.ended(call, Cause::Cancelled, Effect::NothingSent));
        }
        let _ticks = self.program.runtime.ticker.run();
        self.store.data_mut().begin();
        self.store.set_epoch_deadline(1);
        let (call_time, grace) = (self.limits.call_time, self.limits.cancel_grace);
        let cancelled = self.cancelled.clone();
        // An instance that computes lets the others be looked at with every tick, so none of them comes late.
        let answer = tokio::select! {
            biased;
            answer = function(&mut self.store, &self.instance) => answer.map_err(Some),
            () = tokio::time::sleep(call_time) => return Err(self.program.ended(call, Cause::CallTime(call_time), effect)),
            () = after_grace(cancelled, grace) => return Err(self.program.ended(call, Cause::CancelGrace(grace), effect)),
            () = abandoned => Err(None),
        };
        self.store.data_mut().end();
        answer.map_err(|trap| {
            let state = self.store.data();
            let cause = match (state.exceeded(), trap) {
                (Some(cause), _) => cause,
                (None, Some(trap)) => Cause::Trap(in_short(&trap)),
                (None, None) => Cause::Over,
            };
            self.program.ended(call, cause, effect)
        })
    }
}

async fn after_grace(mut cancelled: watch::Receiver<bool>, grace: Duration) {
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(grace).await;
}

/// The innermost cause, on one line; the chain around it names functions by number.
pub(crate) fn in_short(error: &wasmtime::Error) -> String {
    let text = error.root_cause().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
