//! The exports, over the fixed data. Exists on WebAssembly only.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::people::{self, Fate, Fields};
use crate::request::{self, BadCursor, Op, Test};
use crate::settings::{self, Settings};
use crate::trials::{How, UNMENTIONED};
use crate::variant::{self, Way};

// The generated code implements the canonical ABI and has to lay out memory by hand.
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all)]
mod bindings {
    use super::Fixed;
    wit_bindgen::generate!({ path: "../../../wit", world: "connector", generate_all });
    export!(Fixed);
}

use bindings::exports::ipaas::connector::connection::{
    Activities, ActivitySchema, Comparison, Comparisons, Condition, Consistency, Field, Guest, Identity, ObjectInfo,
    ObjectSchema, Outcome, Page, Plan, QueryRequest, WriteMode, WriteRequest, WrittenBy,
};
use bindings::exports::ipaas::connector::metadata::{Guest as Metadata, Info};
use bindings::ipaas::connector::types::{Error, ErrorKind, Retry};
use bindings::ipaas::connector::{control, logging, transport, variables};
use bindings::wasi::clocks::monotonic_clock;

const DEFAULT_PAGE: u32 = 100;
const HOUR: u64 = 3_600_000_000_000;

struct Fixed;

thread_local! {
    static SETTINGS: RefCell<Option<Settings>> = const { RefCell::new(None) };
}

fn error(kind: ErrorKind, message: impl Into<String>, pointer: Option<String>) -> Error {
    Error { kind, retry: Retry::Never, message: message.into(), status: None, code: None, pointer }
}

fn invalid(message: impl Into<String>, pointer: impl Into<String>) -> Error {
    error(ErrorKind::InvalidRequest, message, Some(pointer.into()))
}

/// The settings, once `configure` has taken them.
fn settings() -> Result<Settings, Error> {
    SETTINGS
        .with_borrow(Clone::clone)
        .ok_or_else(|| error(ErrorKind::Configuration, "`configure` has not been called", None))
}

/// A setting with the present values of its variables.
fn resolved(text: Option<String>, pointer: &str) -> Result<Option<String>, Error> {
    let get = |name: &str| variables::get(name);
    let undefined = |failure: &variables::Error| matches!(failure, variables::Error::Undefined(_));
    text.map(|text| settings::resolve(&text, get, undefined))
        .transpose()
        .map_err(|failure| error(ErrorKind::Configuration, no_variable(failure), Some(pointer.to_owned())))
}

/// Why a variable has no value.
fn no_variable(failure: variables::Error) -> String {
    match failure {
        variables::Error::InvalidName(name) => format!("`{name}` cannot be the name of a variable"),
        variables::Error::Undefined(name) => format!("there is no variable `{name}`"),
        variables::Error::Provider(message) => format!("the variables cannot be read: {message}"),
    }
}

/// Goes wrong here if this is a variant that does.
fn goes_well(export: &str) -> Result<(), Error> {
    match variant::flaw(export) {
        None => Ok(()),
        Some(Way::Fail) => Err(error(ErrorKind::Unavailable, format!("this variant fails in `{export}`"), None)),
        Some(Way::Trap) => core::arch::wasm32::unreachable(),
        Some(Way::Hang) => compute_for_ever(),
    }
}

fn compute_for_ever() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number).wrapping_add(1);
    }
}

impl Metadata for Fixed {
    fn describe() -> Info {
        // It has no failure to answer with.
        let _ = goes_well("describe");
        Info {
            name: variant::name().into(),
            title: "Fixed data".into(),
            version: variant::version().into(),
            settings_schema: settings::SCHEMA.into(),
            origins: vec!["https://fixed.example".into()],
        }
    }
}

