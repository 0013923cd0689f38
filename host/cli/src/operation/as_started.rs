//! What a run is started with, written out so that nothing which is edited later changes it; and whether its operation does the same
//! still. Reads the project's activities and the operation's file, and writes nothing.

use serde_json::{Value, json};

use super::files::{self, Saved};
use super::model::Operation;
use super::ready::{program, session_activity};
use super::runs::Order;
use crate::activity::Activity;
use crate::error::{Failure, Result};
use crate::session::Session;

/// What became of an operation since a run of it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// It does the same; its description, its schedule, and what follows it are no matter of this run.
    Same,
    /// It does something else, or cannot be read.
    Changed,
    /// It is not there any more.
    Gone,
}

/// An operation with the activities of its ends written out as they are now; that of its source only where the run reads it. How many
/// records a call has, and whether it goes on after a failed one, stands under `run` then: an activity in an operation has neither.
///
/// # Errors
/// There is no such activity or connection, or it is none for this end.
pub(super) fn written_out(
    session: &Session,
    value: &Value,
    operation: &Operation,
    reads_source: bool,
) -> Result<(Value, Operation)> {
    let mut whole = value.clone();
    let ends = [("source", &operation.source), ("target", &operation.target)];
    for (member, end) in ends.into_iter().filter(|(member, _)| reads_source || *member == "target") {
        let (Some(activity), Some(all)) = (session_activity(session, end)?, whole.as_object_mut()) else { continue };
        let run = all.entry("run").or_insert_with(|| json!({}));
        if let Some(run) = run.as_object_mut() {
            run.extend(activity.batch_size.map(|size| ("batch_size".to_owned(), json!(size))));
            run.extend(activity.continue_on_error.then(|| ("continue_on_error".to_owned(), json!(true))));
        }
        let alone =
            Activity { name: String::new(), revision: None, batch_size: None, continue_on_error: false, ..activity };
        let alone = serde_json::to_value(alone);
        let alone = alone.map_err(|e| Failure::defect("cannot write an activity").causes_of(&e))?;
        all.insert(member.to_owned(), alone);
    }
    let operation = Operation::read(&whole)?;
    Ok((whole, operation))
}

/// What became of the operation of a run.
pub(super) fn meanwhile(session: &Session, order: &Order) -> Meanwhile {
    let saved = match files::load(&session.project, &order.name) {
        Ok(saved) => saved,
        Err(failures) => {
            let is_gone = failures.0.first().and_then(Failure::kind) == Some("not-found");
            return if is_gone { Meanwhile::Gone } else { Meanwhile::Changed };
        }
    };
    if does_the_same(session, order, &saved).unwrap_or(false) { Meanwhile::Same } else { Meanwhile::Changed }
}

fn does_the_same(session: &Session, order: &Order, saved: &Saved) -> Result<bool> {
    let reads_source = order.input.is_none();
    let (then, now) = (Operation::read(&order.operation)?, saved.operation()?);
    let program = program(&session.project, &now)?;
    let (_, then) = written_out(session, &order.operation, &then, reads_source)?;
    let (_, now) = written_out(session, &saved.value, &now, reads_source)?;
    Ok(program == order.program
        && (!reads_source || then.source == now.source)
        && then.target == now.target
        && (then.batch_size, then.continue_on_error) == (now.batch_size, now.continue_on_error))
}
