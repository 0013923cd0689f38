//! Answers one request: who asks, what for, the connector's call, its answer.

use std::cell::RefCell;

use serde_json::json;

use crate::access::{self, Head};
use crate::answer::{self, Answer, refusal};
use crate::asked;
use crate::bindings::exports::wasi::http::incoming_handler::Guest;
use crate::bindings::ipaas::connector::connection::{self, Outcome, Plan, QueryRequest, WrittenBy};
use crate::bindings::ipaas::connector::metadata;
use crate::bindings::ipaas::connector::types::Error;
use crate::bindings::ipaas::service::calls;
use crate::bindings::wasi::cli::{environment::get_environment, stderr::get_stderr};
use crate::bindings::wasi::http::types::{IncomingRequest, ResponseOutparam};
use crate::operator::Operator;
use crate::route::{NoRoute, Route, Verb, route};
use crate::wire::{self, Growing, LARGEST_BODY, Unread};

/// Records as they come, page after page.
const NDJSON: &str = "application/x-ndjson";

struct Service;

// The generated code implements the canonical ABI.
#[allow(unsafe_code, unreachable_pub)]
mod exported {
    use super::Service;
    crate::bindings::export!(Service with_types_in crate::bindings);
}

thread_local! {
    /// Whether this instance's connection took its settings, which are the same for every request.
    static CONFIGURED: RefCell<bool> = const { RefCell::new(false) };
}

/// What is sent: an answer, or the pages of a query.
enum Reply {
    Answer(Answer),
    Pages(QueryRequest),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl Guest for Service {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match reply(&request) {
            Ok(Reply::Answer(answer)) | Err(answer) => wire::send(out, &answer),
            Ok(Reply::Pages(query)) => pages(query, out),
        }
    }
}

fn reply(request: &IncomingRequest) -> Result<Reply, Answer> {
    let target = request.path_with_query().unwrap_or_default();
    let (path, parameters) = target.split_once('?').unwrap_or((&target, ""));
    let found = route(&request.method(), path);
    if found == Ok(Route::Health) {
        return Ok(Answer::text("ok\n").into());
    }
    let operator = Operator::read(get_environment()).map_err(|why| refusal(500, "configuration", &why))?;
    let accept = guard(&operator, request)?;
    let route = found.map_err(|none| match none {
        NoRoute::Path => refusal(404, "not-found", &format!("nothing is at `{path}`")),
        NoRoute::Method(takes) => {
            let mut answer = refusal(405, "invalid-request", &format!("`{path}` takes {takes}"));
            answer.headers.push(("allow", takes.to_owned()));
            answer
        }
    })?;
    let info = metadata::describe();
    calls::hide(&operator.secrets(&info.settings_schema));
    let own = operator.name.unwrap_or_else(|| info.name.clone());
    let verb = match route {
        Route::Of(name, verb) if name == own => verb,
        Route::Of(name, _) => {
            return Err(refusal(404, "not-found", &format!("there is no connection `{name}` here, only `{own}`")));
        }
        Route::Health | Route::Connections => {
            return Ok(Answer::json(&json!([{ "name": own, "connector": info.name, "version": info.version }])).into());
        }
    };
    let body = wire::body(request).map_err(|unread| match unread {
        Unread::TooLarge => refusal(413, "invalid-request", &format!("a body holds at most {LARGEST_BODY} bytes")),
        Unread::Broken => refusal(400, "invalid-request", "the body broke off"),
    })?;
    configure(&operator.settings)?;
    run(verb, parameters, body, &accept)
}

/// Whether this request may ask; if so, what it accepts.
fn guard(operator: &Operator, request: &IncomingRequest) -> Result<String, Answer> {
    let headers = request.headers();
    let authorization = wire::field(&headers, "authorization");
    let from_a_page = headers.has("origin");
    let head = Head { authorization: authorization.as_deref(), from_a_page };
    access::check(&operator.guard, head).map_err(|(status, why)| {
        let mut answer = refusal(status, "denied", why);
        if status == 401 {
            answer.headers.push(("www-authenticate", "Bearer".to_owned()));
        }
        answer
    })?;
    Ok(wire::field(&headers, "accept").unwrap_or_default())
}

fn configure(settings: &str) -> Result<(), Answer> {
    if CONFIGURED.with_borrow(|configured| *configured) {
        return Ok(());
    }
    calls::begin();
    connection::configure(settings)
        .map_err(|errors| answer::settings(&errors.into_iter().map(masked).collect::<Vec<_>>()))?;
    CONFIGURED.set(true);
    Ok(())
}

