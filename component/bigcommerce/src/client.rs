//! One request to the store: quota, credentials, timeouts, retries. Everything above asks for answers and gets them or the
//! reason why not; everything below is the host.

use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{Either, select};

use crate::error::Error;
use crate::host::{Allowance, Answer, Host, Level, Local, Request};
use crate::remote;
use crate::retry::{Attempt, Decision, Effect, decide};
use crate::settings::Settings;
use crate::stop::Stop;

/// What is asked of the store.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Path and query below `/stores/{hash}`.
    pub target: String,
    /// Path template, and the documented limit of simultaneous requests to it. For what must not run side by side with
    /// requests to other paths either, the name of the lane that they share, and 1.
    pub endpoint: (&'static str, Option<u32>),
    /// JSON body.
    pub body: Option<Vec<u8>>,
    /// For messages: `read products`.
    pub what: String,
}

impl Call {
    fn effect(&self) -> Effect {
        if self.method == "GET" { Effect::Read } else { Effect::Write }
    }
}

/// How long a request may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as the settings' retry budget lasts.
    Budget,
    /// One attempt: somebody waits for the verdict of `test`.
    None,
}

/// Sends calls.
#[derive(Clone)]
pub struct Client {
    host: Rc<dyn Host>,
    settings: Rc<Settings>,
}

impl Client {
    /// A client for one store.
    pub fn new(host: Rc<dyn Host>, settings: Rc<Settings>) -> Self {
        Self { host, settings }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The host.
    pub fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// Reads, and understands the answer with `parse`; an answer that makes no sense is asked for again.
    ///
    /// # Errors
    /// A refusal, no answer, no sense, or a cancelled call.
    pub async fn read<T>(
        &self,
        call: Call,
        patience: Patience,
        parse: impl Fn(Answer) -> Result<T, String>,
    ) -> Result<T, Error> {
        let (result, tried) = self
            .attempts(&call, patience, &Stop::default(), |answer| match answer.status {
                200..=299 => parse(answer).map(Ok),
                _ => Ok(Err(remote::refusal(&call.what, &answer))),
            })
            .await?;
        result.map_err(|failure| tried.given_up(failure))
    }

    /// Writes; the answer may have any status. It is sent again only where the store provably did not act, and not at all
    /// once `stop` is asked for.
    ///
    /// # Errors
    /// No answer, or a call cancelled or stopped before it was sent. `retry` says whether the store may have acted.
    pub async fn write(&self, call: &Call, stop: &Stop) -> Result<Answer, Error> {
        self.attempts(call, Patience::Budget, stop, Ok).await.map(|(answer, _)| answer)
    }

    /// Repeats as `retry::decide` says, until `understand` takes an answer.
    async fn attempts<T>(
        &self,
        call: &Call,
        patience: Patience,
        stop: &Stop,
        understand: impl Fn(Answer) -> Result<T, String>,
    ) -> Result<(T, Tried), Error> {
        let effect = call.effect();
        let budget = match patience {
            Patience::Budget => self.settings.retry_budget_ms,
            Patience::None => 0,
        };
        let (mut waited, mut attempt, mut refused) = (0, 0, 0);
        loop {
            let mut decide = |ended| {
                let count = if matches!(ended, Attempt::Status(429, _)) { &mut refused } else { &mut attempt };
                *count += 1;
                decide(effect, ended, *count, waited, budget, self.host.now())
            };
            let mut told = false;
            let (decision, failure) = match self.once(call, stop).await? {
                Ok(answer) => {
                    told = allowance(&answer).left.is_some();
                    let ended = Attempt::Status(answer.status, remote::asked_wait(&answer));
                    let refusal = (!(200..300).contains(&answer.status))
                        .then(|| (decide(ended), remote::refusal(&call.what, &answer)));
                    let short = matches!(refusal, Some((Decision::OverBudget, _)));
                    match refusal {
                        Some((wait @ Decision::Wait(_), failure)) => (wait, failure),
                        _ => match understand(answer) {
                            Ok(value) => {
                                return Ok((value, Tried { attempts: attempt + refused, waited, budget, short }));
                            }
                            Err(reason) => (decide(Attempt::Garbled), remote::nonsense(&call.what, &reason)),
                        },
                    }
                }
                Err(failure) => {
                    let decision = decide(Attempt::NoAnswer { unsent: failure.unsent, cause: failure.cause });
                    (decision, remote::no_answer(&call.what, &self.settings.base.authority, &failure))
                }
            };
            let Decision::Wait(wait) = decision else {
                let short = decision == Decision::OverBudget;
                return Err(Tried { attempts: attempt + refused, waited, budget, short }.given_up(failure));
            };
            waited += wait;
            self.hold(call, &failure, told, wait);
            self.unless(stop, self.host.sleep(wait)).await?;
        }
    }

    /// Tells the operator about a wait, and keeps others from running into the same wall. Where the answer said when the quota's
    /// window ends, all of them know already; a 429 that says nothing means too many at once at this endpoint, if it has such a
    /// limit, and otherwise that the platform is busy.
    fn hold(&self, call: &Call, failure: &Error, told: bool, wait: u64) {
        if failure.status == Some(429) && !told {
            let bucket = call.endpoint.1.map_or_else(|| self.bucket(), |_| self.endpoint_bucket(call));
            self.host.report(&bucket, Allowance { limit: None, left: Some(0), reset_ms: Some(wait) });
        }
        let fields = [
            ("wait_ms", wait.to_string()),
            ("method", call.method.to_owned()),
            ("path", call.endpoint.0.to_owned()),
            ("reason", failure.message.clone()),
        ];
        self.host.log(Level::Info, "waiting before the next attempt", &fields);
    }

    fn bucket(&self) -> String {
        format!("stores/{}", self.settings.store_hash)
    }

    /// A path is a bucket for each of its methods; a lane is one for all that run in it.
    fn endpoint_bucket(&self, call: &Call) -> String {
        let (bucket, place) = (self.bucket(), call.endpoint.0);
        match place.starts_with('/') {
            true => format!("{bucket} {} {place}", call.method),
            false => format!("{bucket} {place}"),
        }
    }

    /// One attempt. The outer error is ours (variables, cancellation), the inner one the network's.
    async fn once(&self, call: &Call, stop: &Stop) -> Result<Result<Answer, crate::host::SendError>, Error> {
        let bucket = self.bucket();
        // The endpoint's place first: whoever waits for one must not sit on the store's quota meanwhile.
        let endpoint = match call.endpoint.1 {
            Some(limit) => Some(self.unless(stop, self.host.permit(&self.endpoint_bucket(call), Some(limit))).await?),
            None => None,
        };
        let store = self.unless(stop, self.host.permit(&bucket, None)).await?;
        if stop.is_asked() {
            return Err(Error::cancelled());
        }
        let settings = &self.settings;
        let mut headers = vec![("accept", "application/json".to_owned())];
        headers.push(("x-auth-token", settings.access_token.resolve(|name| self.host.variable(name))?));
        if let Some(client) = &settings.client_id {
            headers.push(("x-auth-client", client.resolve(|name| self.host.variable(name))?));
        }
        if let Some(body) = &call.body {
            headers.push(("content-type", "application/json".to_owned()));
            headers.push(("content-length", body.len().to_string()));
        }
        let request = Request {
            method: call.method,
            https: settings.base.https,
            authority: settings.base.authority.clone(),
            target: format!("{}/{bucket}{}", settings.base.prefix, call.target),
            headers,
            body: call.body.clone(),
            connect_timeout: settings.connect_timeout_ms,
            answer_timeout: settings.answer_timeout_ms,
        };
        let sending = self.host.send(request);
        // A read may be dropped at any time. A write that is on its way is waited for: dropping it would lose its outcome.
        let result = match call.effect() {
            Effect::Read => self.unless(stop, sending).await?,
            Effect::Write => sending.await,
        };
        if let Ok(answer) = &result {
            let allowance = allowance(answer);
            if allowance != Allowance::default() {
                self.host.report(&bucket, allowance);
            }
        }
        drop((endpoint, store));
        Ok(result)
    }

    /// Waits, unless the host or the write wants it to end.
    async fn unless<T: 'static>(&self, stop: &Stop, future: Local<'static, T>) -> Result<T, Error> {
        match select(future, select(self.host.cancelled(), pin!(stop.asked()))).await {
            Either::Left((value, _)) => Ok(value),
            Either::Right(_) => Err(Error::cancelled()),
        }
    }
}

