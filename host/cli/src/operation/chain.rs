//! Runs that follow each other: an operation's, then that of the operation which its end calls for (`after`), until there is none. The
//! command line and the HTTP API have their runs worked at here, so that what follows what is decided once.
//!
//! Whoever starts a chain has checked that it comes to an end (`files::runnable`); a file that is changed meanwhile can make it longer, so
//! no more than the longest chain follow each other.

use super::conclusion::conclusion;
use super::files::{self, LONGEST_CHAIN};
use super::runs::{Run, State};
use super::start::{Begun, start};
use crate::error::Failures;
use crate::interrupt::Interrupt;
use crate::session::Session;

/// Who works at the runs of a chain: shows them, and can stop them.
pub(crate) trait Worker {
    /// What asks the next run to stop.
    fn interrupt(&mut self) -> Interrupt;

    /// Lets a run work until its end.
    fn work(&mut self, begun: Begun) -> impl Future<Output = (Run, Failures)> + Send;

    /// Hears what became of a run: all that is to be said of it, and which operation runs next.
    fn ended(&mut self, run: &Run, failures: Failures, next: Option<&str>);
}

/// Works at a run, and at those that follow it. What follows has a run of its own, also where it cannot start; that is a failure like
/// any other. After a run that somebody cancelled nothing follows.
pub(crate) async fn work<W: Worker + Send>(session: &Session, first: Begun, worker: &mut W) {
    let mut next = Some(first);
    for _ in 0..LONGEST_CHAIN {
        let Some(begun) = next.take() else { return };
        let [on_success, on_failure] = begun.after.clone();
        let (run, failures) = worker.work(begun).await;
        let failures = conclusion(&session.project, &run, failures);
        let following = if failures.0.is_empty() { on_success } else { on_failure };
        let following = following.filter(|_| run.state != State::Cancelled);
        worker.ended(&run, failures, following.as_deref());
        if let Some(name) = following {
            next = Some(follow(session, &name, worker.interrupt()).await);
        }
    }
}

async fn follow(session: &Session, name: &str, interrupt: Interrupt) -> Begun {
    let begun = match files::load(&session.project, name) {
        Ok(saved) => start(session, &saved, None, interrupt).await,
        Err(failures) => Err(failures),
    };
    begun.unwrap_or_else(|failures| Begun::nothing(name, failures))
}
