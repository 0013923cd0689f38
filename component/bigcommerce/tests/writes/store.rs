//! A host whose store is a closure: every request is noted and answered, and time stands still.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use connector_bigcommerce::connector::Connector;
use connector_bigcommerce::error::Error;
use connector_bigcommerce::host::{Allowance, Answer, Cause, Host, Level, Local, Request, SendError};
use connector_bigcommerce::types::{Outcome, Verb, WriteRequest};
use serde_json::{Value, json};

/// A request as the store saw it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    /// `POST /v3/customers`, with its query, percent-decoded.
    pub(crate) line: String,
    /// Body, null if there is none.
    pub(crate) body: Value,
}

type Answers = Box<dyn FnMut(&Sent) -> Result<Answer, SendError>>;

/// The store.
pub(crate) struct Store {
    answers: RefCell<Answers>,
    sent: RefCell<Vec<Sent>>,
    /// Requests that may be under way at once.
    places: usize,
    out: Cell<usize>,
    /// Names of buckets that were asked for leave, with their limits, and how many of each were out at most.
    buckets: RefCell<HashMap<String, (usize, usize)>>,
    now: Cell<u64>,
    under_way: Cell<usize>,
    most_under_way: Cell<usize>,
}

impl Store {
    /// A connection to a store that answers like this.
    pub(crate) fn new(answers: impl FnMut(&Sent) -> Result<Answer, SendError> + 'static) -> (Connector, Rc<Self>) {
        Self::with_places(usize::MAX, answers)
    }

    /// The same, for a quota that lets so many requests out at once.
    pub(crate) fn with_places(
        places: usize,
        answers: impl FnMut(&Sent) -> Result<Answer, SendError> + 'static,
    ) -> (Connector, Rc<Self>) {
        let store = Rc::new(Self {
            answers: RefCell::new(Box::new(answers)),
            sent: RefCell::default(),
            places,
            out: Cell::new(0),
            buckets: RefCell::default(),
            now: Cell::new(0),
            under_way: Cell::new(0),
            most_under_way: Cell::new(0),
        });
        let settings = json!({ "store_hash": "abc123", "access_token": "t" }).to_string();
        let connector = Connector::configure(Rc::new(Fake(store.clone())), &settings).unwrap();
        (connector, store)
    }

    /// What was sent, in order.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.borrow().clone()
    }

    /// The request lines, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.sent.borrow().iter().map(|sent| sent.line.clone()).collect()
    }

    /// Most requests that the store had before it at once.
    pub(crate) fn most_under_way(&self) -> usize {
        self.most_under_way.get()
    }

    /// Milliseconds that were slept.
    pub(crate) fn slept(&self) -> u64 {
        self.now.get() / 1_000_000
    }

    /// Most requests that were out at once in buckets whose name holds this.
    pub(crate) fn most_out(&self, name: &str) -> usize {
        let buckets = self.buckets.borrow();
        buckets.iter().filter(|(bucket, _)| bucket.contains(name)).map(|(_, (_, most))| *most).max().unwrap_or(0)
    }
}

struct Fake(Rc<Store>);

struct Place(Rc<Store>, Option<String>);

impl Drop for Place {
    fn drop(&mut self) {
        match &self.1 {
            None => self.0.out.set(self.0.out.get() - 1),
            Some(name) => self.0.buckets.borrow_mut().get_mut(name).unwrap().0 -= 1,
        }
    }
}

/// Pending so many times.
async fn turns(mut count: u32) {
    poll_fn(|context| {
        if count == 0 {
            return Poll::Ready(());
        }
        count -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Host for Fake {
    fn variable(&self, name: &str) -> Result<String, Error> {
        panic!("no variable {name}")
    }

    fn transport(&self, _: bool, _: Option<u32>) -> Result<(), Error> {
        Ok(())
    }

    fn permit(&self, bucket: &str, concurrency: Option<u32>) -> Local<'static, Box<dyn Any>> {
        let (store, bucket) = (self.0.clone(), bucket.to_owned());
        Box::pin(poll_fn(move |context| {
            let free = match concurrency {
                None => store.out.get() < store.places,
                Some(limit) => {
                    let mut buckets = store.buckets.borrow_mut();
                    let (out, most) = buckets.entry(bucket.clone()).or_default();
                    let free = *out < limit as usize;
                    if free {
                        *out += 1;
                        *most = (*most).max(*out);
                    }
                    free
                }
            };
            if !free {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if concurrency.is_none() {
                store.out.set(store.out.get() + 1);
            }
            Poll::Ready(Box::new(Place(store.clone(), concurrency.map(|_| bucket.clone()))) as Box<dyn Any>)
        }))
    }

    fn report(&self, _: &str, _: Allowance) {}

    fn send(&self, request: Request) -> Local<'static, Result<Answer, SendError>> {
        let store = self.0.clone();
        Box::pin(async move {
            turns(3).await;
            let target = request.target.trim_start_matches("/stores/abc123").to_owned();
            let line = format!("{} {}", request.method, connector_bigcommerce::url::decode(&target).unwrap());
            let body = request.body.map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap());
            let sent = Sent { line, body };
            store.sent.borrow_mut().push(sent.clone());
            store.under_way.set(store.under_way.get() + 1);
            store.most_under_way.set(store.most_under_way.get().max(store.under_way.get()));
            let answer = (store.answers.borrow_mut())(&sent);
            turns(3).await;
            store.under_way.set(store.under_way.get() - 1);
            answer
        })
    }

    fn sleep(&self, milliseconds: u64) -> Local<'static, ()> {
        self.0.now.set(self.0.now.get() + milliseconds * 1_000_000);
        Box::pin(turns(5))
    }

    fn cancelled(&self) -> Local<'static, ()> {
        Box::pin(std::future::pending())
    }

    fn now(&self) -> u64 {
        self.0.now.get()
    }

    fn log(&self, _: Level, _: &str, _: &[(&str, String)]) {}
}

/// Runs a future whose waits wake themselves.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("it waits for something that never comes")
}

/// A JSON answer.
pub(crate) fn answer(status: u16, body: Value) -> Result<Answer, SendError> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Ok(Answer { status, headers: Vec::new(), body })
}

/// No answer, and nobody knows whether the store acted.
pub(crate) fn lost() -> Result<Answer, SendError> {
    Err(SendError { unsent: false, cause: Cause::Broken, detail: String::new() })
}

/// A write of these records that goes on after a failure.
pub(crate) fn request(object: &str, records: &[Value]) -> WriteRequest {
    WriteRequest {
        object: object.to_owned(),
        records: records.iter().map(|record| format!("{record}\n")).collect::<String>().into_bytes(),
        continue_on_error: true,
        ..WriteRequest::default()
    }
}

/// Carries out a write.
pub(crate) fn write(connector: &Connector, verb: Verb, object: &str, records: &[Value]) -> Vec<Outcome> {
    run(connector.write(verb, &request(object, records))).unwrap()
}

/// One word per outcome.
pub(crate) fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
        Outcome::Skipped => "skipped",
    };
    outcomes.iter().map(word).collect()
}

/// The record of an applied outcome.
pub(crate) fn applied(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Applied(record) => serde_json::from_str(record).unwrap(),
        other => panic!("not applied: {other:?}"),
    }
}

/// The error of a failed or unknown outcome.
pub(crate) fn error(outcome: &Outcome) -> &Error {
    match outcome {
        Outcome::Failed(error) | Outcome::Unknown(error) => error,
        other => panic!("no error: {other:?}"),
    }
}
