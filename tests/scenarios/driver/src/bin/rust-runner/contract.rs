//! The contract's types as JSON and back, with the contract's names.

use connector_host::contract::{
    Activities, ActivitySchema, Comparison, Comparisons, Condition, Consistency, Error, Identity, Info, ObjectInfo,
    ObjectSchema, Order, Outcome, Page, Plan, QueryRequest, Retry, WriteMode, WriteRequest, WrittenBy,
};
use scenarios::protocol;
use serde_json::{Map, Value, json};

/// Leaves absent options out.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let present = members.into_iter().filter(|(_, value)| !value.is_null());
    present.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

pub(crate) fn info(info: &Info) -> Value {
    json!({
        "name": info.name,
        "title": info.title,
        "version": info.version,
        "settings-schema": info.settings_schema,
        "origins": info.origins,
    })
}

pub(crate) fn identity(identity: &Identity) -> Value {
    json!({ "account": identity.account, "warnings": identity.warnings })
}

pub(crate) fn object_info(info: &ObjectInfo) -> Value {
    let names = [
        (Activities::QUERY, "query"),
        (Activities::CREATE, "create"),
        (Activities::UPDATE, "update"),
        (Activities::DELETE, "delete"),
    ];
    let able = names.into_iter().filter(|(flag, _)| info.activities.contains(*flag));
    object([
        ("name", json!(info.name)),
        ("title", json!(info.title)),
        ("parent", json!(info.parent)),
        ("activities", able.map(|(_, name)| name).collect()),
    ])
}

pub(crate) fn object_schema(schema: &ObjectSchema) -> Value {
    let fields = schema.fields.iter().map(|field| {
        json!({
            "name": field.name,
            "comparisons": comparisons(field.comparisons),
            "pushed-down": comparisons(field.pushed_down),
            "sortable": field.sortable,
        })
    });
    let activity = |schema: &Option<ActivitySchema>| {
        json!(schema.as_ref().map(|schema| json!({ "request": schema.request, "response": schema.response })))
    };
    object([
        ("key", json!(schema.key)),
        ("fields", fields.collect()),
        ("includes", json!(schema.includes)),
        ("consistency", consistency(schema.consistency).into()),
        ("incremental", schema.incremental.into()),
        ("query", activity(&schema.query)),
        ("create", activity(&schema.create)),
        ("update", activity(&schema.update)),
        ("delete", activity(&schema.delete)),
    ])
}

fn comparisons(flags: Comparisons) -> Value {
    let names = [
        (Comparisons::EQUAL, "equal"),
        (Comparisons::NOT_EQUAL, "not-equal"),
        (Comparisons::LESS, "less"),
        (Comparisons::LESS_OR_EQUAL, "less-or-equal"),
        (Comparisons::GREATER, "greater"),
        (Comparisons::GREATER_OR_EQUAL, "greater-or-equal"),
        (Comparisons::ONE_OF, "one-of"),
        (Comparisons::CONTAINS, "contains"),
    ];
    names.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| name).collect()
}

fn consistency(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Stable => "stable",
        Consistency::BestEffort => "best-effort",
    }
}

pub(crate) fn page(page: &Page) -> Value {
    object([
        ("records", lines(&page.records)),
        ("count", page.count.into()),
        ("next", json!(page.next)),
        ("total", json!(page.total)),
        ("state", json!(page.state)),
    ])
}

fn lines(records: &[u8]) -> Value {
    String::from_utf8_lossy(records).lines().collect()
}

pub(crate) fn records(lines: &str) -> Value {
    json!({ "records": lines.lines().collect::<Vec<_>>() })
}

pub(crate) fn plan(plan: &Plan) -> Value {
    object([
        ("requests", json!(plan.requests)),
        ("consistency", consistency(plan.consistency).into()),
        ("steps", json!(plan.steps)),
    ])
}

pub(crate) fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Applied(record) => json!({ "applied": record }),
        Outcome::Failed(why) => json!({ "failed": error(why) }),
        Outcome::Unknown(why) => json!({ "unknown": error(why) }),
        Outcome::Skipped => json!("skipped"),
    }
}

pub(crate) fn error(error: &Error) -> Value {
    let retry = match error.retry {
        Retry::Never => json!("never"),
        Retry::After(milliseconds) => json!({ "after": milliseconds }),
        Retry::OutcomeUnknown => json!("outcome-unknown"),
    };
    object([
        ("kind", error.kind.name().into()),
        ("retry", retry),
        ("message", json!(error.message)),
        ("status", json!(error.status)),
        ("code", json!(error.code)),
        ("pointer", json!(error.pointer)),
    ])
}

pub(crate) fn query_request(request: protocol::QueryRequest) -> QueryRequest {
    let condition = |condition: protocol::Condition| Condition {
        field: condition.field,
        op: comparison(condition.op),
        value: condition.value,
    };
    let order = |order: protocol::Order| Order { field: order.field, descending: order.descending };
    QueryRequest {
        object: request.object,
        fields: request.fields,
        filter: request.filter.into_iter().map(condition).collect(),
        order_by: request.order_by.into_iter().map(order).collect(),
        include: request.include,
        page_size: request.page_size,
        max_records: request.max_records,
        since: request.since,
        cursor: request.cursor,
    }
}

fn comparison(op: protocol::Comparison) -> Comparison {
    match op {
        protocol::Comparison::Equal => Comparison::Equal,
        protocol::Comparison::NotEqual => Comparison::NotEqual,
        protocol::Comparison::Less => Comparison::Less,
        protocol::Comparison::LessOrEqual => Comparison::LessOrEqual,
        protocol::Comparison::Greater => Comparison::Greater,
        protocol::Comparison::GreaterOrEqual => Comparison::GreaterOrEqual,
        protocol::Comparison::OneOf => Comparison::OneOf,
        protocol::Comparison::Contains => Comparison::Contains,
    }
}

pub(crate) fn write_request(request: protocol::WriteRequest) -> WriteRequest {
    WriteRequest {
        object: request.object,
        records: request.records.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into_bytes(),
        mode: match request.mode {
            protocol::WriteMode::Strict => WriteMode::Strict,
            protocol::WriteMode::Upsert => WriteMode::Upsert,
        },
        match_on: request.match_on,
        continue_on_error: request.continue_on_error,
        validate_only: request.validate_only,
    }
}

pub(crate) fn written_by(verb: protocol::WrittenBy) -> WrittenBy {
    match verb {
        protocol::WrittenBy::Create => WrittenBy::Create,
        protocol::WrittenBy::Update => WrittenBy::Update,
        protocol::WrittenBy::Delete => WrittenBy::Delete,
    }
}
