//! Looks up what became of records whose outcome is unknown, in the store that they were sent to. Writes nothing to it.

use std::collections::BTreeMap;
use std::path::Path;

use connector_host::contract::Outcome;

use crate::error::{Failure, Failures, Result};
use crate::outcomes::Tally;
use crate::progress::{counted, grouped};
use crate::remote;
use crate::session::Session;
use crate::unsettled::{Unsettled, Via};

/// Records that are looked up in one call.
const AT_ONCE: usize = 100;

/// Asks the connector about all rows, those that were sent in one way together. What was found out before a failure counts.
pub(crate) async fn look_up(
    session: &Session,
    name: &str,
    path: &Path,
    via: Option<&Via>,
    unsettled: &BTreeMap<u64, Unsettled>,
    found: &mut BTreeMap<u64, Outcome>,
) -> Result<()> {
    if unsettled.is_empty() {
        return Ok(());
    }
    let (connection, ours) = session.connection_and_store(name).await?;
    if let Some(why) = via.and_then(|via| ours.differs_from(via)) {
        let failure = Failure::new(format!("the outcomes in `{}` are of {why}", path.display()));
        return Err(failure.hint("look them up over the connection that they were sent by").into());
    }
    let mut instance = connection.activity().await.map_err(|e| remote::call_failed(&e))?;
    let _guard = session.interrupt.cancels(instance.canceller());
    let rows: Vec<(u64, &Unsettled)> = unsettled.iter().map(|(row, sent)| (*row, sent)).collect();
    for same in rows.chunk_by(|(_, a), (_, b)| a.write == b.write) {
        for chunk in same.chunks(AT_ONCE) {
            let Some((_, first)) = chunk.first() else { continue };
            let records: String = chunk.iter().map(|(_, sent)| format!("{}\n", sent.record.get())).collect();
            let (by, request) = first.write.resolves(records.into_bytes());
            if session.interrupt.asked() {
                return Err(stopped());
            }
            let outcomes = match instance.resolve(by, &request).await {
                Ok(outcomes) => outcomes,
                Err(error) if session.interrupt.asked() && error.is_cancelled() => return Err(stopped()),
                Err(error) => return Err(remote::call_failed(&error)),
            };
            if outcomes.len() != chunk.len() {
                let message = format!("the connector gave {} outcomes for {} records", outcomes.len(), chunk.len());
                let failure = Failure::defect(message).hint("this is a defect of the connector: please report it");
                return Err(failure.into());
            }
            // A record that was not looked up any more says nothing new about its row.
            let told = chunk.iter().map(|(row, _)| *row).zip(outcomes);
            found.extend(told.filter(|(_, outcome)| *outcome != Outcome::Skipped));
        }
    }
    Ok(())
}

fn stopped() -> Failures {
    Failure::new("stopped, as you asked").with("kind", "cancelled").into()
}

/// What was found out, for a person.
pub(crate) fn words(settled: Tally) -> String {
    let Tally { applied, failed, unknown, .. } = settled;
    match applied + failed + unknown {
        0 => "no row was in doubt".to_owned(),
        all => format!(
            "{} looked up: {} applied, {} not, {} still unknown",
            counted(all, "row"),
            grouped(applied),
            grouped(failed),
            grouped(unknown)
        ),
    }
}
