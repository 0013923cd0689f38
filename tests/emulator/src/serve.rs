//! From a request on a socket to an answer: journal, faults, authorisation, quota, then the operation.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::answer::{Answer, Outcome, Refusal};
use crate::auth;
use crate::config::{Config, Switches};
use crate::facts::{Kind, Verb};
use crate::faults::{Effect, Faults};
use crate::journal::{Entry, SharedJournal, masked};
use crate::json;
use crate::openapi::{Checker, Seen};
use crate::quota::{Allowance, Counter, InFlight};
use crate::route::{self, NoRoute, Route};
use crate::violations::{Violation, Violations};
use crate::wire::{Link, Part, Script, Sockets, UnderWay};
use crate::world::{Call, World};
use crate::{actions, admin, delete, partial, read, write};

/// Largest body that is read, in bytes.
const BODY_LIMIT: usize = 32 << 20;

/// Everything that connections share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) world: World,
    pub(crate) journal: SharedJournal,
    pub(crate) faults: Faults,
    pub(crate) quota: Counter,
    pub(crate) in_flight: InFlight,
    pub(crate) under_way: Arc<AtomicUsize>,
    pub(crate) peak: AtomicUsize,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) violations: Violations,
    pub(crate) checker: Option<&'static Checker>,
}

/// A request with its head taken apart.
struct Head {
    method: String,
    /// Path below the store; the whole path where it is not below this store.
    path: String,
    query: String,
    /// Whether the path is below this store.
    own: bool,
}

impl Head {
    fn of(request: &Request<Incoming>, store_hash: &str) -> Self {
        let full = request.uri().path();
        let below = full.strip_prefix("/stores/").and_then(|rest| rest.split_once('/'));
        let (own, path) = match below {
            Some((hash, rest)) => (hash == store_hash, format!("/{rest}")),
            None => (false, full.to_owned()),
        };
        let query = request.uri().query().unwrap_or_default().to_owned();
        Self { method: request.method().to_string(), path, query, own }
    }
}

/// Serves one request.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    link: Arc<Link>,
    request: Request<Incoming>,
) -> Result<Response<Script>, Infallible> {
    let head = Head::of(&request, &shared.config.store_hash);
    let (under_way, in_flight) = UnderWay::enter(&shared.under_way);
    if head.path.starts_with(admin::PREFIX) {
        let answer = admin::answer(&shared, &head.path);
        return Ok(respond(&shared, &Switches::default(), answer, None, None, link, under_way));
    }
    shared.peak.fetch_max(in_flight, Ordering::SeqCst);
    let fault = shared.faults.strike(&head.method, &head.path, &head.query);
    let route = route::find(&head.method, &head.path);
    let number = shared.journal.open(Entry {
        number: 0,
        at: Duration::ZERO,
        connection: link.number,
        https: link.https,
        method: head.method.clone(),
        path: head.path.clone(),
        template: route.as_ref().map(|r| r.operation.path.clone()).unwrap_or_default(),
        query: head.query.clone(),
        headers: masked(request.headers()),
        body: Bytes::new(),
        in_flight,
        acted: false,
        status: None,
        fault: fault.as_ref().map(Effect::name),
    });
    if fault == Some(Effect::ResetBeforeReading) {
        return reset(&link).await;
    }
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    shared.journal.note(number, |entry| entry.body = body.clone());
    if fault == Some(Effect::ResetBeforeActing) {
        return reset(&link).await;
    }

    let switches = shared.world.switches();
    let mut allowance = None;
    let acted_on = route.as_ref().ok().cloned();
    let mut answer = if let Some(Effect::Status { status, body, headers, .. }) = &fault {
        let refusal =
            Refusal { body: body.clone(), headers: headers.clone(), ..Refusal::new(*status, reason(*status)) };
        refusal.answer(&head.path)
    } else {
        let acting = Acting { shared: &shared, head: &head, headers: &parts.headers, body: &body, switches: &switches };
        acting.answer(route, &mut allowance, &under_way).unwrap_or_else(|refusal| refusal.answer(&head.path))
    };
    shared.journal.note(number, |entry| entry.acted = answer.acted);
    if fault == Some(Effect::ResetBeforeAnswering) {
        return reset(&link).await;
    }
    if let (Some(Effect::InPart), Some(route)) = (&fault, &acted_on) {
        answer = partial::in_part(route, answer);
    }
    if switches.verbose_errors && answer.status >= 400 {
        answer.body = verbose(&answer.body);
    }
    if let Some(Effect::StatusAfterActing(status)) = fault {
        answer = Refusal::new(status, reason(status)).answer(&head.path);
    }
    if answer.status == 200 && head.method == "GET" {
        let before = shared.faults.page(&head.path, &answer.body);
        if let (Some(Effect::RepeatPage), Some(before)) = (&fault, before) {
            answer.body = before;
        }
    }
    let mut wait = switches.latency;
    if let Some(Effect::Delay(more)) = fault {
        wait += more;
    }
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    shared.journal.note(number, |entry| entry.status = Some(answer.status));
    let bare = matches!(&fault, Some(Effect::Status { quota_headers: false, .. }));
    let refused = allowance.as_ref().is_some_and(|a: &Allowance| !a.granted);
    let tells_quota = switches.quota_headers && !bare && (!refused || switches.quota_headers_on_429);
    let allowance = allowance.filter(|_| tells_quota);
    Ok(respond(&shared, &switches, answer, allowance, fault, link, under_way))
}

