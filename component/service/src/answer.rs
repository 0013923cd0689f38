//! What the connector says, as HTTP says it. Failures are problem details (RFC 9457) that hold the same `errors` as those of
//! `connector serve`, under the same statuses.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::asked::COMPARISONS;
use crate::bindings::ipaas::connector::connection::{
    Activities, ActivitySchema, Comparisons, Consistency, ObjectInfo, ObjectSchema, Outcome, Page, Plan,
};
use crate::bindings::ipaas::connector::types::{Error, ErrorKind, Retry};

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// Further header fields.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn ok(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body }
    }

    /// A text.
    pub(crate) fn text(text: &str) -> Self {
        Self::ok("text/plain; charset=utf-8", text.as_bytes().to_vec())
    }

    /// A JSON value.
    pub(crate) fn json(value: &Value) -> Self {
        Self::ok("application/json", value.to_string().into_bytes())
    }
}

/// A refusal of this service.
pub(crate) fn refusal(status: u16, kind: &str, message: &str) -> Answer {
    problem(status, vec![json!({ "kind": kind, "message": message })])
}

/// Everything that is wrong with the settings.
pub(crate) fn settings(errors: &[Error]) -> Answer {
    problem(409, errors.iter().map(error_json).collect())
}

/// The connector's failure.
pub(crate) fn failure(error: &Error) -> Answer {
    let mut answer = problem(status(error.kind), vec![error_json(error)]);
    if let Retry::After(ms) = error.retry {
        answer.headers.push(("retry-after", ms.div_ceil(1000).to_string()));
    }
    answer
}

fn problem(status: u16, errors: Vec<Value>) -> Answer {
    let detail = errors.iter().filter_map(|error| error.get("message").and_then(Value::as_str));
    let detail = detail.collect::<Vec<_>>().join(" ");
    let body = json!({ "title": title(status), "status": status, "detail": detail, "errors": errors });
    let content_type = "application/problem+json";
    Answer { status, content_type, headers: Vec::new(), body: body.to_string().into_bytes() }
}

fn status(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::Unsupported => 400,
        ErrorKind::NotFound => 404,
        ErrorKind::Conflict | ErrorKind::Configuration => 409,
        ErrorKind::Rejected => 422,
        ErrorKind::RateLimited => 429,
        ErrorKind::Unavailable => 503,
        // The remote's refusal of our credentials is not the caller's: 401 would ask for the caller's own.
        ErrorKind::Unauthorized | ErrorKind::Protocol => 502,
        ErrorKind::Denied => 403,
        ErrorKind::Internal => 500,
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

fn error_json(error: &Error) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
    put("kind", json!(kind(error.kind)));
    match error.retry {
        Retry::Never => put("retry", json!("never")),
        Retry::After(ms) => {
            put("retry", json!("after"));
            put("retry_after_ms", json!(ms));
        }
        Retry::OutcomeUnknown => put("retry", json!("outcome-unknown")),
    }
    if let Some(status) = error.status {
        put("status", json!(status));
    }
    if let Some(code) = &error.code {
        put("code", json!(code));
    }
    if let Some(pointer) = &error.pointer {
        put("pointer", json!(pointer));
    }
    put("message", json!(error.message));
    Value::Object(object)
}

/// The contract's name.
fn kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Configuration => "configuration",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::InvalidRequest => "invalid-request",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::NotFound => "not-found",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Rejected => "rejected",
        ErrorKind::RateLimited => "rate-limited",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Protocol => "protocol",
        ErrorKind::Denied => "denied",
        ErrorKind::Internal => "internal",
    }
}

/// A page as one JSON object. Its records pass as the bytes that they are.
pub(crate) fn page(page: &Page) -> Answer {
    let mut text = b"{\"records\":[".to_vec();
    let lines = page.records.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for (index, line) in lines.enumerate() {
        text.extend_from_slice(if index == 0 { b"" } else { b"," });
        text.extend_from_slice(line);
    }
    let rest = json!({ "count": page.count, "next": page.next, "total": page.total, "state": page.state }).to_string();
    text.extend_from_slice(format!("],{}", rest.trim_start_matches('{')).as_bytes());
    Answer::ok("application/json", text)
}

/// What became of each record.
pub(crate) fn outcomes(outcomes: &[Outcome]) -> Answer {
    let mut text = "{\"outcomes\":[".to_owned();
    for (index, outcome) in outcomes.iter().enumerate() {
        let (word, more) = match outcome {
            // The record's own text, so that its digits stay.
            Outcome::Applied(record) => {
                let record = serde_json::from_str::<&RawValue>(record).map_or("null", RawValue::get);
                ("applied", format!(",\"record\":{record}"))
            }
            Outcome::Failed(error) => ("failed", format!(",\"error\":{}", error_json(error))),
            Outcome::Unknown(error) => ("unknown", format!(",\"error\":{}", error_json(error))),
            Outcome::Skipped => ("skipped", String::new()),
        };
        let comma = if index == 0 { "" } else { ",\n" };
        text.push_str(&format!("{comma}{{\"row\":{},\"outcome\":\"{word}\"{more}}}", index + 1));
    }
    text.push_str("]}\n");
    Answer::ok("application/json", text.into_bytes())
}

