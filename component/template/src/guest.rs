//! The exports of the contract. Exists on WebAssembly only: what can be tested natively is in the other files.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::notes::{self, BadCursor};
use crate::settings::{self, Settings};

// The generated code lays out memory by hand.
#[allow(unsafe_code, clippy::all)]
mod bindings {
    use super::Component;
    wit_bindgen::generate!({ path: "wit", world: "connector", generate_all });
    export!(Component);
}

use bindings::exports::ipaas::connector::connection::{
    Activities, ActivitySchema, Comparison, Comparisons, Condition, Consistency, Field, Guest, Identity, ObjectInfo,
    ObjectSchema, Outcome, Page, Plan, QueryRequest, WriteRequest, WrittenBy,
};
use bindings::exports::ipaas::connector::metadata::{Guest as Metadata, Info};
use bindings::ipaas::connector::types::{Error, ErrorKind, Retry};
use bindings::ipaas::connector::variables;

struct Component;

// The host makes an instance per activity and calls `configure` first.
thread_local! {
    static SETTINGS: RefCell<Option<Settings>> = const { RefCell::new(None) };
}

impl Metadata for Component {
    fn describe() -> Info {
        Info {
            name: env!("CARGO_PKG_NAME").into(),
            title: "My service".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            settings_schema: settings::SCHEMA.into(),
            // What it asks to reach: `https://api.example.com`.
            origins: vec![],
        }
    }
}

impl Guest for Component {
    fn configure(json: String) -> Result<(), Vec<Error>> {
        let settings = Settings::parse(&json).map_err(|wrong| {
            let told = |wrong: settings::Wrong| error(ErrorKind::Configuration, wrong.message, Some(&wrong.pointer));
            wrong.into_iter().map(told).collect::<Vec<_>>()
        })?;
        owner(&settings).map_err(|error| vec![error])?;
        SETTINGS.set(Some(settings));
        Ok(())
    }

    fn test() -> Result<Identity, Error> {
        Ok(Identity { account: owner(&configured()?)?, warnings: vec![] })
    }

    fn list_objects() -> Result<Vec<ObjectInfo>, Error> {
        configured()?;
        let activities = Activities::QUERY;
        Ok(vec![ObjectInfo { name: "notes".into(), title: "Notes".into(), parent: None, activities }])
    }

    fn describe_object(name: String) -> Result<ObjectSchema, Error> {
        configured()?;
        known(&name, None)?;
        let comparable = Comparisons::EQUAL | Comparisons::LESS_OR_EQUAL | Comparisons::GREATER;
        let field = |name: &str| Field {
            name: name.into(),
            comparisons: if name == "id" { comparable } else { Comparisons::empty() },
            pushed_down: Comparisons::empty(),
            sortable: false,
        };
        let record = json!({
            "type": "object",
            "properties": {"id": {"type": "integer"}, "owner": {"type": "string"}, "text": {"type": "string"}},
        });
        let conditions = json!({"type": "object", "properties": {"id": {"type": "integer"}}});
        Ok(ObjectSchema {
            key: vec!["id".into()],
            fields: notes::FIELDS.map(field).into(),
            includes: vec![],
            consistency: Consistency::Stable,
            incremental: false,
            query: Some(ActivitySchema { request: conditions.to_string(), response: record.to_string() }),
            create: None,
            update: None,
            delete: None,
        })
    }

    fn query(request: QueryRequest) -> Result<Page, Error> {
        let settings = configured()?;
        let conditions = conditions(&request)?;
        // All that must stay the same from page to page.
        let same = format!("{:?} {:?} {:?}", request.fields, request.filter, request.max_records);
        let after = request.cursor.as_deref().map_or(Ok(0), |cursor| notes::behind(&same, cursor));
        let after = after.map_err(|bad| {
            let code = (bad == BadCursor::Version).then(|| "cursor-version".to_owned());
            Error { code, ..error(ErrorKind::InvalidRequest, "this is no cursor of this query", Some("/cursor")) }
        })?;
        let size = request.page_size.unwrap_or(notes::PAGE);
        let page = notes::page(&owner(&settings)?, &request.fields, &conditions, after, size);
        let next = page.last.map(|last| notes::cursor(&same, last));
        Ok(Page { records: page.records, count: page.count, next, total: None, state: None })
    }