/// Ends the connection with a reset; never returns.
async fn reset(link: &Link) -> Result<Response<Script>, Infallible> {
    link.reset();
    std::future::pending().await
}

/// An error body with the fields that some errors carry and most do not.
fn verbose(body: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(body);
    if let Some(rest) = text.strip_prefix("[{\"status\"") {
        return format!("[{{\"details\":{{\"conflict_reason\":\"see the message\"}},\"status\"{rest}").into();
    }
    match text.strip_prefix("{\"status\"") {
        Some(rest) => {
            let more = "\"instance\":\"\\/v3\\/requests\\/1\",\"code\":4001,\"detail\":\"More about it.\"";
            format!("{{{more},\"status\"{rest}").into()
        }
        None => body.clone(),
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        429 => "Too many requests",
        500 => "An internal error occurred.",
        502 => "Bad gateway",
        503 => "The service is unavailable.",
        504 => "Gateway timeout",
        _ => "The request failed.",
    }
}

/// A request about to be carried out.
struct Acting<'a> {
    shared: &'a Shared,
    head: &'a Head,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    switches: &'a Switches,
}

impl Acting<'_> {
    fn answer(
        &self,
        route: Result<Route, NoRoute>,
        allowance: &mut Option<Allowance>,
        under_way: &UnderWay,
    ) -> Outcome {
        let (shared, head) = (self.shared, self.head);
        let token = auth::token(&shared.config.tokens, self.headers).filter(|_| head.own);
        let Some(token) = token else { return Err(auth::unauthorized(&head.path)) };
        if self.switches.suspended {
            return Err(Refusal::new(503, "The store is suspended."));
        }
        let taken = shared.quota.take(Instant::now());
        *allowance = Some(taken);
        if !taken.granted {
            let mut refusal = Refusal::new(429, reason(429));
            if self.switches.quota_headers_on_429 {
                refusal.headers.push(("x-retry-after", taken.reset.as_secs().max(1).to_string()));
            }
            return Err(refusal);
        }
        if matches!(head.method.as_str(), "PATCH" | "TRACE") {
            self.violation(format!("the method {} is not supported", head.method));
            return Err(Refusal::new(501, "The method is not supported."));
        }
        let route = match route {
            Ok(route) => route,
            Err(NoRoute::Path) => {
                self.violation("there is no such path".to_owned());
                return Err(Refusal::not_found());
            }
            Err(NoRoute::Method) => {
                self.violation("the path does not take this method".to_owned());
                return Err(Refusal::new(405, "The method is not allowed."));
            }
        };
        if !auth::permitted(token, &route) {
            return Err(auth::forbidden());
        }
        auth::media(self.headers, &route, !self.body.is_empty())?;
        if let Some(limit) = route.operation.concurrency_limit.filter(|_| self.switches.concurrency_limits) {
            match shared.in_flight.enter(route.id, limit) {
                Some(pass) => under_way.keep(pass),
                None => {
                    *allowance = None;
                    return Err(Refusal::new(429, "Too many requests at a time."));
                }
            }
        }
        if head.path.len() + head.query.len() + 1 > self.switches.longest_url {
            return Err(Refusal::new(414, "The request URI is too long."));
        }
        let query = route::query_pairs(&head.query);
        let unknown = self.validate(&route, &query);
        if let Some(name) = unknown.filter(|_| self.switches.refuse_unknown_parameters) {
            let refusal = Refusal::new(400, "Bad Request");
            return Err(refusal.field(&name, format!("The filter(s): {name} are not valid filter parameter(s).")));
        }
        let body = std::str::from_utf8(self.body).map_err(|_| Refusal::new(400, "The request body is not UTF-8."))?;
        let call = Call { route: &route, query: &query, body };
        match (route.resource.kind, route.operation.verb) {
            (Kind::Action | Kind::Upload, _) | (_, Verb::Action) => actions::answer(&shared.world, &call),
            (Kind::Stream, _) | (_, Verb::Upload | Verb::Stream) => {
                Err(Refusal::new(501, "The emulated store does not carry out this operation."))
            }
            (_, Verb::List | Verb::Get | Verb::Count) => read::answer(&shared.world, &call),
            (_, Verb::Delete) => delete::answer(&shared.world, &call),
            _ => write::answer(&shared.world, &call),
        }
    }

    /// Records what the documents do not allow, though the API may bear it.
    /// Gives the first parameter that is not documented.
    fn validate(&self, route: &Route, query: &[(String, String)]) -> Option<String> {
        let operation = route.operation;
        let mut unknown = None;
        for (name, value) in query {
            let listed = operation.verb == Verb::List || operation.query.is_empty() && operation.method == "GET";
            let known = operation.query.iter().any(|q| q.trim_end_matches('!') == name)
                || listed && route.resource.query.iter().any(|p| p.name == *name)
                || listed && self.switches.undeclared_page_size.is_some() && matches!(name.as_str(), "page" | "limit");
            let values = route.resource.query.iter().find(|p| p.name == *name && p.role == "filter").map(|p| &p.values);
            let fixed = values.filter(|v| !v.is_empty() && v.iter().all(serde_json::Value::is_string));
            if fixed.is_some_and(|v| !value.split(',').all(|w| v.iter().any(|x| x.as_str() == Some(w)))) {
                self.violation(format!("the query parameter {name} does not take the value {value}"));
            }
            if !known {
                unknown.get_or_insert_with(|| name.clone());
                self.violation(format!("the query parameter {name} is not documented"));
            }
        }
        if let Some(checker) = self.shared.checker {
            let headers: Vec<String> = self.headers.keys().map(|name| name.as_str().to_owned()).collect();
            let (method, path) = (self.head.method.as_str(), self.head.path.as_str());
            for problem in checker.check(&Seen { method, path, query, headers: &headers, body: self.body }) {
                self.violation(problem);
            }
        }
        unknown
    }

    fn violation(&self, problem: String) {
        self.shared.violations.add(Violation {
            method: self.head.method.clone(),
            path: self.head.path.clone(),
            query: self.head.query.clone(),
            problem,
        });
    }
}