fn run(verb: Verb, parameters: &str, body: Vec<u8>, accept: &str) -> Result<Reply, Answer> {
    let failed = |error: Error| answer::failure(&masked(error));
    let wrong = |why: String| refusal(400, "invalid-request", &why);
    calls::begin();
    Ok(Reply::Answer(match verb {
        Verb::Test => {
            let identity = connection::test().map_err(failed)?;
            let (account, warnings) = (calls::masked(&identity.account), masked_all(identity.warnings));
            Answer::json(&json!({ "account": account, "warnings": warnings }))
        }
        Verb::Objects => answer::objects(&connection::list_objects().map_err(failed)?),
        Verb::Object(name) => answer::object(&name, &connection::describe_object(&name).map_err(failed)?),
        Verb::Explain => {
            let query = asked::query(&body).map_err(wrong)?;
            let plan = connection::explain(&query).map_err(failed)?;
            answer::plan(&Plan { steps: masked_all(plan.steps), ..plan })
        }
        Verb::Query => {
            let query = asked::query(&body).map_err(wrong)?;
            if accept.contains(NDJSON) {
                return if query.since.is_none() {
                    Ok(Reply::Pages(query))
                } else {
                    let why =
                        "records alone carry no state: ask for `since` page by page, with `Accept: application/json`";
                    Err(wrong(why.to_owned()))
                };
            }
            answer::page(&connection::query(&query).map_err(failed)?)
        }
        Verb::Write(by) => {
            let write = asked::write(parameters, body).map_err(wrong)?;
            if write.written_by.is_some() {
                return Err(wrong("`written_by` belongs to resolve".to_owned()));
            }
            let written = match by {
                WrittenBy::Create => connection::create(&write.request),
                WrittenBy::Update => connection::update(&write.request),
                WrittenBy::Delete => connection::delete(&write.request),
            };
            answer::outcomes(&masked_outcomes(written.map_err(failed)?))
        }
        Verb::Resolve => {
            let write = asked::write(parameters, body).map_err(wrong)?;
            let by = write.written_by.ok_or_else(|| wrong("say `written_by=create`, update or delete".to_owned()))?;
            let resolved = connection::resolve(by, &write.request).map_err(failed)?;
            answer::outcomes(&masked_outcomes(resolved))
        }
    }))
}

/// A failure whose texts hold no secret.
fn masked(error: Error) -> Error {
    let code = error.code.map(|code| calls::masked(&code));
    Error { message: calls::masked(&error.message), code, ..error }
}

fn masked_all(texts: Vec<String>) -> Vec<String> {
    texts.iter().map(|text| calls::masked(text)).collect()
}

fn masked_outcomes(outcomes: Vec<Outcome>) -> Vec<Outcome> {
    let one = |outcome| match outcome {
        Outcome::Failed(error) => Outcome::Failed(masked(error)),
        Outcome::Unknown(error) => Outcome::Unknown(masked(error)),
        other => other,
    };
    outcomes.into_iter().map(one).collect()
}

/// Sends every page's records as they come. A failure before the first one is an answer of its own; one behind it breaks the
/// answer off, so that nobody takes what came for all there is.
fn pages(mut query: QueryRequest, out: ResponseOutparam) {
    let mut left = query.max_records.unwrap_or(u64::MAX);
    let next_page = |query: &QueryRequest| {
        calls::begin();
        connection::query(query).map_err(masked)
    };
    let mut page = match next_page(&query) {
        Ok(page) => page,
        Err(error) => return wire::send(out, &answer::failure(&error)),
    };
    let Ok(growing) = Growing::begin(out, 200, NDJSON, &[]) else { return };
    loop {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let records = page.records.split_inclusive(|byte| *byte == b'\n').take(most);
        let length = records.map(<[u8]>::len).sum::<usize>();
        if growing.write(page.records.get(..length).unwrap_or_default()).is_err() {
            return;
        }
        left = left.saturating_sub(page.count.into());
        let Some(next) = page.next.filter(|_| left > 0) else { break };
        query.cursor = Some(next);
        page = match next_page(&query) {
            Ok(page) => page,
            Err(error) => return tell(&error),
        };
    }
    growing.finish();
}

/// A line for the operator about an answer that broke off.
fn tell(error: &Error) {
    // What is written at once may have 4096 bytes, and a character of JSON takes up to six.
    let why: String = error.message.chars().take(600).collect();
    let line = json!({ "level": "error", "message": "a query broke off", "fields": { "why": why } });
    // There is nobody to tell that this failed.
    let _ = get_stderr().blocking_write_and_flush(format!("{line}\n").as_bytes());
}
