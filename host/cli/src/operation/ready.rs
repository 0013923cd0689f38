//! What a run needs but its folder: both ends open, the mapping at work, and what must be read before the first record goes anywhere.
//! Nothing is written here but the file of a watermark.

use std::path::Path;

use connector_host::Connection;
use connector_host::contract::ObjectSchema;
use tokio::sync::watch;

use super::checkpoint;
use super::engine::Engine;
use super::mapper::Mapper;
use super::model::{End, Mapping, Operation};
use super::runs::{Folder, Order, Run};
use super::source::Source;
use super::start::{Begun, Records};
use super::target::{Keeping, Sending, Target, may_repeat};
use super::target_file::TargetFile;
use crate::activity::Activity;
use crate::commands::describe::{activity_schema, not_offered};
use crate::error::{Failure, Result};
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

/// What a run is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reads, maps and writes.
    Run,
    /// Writes what was read before.
    Finish,
    /// Reads, maps and checks, and writes nothing.
    Try,
}

/// Both ends, open.
struct Ends {
    source: Option<(Connection, Activity)>,
    target: Option<(Connection, Via, Activity, ObjectSchema)>,
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
pub(super) fn session_activity(session: &Session, end: &End) -> Result<Option<Activity>> {
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
pub(super) async fn open(session: &Session, activity: &Activity) -> Result<(Connection, Via, ObjectSchema)> {
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
    ends: Ends,
    since: Option<StateFile>,
    file: Option<TargetFile>,
    /// Of a target that is a file, as far as they are known.
    columns: Vec<String>,
    purpose: Purpose,
}

pub(super) async fn prepare(
    session: &Session,
    operation: &Operation,
    order: &Order,
    purpose: Purpose,
) -> Result<Ready> {
    let mapper = match &order.program {
        Some(program) => Some(Mapper::start(program).await?),
        None => None,
    };
    let mut ends = Ends { source: None, target: None };
    let file = TargetFile::of(session, operation, order.input.as_deref());
    let mut columns = Vec::new();
    let reads = purpose != Purpose::Finish;
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
            if activity.incremental && purpose != Purpose::Try {
                let folder = session.project.resolve(Path::new("runs"));
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
    Ok(Ready { source, fed_back: order.input.is_some(), mapper, ends, since, file, columns, purpose })
}

impl Ready {
    /// What lets the connector check records for the target; none if that is a file.
    pub(super) fn checking(&self) -> Result<Option<Sending>, Failure> {
        let target = self.ends.target.as_ref();
        target.map(|(one, via, activity, _)| Sending::checking(one.clone(), via.clone(), activity.clone())).transpose()
    }

    /// Refuses records that may be in the target already, where they would be there twice.
    pub(super) fn refuse_unknown(&mut self, given: &Records) -> Result<(), Failure> {
        if self.ends.target.as_ref().is_none_or(|(_, _, activity, _)| may_repeat(activity)) {
            return Ok(());
        }
        let count = self.source.unknown()?;
        if count == 0 {
            return Ok(());
        }
        let may = if count == 1 { "1 record may".to_owned() } else { format!("{} records may", grouped(count)) };
        let (who, hint) = match given {
            Records::File(path) => (
                format!("`{}` has", path.display()),
                "look them up with `connector run --resolve RUN`, or take their lines out; `--send-unknown` sends them again, which may double them",
            ),
            Records::Here(_) => (
                "the body has".to_owned(),
                "look them up with `POST /v1/runs/RUN/resolve`, or take their lines out; `?send_unknown=true` sends them again, which may double them",
            ),
        };
        Err(Failure::new(format!("{may} or may not be in the target already: {who} them as `unknown`"))
            .hint(hint)
            .with("kind", "conflict")
            .with("unknown", count))
    }

    /// Opens the target, with what is kept of it in the run's folder.
    pub(super) fn target(&self, folder: &Folder, operation: &Operation) -> Result<Target, Failure> {
        match (&self.ends.target, &self.file) {
            (Some((connection, via, activity, _)), _) => {
                let mut sending = Sending::checking(connection.clone(), via.clone(), activity.clone())?;
                if self.purpose != Purpose::Try {
                    sending.activity.continue_on_error |= operation.continue_on_error;
                    let path = folder.path.join("journal.ndjson");
                    sending.journal = Some(Outcomes::in_file(&path, true, &sending.sent())?.0);
                }
                Ok(Target::Write(Box::new(sending)))
            }
            (None, Some(file)) => {
                let length =
                    if folder.path.join("checkpoint").exists() { checkpoint::read(&folder.path)?.0.output } else { 0 };
                Ok(Target::File(Keeping::open(&folder.path, length, file.clone(), self.columns.clone())?))
            }
            (None, None) => Err(Failure::defect("the operation has no target")),
        }
    }

    pub(super) fn begin(
        self,
        folder: Folder,
        run: Run,
        operation: Operation,
        target: Target,
        interrupt: Interrupt,
    ) -> Begun {
        let (progress, watching) = watch::channel(run.report.clone());
        let mut connections: Vec<Connection> = self.ends.source.iter().map(|(one, _)| one.clone()).collect();
        let (mut batch, mut continue_on_error) = (operation.batch_size, operation.continue_on_error);
        if let Some((connection, _, activity, _)) = &self.ends.target {
            connections.push(connection.clone());
            batch = activity.batch_size.unwrap_or(batch);
            continue_on_error |= activity.continue_on_error;
        }
        let (after, rows) = (operation.after(), self.source.rows());
        let engine = Engine {
            folder,
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
            connections,
            dry_run: self.purpose == Purpose::Try,
        };
        Begun::new(engine, after, rows, watching)
    }
}
