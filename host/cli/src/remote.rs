//! The host library's and the connector's failures, as this program tells them. The connector's own words stand first: the
//! contract makes it say what was tried and what to do.

use connector_host::contract::{Error, ErrorKind, Retry};
use connector_host::{CallError, Cause, Effect, Ended, LoadError};
use connector_store::DatabaseError;
use connector_versions::VersionsError;
use serde_json::{Map, Value, json};

use crate::error::{Blame, Failure, Failures};
use crate::project::READ_ONLY;

/// A connector's failure as an object for programs, without its message.
pub(crate) fn detail(error: &Error) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("kind".into(), json!(error.kind.name()));
    let (retry, after) = match error.retry {
        Retry::Never => ("never", None),
        Retry::After(ms) => ("after", Some(ms)),
        Retry::OutcomeUnknown => ("outcome-unknown", None),
    };
    object.insert("retry".into(), json!(retry));
    if let Some(ms) = after {
        object.insert("retry_after_ms".into(), json!(ms));
    }
    if let Some(status) = error.status {
        object.insert("status".into(), json!(status));
    }
    if let Some(code) = &error.code {
        object.insert("code".into(), json!(code));
    }
    if let Some(pointer) = &error.pointer {
        object.insert("pointer".into(), json!(pointer));
    }
    object
}

/// The same with its message, as it stands in an outcome.
pub(crate) fn to_json(error: &Error) -> Value {
    let mut object = detail(error);
    object.insert("message".into(), json!(error.message));
    Value::Object(object)
}

/// A connector's failure.
pub(crate) fn failure(error: &Error) -> Failure {
    let mut failure = Failure::new(error.message.trim_end_matches('.'));
    failure.detail = Box::new(detail(error));
    if error.kind == ErrorKind::Internal {
        failure.blame = Blame::Defect;
        return failure.hint("this is a defect of the connector: please report it");
    }
    // What this program's user can do about findings that the connector can only name.
    match (error.code.as_deref(), error.retry) {
        (Some("origin-not-granted"), _) => {
            failure.hint("grant the origin: `connector connection edit NAME --grant https://host:port`")
        }
        (Some("untrusted-certificate"), _) => {
            failure.hint("trust its authority: `connector connection edit NAME --ca-file ca.pem`")
        }
        (_, Retry::After(ms)) if error.kind == ErrorKind::RateLimited => {
            failure.hint(format!("nothing was done; try again in {}", seconds(ms)))
        }
        _ => failure,
    }
}

fn seconds(ms: u64) -> String {
    if ms < 1000 { "a second".to_owned() } else { format!("{} s", ms.div_ceil(1000)) }
}

/// What the host found about a call that it ended.
pub(crate) fn ended(ended: &Ended) -> Failure {
    let mut failure = Failure::new(ended.to_string()).with("kind", "ended").with("call", ended.call);
    failure = failure.with("cause", ended.cause.name()).with("effect", effect(ended.effect));
    match ended.cause {
        Cause::Trap(_)
        | Cause::Memory(_)
        | Cause::Tables(_)
        | Cause::Resources(_)
        | Cause::Stack(_)
        | Cause::Answer(_)
        | Cause::Headers(_)
        | Cause::ComputeTime(_)
        | Cause::Outcomes { .. }
        | Cause::Malformed(_)
        | Cause::Cursor
        | Cause::Exit(_)
        | Cause::Quota { .. }
        | Cause::Instance(_) => {
            failure.blame = Blame::Defect;
            failure.hint("this is a defect of the connector: please report it")
        }
        _ => failure,
    }
}

/// What an ended call means for the remote, in one word.
fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::NothingSent => "nothing-sent",
        Effect::Read => "read",
        Effect::EveryRecordUnknown => "unknown",
    }
}

/// A call that did not succeed.
pub(crate) fn call_failed(error: &CallError) -> Failures {
    match error {
        CallError::Connector(error) => failure(error).into(),
        CallError::Settings(list) => Failures(list.iter().map(failure).collect()),
        CallError::Ended(end) => ended(end).into(),
        other => Failure::new(other.to_string()).into(),
    }
}

/// Whether the same call may succeed later without anything being mended.
pub(crate) fn is_passing(error: &CallError) -> bool {
    match error {
        CallError::Connector(error) => error.retry != Retry::Never,
        CallError::Ended(end) => matches!(end.cause, Cause::CallTime(_) | Cause::CancelGrace(_) | Cause::Cancelled),
        _ => false,
    }
}

/// A file that cannot be run.
pub(crate) fn load_failed(name: &str, error: &LoadError) -> Failure {
    let mut failure =
        Failure::new(format!("cannot use `{name}` as a connector")).causes_of(error).with("kind", "connector");
    if matches!(error, LoadError::Describe(_)) {
        failure.blame = Blame::Defect;
    }
    failure
}

/// What happened to versions, or did not.
pub(crate) fn version_failed(error: &VersionsError) -> Failure {
    let failure = Failure::new(error.to_string()).with("kind", version_kind(error));
    let failure = match std::error::Error::source(error) {
        Some(cause) => failure.causes_of(cause),
        None => failure,
    };
    match error {
        VersionsError::Pinned { connector, .. } => {
            failure.hint(format!("`connector versions unpin --of {connector}` lets it be switched"))
        }
        VersionsError::InUse(_) => failure.hint("switch to another version first: `connector versions use`"),
        VersionsError::NotInstalled { .. } => {
            failure.hint("`connector versions install` takes a file, a folder or oci://…")
        }
        VersionsError::Ambiguous { .. } => failure.hint("name one by its digest"),
        VersionsError::Database(DatabaseError::ReadOnly { .. } | DatabaseError::Older { .. }) => {
            failure.hint(READ_ONLY)
        }
        VersionsError::Database(error) if error.is_damage() => failure
            .hint("move it away and put a copy of the file in its place; without a copy, install the versions again"),
        VersionsError::Taken { .. } => failure.hint("push another version, or pass --replace"),
        VersionsError::Switched(_) => {
            failure.hint("`connector versions list` shows which; switch again if you mean to")
        }
        _ => failure,
    }
}

fn version_kind(error: &VersionsError) -> &'static str {
    match error {
        VersionsError::Refused { .. } => "version-refused",
        VersionsError::Place { .. } => "source",
        VersionsError::Pinned { .. } => "pinned",
        _ => "versions",
    }
}
