//! A run: rows are read page by page, mapped, kept in a checkpoint, and only then written. Nothing is read before all that was read
//! before is settled, so memory holds one page and one batch, and a run that is killed at any point goes on exactly there:
//!
//! - A batch is noted in the journal before it is sent. If its outcomes are not behind it, an update is sent again, and everything
//!   else is `unknown`, so that nothing is doubled.
//! - A target that is a file is cut back to the length that the checkpoint names.

use std::time::{Duration, Instant};

use connector_host::Connection;
use connector_host::contract::{Error, ErrorKind, Outcome, Retry};
use tokio::sync::watch;

use super::checkpoint::{self, Head, Item, Position, Writing};
use super::conclusion;
use super::journal::Tail;
use super::mapper::{Mapped, Mapper};
use super::rejected::{Line, Rejected, Stage};
use super::report::Report;
use super::runs::{Folder, Run, State};
use super::source::{Page, Source};
use super::target::Target;
use crate::error::{Failure, Failures};
use crate::interrupt::Interrupt;
use crate::json::lines;
use crate::outcomes::{Tally, Word};
use crate::remote;
use crate::sending::{Stop, lost};
use crate::since::StateFile;

/// Bytes of one call's records at most.
const MOST_BYTES: usize = 8 << 20;
/// How often the report is kept while records move.
const KEEP: Duration = Duration::from_secs(2);

/// A run that can begin.
pub(super) struct Engine {
    pub folder: Folder,
    pub run: Run,
    pub source: Source,
    /// Whether rows may be rejected records that are fed back in.
    pub fed_back: bool,
    pub mapper: Option<Mapper>,
    pub target: Target,
    pub batch: u64,
    pub continue_on_error: bool,
    pub since: Option<StateFile>,
    pub interrupt: Interrupt,
    pub progress: watch::Sender<Report>,
    /// Whose requests are counted.
    pub connections: Vec<Connection>,
    pub dry_run: bool,
}

/// A run under way.
struct Work {
    engine: Engine,
    head: Head,
    tail: Tail,
    rejected: Rejected,
    /// Records that were made of the rows of this page.
    mapped_now: u64,
    /// Records that were settled before this page.
    settled_before: u64,
    began: Instant,
    before: Report,
    kept: Instant,
}

/// Records that follow each other, for one call.
#[derive(Default)]
struct Batch {
    first: u64,
    rows: Vec<u64>,
    ndjson: Vec<u8>,
}

impl Engine {
    /// Runs to the end, or until something stops it. What became of it is kept in its folder, and returned with all failures.
    pub(super) async fn run(self) -> (Run, Failures) {
        let mut run = self.run.clone();
        let mut failures = Failures(Vec::new());
        let (progress, dry_run) = (self.progress.clone(), self.dry_run);
        let (folder, result) = match Work::begin(self) {
            Ok(mut work) => {
                let result = work.all().await;
                if result.is_err() {
                    work.count_not_reached();
                }
                work.report();
                (work.engine.folder, result)
            }
            Err((folder, failure)) => (*folder, Err(Stop::Failed(failure.into()))),
        };
        run.report = progress.borrow().clone();
        let state = match result {
            Ok(()) => State::Done,
            Err(Stop::Interrupt) => State::Cancelled,
            Err(Stop::Record | Stop::Failed(_)) => State::Failed,
        };
        if let Err(Stop::Failed(more)) = result {
            failures = more;
        }
        let wrong = conclusion::wrong(&run.report, Some(&folder.path.join("rejected.ndjson")));
        if let Some(wrong) = wrong.filter(|_| dry_run) {
            failures.0.insert(0, wrong);
        }
        if let Err(failure) = folder.forget_cancel() {
            failures.0.push(failure);
        }
        run.ends(state, &failures);
        if let Err(failure) = folder.write_run(&run) {
            failures.0.push(failure);
        }
        (run, failures)
    }
}

