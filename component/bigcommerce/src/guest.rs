//! The component's exports: the WIT types on one side, ours on the other, nothing else.
#![allow(missing_docs, unreachable_pub, reason = "bindings are documented in the WIT package")]

use std::rc::Rc;

use crate::connector::{Connector, not_configured};
use crate::discovery;
use crate::error::{Error, Kind, Retry};
use crate::executor::block_on;
use crate::types::{self, Verb};
use crate::wasi::{CONNECTOR, Imports};

// The generated code implements the canonical ABI and has to lay out memory by hand.
#[allow(unsafe_code, clippy::all, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "connector", generate_all });
    use super::Component;
    export!(Component);
}

pub(crate) use bindings::{ipaas, wasi};

use bindings::exports::ipaas::connector::{connection as wit, metadata};
use ipaas::connector::types as shared;

struct Component;

impl metadata::Guest for Component {
    fn describe() -> metadata::Info {
        metadata::Info {
            name: "bigcommerce".into(),
            title: "BigCommerce".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            settings_schema: crate::settings::SCHEMA.into(),
            origins: vec![crate::settings::DEFAULT_BASE_URL.into()],
        }
    }
}

/// Runs a future on the configured connection.
fn with<T>(run: impl AsyncFnOnce(Rc<Connector>) -> Result<T, Error>) -> Result<T, shared::Error> {
    let connector = CONNECTOR.with_borrow(Clone::clone).ok_or_else(not_configured)?;
    let stuck = || Err(Error::new(Kind::Internal, "the connector waits for something that cannot happen"));
    Ok(block_on(run(connector)).unwrap_or_else(stuck)?)
}

impl wit::Guest for Component {
    fn configure(settings: String) -> Result<(), Vec<shared::Error>> {
        let connector = Connector::configure(Rc::new(Imports), &settings)
            .map_err(|errors| errors.into_iter().map(Into::into).collect::<Vec<_>>())?;
        CONNECTOR.set(Some(Rc::new(connector)));
        Ok(())
    }

    fn test() -> Result<wit::Identity, shared::Error> {
        let identity = with(async |connector| connector.test().await)?;
        Ok(wit::Identity { account: identity.account, warnings: identity.warnings })
    }

    fn list_objects() -> Result<Vec<wit::ObjectInfo>, shared::Error> {
        Ok(discovery::objects()
            .map(|listing| {
                let mut activities = wit::Activities::empty();
                activities.set(wit::Activities::QUERY, listing.query);
                activities.set(wit::Activities::CREATE, listing.create);
                activities.set(wit::Activities::UPDATE, listing.update);
                activities.set(wit::Activities::DELETE, listing.delete);
                wit::ObjectInfo {
                    name: listing.object.name.into(),
                    title: listing.object.title.into(),
                    parent: listing.object.parent.map(Into::into),
                    activities,
                }
            })
            .collect())
    }

    fn describe_object(name: String) -> Result<wit::ObjectSchema, shared::Error> {
        let description = discovery::describe(crate::plan::find(&name)?);
        let schema = |schema: discovery::ActivitySchema| wit::ActivitySchema {
            request: schema.request,
            response: schema.response,
        };
        let field = |field: discovery::FieldInfo| wit::Field {
            name: field.name.into(),
            comparisons: comparisons(&field.comparisons),
            pushed_down: comparisons(&field.pushed_down),
            sortable: field.sortable,
        };
        Ok(wit::ObjectSchema {
            key: description.key.iter().map(|key| (*key).into()).collect(),
            fields: description.fields.into_iter().map(field).collect(),
            includes: description.includes.iter().map(|include| (*include).into()).collect(),
            consistency: consistency(description.stable),
            incremental: description.incremental,
            query: description.query.map(schema),
            create: description.create.map(schema),
            update: description.update.map(schema),
            delete: description.delete.map(schema),
        })
    }

    fn query(request: wit::QueryRequest) -> Result<wit::Page, shared::Error> {
        let request = query_request(request);
        let page = with(async |connector| connector.query(&request).await)?;
        Ok(wit::Page {
            records: page.records,
            count: page.count,
            next: page.next,
            total: page.total,
            state: page.state,
        })
    }

    fn explain(request: wit::QueryRequest) -> Result<wit::Plan, shared::Error> {
        let request = query_request(request);
        let plan = with(async |connector| connector.explain(&request))?;
        Ok(wit::Plan { requests: plan.requests, consistency: consistency(plan.stable), steps: plan.steps })
    }

    fn create(request: wit::WriteRequest) -> Result<Vec<wit::Outcome>, shared::Error> {
        write(Verb::Create, request)
    }

    fn update(request: wit::WriteRequest) -> Result<Vec<wit::Outcome>, shared::Error> {
        write(Verb::Update, request)
    }

    fn delete(request: wit::WriteRequest) -> Result<Vec<wit::Outcome>, shared::Error> {
        write(Verb::Delete, request)
    }

