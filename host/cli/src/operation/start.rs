//! Starts a run, tries one, or goes on with one; checks whether one could start. A folder is made when both ends are open: for a run that
//! works, or for one that says why it could not start.

use std::path::{Path, PathBuf};

use connector_host::Connection;
use serde_json::Value;
use tokio::sync::watch;

use super::as_started::{Meanwhile, meanwhile, written_out};
use super::checkpoint;
use super::engine::Engine;
use super::files::Saved;
use super::mapper::Mapper;
use super::model::{End, Operation};
use super::ready::{Purpose, Ready, open, prepare, program, session_activity};
use super::report::Report;
use super::runs::{Folder, Order, Run, State, Unbegun};
use super::source;
use super::target_file::TargetFile;
use crate::error::{Failure, Failures, Result};
use crate::interrupt::Interrupt;
use crate::session::Session;

/// A file that is read instead of the source: rejected records that were mended, or any other.
pub(crate) struct Input {
    pub records: Records,
    /// Also those of which nobody knows whether they are in the target.
    pub send_unknown: bool,
}

/// Where records are that are given to a run.
pub(crate) enum Records {
    /// In a file.
    File(PathBuf),
    /// In the folder that becomes the run's.
    Here(Unbegun),
}

impl Records {
    fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Here(folder) => folder.input(),
        }
    }
}

/// A run that has begun, be it that it ends at once.
pub(crate) struct Begun {
    /// Empty: nothing is kept of it.
    pub id: String,
    pub operation: String,
    /// The operations that run after a success, and after a failure.
    pub after: [Option<String>; 2],
    /// Figures as they change.
    pub progress: watch::Receiver<Report>,
    /// Rows of the source, where they are known before they are read.
    pub rows: Option<u64>,
    /// Whose requests are counted.
    pub connections: Vec<Connection>,
    /// What became of the operation since a run that goes on was started.
    pub meanwhile: Meanwhile,
    work: Work,
    /// Holds the folder of a dry run, which leaves nothing.
    _temporary: Option<tempfile::TempDir>,
}

enum Work {
    Engine(Box<Engine>),
    /// It could not start.
    Refused(Box<(Run, Failures)>),
}

impl Begun {
    pub(super) fn new(
        engine: Engine,
        after: [Option<String>; 2],
        rows: Option<u64>,
        progress: watch::Receiver<Report>,
    ) -> Self {
        Self {
            id: engine.run.id.clone(),
            operation: engine.run.operation.clone(),
            after,
            progress,
            rows,
            connections: engine.connections.clone(),
            meanwhile: Meanwhile::Same,
            work: Work::Engine(Box::new(engine)),
            _temporary: None,
        }
    }

    /// One that could not start.
    fn refused(run: Run, after: [Option<String>; 2], failures: Failures) -> Self {
        Self {
            id: run.id.clone(),
            operation: run.operation.clone(),
            after,
            progress: watch::channel(Report::default()).1,
            rows: None,
            connections: Vec::new(),
            meanwhile: Meanwhile::Same,
            work: Work::Refused(Box::new((run, failures))),
            _temporary: None,
        }
    }

    /// One of which there is nothing but its name, and what stands in its way.
    pub(super) fn nothing(operation: &str, failures: Failures) -> Self {
        let mut run = Run::begins(operation);
        run.ends(State::Failed, &failures);
        Self::refused(run, [None, None], failures)
    }

    /// Why it could not start, if it could not.
    pub(crate) fn refusal(&self) -> Option<&Failures> {
        match &self.work {
            Work::Engine(_) => None,
            Work::Refused(refused) => Some(&refused.1),
        }
    }

    /// Works until the end, or until somebody cancels it: in this process, or by [`super::runs::cancel()`] in any other.
    pub(crate) async fn run(self) -> (Run, Failures) {
        let engine = match self.work {
            Work::Engine(engine) => engine,
            Work::Refused(refused) => return *refused,
        };
        let (cancelled, interrupt) = (engine.folder.cancelled(), engine.interrupt.clone());
        let mut running = std::pin::pin!(engine.run());
        tokio::select! {
            ended = &mut running => return ended,
            () = cancelled => interrupt.ask(),
        }
        running.await
    }
}

