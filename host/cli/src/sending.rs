//! One call of a write: an outcome for each of its records, and whether more may be sent after it. When a call ends without an
//! answer, all of its records are unknown, and nothing more is sent.

use connector_host::contract::{Error, ErrorKind, Outcome, Retry, WriteRequest};
use connector_host::{Activity as Instance, CallError, Effect};

use crate::args::Verb;
use crate::error::{Failure, Failures};
use crate::interrupt::Interrupt;
use crate::remote;

/// Why no more is sent.
pub(crate) enum Stop {
    /// A record failed, and the user wants to stop then.
    Record,
    /// The user asked for it.
    Interrupt,
    /// The call itself failed, or its outcomes cannot be kept.
    Failed(Failures),
}

/// Makes the call; says what became of its `count` records.
pub(crate) async fn send(
    instance: &mut Instance,
    verb: Verb,
    request: &WriteRequest,
    count: u64,
    interrupt: &Interrupt,
) -> (Vec<Outcome>, Option<Stop>) {
    match call(instance, verb, request).await {
        Ok(result) => complete(result, count),
        Err(error) => {
            let outcome = match &error {
                CallError::Ended(ended) if ended.effect == Effect::EveryRecordUnknown => {
                    Outcome::Unknown(lost(&ended.to_string()))
                }
                _ => Outcome::Skipped,
            };
            let stop = if interrupt.asked() && error.is_cancelled() {
                Stop::Interrupt
            } else {
                Stop::Failed(remote::call_failed(&error))
            };
            (vec![outcome; usize::try_from(count).unwrap_or(0)], Some(stop))
        }
    }
}

/// The connector's answer, as it is.
pub(crate) async fn call(
    instance: &mut Instance,
    verb: Verb,
    request: &WriteRequest,
) -> Result<Vec<Outcome>, CallError> {
    match verb {
        Verb::Create => instance.create(request).await,
        Verb::Update => instance.update(request).await,
        Verb::Delete => instance.delete(request).await,
    }
}

/// The reason of an outcome that nobody told.
pub(crate) fn lost(message: &str) -> Error {
    Error {
        kind: ErrorKind::Internal,
        retry: Retry::OutcomeUnknown,
        message: message.to_owned(),
        status: None,
        code: None,
        pointer: None,
    }
}

/// Holds the connector to one outcome per record. If there are more or fewer, nobody knows which belongs to which: then all of
/// them are unknown.
pub(crate) fn complete(result: Vec<Outcome>, count: u64) -> (Vec<Outcome>, Option<Stop>) {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if result.len() == count {
        return (result, None);
    }
    let message = format!("the connector gave {} outcomes for {count} records", result.len());
    let unknown = vec![Outcome::Unknown(lost(&message)); count];
    let failure = Failure::defect(message).hint("this is a defect of the connector: please report it");
    (unknown, Some(Stop::Failed(failure.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_number_of_outcomes_makes_every_record_unknown() {
        for given in [1, 4] {
            let (result, stop) = complete(vec![Outcome::Applied("{}".into()); given], 3);
            assert!(
                matches!(result.as_slice(), [Outcome::Unknown(_), Outcome::Unknown(_), Outcome::Unknown(_)]),
                "{result:?}"
            );
            assert!(stop.is_some());
        }
        assert!(complete(vec![Outcome::Skipped], 1).1.is_none());
    }
}
