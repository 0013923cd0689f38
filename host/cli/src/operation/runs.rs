//! Runs of operations, each with a folder `runs/ID/` in the project, for its owner alone: `operation.json` (what it runs), `report.json`,
//! `checkpoint`, `journal.ndjson` (outcomes, as `--outcomes` writes them), `rejected.ndjson`, and the records of a target that is a file.
//!
//! Whoever works at a run holds the lock on its folder. So a run that calls itself running and is not locked was interrupted: whoever
//! looks for that shares the lock for a moment, and takes it from nobody. And whoever works at a run looks for a file `cancel` in the
//! folder, by which any other process cancels it.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::checkpoint;
use super::report::Report;
use crate::error::{Failure, Failures, nearest};
use crate::error_schema::Told;
use crate::files::{Access, not_written, replace};
use crate::outcomes::Tally;
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
    /// Whether it can go on where it is.
    #[serde(default)]
    pub can_resume: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Told>)]
    pub errors: Vec<Value>,
}

impl Run {
    /// One that begins.
    pub(super) fn begins(operation: &str) -> Self {
        Self {
            id: String::new(),
            operation: operation.to_owned(),
            state: State::Running,
            started: now(),
            ended: None,
            report: Report::default(),
            can_resume: false,
            errors: Vec::new(),
        }
    }

    /// What is left of it in its folder where no process is at work at it: one that has not ended is interrupted, and what it had no time to
    /// keep in its report is looked up.
    fn left(mut self, folder: &Path) -> Self {
        if self.state == State::Running {
            (self.state, self.can_resume) = (State::Interrupted, true);
            // What it was killed before had nothing else to tell.
            let _ = checkpoint::figures(folder, &mut self.report);
        }
        self
    }

    /// Whether it keeps records that are not in the target, or may not be.
    pub(crate) fn has_rejected(&self) -> bool {
        self.report.failed + self.report.unknown > 0
    }

    /// It ends, and this is why it did not come to its end, if it did not. What is wrong with the operation itself is not mended by
    /// going on, since a run goes on with what it was started with.
    pub(super) fn ends(&mut self, state: State, failures: &Failures) {
        (self.state, self.ended) = (state, Some(now()));
        self.can_resume = state != State::Done && !failures.0.iter().any(is_in_the_operation);
        self.errors = failures.0.iter().map(Failure::to_json).collect();
    }
}

/// Whether a failure is that of an operation's program, or of another of its members.
fn is_in_the_operation(failure: &Failure) -> bool {
    let is =
        |member: &str, wanted: fn(&str) -> bool| failure.detail.get(member).and_then(Value::as_str).is_some_and(wanted);
    is("kind", |kind| kind == "mapping") || is("pointer", |pointer| pointer.starts_with("/target/"))
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

/// The folder of a run that is yet to be: it goes again if nothing comes of it.
#[derive(Debug)]
pub(crate) struct Unbegun {
    folder: TempDir,
    lock: File,
}

/// The file by which a run is cancelled.
const CANCEL: &str = "cancel";
/// How often whoever works at a run looks for it.
const LOOK: Duration = Duration::from_millis(500);
/// For those who only look whether somebody is at work to let go of the lock: they hold it for a moment.
const LET_GO: Duration = Duration::from_millis(100);

/// Letters behind the time in an id.
const RANDOM: usize = 6;

/// What ids of this time begin with: to the microsecond, so that their order is that of time for short runs that follow each other, too.
fn stamp(at: OffsetDateTime) -> String {
    let ((year, month, day), (hour, minute, second, micro)) = (at.to_calendar_date(), at.to_hms_micro());
    let month = u8::from(month);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}-{micro:06}-")
}

fn runs(project: &Project) -> PathBuf {
    project.resolve(Path::new("runs"))
}

/// The time, as it stands in files.
pub(super) fn now() -> String {
    OffsetDateTime::now_utc().replace_nanosecond(0).ok().and_then(|now| now.format(&Rfc3339).ok()).unwrap_or_default()
}

impl Unbegun {
    /// A new one, for its owner alone.
    pub(crate) fn make(project: &Project) -> Result<Self, Failure> {
        let all = runs(project);
        let failed = |e: &io::Error| {
            Failure::new(format!("cannot make a folder in `{}`", all.display())).causes_of(e).with("kind", "storage")
        };
        std::fs::create_dir_all(&all).map_err(|e| failed(&e))?;
        let prefix = stamp(OffsetDateTime::now_utc());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(RANDOM);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = builder.tempdir_in(&all).map_err(|e| failed(&e))?;
        let lock = lock(folder.path())?;
        Ok(Self { folder, lock })
    }

    /// The file of the records that are given to it.
    pub(crate) fn input(&self) -> PathBuf {
        self.folder.path().join("input.ndjson")
    }

    /// It becomes a run's.
    pub(super) fn keep(self) -> Folder {
        let path = self.folder.keep();
        Folder { id: id_of(&path), path, _lock: self.lock }
    }
}

impl Folder {
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
        Ok(Self { _lock: lock(&path)?, id: id_of(&path), path })
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