/// Starts a run. One that cannot start is kept as one that failed; but not where it was to read an input: whoever gave that is there,
/// and gives it again.
///
/// # Errors
/// It has no form of an operation, it cannot start with this input, or no folder can be made.
pub(crate) async fn start(
    session: &Session,
    saved: &Saved,
    input: Option<Input>,
    interrupt: Interrupt,
) -> Result<Begun> {
    let operation = saved.operation()?;
    let mut run = Run::begins(&saved.name);
    let opened = open_run(session, saved, &operation, input.as_ref(), Purpose::Run).await;
    if input.is_some() {
        opened.as_ref().map_err(Failures::clone)?;
    }
    let folder = match input {
        Some(Input { records: Records::Here(folder), .. }) => folder.keep(),
        _ => Unbegun::make(&session.project)?.keep(),
    };
    run.id.clone_from(&folder.id);
    let begun = opened.and_then(|(operation, order, ready)| {
        let target = ready.target(&folder, &operation)?;
        folder.write_order(&order)?;
        Ok((operation, ready, target))
    });
    match begun {
        Ok((operation, ready, target)) => {
            folder.write_run(&run)?;
            Ok(ready.begin(folder, run, operation, target, interrupt))
        }
        Err(failures) => {
            run.ends(State::Failed, &failures);
            run.can_resume = false;
            folder.write_run(&run)?;
            Ok(Begun::refused(run, operation.after(), failures))
        }
    }
}

/// Starts a run that reads, maps and checks, and leaves nothing.
///
/// # Errors
/// Whatever stands in its way.
pub(crate) async fn dry_run(
    session: &Session,
    saved: &Saved,
    input: Option<Input>,
    interrupt: Interrupt,
) -> Result<Begun> {
    let (operation, _, ready) = open_run(session, saved, &saved.operation()?, input.as_ref(), Purpose::Try).await?;
    let temporary = tempfile::tempdir().map_err(|e| Failure::new("cannot make a temporary folder").causes_of(&e))?;
    let folder = Folder::at(temporary.path().to_owned())?;
    let target = ready.target(&folder, &operation)?;
    let begun = ready.begin(folder, Run::begins(&saved.name), operation, target, interrupt);
    Ok(Begun { _temporary: Some(temporary), ..begun })
}

/// Opens what a run needs, from the beginning: with the operation's activities as they are now, and as they stay for this run.
async fn open_run(
    session: &Session,
    saved: &Saved,
    operation: &Operation,
    input: Option<&Input>,
    purpose: Purpose,
) -> Result<(Operation, Order, Ready)> {
    let path = input.map(|input| input.records.path());
    if let Some(made) = TargetFile::of(session, operation, path.as_deref()) {
        made.check_all().map_err(|failure| saved.place(failure.into()))?;
    }
    let program = program(&session.project, operation).map_err(|failure| saved.place(failure.into()))?;
    let whole = written_out(session, &saved.value, operation, path.is_none());
    let (whole, operation) = whole.map_err(|failures| saved.place(failures))?;
    let order = Order {
        name: saved.name.clone(),
        operation: whole,
        program,
        digest: match file_of(session, &operation, path.as_deref()) {
            Some(file) => Some(source::digest(&file).map_err(|failure| match &path {
                Some(_) => failure.into(),
                None => saved.place(failure.with("pointer", "/source/file").into()),
            })?),
            None => None,
        },
        input: path,
    };
    let ready = prepare(session, &operation, &order, purpose).await;
    let mut ready = ready.map_err(|failures| match input.map(|input| &input.records) {
        Some(Records::Here(folder)) => of_the_body(saved.place(failures), &folder.input()),
        _ => saved.place(failures),
    })?;
    if let Some(input @ Input { send_unknown: false, .. }) = input {
        ready.refuse_unknown(&input.records)?;
    }
    Ok((operation, order, ready))
}

/// Tells what is wrong with records that came as a body of them, and not of the file that they were laid into.
fn of_the_body(failures: Failures, file: &Path) -> Failures {
    let name = file.display().to_string();
    let told = |mut failure: Failure| {
        if failure.detail.get("file").and_then(Value::as_str) == Some(&name) {
            failure.detail.remove("file");
            failure.message = failure.message.replace(&format!("`{name}`"), "the body");
            failure = failure.with("kind", "invalid-request");
        }
        failure
    };
    Failures(failures.0.into_iter().map(told).collect())
}

