//! Starts a run: opens both ends, reads what must be read before, and makes the run's folder only when nothing stands in the way.

use std::path::{Path, PathBuf};

use connector_host::Connection;
use connector_host::contract::ObjectSchema;
use tokio::sync::watch;

use super::checkpoint;
use super::engine::Engine;
use super::files::Saved;
use super::mapper::Mapper;
use super::model::{End, Mapping, Operation};
use super::report::Report;
use super::runs::{Folder, Order, Run, State, now};
use super::source::{self, Source};
use super::target::{Keeping, Sending, Target, may_repeat};
use super::target_file::TargetFile;
use crate::activity::Activity;
use crate::commands::describe::{activity_schema, not_offered};
use crate::error::{Failure, Failures, Result};
use crate::input::Format;
use crate::interrupt::Interrupt;
use crate::outcomes::Outcomes;
use crate::output;
use crate::progress::grouped;
use crate::project::Project;
use crate::schema::Schema;
use crate::session::{Session, describe, parse_schema};
use crate::since::StateFile;
use crate::unsettled::Via;

/// A run that somebody wants.
pub(crate) struct Wanted<'a> {
    pub saved: &'a Saved,
    pub input: Option<Input>,
    /// Reads, maps and checks, and writes nothing.
    pub dry_run: bool,
}

/// A file that is read instead of the source: rejected records that were mended, or any other.
pub(crate) struct Input {
    pub path: PathBuf,
    /// Also those of which nobody knows whether they are in the target.
    pub send_unknown: bool,
}

/// A run that has begun.
pub(crate) struct Begun {
    pub id: String,
    pub operation: Operation,
    /// Figures as they change.
    pub progress: watch::Receiver<Report>,
    /// Rows of the source, where they are known before they are read.
    pub rows: Option<u64>,
    /// Whose requests are counted.
    pub connections: Vec<Connection>,
    engine: Engine,
    /// Holds the folder of a dry run, which leaves nothing.
    _temporary: Option<tempfile::TempDir>,
}

impl Begun {
    /// Works until the end, or until somebody cancels it: in this process, or by [`super::runs::cancel()`] in any other.
    pub(crate) async fn run(self) -> (Run, Failures) {
        let (cancelled, interrupt) = (self.engine.folder.cancelled(), self.engine.interrupt.clone());
        let mut running = std::pin::pin!(self.engine.run());
        tokio::select! {
            ended = &mut running => return ended,
            () = cancelled => interrupt.ask(),
        }
        running.await
    }
}

/// Both ends, open.
struct Ends {
    source: Option<(Connection, Activity)>,
    target: Option<(Connection, Via, Activity, ObjectSchema)>,
}

/// Opens what a run needs.
///
/// # Errors
/// Whatever stands in its way; nothing was written then.
pub(crate) async fn start(session: &Session, wanted: Wanted<'_>, interrupt: Interrupt) -> Result<Begun> {
    let operation = wanted.saved.operation()?;
    if let Some(made) = TargetFile::of(session, &operation, wanted.input.as_ref().map(|input| input.path.as_path())) {
        made.check_all().map_err(|failure| wanted.saved.place(failure.into()))?;
    }
    let program = program(&session.project, &operation)?;
    let input = wanted.input.as_ref().map(|input| input.path.clone());
    let file = input.clone().or_else(|| match &operation.source {
        End::File { path, .. } => Some(session.project.resolve(path)),
        _ => None,
    });
    let order = Order {
        name: wanted.saved.name.clone(),
        operation: wanted.saved.value.clone(),
        program,
        digest: file.as_deref().map(source::digest).transpose()?,
        input,
    };
    let mut ready =
        prepare(session, &operation, &order, true, wanted.dry_run).await.map_err(|f| wanted.saved.place(f))?;
    if let Some(Input { path, send_unknown: false }) = &wanted.input {
        ready.refuse_unknown(path)?;
    }
    let (folder, temporary) = if wanted.dry_run {
        let temporary =
            tempfile::tempdir().map_err(|e| Failure::new("cannot make a temporary folder").causes_of(&e))?;
        (Folder::at(temporary.path().to_owned())?, Some(temporary))
    } else {
        (Folder::make(&session.project)?, None)
    };
    let run = Run {
        id: if wanted.dry_run { String::new() } else { folder.id.clone() },
        operation: order.name.clone(),
        state: State::Running,
        started: now(),
        ended: None,
        report: Report::default(),
        errors: Vec::new(),
    };
    folder.write_order(&order)?;
    folder.write_run(&run)?;
    Ok(Begun { _temporary: temporary, ..ready.begin(folder, run, operation, interrupt)? })
}