impl Work {
    fn begin(mut engine: Engine) -> Result<Self, (Box<Folder>, Failure)> {
        let begun = || -> Result<(Head, u64, Tail, Rejected), Failure> {
            let path = &engine.folder.path;
            if !path.join("checkpoint").exists() {
                Writing::begin(path, &Head::start())?.keep(path)?;
            }
            let (head, mut items) = checkpoint::read(path)?;
            let mut mapped = 0;
            while let Some((_, item)) = items.next()? {
                mapped += u64::from(item.error.is_none());
            }
            let tail = Tail::read(&path.join("journal.ndjson"), head.journal)?;
            let rejected = Rejected::open(path, head.rejected)?;
            Ok((head, mapped, tail, rejected))
        };
        let (head, mapped_now, tail, rejected) = match begun() {
            Ok(begun) => begun,
            Err(failure) => return Err((Box::new(engine.folder), failure)),
        };
        let before = std::mem::take(&mut engine.run.report);
        let work = Self {
            before: Report {
                requests: before.requests,
                seconds: before.seconds,
                quota: before.quota,
                ..Report::default()
            },
            settled_before: head.tally.applied + head.tally.failed + head.tally.unknown,
            engine,
            head,
            tail,
            rejected,
            mapped_now,
            began: Instant::now(),
            kept: Instant::now(),
        };
        work.count(work.head.tally, 0);
        Ok(work)
    }

    async fn all(&mut self) -> Result<(), Stop> {
        loop {
            self.settle().await?;
            let Some(at) = self.head.next.clone() else { break };
            if self.engine.interrupt.asked() {
                return Err(Stop::Interrupt);
            }
            self.advance(&at).await?;
        }
        let failed = |failure: Failure| Stop::Failed(failure.into());
        if self.engine.dry_run {
            return Ok(());
        }
        if let Target::File(file) = &mut self.engine.target {
            file.finish().map_err(failed)?;
        }
        if let (Some(since), Some(state)) = (&mut self.engine.since, self.head.state.take()) {
            since.complete(state).map_err(failed)?;
        }
        Ok(())
    }

    /// Reads a page, maps it, and keeps it with all that holds at this point.
    async fn advance(&mut self, at: &Position) -> Result<(), Stop> {
        let failed = |failure: Failure| Stop::Failed(failure.into());
        let tally = self.tally();
        let engine = &mut self.engine;
        let page = engine.source.next(at, self.head.read, &engine.interrupt).await?;
        let page = page.unwrap_or_else(|| Page { ndjson: Vec::new(), count: 0, next: None, state: None });
        let mut head = Head {
            next: page.next,
            read: self.head.read + page.count,
            mapped: self.head.mapped + self.mapped_now,
            first: self.head.first,
            tally,
            journal: 0,
            rejected: self.rejected.synced().map_err(failed)?,
            output: 0,
            state: page.state.or(self.head.state.take()),
        };
        match &mut engine.target {
            Target::Write(_) => {
                head.journal =
                    std::fs::metadata(engine.folder.path.join("journal.ndjson")).map_or(0, |data| data.len());
            }
            Target::File(file) => head.output = file.synced().map_err(failed)?,
        }
        let mut writing = Writing::begin(&engine.folder.path, &head).map_err(failed)?;
        let mapped = map(engine, &mut writing, self.head.read + 1, &page.ndjson).await.map_err(failed)?;
        writing.keep(&engine.folder.path).map_err(failed)?;
        self.mapped_now = mapped;
        self.settled_before = self.engine.progress.borrow().settled();
        self.head = head;
        self.report();
        Ok(())
    }