fn respond(
    shared: &Shared,
    switches: &Switches,
    mut answer: Answer,
    allowance: Option<Allowance>,
    fault: Option<Effect>,
    link: Arc<Link>,
    under_way: Arc<UnderWay>,
) -> Response<Script> {
    let is_json = answer.content_type.contains("json");
    let text = |body: &Bytes| String::from_utf8_lossy(body).into_owned();
    if is_json && (switches.pretty || fault == Some(Effect::Pretty)) {
        answer.body = json::pretty(&text(&answer.body)).into();
    }
    match &fault {
        Some(Effect::TruncatedJson) => answer.body.truncate(answer.body.len() / 2),
        Some(Effect::MalformedJson) => answer.body = text(&answer.body).replacen([':', ','], ";", 3).into(),
        _ => {}
    }
    let body = answer.body.clone();
    let half = || body.slice(..body.len() / 2);
    let parts = match fault {
        // The pause lets what was written reach the peer before the connection breaks.
        Some(Effect::ResetInBody) => vec![Part::Data(half()), Part::Pause(Duration::from_millis(50)), Part::Reset],
        Some(Effect::EndInBody) => vec![Part::Data(half()), Part::Pause(Duration::from_millis(50)), Part::End],
        Some(Effect::SlowBody { piece, pause }) => (0..body.len())
            .step_by(piece.max(1))
            .flat_map(|at| [Part::Pause(pause), Part::Data(body.slice(at..(at + piece.max(1)).min(body.len())))])
            .collect(),
        _ if body.is_empty() => Vec::new(),
        _ => vec![Part::Data(body.clone())],
    };
    let mut response = Response::new(Script::new(parts, body.len(), link, under_way));
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::OK);
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let kind = match fault {
        Some(Effect::ContentType(kind)) => kind,
        _ => answer.content_type,
    };
    if !kind.is_empty() {
        set("content-type", kind);
    }
    if let Some(idle) = shared.config.idle_timeout.filter(|idle| idle.as_secs() > 0) {
        set("keep-alive", &format!("timeout={}", idle.as_secs()));
    }
    for (name, value) in allowance.iter().flat_map(Allowance::headers) {
        set(name, &value);
    }
    for (name, value) in &answer.headers {
        set(name, value);
    }
    response
}