    fn explain(request: QueryRequest) -> Result<Plan, Error> {
        configured()?;
        conditions(&request)?;
        let steps = vec!["The notes are part of the connector; conditions are evaluated here.".into()];
        Ok(Plan { requests: Some(0), consistency: Consistency::Stable, steps })
    }

    fn create(_: WriteRequest) -> Result<Vec<Outcome>, Error> {
        Err(read_only())
    }

    fn update(_: WriteRequest) -> Result<Vec<Outcome>, Error> {
        Err(read_only())
    }

    fn delete(_: WriteRequest) -> Result<Vec<Outcome>, Error> {
        Err(read_only())
    }

    fn resolve(_: WrittenBy, _: WriteRequest) -> Result<Vec<Outcome>, Error> {
        Err(read_only())
    }
}

/// A failure that stays until something else changes. `pointer` leads to what is wrong in what the caller passed.
fn error(kind: ErrorKind, message: impl Into<String>, pointer: Option<&str>) -> Error {
    let pointer = pointer.map(str::to_owned);
    Error { kind, retry: Retry::Never, message: message.into(), status: None, code: None, pointer }
}

fn read_only() -> Error {
    error(ErrorKind::Unsupported, "notes can only be read", None)
}

fn configured() -> Result<Settings, Error> {
    let missing = || error(ErrorKind::Configuration, "`configure` has not been called", None);
    SETTINGS.with_borrow(Clone::clone).ok_or_else(missing)
}

/// The owner, with the present values of the variables in it.
fn owner(settings: &Settings) -> Result<String, Error> {
    let undefined = |failure: &variables::Error| matches!(failure, variables::Error::Undefined(_));
    settings::resolve(&settings.owner, |name| variables::get(name), undefined).map_err(|failure| {
        let message = match failure {
            variables::Error::InvalidName(name) => format!("`{name}` cannot be the name of a variable"),
            variables::Error::Undefined(name) => format!("there is no variable `{name}`"),
            variables::Error::Provider(message) => format!("the variables cannot be read: {message}"),
        };
        error(ErrorKind::Configuration, message, Some("/owner"))
    })
}

fn known(object: &str, pointer: Option<&str>) -> Result<(), Error> {
    if object == "notes" {
        return Ok(());
    }
    Err(error(ErrorKind::NotFound, format!("there is no object `{object}`, only `notes`"), pointer))
}

/// The conditions of a query, once it is certain that all of it can be done.
fn conditions(request: &QueryRequest) -> Result<Vec<notes::Condition>, Error> {
    known(&request.object, Some("/object"))?;
    let unsupported = |message: &str, pointer: &str| Err(error(ErrorKind::Unsupported, message, Some(pointer)));
    if let Some(index) = request.fields.iter().position(|field| !notes::FIELDS.contains(&field.as_str())) {
        let pointer = format!("/fields/{index}");
        return Err(error(ErrorKind::InvalidRequest, "notes have no such field", Some(&pointer)));
    }
    if !request.order_by.is_empty() {
        return unsupported("notes come by their ids only", "/order-by/0");
    }
    if !request.include.is_empty() {
        return unsupported("notes have nothing to include", "/include/0");
    }
    if request.since.is_some() {
        return unsupported("notes have no date of change", "/since");
    }
    request.filter.iter().enumerate().map(|(index, condition)| one_condition(index, condition)).collect()
}

fn one_condition(index: usize, condition: &Condition) -> Result<notes::Condition, Error> {
    let pointer = format!("/filter/{index}");
    if condition.field != "id" {
        return Err(error(ErrorKind::Unsupported, "only `id` can be compared", Some(&pointer)));
    }
    let Some(id) = serde_json::from_str::<Value>(&condition.value).ok().as_ref().and_then(Value::as_u64) else {
        return Err(error(ErrorKind::InvalidRequest, "an id is a whole number", Some(&pointer)));
    };
    match condition.op {
        Comparison::Equal => Ok(notes::Condition::Equal(id)),
        Comparison::LessOrEqual => Ok(notes::Condition::UpTo(id)),
        Comparison::Greater => Ok(notes::Condition::Behind(id)),
        _ => Err(error(ErrorKind::Unsupported, "`id` is compared with =, <= and > only", Some(&pointer))),
    }
}
