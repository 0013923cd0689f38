//! Variables that this program sets: about the host, the run and the connection. Nobody else can set a name of theirs.

use std::collections::BTreeMap;

use connector_store::Saved;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How their names begin.
const PREFIXES: [&str; 3] = ["host.", "run.", "connection."];

/// One run of this program.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    id: String,
    started: String,
    host: String,
}

impl Run {
    /// A run that begins now.
    pub(crate) fn begin() -> Self {
        let now = OffsetDateTime::now_utc();
        let started = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default();
        // Unique among the runs of one host: no process has the number of another at the same time.
        let id = format!("{:x}-{:x}", now.unix_timestamp_nanos(), std::process::id());
        Self { id, started, host: host_name() }
    }
}

/// The host's name, as the kernel or the environment says it.
pub(crate) fn host_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// Whether this program alone sets variables of such a name.
pub(crate) fn is_predefined(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Those that hold for every connection of a run.
pub(super) fn of_run(run: &Run) -> BTreeMap<&'static str, String> {
    [("host.name", &run.host), ("run.id", &run.id), ("run.started", &run.started)]
        .map(|(name, value)| (name, value.clone()))
        .into()
}

/// Those of a connection.
pub(super) fn add_connection(all: &mut BTreeMap<&'static str, String>, saved: &Saved) {
    all.insert("connection.name", saved.name.clone());
    all.insert("connection.connector", saved.connector.clone());
}