/// Opens what a run needs that was interrupted, cancelled or stopped.
///
/// # Errors
/// There is no such run, it has come to its end, its input has changed, or something stands in its way.
pub(crate) async fn resume(session: &Session, id: &str, interrupt: Interrupt) -> Result<Begun> {
    let folder = Folder::open(&session.project, id)?;
    super::resolving::finish(&folder)?;
    folder.forget_cancel()?;
    let mut run = folder.run()?;
    if run.state == State::Done {
        return Err(Failure::new(format!("the run {id} has come to its end"))
            .hint("`connector run` starts another one; `--input` takes rejected records")
            .into());
    }
    let order = folder.order()?;
    let operation = Operation::read(&order.operation)?;
    if let Some(made) = TargetFile::of(session, &operation, order.input.as_deref()) {
        made.check_all()?;
    }
    let reads = !folder.path.join("checkpoint").exists() || checkpoint::read(&folder.path)?.0.next.is_some();
    let file = order.input.clone().or_else(|| match &operation.source {
        End::File { path, .. } => Some(session.project.resolve(path)),
        _ => None,
    });
    if let (true, Some(file), Some(before)) = (reads, file, &order.digest)
        && source::digest(&file)? != *before
    {
        let failure = Failure::new(format!("`{}` has changed since the run {id} began", file.display()));
        return Err(failure.hint("restore it, or start another run").into());
    }
    let ready = prepare(session, &operation, &order, reads, false).await?;
    (run.state, run.ended) = (State::Running, None);
    run.errors.clear();
    folder.write_run(&run)?;
    ready.begin(folder, run, operation, interrupt)
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

/// The program of a mapping.
pub(super) fn program(project: &Project, operation: &Operation) -> Result<Option<String>, Failure> {
    match &operation.mapping {
        None => Ok(None),
        Some(Mapping::Program(program)) => Ok(Some(program.clone())),
        Some(Mapping::File(path)) => {
            let path = project.resolve(path);
            let read = crate::files::read_text(&path);
            let failed = |e: &std::io::Error| Failure::new(format!("cannot read `{}`", path.display())).causes_of(e);
            Ok(Some(read.map_err(|e| failed(&e).with("pointer", "/mapping/file"))?))
        }
    }
}

/// The activity of an end; none if it is a file.
fn session_activity(session: &Session, end: &End) -> Result<Option<Activity>> {
    match end {
        End::File { .. } => Ok(None),
        End::Inline(activity) => Ok(Some(Activity::clone(activity))),
        End::Kept { connection, activity } => {
            let saved = session.project.connection(connection)?;
            let name = saved.full_name();
            Ok(Some(Activity { connection: name, ..crate::activities::one(session, &saved, activity)? }))
        }
    }
}

/// Opens an activity's connection, and looks its object up.
async fn open(session: &Session, activity: &Activity) -> Result<(Connection, Via, ObjectSchema)> {
    let (connection, via) = session.connection_and_store(&activity.connection).await?;
    let described = describe(&connection, &activity.object).await?;
    if activity_schema(&described, activity.verb).is_none() {
        return Err(not_offered(&described, &activity.object, activity.verb).into());
    }
    Ok((connection, via, described))
}

/// What a run needs but its folder.
pub(super) struct Ready {
    pub source: Source,
    fed_back: bool,
    pub mapper: Option<Mapper>,
    target: Ends,
    since: Option<StateFile>,
    file: Option<TargetFile>,
    /// Of a target that is a file, as far as they are known.
    columns: Vec<String>,
    dry_run: bool,
}

pub(super) async fn prepare(
    session: &Session,
    operation: &Operation,
    order: &Order,
    reads: bool,
    dry_run: bool,
) -> Result<Ready> {
    let mapper = match &order.program {
        Some(program) => Some(Mapper::start(program).await?),
        None => None,
    };
    let mut ends = Ends { source: None, target: None };
    let file = TargetFile::of(session, operation, order.input.as_deref());
    let mut columns = Vec::new();
    let wanted = if order.input.is_none() && reads { session_activity(session, &operation.source)? } else { None };
    if let Some(activity) = wanted {
        let (connection, _, described) = open(session, &activity).await?;
        if mapper.is_none() {
            columns = activity.fields.clone();
            if columns.is_empty() && file.as_ref().is_some_and(|file| file.format == output::Format::Parquet) {
                columns = described.fields.into_iter().map(|field| field.name).collect();
            }
        }
        ends.source = Some((connection, activity));
    }
    if let Some(activity) = session_activity(session, &operation.target)? {
        // Both ends draw on one allowance where they are the same connection.
        let same = ends.source.as_ref().filter(|(_, source)| source.connection == activity.connection);
        let (connection, via, described) = open(session, &activity).await?;
        let connection = same.map_or(connection, |(connection, _)| connection.clone());
        ends.target = Some((connection, via, activity, described));
    }
    let mut since = None;
    let source = match (&ends.source, &operation.source) {
        _ if !reads => Source::Ended,
        (Some((connection, activity)), _) => {
            if activity.incremental && !dry_run {
                let folder = session.project.resolve(std::path::Path::new("runs"));
                let failed =
                    |e: &std::io::Error| Failure::new(format!("cannot make `{}`", folder.display())).causes_of(e);
                std::fs::create_dir_all(&folder).map_err(|e| failed(&e))?;
                let path = folder.join(format!("{}.state", order.name));
                since = Some(StateFile::open(&path, &activity.connection, &activity.object)?);
            }
            let state = activity.incremental.then(|| since.as_ref().map_or("", StateFile::state).to_owned());
            Source::query(connection.clone(), activity.query(connection, state).await?)
        }
        (None, end) => {
            let (path, format) = match (&order.input, end) {
                (Some(input), _) => (input.clone(), Format::of_name(input).unwrap_or(Format::Ndjson)),
                (None, End::File { path, format }) => (session.project.resolve(path), *format),
                _ => return Err(Failure::defect("the source is neither a file nor a query").into()),
            };
            let schema = match &ends.target {
                Some((_, _, activity, described)) => {
                    let schema = activity_schema(described, activity.verb);
                    let schema = schema.ok_or_else(|| not_offered(described, &activity.object, activity.verb))?;
                    let schema = parse_schema(&schema.request)?;
                    if mapper.is_some() { schema.forgiving() } else { schema }
                }
                None => Schema::parse("{}").map_err(|e| Failure::defect("no schema").causes_of(&e))?,
            };
            let read = tokio::task::spawn_blocking(move || Source::file(&path, format, &schema)).await;
            read.map_err(|e| Failure::defect("reading the input has ended").causes_of(&e))??
        }
    };
    Ok(Ready { source, fed_back: order.input.is_some(), mapper, target: ends, since, file, columns, dry_run })
}

impl Ready {
    /// What lets the connector check records for the target; none if that is a file.
    pub(super) fn checking(&self) -> Result<Option<Sending>, Failure> {
        let target = self.target.target.as_ref();
        target.map(|(one, via, activity, _)| Sending::checking(one.clone(), via.clone(), activity.clone())).transpose()
    }

    /// Refuses an input with records that may be in the target already, where they would be there twice.
    fn refuse_unknown(&mut self, input: &Path) -> Result<(), Failure> {
        if self.target.target.as_ref().is_none_or(|(_, _, activity, _)| may_repeat(activity)) {
            return Ok(());
        }
        let (count, input) = (self.source.unknown()?, input.display());
        if count == 0 {
            return Ok(());
        }
        let may = if count == 1 { "1 record may".to_owned() } else { format!("{} records may", grouped(count)) };
        Err(Failure::new(format!("{may} or may not be in the target already: `{input}` has them as `unknown`"))
            .hint("look them up with `connector run --resolve RUN`, or take their lines out; `--send-unknown` sends them again, which may double them")
            .with("unknown", count))
    }

    fn begin(self, folder: Folder, run: Run, operation: Operation, interrupt: Interrupt) -> Result<Begun> {
        let (progress, watching) = watch::channel(run.report.clone());
        let mut connections: Vec<Connection> = self.target.source.iter().map(|(one, _)| one.clone()).collect();
        let (mut batch, mut continue_on_error) = (operation.batch_size, operation.continue_on_error);
        let target = match (self.target.target, self.file) {
            (Some((connection, via, activity, _)), _) => {
                connections.push(connection.clone());
                batch = activity.batch_size.unwrap_or(batch);
                continue_on_error |= activity.continue_on_error;
                let mut sending = Sending::checking(connection, via, activity)?;
                if !self.dry_run {
                    sending.activity.continue_on_error = continue_on_error;
                    let path = folder.path.join("journal.ndjson");
                    sending.journal = Some(Outcomes::in_file(&path, true, &sending.sent())?.0);
                }
                Target::Write(Box::new(sending))
            }
            (None, Some(file)) => {
                let length =
                    if folder.path.join("checkpoint").exists() { checkpoint::read(&folder.path)?.0.output } else { 0 };
                Target::File(Keeping::open(&folder.path, length, file, self.columns)?)
            }
            (None, None) => return Err(Failure::defect("the operation has no target").into()),
        };
        let rows = self.source.rows();
        let engine = Engine {
            run,
            source: self.source,
            fed_back: self.fed_back,
            mapper: self.mapper,
            target,
            batch,
            continue_on_error,
            since: self.since,
            interrupt,
            progress,
            connections: connections.clone(),
            dry_run: self.dry_run,
            folder,
        };
        Ok(Begun {
            id: engine.folder.id.clone(),
            operation,
            progress: watching,
            rows,
            connections,
            engine,
            _temporary: None,
        })
    }
}