    /// What it was started with; none if it could not start.
    pub(super) fn order(&self) -> Result<Option<Order>, Failure> {
        let path = self.path.join("operation.json");
        path.exists().then(|| read_json(&path)).transpose()
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

fn id_of(folder: &Path) -> String {
    folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
}

/// Takes the lock of a folder, for as long as the file is open.
fn lock(folder: &Path) -> Result<File, Failure> {
    let failed = |e: &io::Error| {
        Failure::new(format!("cannot use the folder `{}`", folder.display())).causes_of(e).with("kind", "storage")
    };
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"));
    let lock = lock.map_err(|e| failed(&e))?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(e)) => return Err(failed(&e)),
            Err(TryLockError::WouldBlock) if began.elapsed() > LET_GO => {
                let id = id_of(folder);
                let failure = Failure::new(format!("the run {id} is at work already")).with("kind", "conflict");
                return Err(failure.hint(format!("`connector runs cancel {id}` lets it stop")));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let failed = |e: &dyn std::error::Error| {
        Failure::new(format!("cannot read `{}`: {e}", path.display())).with("kind", "storage")
    };
    let bytes = std::fs::read(path).map_err(|e| failed(&e))?;
    serde_json::from_slice(&bytes).map_err(|e| failed(&e))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| Failure::defect("this is no JSON").causes_of(&e))?;
    replace(path, &text, Access::Private)
}

/// What may be runs, the newest first: ids begin with the time.
fn ids(project: &Project) -> Vec<String> {
    let entries = std::fs::read_dir(runs(project)).into_iter().flatten().flatten();
    let mut ids: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids
}

/// The runs, the newest first, each read when its turn comes; those that began before another one, if one is given.
pub(crate) fn newest(project: &Project, before: Option<&str>) -> impl Iterator<Item = Run> {
    let mut ids = ids(project);
    ids.retain(|id| before.is_none_or(|before| id.as_str() < before));
    // What is no run, or was killed before it became one, is nobody's business.
    ids.into_iter().filter_map(|id| load(project, &id).ok())
}

/// The last run of each of these operations that has one.
pub(crate) fn last_of(project: &Project, operations: &[String]) -> BTreeMap<String, Run> {
    let mut last = BTreeMap::new();
    for run in newest(project, None) {
        if operations.contains(&run.operation) {
            last.entry(run.operation.clone()).or_insert(run);
        }
        if last.len() == operations.len() {
            break;
        }
    }
    last
}

/// The runs that are not at work and began longer ago than this, in seconds; the newest first.
pub(crate) fn older(project: &Project, seconds: i64) -> Vec<Run> {
    let before = stamp(OffsetDateTime::now_utc() - time::Duration::seconds(seconds));
    newest(project, Some(&before)).filter(|run| run.state != State::Running).collect()
}

/// Removes what was killed longer ago than this before it became a run: it may hold records that were given to it. What somebody is about
/// to make a run of stays.
///
/// # Errors
/// A folder cannot be removed.
pub(crate) fn sweep(project: &Project, seconds: i64) -> Result<(), Failure> {
    let before = stamp(OffsetDateTime::now_utc() - time::Duration::seconds(seconds));
    let is_old = |id: &String| id.len() == before.len() + RANDOM && *id < before && id.starts_with(char::is_numeric);
    for id in ids(project).into_iter().filter(is_old) {
        let path = runs(project).join(id);
        let is_run = || path.join("report.json").exists();
        if is_run() {
            continue;
        }
        let Ok(_held) = lock(&path) else { continue };
        if !is_run() {
            std::fs::remove_dir_all(&path).map_err(|e| not_removed(&path, &e))?;
        }
    }
    Ok(())
}

fn not_removed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot remove the folder `{}`", path.display())).causes_of(error)
}

/// Removes a run that is not at work, with all that is kept of it; one with rejected records only where they are to go, too: nothing else
/// has them.
///
/// # Errors
/// There is no such run, it is at work, it has rejected records, or its folder cannot be removed.
pub(crate) fn remove(project: &Project, id: &str, with_rejected: bool) -> Result<(), Failure> {
    let folder = Folder::open(project, id)?;
    // The lock is ours, so its process is not there.
    let run = folder.run()?.left(&folder.path);
    if !with_rejected && run.has_rejected() {
        let Report { failed, unknown, .. } = run.report;
        let wrong = Tally { failed, unknown, ..Tally::default() }.wrong();
        return Err(Failure::new(format!("the run {id} keeps what nothing else has: {wrong}"))
            .hint("look up what is unknown, and feed back what failed; `--rejected`, over HTTP `?rejected=true`, removes it all the same")
            .with("kind", "conflict"));
    }
    let path = &folder.path;
    // A folder without a report is no run: whoever is killed now leaves no half of one.
    std::fs::remove_file(path.join("report.json")).map_err(|e| not_removed(path, &e))?;
    std::fs::remove_dir_all(path).map_err(|e| not_removed(path, &e))
}

/// One run.
pub(crate) fn load(project: &Project, id: &str) -> Result<Run, Failure> {
    let folder = runs(project).join(id);
    if !is_id(id) || !folder.join("report.json").exists() {
        let failure = Failure::new(format!("there is no run `{}`", id.escape_debug())).with("kind", "not-found");
        let ids = ids(project);
        let hint = nearest(id, ids.iter().map(String::as_str)).map(|id| format!("did you mean `{id}`?"));
        return Err(failure.hint(hint.unwrap_or_else(|| "`connector runs list` lists them".to_owned())));
    }
    let mut run: Run = read_json(&folder.join("report.json"))?;
    if run.state == State::Running {
        let free = File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock_shared().is_ok());
        if free {
            run = run.left(&folder);
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
