//! `run`: an operation from its source to its report, then those that follow it; or what became of the unknown records of a run.
//! `runs`: what others did and do.

use serde_json::json;

use super::{print, print_json};
use crate::args::{Run as Arguments, Runs};
use crate::error::{Failure, Failures, Result};
use crate::looking_up;
use crate::operation::conclusion::{conclusion, rejected, told};
use crate::operation::runs::{self, Run, State};
use crate::operation::{Begun, Input, Resolved, Wanted, files, resolve, resume, start};
use crate::output::table::{base, terminal_width};
use crate::progress::{Progress, grouped};
use crate::session::Session;

pub(super) async fn run(session: &Session, arguments: Arguments) -> Result<()> {
    if let Some(id) = &arguments.resolve {
        return settle(session, id).await;
    }
    let begun = match (&arguments.name, &arguments.resume) {
        (_, Some(id)) => resume(session, id, session.interrupt.clone()).await?,
        (Some(name), None) => {
            let saved = files::load(&session.project, name)?;
            let operation = saved.operation()?;
            files::check_chain(&session.project, name, &operation).map_err(|failures| saved.place(failures))?;
            let input = arguments.input.clone().map(|path| Input { path, send_unknown: arguments.send_unknown });
            let wanted = Wanted { saved: &saved, input, dry_run: arguments.dry_run };
            start(session, wanted, session.interrupt.clone()).await?
        }
        (None, None) => return Err(Failure::new("name an operation, or a run with --resume").into()),
    };
    let mut next = work(session, begun, arguments.dry_run).await;
    // What follows has been checked: it comes to an end.
    loop {
        let (name, result) = match next {
            (Some(name), result) if !arguments.dry_run => (name, result),
            (_, result) => return result,
        };
        if let Err(failures) = &result {
            failures.tell(session.global.json);
        }
        session.note(format!("then the operation {name}"));
        let saved = files::load(&session.project, &name)?;
        let wanted = Wanted { saved: &saved, input: None, dry_run: false };
        let begun = start(session, wanted, session.interrupt.clone()).await?;
        let after = work(session, begun, false).await;
        // Whatever follows a failure does not undo it.
        next = (after.0, result.and(after.1));
    }
}

/// Looks up the unknown records of a run, and tells its report as it is then.
async fn settle(session: &Session, id: &str) -> Result<()> {
    let Resolved { run, settled, stop } = resolve(session, id).await?;
    session.note(looking_up::words(settled));
    tell(session, &run, false)?;
    let mut failures: Vec<Failure> = rejected(&session.project, &run).into_iter().collect();
    failures.extend(stop.err().into_iter().flat_map(|stop| stop.0));
    Failures::check(failures)
}

/// Runs to the end, and tells what became of it; says which operation follows.
async fn work(session: &Session, begun: Begun, dry_run: bool) -> (Option<String>, Result<()>) {
    let operation = begun.operation.clone();
    let id = begun.id.clone();
    if !dry_run {
        session.note(format!("run {id}"));
    }
    let _working = session.interrupt.working();
    let mut progress = begun.connections.last().map(|one| Progress::start(one, "wrote", None, session.chatty()));
    let mut figures = begun.progress.clone();
    let mut shown = figures.borrow().applied;
    let mut running = std::pin::pin!(begun.run());
    let (run, failures) = loop {
        tokio::select! {
            ended = &mut running => break ended,
            Ok(()) = figures.changed() => {
                let applied = figures.borrow_and_update().applied;
                if let Some(progress) = &progress {
                    progress.add(applied.saturating_sub(shown));
                }
                shown = applied;
            }
        }
    };
    if let Some(progress) = &mut progress {
        progress.finish();
    }
    let result =
        tell(session, &run, dry_run).and_then(|()| Failures::check(conclusion(&session.project, &run, failures).0));
    let next = if result.is_ok() { operation.on_success } else { operation.on_failure };
    (if run.state == State::Cancelled { None } else { next }, result)
}

fn tell(session: &Session, run: &Run, dry_run: bool) -> Result<()> {
    if session.global.json {
        return print_json(&json!(run));
    }
    if dry_run {
        return print(&format!("dry run of {}: nothing was written\n{}", run.operation, run.report.words()));
    }
    print(&format!("run {} of {}: {}\n{}", run.id, run.operation, run.state.word(), run.report.words()))
}

pub(super) fn runs(session: &Session, command: &Runs) -> Result<()> {
    match command {
        Runs::List { operation } => {
            let all = runs::list(&session.project, operation.as_deref());
            if session.global.json {
                return print_json(&json!({ "items": all }));
            }
            let mut table = base(terminal_width());
            table.set_header(["run", "operation", "state", "started", "read", "applied", "failed", "unknown"]);
            for run in &all {
                let report = &run.report;
                let figures = [report.read, report.applied, report.failed, report.unknown].map(grouped);
                let words = [&run.id, &run.operation, run.state.word(), &run.started].map(|word: &str| word.to_owned());
                table.add_row(words.into_iter().chain(figures));
            }
            print(&if all.is_empty() { "no runs\n".to_owned() } else { format!("{}\n", table.trim_fmt()) })
        }
        Runs::Show { id } => {
            let run = runs::load(&session.project, id)?;
            let failures = told(&session.project, &run);
            if session.global.json {
                return print_json(&json!(Run { errors: failures.0.iter().map(Failure::to_json).collect(), ..run }));
            }
            tell(session, &run, false)?;
            let ended = run.ended.map(|ended| format!("ended    {ended}\n")).unwrap_or_default();
            print(&format!("started  {}\n{ended}{}", run.started, failures.render(false)))
        }
        Runs::Cancel { id } => {
            runs::cancel(&session.project, id)?;
            session.note(format!("the run {id} will stop; `connector runs show {id}` tells when it has"));
            Ok(())
        }
    }
}
