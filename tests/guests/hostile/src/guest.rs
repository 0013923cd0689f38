//! The exports: each makes the attack that the settings name for it. Exists on WebAssembly only.

use std::cell::RefCell;

use serde_json::Value;

use crate::{attack, network};

// The generated code implements the canonical ABI and has to lay out memory by hand.
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all)]
pub(crate) mod bindings {
    use super::Hostile;
    wit_bindgen::generate!({ path: "../../../wit", world: "connector", generate_all });
    export!(Hostile);
}

use bindings::exports::ipaas::connector::connection::{
    Consistency, Guest, Identity, ObjectInfo, ObjectSchema, Outcome, Page, Plan, QueryRequest, WriteRequest, WrittenBy,
};
use bindings::exports::ipaas::connector::metadata::{Guest as Metadata, Info};
use bindings::ipaas::connector::types::{Error, ErrorKind, Retry};
use bindings::ipaas::connector::{logging, transport, variables};
use bindings::wasi::clocks::monotonic_clock;

const HOUR: u64 = 3_600_000_000_000;

struct Hostile;

thread_local! {
    static SETTINGS: RefCell<Value> = const { RefCell::new(Value::Null) };
}

fn setting(name: &str) -> String {
    SETTINGS.with_borrow(|settings| settings.get(name).and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// What this function is to do: nothing, unless the settings name it.
fn how(function: &str) -> String {
    let chosen = setting("in");
    if chosen == function || chosen == "everything" { setting("how") } else { String::new() }
}

/// The secret, if there is one.
fn secret() -> String {
    let name = setting("token");
    variables::get(name.trim_matches(['[', ']'])).unwrap_or_default()
}

fn error(message: String) -> Error {
    let (code, pointer) = (Some(message.clone()), Some(message.clone()));
    Error { kind: ErrorKind::Internal, retry: Retry::Never, message, status: None, code, pointer }
}

/// Makes the attack of this function. An error is what came of one that came back.
fn attack(function: &str) -> Result<(), Error> {
    let how = how(function);
    attack::without_return(&how);
    if let Some(told) = network::attack(&how, &setting("url")) {
        // A kind to which the host adds why it failed a request.
        return Err(Error { kind: ErrorKind::Protocol, ..error(told) });
    }
    match how.as_str() {
        "busy" => loop {
            monotonic_clock::now();
        },
        "busy-polling" => loop {
            monotonic_clock::subscribe_duration(0).block();
        },
        "deaf" => monotonic_clock::subscribe_duration(HOUR).block(),
        "pollables" => {
            let held: Vec<_> = (0..1_000_000).map(|_| monotonic_clock::subscribe_duration(HOUR)).collect();
            return Err(error(format!("held {}", held.len())));
        }
        "log" => {
            for line in 0..1_000_000_u32 {
                logging::log(logging::Level::Info, &format!("line {line}"), &[]);
            }
        }
        "log-long" => {
            let long = "x".repeat(1 << 20);
            for _ in 0..100 {
                logging::log(logging::Level::Info, &long, &[("field".to_owned(), long.clone())]);
            }
        }
        "log-control" => logging::log(logging::Level::Info, "\u{1b}[2Jgone\nnext line", &[]),
        "log-secret" => logging::log(logging::Level::Info, &secret(), &[("token".to_owned(), secret())]),
        "error-huge" => return Err(error("x".repeat(10 << 20))),
        "error-secret" => return Err(error(format!("the token is {}", secret()))),
        "error-control" => return Err(error("\u{1b}[2Jgone\nnext line".to_owned())),
        _ => {}
    }
    Ok(())
}

impl Metadata for Hostile {
    fn describe() -> Info {
        let how = attack::in_describe();
        attack::without_return(&how);
        let mut info = Info {
            name: "hostile".into(),
            title: "Hostile".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            settings_schema: r#"{"type":"object"}"#.into(),
            origins: vec![],
        };
        match how.as_str() {
            "huge" => info.settings_schema = format!("{{\"title\":\"{}\"}}", "x".repeat(8 << 20)),
            "name" => info.name = "../../\u{1b}[2Jhostile".into(),
            "version" => info.version = "newest".into(),
            "title" => info.title = "a\nb".into(),
            "schema" => info.settings_schema = "{".into(),
            "origins" => info.origins = vec!["ftp://somewhere.example".into()],
            _ => {}
        }
        info
    }
}

impl Guest for Hostile {
    fn configure(json: String) -> Result<(), Vec<Error>> {
        SETTINGS.set(serde_json::from_str(&json).unwrap_or_default());
        let _ = transport::apply(false, None);
        if how("configure") == "many-errors" {
            return Err((0..100_000).map(|index| error(format!("wrong {index}"))).collect());
        }
        attack("configure").map_err(|error| vec![error])
    }

    fn test() -> Result<Identity, Error> {
        attack("test")?;
        if how("test") == "answer-secret" {
            return Ok(Identity { account: secret(), warnings: vec![secret()] });
        }
        Ok(Identity { account: "hostile".into(), warnings: vec![] })
    }

    fn list_objects() -> Result<Vec<ObjectInfo>, Error> {
        attack("list-objects").map(|()| vec![])
    }

    fn describe_object(_name: String) -> Result<ObjectSchema, Error> {
        attack("describe-object").and_then(|()| Err(error("there is nothing here".into())))
    }

    fn query(request: QueryRequest) -> Result<Page, Error> {
        attack("query")?;
        let how = how("query");
        let (records, count) = attack::records(&how).unwrap_or_else(|| (b"{\"id\":1}\n".to_vec(), 1));
        let next = attack::cursor(&how, request.cursor.as_deref());
        Ok(Page { records, count, next, total: None, state: None })
    }

    fn explain(_request: QueryRequest) -> Result<Plan, Error> {
        attack("explain")?;
        Ok(Plan { requests: None, consistency: Consistency::BestEffort, steps: vec![] })
    }

    fn create(request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        write("create", &request)
    }

    fn update(request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        write("update", &request)
    }

    fn delete(request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        write("delete", &request)
    }

    fn resolve(_written_by: WrittenBy, request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        write("resolve", &request)
    }
}

fn write(function: &str, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
    attack(function)?;
    let records = request.records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    let how = how(function);
    let count = match how.as_str() {
        "few-outcomes" => records.saturating_sub(1),
        "many-outcomes" => records + 1,
        "million-outcomes" => 10_000_000,
        _ => records,
    };
    let outcome = |_| match how.as_str() {
        "outcome-no-json" => Outcome::Applied("{}\n{}".into()),
        "outcome-secret" => Outcome::Failed(error(format!("the token is {}", secret()))),
        _ => Outcome::Skipped,
    };
    Ok((0..count).map(outcome).collect())
}
