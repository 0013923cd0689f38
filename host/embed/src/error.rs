//! What can go wrong, one type per moment: making a host, loading a component, opening a connection, making a call.
//! A connector's own failure is data ([`contract::Error`]); what the host finds has types of its own. None carries a secret.

use std::time::Duration;

use crate::contract::{self, ErrorKind};

/// The host itself cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The WebAssembly runtime does not start here.
    #[error("cannot start the WebAssembly runtime: {0}")]
    Engine(String),
}

/// A file is not a connector that this host can run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are not WebAssembly.
    #[error("this is not a WebAssembly file: it does not begin with the bytes `\\0asm`")]
    NotWasm,
    /// The bytes begin like WebAssembly and then make no sense: cut off, damaged, of an unknown version, or with larger tables and
    /// more memories than this host has room for.
    #[error("this WebAssembly file is damaged or cut off, or asks for more than this host has: {0}")]
    Corrupt(String),
    /// [`crate::HostConfig::component_bytes`].
    #[error("this component has {bytes} bytes, more than {} (`component_bytes` of the host's configuration)", size(*.most))]
    TooLarge {
        /// Bytes of the component.
        bytes: usize,
        /// Bytes that it may have.
        most: usize,
    },
    /// [`crate::HostConfig::compile_time`]. The compiler works on: with a cache, the component may be there later.
    #[error(
        "this component was not compiled within {} s (`compile_time` of the host's configuration): it is too large or hard to compile, or others are compiled",
        .0.as_secs_f64()
    )]
    CompileTime(Duration),
    /// This machine could not compile it: what was in the way.
    #[error("this component cannot be compiled here: {0}")]
    NotCompiled(String),
    /// A core module, not a component.
    #[error(
        "this is a WebAssembly module, not a component: encode it with `wasm-tools component new` or wit-component"
    )]
    CoreModule,
    /// A component, but not a connector.
    #[error("this component is no connector: it does not export {missing}; it exports {}", list(.exports))]
    NotAConnector {
        /// The export that a connector must have.
        missing: String,
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// A connector of a world that this host does not speak.
    #[error("this connector is built for {found}, this host runs {supported}: {way_out}")]
    WorldVersion {
        /// The package that it is written against, with its version.
        found: String,
        /// The versions of it that this host serves.
        supported: String,
        /// What to do about it.
        way_out: &'static str,
    },
    /// The connector wants what this host does not offer.
    #[error("this connector imports what this host does not offer: {}", list(.0))]
    UnknownImports(Vec<String>),
    /// Names fit, types do not.
    #[error("this connector's interfaces do not fit this host: {0}")]
    Interface(String),
    /// `metadata.describe` failed, or its answer makes no sense.
    #[error("this connector does not describe itself: {0}")]
    Describe(String),
}

/// A connection cannot be opened. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The name of the connection is empty, or holds `/`, `:` or a control character.
    #[error("a connection cannot be named {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The settings are wrong. All that is wrong with them, each with a pointer into the settings where one applies.
    #[error("the settings are not valid: {}", messages(.0))]
    Settings(Vec<contract::Error>),
    /// A certificate authority that was passed in cannot be read.
    #[error("the additional certificate authorities cannot be read: {0}")]
    Certificates(String),
    /// The host ended `configure`.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// A call did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The connector's answer: a failure, as data.
    #[error("{}", .0.message)]
    Connector(contract::Error),
    /// The settings are not valid any more (a variable changed or vanished since the connection was opened). Nothing was sent.
    #[error("the settings are not valid any more: {}", messages(.0))]
    Settings(Vec<contract::Error>),
    /// The host ended the call. The activity is over; make a new one.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl CallError {
    /// Its kind in one word: the contract's for a connector's failure (`rate-limited`), otherwise that of what the host found (`trap`).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connector(error) => error.kind.name(),
            Self::Settings(_) => ErrorKind::Configuration.name(),
            Self::Ended(ended) => ended.cause.name(),
        }
    }

    /// Whether the connector is to blame: it crashed, reached a limit, broke the contract, found a defect in itself, or did not
    /// understand the remote. Refusals, of the remote or of the host, are no faults.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Connector(error) => matches!(error.kind, ErrorKind::Internal | ErrorKind::Protocol),
            Self::Settings(_) => false,
            Self::Ended(ended) => ended.cause.is_fault(),
        }
    }

    /// Whether there was no room for another instance.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Ended(Ended { cause: Cause::Full(_), .. }))
    }

    /// Whether the call was cancelled, orderly or not.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Connector(error) => error.code.as_deref() == Some("cancelled"),
            Self::Settings(_) => false,
            Self::Ended(ended) => matches!(ended.cause, Cause::Cancelled | Cause::CancelGrace(_)),
        }
    }
}