    /// Writes everything that the checkpoint holds and that is not settled yet.
    async fn settle(&mut self) -> Result<(), Stop> {
        let failed = |failure: Failure| Stop::Failed(failure.into());
        let (head, mut items) = checkpoint::read(&self.engine.folder.path).map_err(failed)?;
        self.head.first = head.first;
        let tail = std::mem::take(&mut self.tail);
        let mut batch = Batch::default();
        while let Some((number, item)) = items.next().map_err(failed)? {
            self.head.first = number + 1;
            if let Some(settled) = tail.outcomes.get(&number).filter(|settled| settled.word != Word::Skipped) {
                self.note(&item, number, settled.word, settled.error.as_deref()).map_err(failed)?;
                continue;
            }
            if item.error.is_some() || tail.doubts(number) && !self.may_repeat() {
                self.send(&mut batch).await?;
                self.give_up(&item, number).map_err(failed)?;
                if !self.engine.continue_on_error {
                    return Err(Stop::Record);
                }
                continue;
            }
            match &mut self.engine.target {
                Target::File(file) => {
                    file.add(item.record.get()).map_err(failed)?;
                    self.add(Word::Applied);
                }
                Target::Write(_) => {
                    let length = item.record.get().len();
                    let gap = batch.first + batch.rows.len() as u64 != number;
                    let full =
                        batch.rows.len() as u64 >= self.engine.batch || batch.ndjson.len() + length >= MOST_BYTES;
                    if !batch.rows.is_empty() && (gap || full) {
                        self.send(&mut batch).await?;
                    }
                    if batch.rows.is_empty() {
                        batch.first = number;
                    }
                    batch.rows.push(item.row);
                    batch.ndjson.extend_from_slice(item.record.get().as_bytes());
                    batch.ndjson.push(b'\n');
                }
            }
        }
        self.send(&mut batch).await?;
        self.report();
        Ok(())
    }

    async fn send(&mut self, batch: &mut Batch) -> Result<(), Stop> {
        let Batch { first, rows, ndjson } = std::mem::take(batch);
        if rows.is_empty() {
            return Ok(());
        }
        if self.engine.interrupt.asked() {
            self.skip(rows.len() as u64);
            return Err(Stop::Interrupt);
        }
        let Target::Write(write) = &mut self.engine.target else { return Ok(()) };
        let records = ndjson.clone();
        let (outcomes, stop) = write.send(first, rows.len() as u64, ndjson, &self.engine.interrupt).await?;
        let mut bad = false;
        for (((number, row), outcome), record) in (first..).zip(&rows).zip(&outcomes).zip(lines(&records)) {
            self.add(outcome.into());
            if let Outcome::Failed(error) | Outcome::Unknown(error) = outcome {
                bad = true;
                let record = String::from_utf8_lossy(record);
                let error = remote::to_json(error).to_string();
                self.rejected
                    .add((*row, number), Stage::Target, outcome.into(), &error, &record)
                    .map_err(|failure| Stop::Failed(failure.into()))?;
            }
        }
        self.report();
        match stop {
            Some(stop) => Err(stop),
            None if bad && !self.engine.continue_on_error => Err(Stop::Record),
            None => Ok(()),
        }
    }

    fn may_repeat(&self) -> bool {
        match &self.engine.target {
            Target::Write(write) => write.may_repeat(),
            Target::File(_) => true,
        }
    }

    /// Notes an item that is not sent: the mapping failed on it, or it was under way when a run ended.
    fn give_up(&mut self, item: &Item, number: u64) -> Result<(), Failure> {
        let outcome = match &item.error {
            Some(message) => Outcome::Failed(Error {
                kind: ErrorKind::InvalidRequest,
                retry: Retry::Never,
                message: format!("mapping: {message}"),
                status: None,
                code: Some("mapping".to_owned()),
                pointer: None,
            }),
            None => Outcome::Unknown(lost("this record was under way when the run was interrupted")),
        };
        if let Target::Write(write) = &mut self.engine.target
            && let Some(journal) = &mut write.journal
        {
            journal.write(number, std::slice::from_ref(&outcome))?;
        }
        let error = match &outcome {
            Outcome::Failed(error) | Outcome::Unknown(error) => remote::to_json(error).to_string(),
            _ => "null".to_owned(),
        };
        self.note(item, number, Word::from(&outcome), Some(&error))
    }

    /// Counts an outcome that is in the journal; keeps the record of a bad one.
    fn note(&mut self, item: &Item, number: u64, outcome: Word, error: Option<&str>) -> Result<(), Failure> {
        self.add(outcome);
        if outcome == Word::Applied {
            return Ok(());
        }
        let stage = if item.error.is_some() { Stage::Mapping } else { Stage::Target };
        self.rejected.add((item.row, number), stage, outcome, error.unwrap_or("null"), item.record.get())
    }

