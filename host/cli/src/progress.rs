//! One line on stderr while records move: how many, how fast, how many requests, how much quota is left, and what it waits for.
//! Only on a terminal, and never on stdout.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connector_host::{Connection, Status};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the line is drawn.
const TICK: Duration = Duration::from_millis(200);

/// The line that is on the terminal now. Log lines go above it.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes something to stderr above the progress line.
pub(crate) fn above<T>(write: impl FnOnce() -> T) -> T {
    let bar = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Progress of one command.
pub(crate) struct Progress {
    records: Arc<AtomicU64>,
    began: Instant,
    connection: Connection,
    ticker: Option<tokio::task::JoinHandle<()>>,
}

impl Progress {
    /// Shows the line, if `wanted` and stderr is a terminal.
    pub(crate) fn start(connection: &Connection, verb: &'static str, total: Option<u64>, wanted: bool) -> Self {
        let mut progress =
            Self { records: Arc::default(), began: Instant::now(), connection: connection.clone(), ticker: None };
        if !wanted || !io::stderr().is_terminal() {
            return progress;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        let (records, began, connection) = (progress.records.clone(), progress.began, progress.connection.clone());
        progress.ticker = Some(tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                let line = line(verb, records.load(Ordering::Relaxed), total, began.elapsed(), &connection.status());
                bar.set_message(line);
                bar.tick();
            }
        }));
        progress
    }

    /// Counts records.
    pub(crate) fn add(&self, records: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
    }

    /// Takes the line off the terminal; says how long it took and how many requests went out.
    pub(crate) fn finish(&mut self) -> String {
        self.clear();
        let requests = self.connection.status().requests;
        let time = self.began.elapsed().as_secs_f64();
        format!("{time:.1} s, {} {}", grouped(requests), if requests == 1 { "request" } else { "requests" })
    }

    fn clear(&mut self) {
        if let Some(ticker) = self.ticker.take() {
            ticker.abort();
            if let Some(bar) = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take() {
                bar.finish_and_clear();
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(verb: &str, records: u64, total: Option<u64>, time: Duration, status: &Status) -> String {
    let mut parts = vec![match total {
        Some(total) => format!("{verb} {} of {} records", grouped(records), grouped(total)),
        None => format!("{verb} {} records", grouped(records)),
    }];
    let seconds = time.as_secs_f64();
    if seconds > 0.5 {
        parts.push(format!("{:.0}/s", records as f64 / seconds));
    }
    parts.push(counted(status.requests, "request"));
    if let Some(quota) = status.quotas.iter().filter(|q| q.held_for.is_some()).max_by_key(|q| q.held_for) {
        let seconds = quota.held_for.unwrap_or_default().as_secs_f64().ceil();
        let whole = quota.limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
        parts.push(format!("waiting {seconds} s: quota{whole} used up"));
        return parts.join(" · ");
    }
    // The allowance that is nearest to its end is the one that matters.
    let tightest = status.quotas.iter().filter(|q| q.left.is_some()).min_by_key(|q| q.left);
    if let Some((left, limit)) = tightest.and_then(|q| Some((q.left?, q.limit))) {
        parts.push(match limit {
            Some(limit) => format!("quota {left} of {limit} left"),
            None => format!("quota {left} left"),
        });
    }
    let waiting: u32 = status.quotas.iter().map(|q| q.waiting).sum();
    if waiting > 0 && status.in_flight == 0 {
        parts.push("waiting for leave to send".to_owned());
    } else if status.in_flight > 0 {
        parts.push(format!("{} under way", status.in_flight));
    }
    parts.join(" · ")
}

/// A number with commas between groups of digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 record`, `2 records`.
pub(crate) fn counted(number: u64, word: &str) -> String {
    format!("{} {word}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A writer for log lines that leaves the progress line whole.
#[derive(Clone, Copy, Default)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A failure to write would be logged in its turn; nobody is there to read it.
        above(|| {
            let _ = io::stderr().write_all(bytes);
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connector_host::QuotaStatus;

    #[test]
    fn the_line_tells_records_rate_requests_quota_and_waits() {
        let mut status = Status { requests: 1500, in_flight: 4, ..Status::default() };
        status.quotas.push(QuotaStatus { limit: Some(150), left: Some(12), ..QuotaStatus::default() });
        assert_eq!(
            line("read", 12_500, None, Duration::from_secs(5), &status),
            "read 12,500 records · 2500/s · 1,500 requests · quota 12 of 150 left · 4 under way"
        );
        if let Some(quota) = status.quotas.first_mut() {
            (quota.left, quota.held_for) = (Some(0), Some(Duration::from_millis(12_300)));
        }
        assert_eq!(
            line("created", 7, Some(1000), Duration::ZERO, &status),
            "created 7 of 1,000 records · 1,500 requests · waiting 13 s: quota of 150 used up"
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((counted(1, "record"), counted(2, "record")), ("1 record".into(), "2 records".into()));
    }
}