/// The host's finding about a call that it ended, or that ended in a trap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{connector} {version}: {call} {cause}{}", effect.sentence())]
pub struct Ended {
    /// The connector's name.
    pub connector: String,
    /// The connector's version.
    pub version: String,
    /// The function that was called (`query`).
    pub call: &'static str,
    /// Why it ended.
    pub cause: Cause,
    /// What that means for the remote.
    pub effect: Effect,
}

/// Why the host ended a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The connector crashed. A bug in it.
    #[error("crashed: {0}")]
    Trap(String),
    /// [`crate::Limits::memory`], in bytes.
    #[error("needed more than its {} of memory (limit `memory`)", size(*.0))]
    Memory(usize),
    /// [`crate::Limits::table_entries`].
    #[error("needed more than {0} entries in its tables of functions (limit `table_entries`)")]
    Tables(usize),
    /// [`crate::Limits::resources`].
    #[error("held more than {0} requests, streams, pollables and the like at once (limit `resources`)")]
    Resources(usize),
    /// [`crate::Limits::held_bytes`], in bytes.
    #[error("made the host hold more than {} of header fields, addresses and request bodies (limit `held_bytes`)", size(*.0))]
    Held(usize),
    /// [`crate::HostConfig::stack`], in bytes.
    #[error("called itself too deeply for its {} of stack (`stack` of the host's configuration)", size(*.0))]
    Stack(usize),
    /// [`crate::Limits::answer_bytes`], in bytes.
    #[error("handed over more than {} at once (limit `answer_bytes`)", size(*.0))]
    Answer(usize),
    /// [`crate::Limits::header_bytes`], in bytes.
    #[error("made header fields of more than {} (limit `header_bytes`)", size(*.0))]
    Headers(usize),
    /// [`crate::Limits::call_time`]. A write that came to an orderly end after it has outcomes instead.
    #[error("took longer than {} s (limit `call_time`)", .0.as_secs_f64())]
    CallTime(Duration),
    /// A call of the same activity took longer than [`crate::Limits::call_time`], so this one did not begin.
    #[error("was not started, because a call before it took longer than {} s (limit `call_time`)", .0.as_secs_f64())]
    LateBefore(Duration),
    /// [`crate::Limits::compute_time`].
    #[error("computed for more than {} s (limit `compute_time`)", .0.as_secs_f64())]
    ComputeTime(Duration),
    /// Cancelled, and not at an end after [`crate::Limits::cancel_grace`].
    #[error("was cancelled and did not end within {} s (limit `cancel_grace`)", .0.as_secs_f64())]
    CancelGrace(Duration),
    /// The activity was cancelled before this call began.
    #[error("was not started, because its activity is cancelled")]
    Cancelled,
    /// The connector's version was replaced, and the time for what ran on it was over ([`crate::SwapOptions::drain`]). Begin another
    /// activity.
    #[error("was ended, because another version of the connector serves now")]
    Replaced,
    /// The activity ended earlier, or the host shuts down.
    #[error("was not started, because its activity has ended")]
    Over,
    /// The activity was torn down in the middle of the call, with the runtime that it ran on.
    #[error("was broken off, because its activity was torn down")]
    TornDown,
    /// The answer does not have one outcome per record, so nobody can tell which outcome is whose. A bug in the connector.
    #[error("answered {outcomes} outcomes for {records} records")]
    Outcomes {
        /// Records of the call.
        records: usize,
        /// Outcomes of the answer.
        outcomes: usize,
    },
    /// The answer is not what the contract says: what is wrong with it. A bug in the connector.
    #[error("answered {0}")]
    Malformed(String),
    /// The answer to a query leads back to where the query has been. A bug in the connector.
    #[error("answered a cursor that leads back to where it has been, so that the query would never end")]
    Cursor,
    /// The connector asked to end the process that it takes itself for, with this exit code.
    #[error("ended itself with exit code {0}")]
    Exit(i32),
    /// The connector draws on more allowances of its remote than one connection may, or gave one a longer name.
    #[error("used more than {buckets} quota buckets, or one whose name is longer than {name} bytes")]
    Quota {
        /// Buckets that one connection may draw on.
        buckets: usize,
        /// Longest name of a bucket, in bytes.
        name: usize,
    },
    /// There was no room for another instance ([`crate::HostConfig::activities`]), and none was given back in time.
    #[error("was not started, because the host runs {0} activities already (`activities` of its configuration)")]
    Full(u32),
    /// The instance could not be made.
    #[error("was not started, because no instance could be made: {0}")]
    Instance(String),
}

