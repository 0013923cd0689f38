//! Runs of operations, each with a folder `runs/ID/` in the project, for its owner alone: `operation.json` (what it runs), `report.json`,
//! `checkpoint`, `journal.ndjson` (outcomes, as `--outcomes` writes them), `rejected.ndjson`, and the records of a target that is a file.
//!
//! Whoever works at a run holds the lock on its folder. So a run that calls itself running and is not locked was interrupted. And it
//! looks for a file `cancel` in the folder, by which any other process cancels it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::checkpoint;
use super::report::Report;
use crate::error::{Failure, suggest};
use crate::error_schema::Told;
use crate::files::{Access, not_written, replace};
use crate::project::Project;

/// What became of a run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RunState)]
pub(crate) enum State {
    /// It is at work.
    Running,
    /// It came to its end; some records may have failed.
    Done,
    /// It stopped early.
    Failed,
    /// Somebody wanted it to stop.
    Cancelled,
    /// Its process ended.
    Interrupted,
}

impl State {
    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What is kept of a run.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Run {
    /// Empty: a dry run, which leaves nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub operation: String,
    pub state: State,
    pub started: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    pub report: Report,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Told>)]
    pub errors: Vec<Value>,
}

/// What a run was started with: a run that goes on does so with this, whatever the operation says by then.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub name: String,
    pub operation: Value,
    /// The program of the mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The file that is read instead of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<PathBuf>,
    /// Digest of the file that is read, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The folder of a run that this process works at.
#[derive(Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
    pub id: String,
    _lock: File,
}

/// The file by which a run is cancelled.
const CANCEL: &str = "cancel";
/// How often whoever works at a run looks for it.
const LOOK: Duration = Duration::from_millis(500);

fn runs(project: &Project) -> PathBuf {
    project.resolve(Path::new("runs"))
}

/// The time, as it stands in files.
pub(super) fn now() -> String {
    OffsetDateTime::now_utc().replace_nanosecond(0).ok().and_then(|now| now.format(&Rfc3339).ok()).unwrap_or_default()
}

impl Folder {
    /// A new one.
    pub(super) fn make(project: &Project) -> Result<Self, Failure> {
        let all = runs(project);
        let failed = |e: &io::Error| Failure::new(format!("cannot make a folder in `{}`", all.display())).causes_of(e);
        std::fs::create_dir_all(&all).map_err(|e| failed(&e))?;
        // To the microsecond, so that the order of names is that of time for short runs that follow each other, too.
        let at = OffsetDateTime::now_utc();
        let ((year, month, day), (hour, minute, second, micro)) = (at.to_calendar_date(), at.to_hms_micro());
        let month = u8::from(month);
        let prefix = format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}-{micro:06}-");
        let folder = tempfile::Builder::new().prefix(&prefix).rand_bytes(6).tempdir_in(&all);
        let path = folder.map_err(|e| failed(&e))?.keep();
        Self::lock(path)
    }

    /// That of an earlier run.
    pub(super) fn open(project: &Project, id: &str) -> Result<Self, Failure> {
        load(project, id)?;
        Self::lock(runs(project).join(id))
    }

    /// That of a run which leaves nothing.
    pub(super) fn at(path: PathBuf) -> Result<Self, Failure> {
        Self::lock(path)
    }

    fn lock(path: PathBuf) -> Result<Self, Failure> {
        let id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let failed = |e: &io::Error| Failure::new(format!("cannot use the folder `{}`", path.display())).causes_of(e);
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(|e| failed(&e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, id, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(Failure::new(format!("the run {id} is at work already")).hint("`connector runs list` shows it"))
            }
            Err(TryLockError::Error(e)) => Err(failed(&e)),
        }
    }

    /// Comes to its end when somebody cancels the run through its folder.
    pub(super) fn cancelled(&self) -> impl Future<Output = ()> + use<> {
        let path = self.path.join(CANCEL);
        async move {
            while !path.exists() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// What was cancelled before is not cancelled any more.
    pub(super) fn forget_cancel(&self) -> Result<(), Failure> {
        let path = self.path.join(CANCEL);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(not_written(&path, &e)),
            _ => Ok(()),
        }
    }

    pub(super) fn order(&self) -> Result<Order, Failure> {
        read_json(&self.path.join("operation.json"))
    }

    pub(super) fn write_order(&self, order: &Order) -> Result<(), Failure> {
        write_json(&self.path.join("operation.json"), order)
    }

    pub(super) fn run(&self) -> Result<Run, Failure> {
        read_json(&self.path.join("report.json"))
    }

    pub(super) fn write_run(&self, run: &Run) -> Result<(), Failure> {
        write_json(&self.path.join("report.json"), run)
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let failed = |e: &dyn std::error::Error| Failure::new(format!("cannot read `{}`: {e}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| failed(&e))?;
    serde_json::from_slice(&bytes).map_err(|e| failed(&e))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| Failure::defect("this is no JSON").causes_of(&e))?;
    replace(path, &text, Access::Private)
}

/// All runs, the newest first; or those of one operation.
pub(crate) fn list(project: &Project, operation: Option<&str>) -> Vec<Run> {
    let entries = std::fs::read_dir(runs(project)).into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // What is no run, or was killed before it became one, is nobody's business.
    let mut all: Vec<Run> = ids.filter_map(|id| load(project, &id).ok()).collect();
    all.retain(|run| operation.is_none_or(|name| run.operation == name));
    all.sort_by(|a, b| b.id.cmp(&a.id));
    all
}

/// One run.
pub(crate) fn load(project: &Project, id: &str) -> Result<Run, Failure> {
    let folder = runs(project).join(id);
    if !is_id(id) || !folder.join("report.json").exists() {
        let failure = Failure::new(format!("there is no run `{}`", id.escape_debug())).with("kind", "not-found");
        let entries = std::fs::read_dir(runs(project)).into_iter().flatten().flatten();
        let ids: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let hint = suggest(id, ids.iter().map(String::as_str));
        return Err(failure.hint(hint.unwrap_or_else(|| "`connector runs list` lists them".to_owned())));
    }
    let mut run: Run = read_json(&folder.join("report.json"))?;
    if run.state == State::Running {
        let free = File::options().write(true).open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if free {
            run.state = State::Interrupted;
            // What it had no time to keep in its report. What it was killed before had nothing else to tell.
            let _ = checkpoint::figures(&folder, &mut run.report);
        }
    }
    Ok(run)
}

/// Lets a run that is at work, in whichever process, come to an orderly end soon.
///
/// # Errors
/// There is no such run, or it is not at work.
pub(crate) fn cancel(project: &Project, id: &str) -> Result<(), Failure> {
    let run = load(project, id)?;
    if run.state != State::Running {
        let failure = Failure::new(format!("the run {id} is not at work: it is {}", run.state.word()));
        return Err(failure.with("kind", "conflict"));
    }
    let path = runs(project).join(id).join(CANCEL);
    File::create(&path).map(drop).map_err(|e| not_written(&path, &e))
}

/// The file of records that failed or are unknown, if there is one.
pub(crate) fn rejected(project: &Project, id: &str) -> Option<PathBuf> {
    let path = runs(project).join(id).join("rejected.ndjson");
    let length = std::fs::metadata(&path).ok()?.len();
    (is_id(id) && length > 0).then_some(path)
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
