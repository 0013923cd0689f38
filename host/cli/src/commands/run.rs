//! `run`: an operation from its source to its report, then those that follow it; or what became of the unknown records of a run.
//! `runs`: what others did and do.

use serde_json::json;

use super::{print, print_json};
use crate::args::{Run as Arguments, Runs};
use crate::error::{Failure, Failures, Result};
use crate::interrupt::Interrupt;
use crate::looking_up;
use crate::operation::chain::{self, Worker};
use crate::operation::conclusion::{conclusion, rejected, told};
use crate::operation::runs::{self, Run};
use crate::operation::{Begun, Input, Meanwhile, Records, Resolved, dry_run, files, resolve, resume, start};
use crate::output::table::{base, terminal_width};
use crate::progress::{Progress, counted, grouped};
use crate::session::Session;

pub(super) async fn run(session: &Session, arguments: Arguments) -> Result<()> {
    if let Some(id) = &arguments.resolve {
        return settle(session, id).await;
    }
    let interrupt = session.interrupt.clone();
    let begun = match (&arguments.name, &arguments.resume) {
        (_, Some(id)) => {
            let begun = resume(session, id, interrupt).await?;
            let told = match begun.meanwhile {
                Meanwhile::Same => None,
                Meanwhile::Changed => Some("does something else by now"),
                Meanwhile::Gone => Some("is not there any more"),
            };
            if let Some(told) = told {
                session.note(format!("the operation {} {told}; the run goes on as it was started", begun.operation));
            }
            begun
        }
        (Some(name), None) => {
            let saved = files::runnable(&session.project, name)?;
            let input = arguments.input.clone().map(Records::File);
            let input = input.map(|records| Input { records, send_unknown: arguments.send_unknown });
            if arguments.dry_run {
                let begun = dry_run(session, &saved, input, interrupt).await?;
                let (run, failures) = work(session, begun).await;
                tell(session, &run)?;
                return Failures::check(conclusion(&session.project, &run, failures).0);
            }
            start(session, &saved, input, interrupt).await?
        }
        (None, None) => return Err(Failure::new("name an operation, or a run with --resume").into()),
    };
    let mut shown = Shown { session, failed: Vec::new(), last: Ok(()), told: Ok(()) };
    chain::work(session, begun, &mut shown).await;
    shown.end()
}

/// The runs of a chain, shown one after the other.
struct Shown<'a> {
    session: &'a Session,
    /// Operations before the last that did not end well.
    failed: Vec<String>,
    /// How the last one ended.
    last: Result<()>,
    /// Whether all of it could be told.
    told: Result<()>,
}

impl Worker for Shown<'_> {
    fn interrupt(&mut self) -> Interrupt {
        self.session.interrupt.clone()
    }

    async fn work(&mut self, begun: Begun) -> (Run, Failures) {
        let has_begun = begun.refusal().is_none();
        if has_begun {
            self.session.note(format!("run {}", begun.id));
        }
        let (run, mut failures) = work(self.session, begun).await;
        // One that could not start has no figures.
        if has_begun || self.session.global.json {
            let told = tell(self.session, &run);
            self.told = std::mem::replace(&mut self.told, Ok(())).and(told);
        } else if let Some(last) = failures.0.last_mut().filter(|_| !run.id.is_empty()) {
            last.notes.push(format!("this is kept as the run {}", run.id));
        }
        (run, failures)
    }

    fn ended(&mut self, run: &Run, failures: Failures, next: Option<&str>) {
        self.last = Failures::check(failures.0);
        let Some(next) = next else { return };
        if let Err(failures) = std::mem::replace(&mut self.last, Ok(())) {
            failures.tell(self.session.global.json);
            self.failed.push(run.operation.clone());
        }
        self.session.note(format!("then the operation {next}"));
    }
}

impl Shown<'_> {
    /// Whatever follows a failure does not undo it; but each is told once.
    fn end(self) -> Result<()> {
        self.told.and(self.last)?;
        if self.failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("not everything went well: {} failed, as told above", self.failed.join(", "))).into())
    }
}

/// Looks up the unknown records of a run, and tells its report as it is then.
async fn settle(session: &Session, id: &str) -> Result<()> {
    let Resolved { run, settled, stop } = resolve(session, id).await?;
    session.note(looking_up::words(settled));
    tell(session, &run)?;
    let mut failures: Vec<Failure> = rejected(&session.project, &run).into_iter().collect();
    failures.extend(stop.err().into_iter().flat_map(|stop| stop.0));
    Failures::check(failures)
}

/// Runs to the end, and shows how it comes on.
async fn work(session: &Session, begun: Begun) -> (Run, Failures) {
    let _working = session.interrupt.working();
    let mut progress = begun.connections.last().map(|one| Progress::start(one, "wrote", None, session.chatty()));
    let mut figures = begun.progress.clone();
    let mut shown = figures.borrow().applied;
    let mut running = std::pin::pin!(begun.run());
    let ended = loop {
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
    ended
}

fn tell(session: &Session, run: &Run) -> Result<()> {
    if session.global.json {
        return print_json(&json!(run));
    }
    if run.id.is_empty() {
        return print(&format!("dry run of {}: nothing was written\n{}", run.operation, run.report.words()));
    }
    print(&format!("run {} of {}: {}\n{}", run.id, run.operation, run.state.word(), run.report.words()))
}

pub(super) fn runs(session: &Session, command: &Runs) -> Result<()> {
    match command {
        Runs::List { operation } => {
            let of_this = |run: &Run| operation.as_ref().is_none_or(|name| run.operation == *name);
            let all: Vec<Run> = runs::newest(&session.project, None).filter(of_this).collect();
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
            tell(session, &run)?;
            let ended = run.ended.map(|ended| format!("ended    {ended}\n")).unwrap_or_default();
            print(&format!("started  {}\n{ended}{}", run.started, failures.render(false)))
        }
        Runs::Remove { id: Some(id), rejected, .. } => {
            runs::remove(&session.project, id, *rejected)?;
            session.note(format!("the run {id} is removed"));
            Ok(())
        }
        Runs::Remove { id: None, older_than, rejected } => {
            // One of the two is there: the arguments see to it.
            let Some(seconds) = *older_than else { return Ok(()) };
            runs::sweep(&session.project, seconds)?;
            let old = runs::older(&session.project, seconds);
            let (left, gone): (Vec<Run>, Vec<Run>) = old.into_iter().partition(|run| run.has_rejected() && !rejected);
            // One that cannot be removed keeps none of the others.
            let failures: Vec<Failure> =
                gone.iter().filter_map(|run| runs::remove(&session.project, &run.id, *rejected).err()).collect();
            session.note(format!("{} removed", counted((gone.len() - failures.len()) as u64, "run")));
            if !left.is_empty() {
                let ids: Vec<&str> = left.iter().map(|run| run.id.as_str()).collect();
                session.note(format!(
                    "{} with rejected records stay, unless you add --rejected: {}",
                    counted(left.len() as u64, "run"),
                    ids.join(", ")
                ));
            }
            Failures::check(failures)
        }
        Runs::Cancel { id } => {
            runs::cancel(&session.project, id)?;
            session.note(format!("the run {id} will stop; `connector runs show {id}` tells when it has"));
            Ok(())
        }
    }
}