impl Cause {
    /// It in one word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Memory(_) => "memory",
            Self::Tables(_) => "tables",
            Self::Resources(_) => "resources",
            Self::Held(_) => "held",
            Self::Stack(_) => "stack",
            Self::Answer(_) => "answer",
            Self::Headers(_) => "headers",
            Self::CallTime(_) => "call-time",
            Self::LateBefore(_) => "late-before",
            Self::ComputeTime(_) => "compute-time",
            Self::CancelGrace(_) => "cancel-grace",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::Over => "over",
            Self::TornDown => "torn-down",
            Self::Outcomes { .. } => "outcomes",
            Self::Malformed(_) => "malformed",
            Self::Cursor => "cursor",
            Self::Exit(_) => "exit",
            Self::Quota { .. } => "quota",
            Self::Full(_) => "full",
            Self::Instance(_) => "instance",
        }
    }

    /// Whether the connector is to blame.
    fn is_fault(&self) -> bool {
        match self {
            Self::Trap(_)
            | Self::Memory(_)
            | Self::Tables(_)
            | Self::Resources(_)
            | Self::Held(_)
            | Self::Stack(_)
            | Self::Answer(_)
            | Self::Headers(_)
            | Self::CallTime(_)
            | Self::ComputeTime(_)
            | Self::CancelGrace(_)
            | Self::Outcomes { .. }
            | Self::Malformed(_)
            | Self::Cursor
            | Self::Exit(_)
            | Self::Quota { .. }
            | Self::Instance(_) => true,
            Self::LateBefore(_) | Self::Cancelled | Self::Replaced | Self::Over | Self::TornDown | Self::Full(_) => {
                false
            }
        }
    }
}

/// Why a version does not replace another one: the old one goes on serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwapError {
    /// One swap at a time.
    #[error("another swap is under way: wait for its end, or roll it back")]
    Busy,
    /// The other component is another connector.
    #[error("`{found}` is another connector than `{serving}`, which serves")]
    OtherConnector {
        /// Name of the one that serves.
        serving: String,
        /// Name of the other.
        found: String,
    },
    /// The new version does not do for a connection what the old one does: it refuses the settings, or its test fails.
    #[error("the new version does not work for the connection `{connection}`: {error}")]
    Refused {
        /// Name of the connection.
        connection: String,
        /// What the new version answered.
        #[source]
        error: Box<CallError>,
    },
    /// The new version did worse than the old one on its share of the activities ([`crate::Canary`]).
    #[error(
        "{errors} of {calls} calls of the new version failed and it is to blame for {faults}, {old_errors} of {old_calls} of the old one in the same time and it is to blame for {old_faults}"
    )]
    Canary {
        /// Calls of the new version.
        calls: u64,
        /// Those that failed.
        errors: u64,
        /// Those that are its fault.
        faults: u64,
        /// Calls of the old version.
        old_calls: u64,
        /// Those that failed.
        old_errors: u64,
        /// Those that are its fault.
        old_faults: u64,
    },
    /// Somebody called [`crate::Deployment::rollback`] meanwhile.
    #[error("it was rolled back before it was done")]
    RolledBack,
    /// There is nothing to go back to.
    #[error("no version served before this one")]
    NoPrevious,
}

impl SwapError {
    /// Whether the same version may be taken later: another swap is under way, the host is full, or the remote cannot be reached or asks
    /// to wait.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::Refused { error, .. } => match &**error {
                CallError::Connector(error) => matches!(error.kind, ErrorKind::Unavailable | ErrorKind::RateLimited),
                other => other.is_full(),
            },
            Self::OtherConnector { .. } | Self::Canary { .. } | Self::RolledBack | Self::NoPrevious => false,
        }
    }

    /// It in one word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::OtherConnector { .. } => "other-connector",
            Self::Refused { .. } => "refused",
            Self::Canary { .. } => "canary",
            Self::RolledBack => "rolled-back",
            Self::NoPrevious => "no-previous",
        }
    }
}

/// What an ended call means for the remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was sent: the call had not begun, or is one that sends nothing.
    NothingSent,
    /// The call only reads: repeat it.
    Read,
    /// The call writes, and may have sent all, some or none of its records. **Every** record of the call is unknown: look them up
    /// with [`crate::Activity::resolve`].
    EveryRecordUnknown,
}

impl Effect {
    fn sentence(self) -> &'static str {
        match self {
            Self::NothingSent | Self::Read => "",
            Self::EveryRecordUnknown => "; what became of its records is unknown",
        }
    }
}

/// A number of bytes, for people.
fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

fn messages(errors: &[contract::Error]) -> String {
    let line = |error: &contract::Error| match &error.pointer {
        Some(pointer) if !pointer.is_empty() => format!("{pointer}: {}", error.message),
        _ => error.message.clone(),
    };
    errors.iter().map(line).collect::<Vec<_>>().join("; ")
}