impl Guest for Fixed {
    fn configure(json: String) -> Result<(), Vec<Error>> {
        goes_well("configure").map_err(|failure| vec![failure])?;
        let taken = settings::parse(&json).map_err(|wrong| {
            let told = |wrong: settings::Wrong| error(ErrorKind::Configuration, wrong.message, Some(wrong.pointer));
            wrong.into_iter().map(told).collect::<Vec<_>>()
        })?;
        let mut wrong: Vec<Error> =
            [(&taken.greeting, "/greeting"), (&taken.token, "/token"), (&taken.address, "/address")]
                .into_iter()
                .filter_map(|(text, pointer)| resolved(text.clone(), pointer).err())
                .collect();
        if let Err(refused) = transport::apply(taken.use_proxy, taken.keep_alive) {
            let (message, pointer) = match refused {
                transport::Error::NoProxy => ("this host has no proxy".to_owned(), "/useProxy"),
                transport::Error::Refused(message) => (message, "/keepAliveSeconds"),
            };
            wrong.push(error(ErrorKind::Configuration, message, Some(pointer.to_owned())));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        SETTINGS.set(Some(taken));
        Ok(())
    }

    fn test() -> Result<Identity, Error> {
        goes_well("test")?;
        let settings = settings()?;
        let greeting = resolved(settings.greeting, "/greeting")?.unwrap_or_else(|| "hello".into());
        let token = resolved(settings.token, "/token")?;
        let warnings = match token {
            Some(token) => vec![format!("the token has {} characters", token.chars().count())],
            None => vec![],
        };
        Ok(Identity { account: greeting, warnings })
    }

    fn list_objects() -> Result<Vec<ObjectInfo>, Error> {
        goes_well("list-objects")?;
        settings()?;
        let all = Activities::QUERY | Activities::CREATE | Activities::UPDATE | Activities::DELETE;
        let object = |name: &str, title: &str, activities| ObjectInfo {
            name: name.into(),
            title: title.into(),
            parent: None,
            activities,
        };
        Ok(vec![object("people", "People", all), object("trials", "Trials", Activities::QUERY | Activities::CREATE)])
    }

    fn describe_object(name: String) -> Result<ObjectSchema, Error> {
        goes_well("describe-object")?;
        settings()?;
        match name.as_str() {
            "people" => Ok(people_schema()),
            "trials" => Ok(trials_schema()),
            _ => Err(unknown_object(&name, None)),
        }
    }

    fn query(request: QueryRequest) -> Result<Page, Error> {
        goes_well("query")?;
        settings()?;
        match request.object.as_str() {
            "people" => query_people(&request),
            "trials" => match request.filter.as_slice() {
                [Condition { field, op: Comparison::Equal, value }] if field == "how" => {
                    Err(trial(serde_json::from_str(value).ok().as_ref().and_then(Value::as_str), "/filter/0/value"))
                }
                _ => Err(invalid("trials need one condition: `how` equal to one of its values", "/filter")),
            },
            other => Err(unknown_object(other, Some("/object"))),
        }
    }

    fn explain(request: QueryRequest) -> Result<Plan, Error> {
        goes_well("explain")?;
        settings()?;
        if request.object == "people" {
            tests(&request)?;
        } else if request.object != "trials" {
            return Err(unknown_object(&request.object, Some("/object")));
        }
        Ok(Plan {
            requests: Some(0),
            consistency: Consistency::Stable,
            steps: vec![
                "The records are part of the connector: nothing is sent, and conditions are evaluated here.".into(),
            ],
        })
    }

    fn create(request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        goes_well("create")?;
        if request.object == "trials" {
            return write_trials(&request.records);
        }
        write(&request, people::create)
    }

    fn update(request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        goes_well("update")?;
        write(&request, |record, _, upsert| people::update(record, upsert))
    }

    fn delete(request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        goes_well("delete")?;
        write(&request, |record, _, _| people::delete(record))
    }

    fn resolve(written_by: WrittenBy, request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        goes_well("resolve")?;
        let request = WriteRequest { continue_on_error: true, validate_only: false, ..request };
        match written_by {
            WrittenBy::Create => Self::create(request),
            WrittenBy::Update => Self::update(request),
            WrittenBy::Delete => Self::delete(request),
        }
    }
}

fn unknown_object(name: &str, pointer: Option<&str>) -> Error {
    error(
        ErrorKind::NotFound,
        format!("there is no object `{name}`, only `people` and `trials`"),
        pointer.map(str::to_owned),
    )
}

fn tests(request: &QueryRequest) -> Result<Vec<Test>, Error> {
    if let Some(index) = request.fields.iter().position(|field| !people::FIELDS.contains(&field.as_str())) {
        return Err(invalid("people have no such field", format!("/fields/{index}")));
    }
    if !request.include.is_empty() {
        return Err(error(ErrorKind::Unsupported, "people have nothing to include", Some("/include/0".into())));
    }
    if request.since.is_some() {
        return Err(error(ErrorKind::Unsupported, "people cannot be read incrementally", Some("/since".into())));
    }
    if request.order_by.iter().any(|order| order.field != "id" || order.descending) {
        return Err(error(ErrorKind::Unsupported, "people come by ascending `id` only", Some("/order-by/0".into())));
    }
    let test = |(index, condition): (usize, &Condition)| {
        let op = match condition.op {
            Comparison::Equal => Op::Equal,
            Comparison::NotEqual => Op::NotEqual,
            Comparison::Less => Op::Less,
            Comparison::LessOrEqual => Op::LessOrEqual,
            Comparison::Greater => Op::Greater,
            Comparison::GreaterOrEqual => Op::GreaterOrEqual,
            Comparison::OneOf => Op::OneOf,
            Comparison::Contains => Op::Contains,
        };
        Test::new(&condition.field, op, &condition.value).map_err(|(unsupported, message)| {
            let kind = if unsupported { ErrorKind::Unsupported } else { ErrorKind::InvalidRequest };
            error(kind, message, Some(format!("/filter/{index}")))
        })
    };
    request.filter.iter().enumerate().map(test).collect()
}

fn query_people(request: &QueryRequest) -> Result<Page, Error> {
    let tests = tests(request)?;
    let unchanged = format!("{:?} {:?} {:?}", request.fields, request.filter, request.max_records);
    let from = match &request.cursor {
        None => 0,
        Some(cursor) => request::position(variant::version(), &unchanged, cursor).map_err(|bad| match bad {
            BadCursor::Version => Error {
                code: Some("cursor-version".into()),
                ..invalid("this cursor was made by another version", "/cursor")
            },
            BadCursor::Other => invalid("this is no cursor of this query", "/cursor"),
        })?,
    };
    let size = request.page_size.unwrap_or(DEFAULT_PAGE).max(1);
    let (records, count, next) = request::page(from, size, &request.fields, &tests);
    let total = if tests.is_empty() { Some(u64::from(people::COUNT)) } else { None };
    Ok(Page {
        records,
        count,
        next: next.map(|position| request::cursor(variant::version(), &unchanged, position)),
        total,
        state: None,
    })
}

fn write(request: &WriteRequest, fate: impl Fn(&Fields, u64, bool) -> Fate) -> Result<Vec<Outcome>, Error> {
    settings()?;
    if request.object != "people" {
        return Err(unknown_object(&request.object, Some("/object")));
    }
    let lines = request.records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parse = |(index, line): (usize, &[u8])| {
        serde_json::from_slice::<Fields>(line)
            .map_err(|failure| invalid(format!("not a JSON object: {failure}"), format!("/records/{index}")))
    };
    let records: Vec<Fields> = lines.enumerate().map(parse).collect::<Result<_, _>>()?;
    let upsert = matches!(request.mode, WriteMode::Upsert);
    let mut stopped = false;
    let outcome = |(line, record): (u64, &Fields)| {
        if stopped {
            return Outcome::Skipped;
        }
        let outcome = match fate(record, line, upsert) {
            Fate::Applied(_) | Fate::Unknown if request.validate_only => Outcome::Skipped,
            Fate::Applied(record) => Outcome::Applied(record),
            Fate::Failed(kind, message, pointer) => {
                let kind = match kind {
                    "conflict" => ErrorKind::Conflict,
                    "not-found" => ErrorKind::NotFound,
                    _ => ErrorKind::Rejected,
                };
                Outcome::Failed(error(kind, message, Some(pointer.to_owned())))
            }
            Fate::Unknown => Outcome::Unknown(Error {
                retry: Retry::OutcomeUnknown,
                ..error(ErrorKind::Unavailable, "no answer came", None)
            }),
        };
        stopped = !request.continue_on_error && matches!(outcome, Outcome::Failed(_) | Outcome::Unknown(_));
        outcome
    };
    Ok((0..).zip(&records).map(outcome).collect())
}

/// What the first record says.
fn write_trials(records: &[u8]) -> Result<Vec<Outcome>, Error> {
    let lines: Vec<&[u8]> = records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let record: Value = serde_json::from_slice(lines.first().copied().unwrap_or_default())
        .map_err(|_| invalid("not a JSON object", "/records/0"))?;
    let how = record.get("how").and_then(Value::as_str);
    let outcomes = match how.and_then(How::of) {
        Some(How::Skip) => {
            control::cancelled().block();
            lines.len()
        }
        Some(How::Few) => lines.len() - 1,
        Some(How::Many) => lines.len() + 1,
        _ => return Err(trial(how, "/records/0/how")),
    };
    Ok((0..outcomes).map(|_| Outcome::Skipped).collect())
}

/// Misbehaves. Answers a failure if it gets that far.
fn trial(how: Option<&str>, pointer: &str) -> Error {
    let Some(how) = how.and_then(How::of) else {
        let known = How::ALL.map(|(name, _)| name).join(", ");
        return invalid(format!("`how` is one of {known}"), pointer);
    };
    match how {
        How::Wait => {
            control::cancelled().block();
            Error { code: Some("cancelled".into()), ..error(ErrorKind::Denied, "the call was cancelled", None) }
        }
        How::Deaf => {
            monotonic_clock::subscribe_duration(HOUR).block();
            error(ErrorKind::Internal, "an hour is over", None)
        }
        How::Skip | How::Few | How::Many => invalid("this is how a write can go", pointer),
        How::Trap => core::arch::wasm32::unreachable(),
        How::Loop => compute_for_ever(),
        How::Memory => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            loop {
                taken.push(std::hint::black_box(vec![1; 1 << 20]));
            }
        }
        How::Log => {
            let token =
                settings().and_then(|settings| resolved(settings.token, "/token")).ok().flatten().unwrap_or_default();
            for line in 0..5000 {
                logging::log(
                    logging::Level::Info,
                    &format!("line {line}: {token}"),
                    &[("token".into(), token.clone())],
                );
            }
            error(ErrorKind::Internal, format!("the token is {token}"), None)
        }
        How::Variable => match variables::get(UNMENTIONED) {
            Ok(value) => error(ErrorKind::Internal, format!("a value of {} bytes came: {value}", value.len()), None),
            Err(failure) => error(ErrorKind::Configuration, no_variable(failure), None),
        },
    }
}