    fn resolve(written_by: wit::WrittenBy, request: wit::WriteRequest) -> Result<Vec<wit::Outcome>, shared::Error> {
        let verb = match written_by {
            wit::WrittenBy::Create => Verb::Create,
            wit::WrittenBy::Update => Verb::Update,
            wit::WrittenBy::Delete => Verb::Delete,
        };
        let request = write_request(request);
        let outcomes = with(async |connector| connector.resolve(verb, &request).await)?;
        Ok(outcomes.into_iter().map(Into::into).collect())
    }
}

fn write(verb: Verb, request: wit::WriteRequest) -> Result<Vec<wit::Outcome>, shared::Error> {
    let request = write_request(request);
    let outcomes = with(async |connector| connector.write(verb, &request).await)?;
    Ok(outcomes.into_iter().map(Into::into).collect())
}

fn consistency(stable: bool) -> wit::Consistency {
    if stable { wit::Consistency::Stable } else { wit::Consistency::BestEffort }
}

fn comparisons(all: &[types::Comparison]) -> wit::Comparisons {
    all.iter().fold(wit::Comparisons::empty(), |flags, comparison| {
        flags
            | match comparison {
                types::Comparison::Equal => wit::Comparisons::EQUAL,
                types::Comparison::NotEqual => wit::Comparisons::NOT_EQUAL,
                types::Comparison::Less => wit::Comparisons::LESS,
                types::Comparison::LessOrEqual => wit::Comparisons::LESS_OR_EQUAL,
                types::Comparison::Greater => wit::Comparisons::GREATER,
                types::Comparison::GreaterOrEqual => wit::Comparisons::GREATER_OR_EQUAL,
                types::Comparison::OneOf => wit::Comparisons::ONE_OF,
                types::Comparison::Contains => wit::Comparisons::CONTAINS,
            }
    })
}

fn query_request(request: wit::QueryRequest) -> types::QueryRequest {
    let condition = |condition: wit::Condition| types::Condition {
        field: condition.field,
        op: match condition.op {
            wit::Comparison::Equal => types::Comparison::Equal,
            wit::Comparison::NotEqual => types::Comparison::NotEqual,
            wit::Comparison::Less => types::Comparison::Less,
            wit::Comparison::LessOrEqual => types::Comparison::LessOrEqual,
            wit::Comparison::Greater => types::Comparison::Greater,
            wit::Comparison::GreaterOrEqual => types::Comparison::GreaterOrEqual,
            wit::Comparison::OneOf => types::Comparison::OneOf,
            wit::Comparison::Contains => types::Comparison::Contains,
        },
        value: condition.value,
    };
    types::QueryRequest {
        object: request.object,
        fields: request.fields,
        filter: request.filter.into_iter().map(condition).collect(),
        order_by: request
            .order_by
            .into_iter()
            .map(|order| types::Order { field: order.field, descending: order.descending })
            .collect(),
        include: request.include,
        page_size: request.page_size,
        max_records: request.max_records,
        since: request.since,
        cursor: request.cursor,
    }
}

fn write_request(request: wit::WriteRequest) -> types::WriteRequest {
    types::WriteRequest {
        object: request.object,
        records: request.records,
        upsert: request.mode == wit::WriteMode::Upsert,
        match_on: request.match_on,
        continue_on_error: request.continue_on_error,
        validate_only: request.validate_only,
    }
}

impl From<types::Outcome> for wit::Outcome {
    fn from(outcome: types::Outcome) -> Self {
        match outcome {
            types::Outcome::Applied(record) => wit::Outcome::Applied(record),
            types::Outcome::Failed(error) => wit::Outcome::Failed(error.into()),
            types::Outcome::Unknown(error) => wit::Outcome::Unknown(error.into()),
            types::Outcome::Skipped => wit::Outcome::Skipped,
        }
    }
}

impl From<Error> for shared::Error {
    fn from(error: Error) -> Self {
        shared::Error {
            kind: match error.kind {
                Kind::Configuration => shared::ErrorKind::Configuration,
                Kind::Unsupported => shared::ErrorKind::Unsupported,
                Kind::InvalidRequest => shared::ErrorKind::InvalidRequest,
                Kind::Unauthorized => shared::ErrorKind::Unauthorized,
                Kind::NotFound => shared::ErrorKind::NotFound,
                Kind::Conflict => shared::ErrorKind::Conflict,
                Kind::Rejected => shared::ErrorKind::Rejected,
                Kind::RateLimited => shared::ErrorKind::RateLimited,
                Kind::Unavailable => shared::ErrorKind::Unavailable,
                Kind::Protocol => shared::ErrorKind::Protocol,
                Kind::Denied => shared::ErrorKind::Denied,
                Kind::Internal => shared::ErrorKind::Internal,
            },
            retry: match error.retry {
                Retry::Never => shared::Retry::Never,
                Retry::After(milliseconds) => shared::Retry::After(milliseconds),
                Retry::OutcomeUnknown => shared::Retry::OutcomeUnknown,
            },
            message: error.message,
            status: error.status,
            code: error.code,
            pointer: error.pointer,
        }
    }
}