/// The file that a run reads, if it reads one.
fn file_of(session: &Session, operation: &Operation, input: Option<&Path>) -> Option<PathBuf> {
    match (input, &operation.source) {
        (Some(input), _) => Some(input.to_owned()),
        (None, End::File { path, .. }) => Some(session.project.resolve(path)),
        (None, _) => None,
    }
}

/// Opens what a run needs that was interrupted, cancelled or stopped.
///
/// # Errors
/// There is no such run, it could not start, it has come to its end, its input has changed, or something stands in its way.
pub(crate) async fn resume(session: &Session, id: &str, interrupt: Interrupt) -> Result<Begun> {
    let folder = Folder::open(&session.project, id)?;
    super::resolving::finish(&folder)?;
    folder.forget_cancel()?;
    let mut run = folder.run()?;
    if run.state == State::Done {
        return Err(Failure::new(format!("the run {id} has come to its end"))
            .hint("`connector run` starts another one; `--input` takes rejected records")
            .with("kind", "conflict")
            .into());
    }
    let Some(order) = folder.order()? else {
        let failure = Failure::new(format!("the run {id} could not start, so there is nothing to go on with"));
        let hint = format!("`connector run {}` starts another one", run.operation);
        return Err(failure.hint(hint).with("kind", "conflict").into());
    };
    let operation = Operation::read(&order.operation)?;
    if let Some(made) = TargetFile::of(session, &operation, order.input.as_deref()) {
        made.check_all()?;
    }
    let has_read = folder.path.join("checkpoint").exists() && checkpoint::read(&folder.path)?.0.next.is_none();
    let purpose = if has_read { Purpose::Finish } else { Purpose::Run };
    let file = file_of(session, &operation, order.input.as_deref());
    if let (Purpose::Run, Some(file), Some(before)) = (purpose, file, &order.digest)
        && source::digest(&file)? != *before
    {
        let failure = Failure::new(format!("`{}` has changed since the run {id} began", file.display()));
        return Err(failure.hint("restore it, or start another run").with("kind", "conflict").into());
    }
    let meanwhile = meanwhile(session, &order);
    let ready = prepare(session, &operation, &order, purpose).await?;
    let target = ready.target(&folder, &operation)?;
    (run.state, run.ended, run.can_resume) = (State::Running, None, false);
    run.errors.clear();
    folder.write_run(&run)?;
    Ok(Begun { meanwhile, ..ready.begin(folder, run, operation, target, interrupt) })
}

/// Everything that is wrong with an operation, as far as it can be told without writing: its mapping, its activities, its chain, and
/// whether connections and objects are there.
///
/// # Errors
/// All of it, each failure with a pointer where there is one.
pub(crate) async fn check(session: &Session, name: &str, operation: &Operation) -> Result<()> {
    let mut failures = Vec::new();
    let mut tell = |at: &str, result: Result<()>| {
        for failure in result.err().map(|failures| failures.0).unwrap_or_default() {
            let has = failure.detail.contains_key("pointer") && at.is_empty();
            failures.push(if has { failure } else { failure.with("pointer", at) });
        }
    };
    tell("", super::files::check_chain(&session.project, name, operation));
    let mapping = match program(&session.project, operation) {
        Ok(Some(program)) => Mapper::start(&program).await.map(|_| ()).map_err(Failures::from),
        Ok(None) => Ok(()),
        Err(failure) => Err(failure.into()),
    };
    tell("", mapping);
    if let Some(source) = session_activity(session, &operation.source).unwrap_or(None) {
        tell("/source", open(session, &source).await.map(|_| ()));
    }
    tell("/source", session_activity(session, &operation.source).map(|_| ()));
    match session_activity(session, &operation.target) {
        Ok(Some(target)) => tell("/target", open(session, &target).await.map(|_| ())),
        Ok(None) => {}
        Err(failures) => tell("/target", Err(failures)),
    }
    if let Some(made) = TargetFile::of(session, operation, None) {
        tell("/target/file", made.check_all().map_err(Failures::from));
    }
    if let End::File { path, .. } = &operation.source {
        let path = session.project.resolve(path);
        if !path.is_file() {
            tell("/source/file", Err(Failure::new(format!("there is no file `{}`", path.display())).into()));
        }
    }
    Failures::check(failures)
}