fn people_schema() -> ObjectSchema {
    use Comparisons as C;
    let field = |name: &str, comparisons| Field {
        name: name.into(),
        comparisons,
        pushed_down: C::empty(),
        sortable: name == "id",
    };
    let properties = json!({
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "born": {"type": "string", "format": "date"},
        "balance": {"type": "number"},
        "serial": {"type": "integer"},
    });
    let schema = |value: Value| value.to_string();
    let record = || json!({"type": "object", "properties": properties, "required": ["id", "name"]});
    let activity =
        |request: Value, response: Value| Some(ActivitySchema { request: schema(request), response: schema(response) });
    let key = || json!({"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]});
    ObjectSchema {
        key: vec!["id".into()],
        fields: vec![
            field("id", C::all() - C::CONTAINS),
            field("name", C::EQUAL | C::NOT_EQUAL | C::ONE_OF | C::CONTAINS),
            field("born", C::empty()),
            field("balance", C::empty()),
            field("serial", C::empty()),
        ],
        includes: vec![],
        consistency: Consistency::Stable,
        incremental: false,
        query: activity(
            json!({"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}),
            record(),
        ),
        create: activity(json!({"type": "object", "properties": properties, "required": ["name"]}), record()),
        update: activity(json!({"type": "object", "properties": properties, "required": ["id"]}), record()),
        delete: activity(key(), key()),
    }
}

fn trials_schema() -> ObjectSchema {
    let how =
        json!({"type": "object", "properties": {"how": {"enum": How::ALL.map(|(name, _)| name)}}, "required": ["how"]});
    let schema = || Some(ActivitySchema { request: how.to_string(), response: how.to_string() });
    ObjectSchema {
        key: vec![],
        fields: vec![Field {
            name: "how".into(),
            comparisons: Comparisons::EQUAL,
            pushed_down: Comparisons::empty(),
            sortable: false,
        }],
        includes: vec![],
        consistency: Consistency::BestEffort,
        incremental: false,
        query: schema(),
        create: schema(),
        update: None,
        delete: None,
    }
}
