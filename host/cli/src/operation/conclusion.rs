//! What there is to say when a run has ended: why records were rejected, where they are, and how to go on. Told by `run` at its end, and
//! by whoever looks at the run later.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::report::Report;
use super::runs::{self, Run, State};
use crate::error::{Failure, Failures};
use crate::outcomes::Tally;
use crate::progress::grouped;
use crate::project::Project;

/// Reasons that are told; all of them are among the rejected records.
const REASONS: usize = 10;
/// Rows that are told of each.
const ROWS: usize = 5;

/// Rejected records with the same reason.
struct Reason {
    message: String,
    rows: Vec<u64>,
    count: u64,
}

/// Everything that is to be said of a run which has ended, `failures` being those that ended it.
pub(crate) fn conclusion(project: &Project, run: &Run, mut failures: Failures) -> Failures {
    if run.state == State::Running {
        return failures;
    }
    // A dry run leaves nothing that could be looked at, so it has told its reasons itself.
    let dry_run = run.id.is_empty();
    if let Some(failure) = rejected(project, run).filter(|_| !dry_run) {
        failures.0.insert(0, failure);
    }
    match run.state {
        State::Cancelled => failures.0.push(Failure::new("stopped, as you asked").with("kind", "cancelled")),
        State::Interrupted => failures.0.push(Failure::new("the process of the run ended before it")),
        State::Running | State::Done | State::Failed => {}
    }
    let is_over = run.state == State::Done || dry_run;
    if let Some(last) = failures.0.last_mut().filter(|_| !is_over) {
        last.and_hint(if run.can_resume {
            format!("go on with `connector run --resume {}`", run.id)
        } else {
            // It has not begun, or would go on with what it was started with and fail again.
            format!("mend that; then `connector run {}` starts another run", run.operation)
        });
    }
    failures
}

/// The same of a run that was looked up.
pub(crate) fn told(project: &Project, run: &Run) -> Failures {
    conclusion(project, run, Failures(run.errors.iter().map(Failure::from_json).collect()))
}

/// What became of records that are not in the target, or may not be, why, and what to do; none if all are.
pub(crate) fn rejected(project: &Project, run: &Run) -> Option<Failure> {
    let path = runs::rejected(project, &run.id);
    let mut failure = wrong(&run.report, path.as_deref())?.with("run", run.id.as_str());
    // One that was interrupted goes on before anything is looked up or fed back: it does not know yet what became of its last batch.
    if let Some(path) = path.filter(|_| run.state != State::Interrupted) {
        if run.report.unknown > 0 {
            failure.and_hint(format!("`connector run --resolve {}` looks up what is unknown, before all else", run.id));
        }
        failure.and_hint(format!(
            "they are in {} with their reasons: mend them, then `connector run {} --input {0}`",
            path.display(),
            run.operation
        ));
    }
    Some(failure)
}

/// That records are not in the target, or may not be, with the first reasons; none if all are.
pub(super) fn wrong(report: &Report, rejected: Option<&Path>) -> Option<Failure> {
    let tally = Tally { failed: report.failed, unknown: report.unknown, ..Tally::default() };
    if tally.failed + tally.unknown == 0 {
        return None;
    }
    let (reasons, more) = rejected.map(reasons).unwrap_or_default();
    let mut failure = Failure::new(tally.wrong());
    for Reason { message, rows, count } in &reasons {
        let word = if *count == 1 { "row" } else { "rows" };
        let numbers: Vec<String> = rows.iter().map(|row| grouped(*row)).collect();
        let others = count - rows.len() as u64;
        let others = if others > 0 { format!(" and {} more", grouped(others)) } else { String::new() };
        failure = failure.cause(format!("{word} {}{others}: {message}", numbers.join(", ")));
    }
    if more > 0 {
        failure = failure.cause(format!("and {} more with other reasons", grouped(more)));
    }
    let reasons: Vec<_> =
        reasons.iter().map(|one| json!({ "message": one.message, "count": one.count, "rows": one.rows })).collect();
    Some(failure.with("reasons", reasons))
}

/// The first reasons of a file of rejected records, and how many records have others. What cannot be read has none.
fn reasons(rejected: &Path) -> (Vec<Reason>, u64) {
    #[derive(Deserialize)]
    struct Line {
        row: u64,
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    let (mut reasons, mut more) = (Vec::<Reason>::new(), 0);
    let Ok(file) = File::open(rejected) else { return (reasons, more) };
    for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
        let Ok(Line { row, error: Told { message } }) = serde_json::from_slice(&line) else { continue };
        if let Some(one) = reasons.iter_mut().find(|one| one.message == message) {
            one.count += 1;
            if one.rows.len() < ROWS {
                one.rows.push(row);
            }
        } else if reasons.len() < REASONS {
            reasons.push(Reason { message, rows: vec![row], count: 1 });
        } else {
            more += 1;
        }
    }
    (reasons, more)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn equal_reasons_are_counted_together_and_the_first_ten_are_told_with_rows() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |row: u64, message: &str| format!("{{\"row\":{row},\"error\":{{\"message\":\"{message}\"}}}}\n");
        let same: String = (1..=600).map(|row| line(row, "no name")).collect();
        let others: String = (601..=611).map(|row| line(row, &format!("bad {row}"))).collect();
        std::fs::write(file.path(), same + &others).unwrap();
        let report = Report { failed: 611, ..Report::default() };
        let failure = wrong(&report, Some(file.path())).unwrap();
        assert_eq!(failure.message, "611 records failed");
        assert_eq!(failure.causes.len(), 11, "{failure:?}");
        assert_eq!(failure.causes[0], "rows 1, 2, 3, 4, 5 and 595 more: no name");
        assert_eq!(failure.causes[10], "and 2 more with other reasons");
        assert!(wrong(&Report::default(), Some(file.path())).is_none());
    }
}