/// How long a request was tried.
struct Tried {
    /// Failed attempts.
    attempts: u32,
    /// Milliseconds of waiting between them, and how many were allowed.
    waited: u64,
    budget: u64,
    /// Whether one more attempt was due, and its wait would have been too long.
    short: bool,
}

impl Tried {
    /// A failure that no attempt mended.
    fn given_up(&self, mut failure: Error) -> Error {
        if self.attempts > 1 {
            let seconds = self.waited.div_ceil(1000);
            failure
                .message
                .push_str(&format!("; given up after {} attempts and {seconds} s of waiting", self.attempts));
        }
        if self.short && self.budget > 0 {
            let allowed = self.budget.div_ceil(1000);
            failure
                .message
                .push_str(&format!("; one more wait would exceed the {allowed} s that `retry_budget_ms` allows"));
        }
        failure
    }
}

/// What an answer says about the quota. A refusal leaves nothing, whatever it says.
fn allowance(answer: &Answer) -> Allowance {
    let number = |name| answer.number(name);
    let narrow = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let (left, reset_ms) = (narrow(number("x-rate-limit-requests-left")), number("x-rate-limit-time-reset-ms"));
    let refused = answer.status == 429 && reset_ms.is_some();
    Allowance {
        limit: narrow(number("x-rate-limit-requests-quota")),
        left: if refused { Some(0) } else { left },
        reset_ms,
    }
}
