//! An instance of a connector, and the one way to call it: under a clock, a cancellation and the limits. Whatever ends a call
//! hard also ends the instance, because nobody knows what state it is in.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::ResourceTableError;
use wasmtime::{Store, Trap};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use crate::activity::{Canceller, Signal};
use crate::answer::Trail;
use crate::contract::worlds::{Call, Exports, Prepared};
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
    pub(crate) prepared: Arc<dyn Prepared>,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Settings that its schema calls secret.
    pub(crate) secret_settings: Arc<BTreeSet<String>>,
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
    exports: Box<dyn Exports>,
    canceller: Canceller,
    /// Where its queries have been.
    pub(crate) trail: Trail,
    /// Given back last, when the instance is gone.
    _place: OwnedSemaphorePermit,
}

impl Live {
    /// A new instance. `call` is what it is made for.
    pub(crate) async fn new(
        program: &Arc<Program>,
        context: &Arc<Context>,
        canceller: &Canceller,
        call: &'static str,
    ) -> Result<Self, Ended> {
        let nothing = |cause| program.ended(call, cause, Effect::NothingSent);
        let place = program.runtime.place().await.map_err(nothing)?;
        let _ticks = program.runtime.ticker.run();
        let limits = context.limits.clone();
        let mut state = State::new(Arc::clone(context), &program.version, canceller.signals());
        state.hide_what_is_mentioned_in(&program.secret_settings);
        let mut store = Store::new(&program.runtime.engine, state);
        store.limiter(|state| state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(State::tick);
        store.set_hostcall_fuel(limits.answer_bytes);
        // Twice, because handles are lent for the length of a call as well.
        store.set_max_component_handles(limits.resources.saturating_mul(2));
        store.data_mut().begin();
        let meter = Arc::clone(store.data().meter());
        let instantiated = meter.run(program.prepared.instantiate(&mut store));
        let made = tokio::time::timeout(limits.call_time, instantiated).await;
        let cause = match made {
            Ok(Ok(exports)) => {
                let (program, canceller, trail) = (Arc::clone(program), canceller.clone(), Trail::default());
                return Ok(Self { program, limits, store, exports, canceller, trail, _place: place });
            }
            Ok(Err(error)) => match cause(store.data(), program.runtime.stack, &error) {
                Cause::Trap(why) => Cause::Instance(why),
                limit => limit,
            },
            Err(_elapsed) => Cause::CallTime(limits.call_time),
        };
        Err(nothing(cause))
    }

    /// A finding about a call.
    pub(crate) fn ended(&self, call: &'static str, cause: Cause, effect: Effect) -> Ended {
        self.program.ended(call, cause, effect)
    }

    /// Why the host cancelled a call of its own accord, if it did.
    pub(crate) fn stopped(&self) -> Option<Cause> {
        match self.canceller.signal() {
            Signal::GoOn | Signal::Cancelled => None,
            Signal::Replaced => Some(Cause::Replaced),
            Signal::OutOfTime => Some(Cause::CallTime(self.limits.call_time)),
        }
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
        function: impl for<'a> FnOnce(&'a mut Store<State>, &'a dyn Exports) -> Call<'a, T>,
    ) -> Result<T, Ended> {
        let (call_time, grace) = (self.limits.call_time, self.limits.cancel_grace);
        match self.canceller.signal() {
            Signal::GoOn => {}
            Signal::Cancelled => return Err(self.ended(call, Cause::Cancelled, Effect::NothingSent)),
            Signal::Replaced => return Err(self.ended(call, Cause::Replaced, Effect::NothingSent)),
            Signal::OutOfTime => return Err(self.ended(call, Cause::LateBefore(call_time), Effect::NothingSent)),
        }
        let overdue = overdue(self.canceller.clone(), call_time, grace);
        let _ticks = self.program.runtime.ticker.run();
        self.store.data_mut().begin();
        self.store.set_epoch_deadline(1);
        let meter = Arc::clone(self.store.data().meter());
        // An instance that computes lets the others be looked at with every tick, so none of them comes late.
        let answer = tokio::select! {
            biased;
            answer = meter.run(function(&mut self.store, &*self.exports)) => answer.map_err(Some),
            cause = overdue => return Err(self.program.ended(call, cause, effect)),
            () = abandoned => Err(None),
        };
        self.store.data_mut().end();
        answer.map_err(|trap| {
            let stack = self.program.runtime.stack;
            let cause = trap.map_or(Cause::TornDown, |trap| cause(self.store.data(), stack, &trap));
            self.program.ended(call, cause, effect)
        })
    }
}

/// How the runtime says that [`Limits::answer_bytes`] is used up. It has no type for it; a test holds the text.
const HANDED_OVER: &str = "too much data is being copied between the host and the guest";

/// Why a call ended in this trap.
fn cause(state: &State, stack: usize, trap: &wasmtime::Error) -> Cause {
    let limits = state.limits();
    if let Some(cause) = state.exceeded() {
        cause
    } else if let Some(I32Exit(code)) = trap.downcast_ref() {
        Cause::Exit(*code)
    } else if matches!(trap.downcast_ref(), Some(Trap::StackOverflow)) {
        Cause::Stack(stack)
    } else if matches!(trap.downcast_ref(), Some(ResourceTableError::Full)) {
        Cause::Resources(limits.resources)
    } else if matches!(trap.downcast_ref(), Some(FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig)) {
        Cause::Headers(limits.header_bytes)
    } else if trap.root_cause().to_string().starts_with(HANDED_OVER) {
        Cause::Answer(limits.answer_bytes)
    } else {
        Cause::Trap(in_short(trap))
    }
}

/// Cancels a call when its time is over. Answers when it should have come to its end, however it was cancelled.
async fn overdue(canceller: Canceller, call_time: Duration, grace: Duration) -> Cause {
    let mut signals = canceller.signals();
    let cause = match tokio::time::timeout(call_time, signals.wait_for(|signal| *signal != Signal::GoOn)).await {
        Ok(_cancelled) => Cause::CancelGrace(grace),
        Err(_elapsed) => Cause::CallTime(call_time),
    };
    canceller.stop(Signal::OutOfTime);
    tokio::time::sleep(grace).await;
    cause
}

/// The innermost cause, on one line; the chain around it names functions by number.
pub(crate) fn in_short(error: &wasmtime::Error) -> String {
    let text = error.root_cause().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