/// The objects.
pub(crate) fn objects(objects: &[ObjectInfo]) -> Answer {
    const NAMES: [(&str, Activities); 4] = [
        ("query", Activities::QUERY),
        ("create", Activities::CREATE),
        ("update", Activities::UPDATE),
        ("delete", Activities::DELETE),
    ];
    let one = |object: &ObjectInfo| {
        let activities: Vec<&str> =
            NAMES.iter().filter(|(_, flag)| object.activities.contains(*flag)).map(|(name, _)| *name).collect();
        json!({ "name": object.name, "title": object.title, "parent": object.parent, "activities": activities })
    };
    Answer::json(&objects.iter().map(one).collect())
}

/// One object: as `connector describe --json` tells it, with the comparisons under the names that a query takes.
pub(crate) fn object(name: &str, object: &ObjectSchema) -> Answer {
    let comparisons = |flags: Comparisons| -> Vec<&str> {
        let all = Comparisons::all().iter();
        all.zip(COMPARISONS).filter(|(flag, _)| flags.contains(*flag)).map(|(_, (name, _))| name).collect()
    };
    let fields: Vec<Value> = object
        .fields
        .iter()
        .map(|field| {
            json!({
                "name": field.name,
                "comparisons": comparisons(field.comparisons),
                "pushed_down": comparisons(field.pushed_down),
                "sortable": field.sortable,
            })
        })
        .collect();
    let mut activities = Map::new();
    let all =
        [("query", &object.query), ("create", &object.create), ("update", &object.update), ("delete", &object.delete)];
    for (name, schema) in all {
        if let Some(ActivitySchema { request, response }) = schema {
            let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            activities.insert(name.into(), json!({ "request": parsed(request), "response": parsed(response) }));
        }
    }
    Answer::json(&json!({
        "object": name,
        "key": object.key,
        "fields": fields,
        "includes": object.includes,
        "consistency": consistency(object.consistency),
        "incremental": object.incremental,
        "activities": activities,
    }))
}

/// How a query would be run.
pub(crate) fn plan(plan: &Plan) -> Answer {
    Answer::json(&json!({
        "requests": plan.requests,
        "consistency": consistency(plan.consistency),
        "steps": plan.steps,
    }))
}

fn consistency(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Stable => "stable",
        Consistency::BestEffort => "best-effort",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind, retry: Retry) -> Error {
        Error { kind, retry, message: "It failed.".into(), status: Some(401), code: None, pointer: Some("/x".into()) }
    }

    fn read(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn a_failure_is_a_problem_with_the_connectors_own_words() {
        let answer = failure(&error(ErrorKind::RateLimited, Retry::After(1500)));
        assert_eq!((answer.status, answer.content_type), (429, "application/problem+json"));
        assert_eq!(answer.headers, [("retry-after", "2".to_owned())]);
        let body = read(&answer);
        assert_eq!((&body["status"], &body["detail"]), (&json!(429), &json!("It failed.")));
        let told = json!({ "kind": "rate-limited", "retry": "after", "retry_after_ms": 1500, "status": 401, "pointer": "/x", "message": "It failed." });
        assert_eq!(body["errors"], json!([told]));
    }

    #[test]
    fn credentials_that_the_remote_refuses_are_not_the_callers() {
        assert_eq!(failure(&error(ErrorKind::Unauthorized, Retry::Never)).status, 502);
    }

    #[test]
    fn outcomes_keep_their_order_and_every_digit() {
        let list = [
            Outcome::Applied("{\"id\": 12345678901234567890.10}".into()),
            Outcome::Unknown(error(ErrorKind::Unavailable, Retry::OutcomeUnknown)),
            Outcome::Skipped,
        ];
        let answer = outcomes(&list);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert!(text.contains("12345678901234567890.10"), "{text}");
        let body = read(&answer);
        let words: Vec<_> = body["outcomes"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
        assert_eq!(words, ["applied", "unknown", "skipped"]);
        assert_eq!(
            (&body["outcomes"][1]["row"], &body["outcomes"][1]["error"]["retry"]),
            (&json!(2), &json!("outcome-unknown"))
        );
    }

    #[test]
    fn a_pages_records_are_the_bytes_that_they_were() {
        let answer = page(&Page {
            records: b"{\"a\":1.00}\n{\"a\":2}\n".to_vec(),
            count: 2,
            next: Some("n".into()),
            total: None,
            state: None,
        });
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.starts_with("{\"records\":[{\"a\":1.00},{\"a\":2}],"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["next"], "n");
    }

    #[test]
    fn comparisons_are_told_by_the_names_that_a_query_takes() {
        let field = crate::bindings::ipaas::connector::connection::Field {
            name: "f".into(),
            comparisons: Comparisons::EQUAL | Comparisons::ONE_OF,
            pushed_down: Comparisons::CONTAINS,
            sortable: false,
        };
        let schema = ObjectSchema {
            key: vec![],
            fields: vec![field],
            includes: vec![],
            consistency: Consistency::Stable,
            incremental: false,
            query: None,
            create: None,
            update: None,
            delete: None,
        };
        let body = read(&object("o", &schema));
        assert_eq!(body["fields"][0]["comparisons"], json!(["equal", "one-of"]));
        assert_eq!(body["fields"][0]["pushed_down"], json!(["contains"]));
    }
}