    fn tally(&self) -> Tally {
        let report = self.engine.progress.borrow();
        Tally { applied: report.applied, failed: report.failed, unknown: report.unknown, skipped: 0 }
    }

    fn count(&self, tally: Tally, skipped: u64) {
        self.engine.progress.send_modify(|report| {
            (report.applied, report.failed, report.unknown) = (tally.applied, tally.failed, tally.unknown);
            (report.skipped, report.not_reached) = (skipped, 0);
        });
    }

    fn add(&self, outcome: Word) {
        self.engine.progress.send_modify(|report| match outcome {
            Word::Applied => report.applied += 1,
            Word::Failed => report.failed += 1,
            Word::Unknown => report.unknown += 1,
            Word::Skipped => report.skipped += 1,
        });
    }

    fn skip(&self, count: u64) {
        self.engine.progress.send_modify(|report| report.skipped += count);
    }

    /// Counts what the checkpoint holds and nothing came of.
    fn count_not_reached(&self) {
        let Ok((_, mut items)) = checkpoint::read(&self.engine.folder.path) else { return };
        let mut count = 0_u64;
        while let Ok(Some(_)) = items.next() {
            count += 1;
        }
        self.engine.progress.send_modify(|report| {
            report.not_reached = count.saturating_sub(report.settled().saturating_sub(self.settled_before));
        });
    }

    /// Tells how far it has come; keeps that now and then.
    fn report(&mut self) {
        let (head, mapped) = (&self.head, self.head.mapped + self.mapped_now);
        let seconds = self.before.seconds + self.began.elapsed().as_secs_f64();
        self.engine.progress.send_modify(|report| {
            (report.read, report.mapped, report.seconds) = (head.read, mapped, seconds);
            report.look_at(&self.engine.connections, self.before.requests);
        });
        if self.kept.elapsed() > KEEP {
            self.kept = Instant::now();
            let run = Run { report: self.engine.progress.borrow().clone(), ..self.engine.run.clone() };
            // It is written again at the end, where a failure is told.
            let _ = self.engine.folder.write_run(&run);
        }
    }
}

/// Maps rows, the first of which has this number, into a checkpoint. Answers how many records that made.
async fn map(engine: &mut Engine, writing: &mut Writing, first: u64, ndjson: &[u8]) -> Result<u64, Failure> {
    let failed = |e: std::io::Error| Failure::new("cannot write the run's checkpoint").causes_of(&e);
    let (mut rows, mut to_map) = (Vec::new(), Vec::new());
    for (row, line) in (first..).zip(lines(ndjson)) {
        let line = std::str::from_utf8(line).map_err(|_| Failure::defect("a record is no UTF-8"))?;
        let back = if engine.fed_back { serde_json::from_str::<Line>(line).ok() } else { None };
        let (row, record, stage) = match back {
            Some(back) => (back.row.unwrap_or(row), back.record.get().to_owned(), back.stage),
            None => (row, line.to_owned(), Stage::Mapping),
        };
        if stage == Stage::Mapping && engine.mapper.is_some() {
            to_map.extend_from_slice(record.as_bytes());
            to_map.push(b'\n');
            rows.push((row, record, true));
        } else {
            rows.push((row, record, false));
        }
    }
    let mut mapped: std::vec::IntoIter<Mapped> = match &mut engine.mapper {
        Some(mapper) if !to_map.is_empty() => mapper.map(to_map).await?.into_iter(),
        _ => Vec::new().into_iter(),
    };
    let mut made = 0;
    for (row, record, to_be_mapped) in rows {
        match to_be_mapped.then(|| mapped.next()).flatten() {
            None => {
                writing.item(row, None, &record).map_err(failed)?;
                made += 1;
            }
            Some(Ok(records)) => {
                for record in records {
                    writing.item(row, None, &record).map_err(failed)?;
                    made += 1;
                }
            }
            Some(Err(what)) => writing.item(row, Some(&what), &record).map_err(failed)?,
        }
    }
    Ok(made)
}
