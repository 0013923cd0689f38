//! How long a call has been computing: the time for which its future was being polled, in the connector and in what the host does
//! for it at once. A connector that waits costs nothing; one that asks the host again and again whether it may go on does.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::instance::BoxFuture;

/// The clock of one instance's calls. One thread at a time polls, so nothing here has to be exact between two of them.
#[derive(Debug)]
pub(crate) struct Meter {
    origin: Instant,
    /// Nanoseconds of this call in polls that are over.
    spent: AtomicU64,
    /// When the poll under way began, in nanoseconds since `origin`.
    since: AtomicU64,
}

impl Meter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { origin: Instant::now(), spent: AtomicU64::new(0), since: AtomicU64::new(0) })
    }

    /// A new call begins.
    pub(crate) fn reset(&self) {
        self.spent.store(0, Ordering::Relaxed);
    }

    /// Time spent on this call so far. To be asked from within a poll of it.
    pub(crate) fn spent(&self) -> Duration {
        let poll = self.now().saturating_sub(self.since.load(Ordering::Relaxed));
        Duration::from_nanos(self.spent.load(Ordering::Relaxed).saturating_add(poll))
    }

    /// Runs a call by this clock.
    pub(crate) async fn run<T>(&self, mut call: BoxFuture<'_, T>) -> T {
        poll_fn(|context| {
            self.since.store(self.now(), Ordering::Relaxed);
            let polled = call.as_mut().poll(context);
            let spent = self.spent();
            self.spent.store(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            polled
        })
        .await
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn computing_counts_and_waiting_does_not() {
        let meter = Meter::new();
        let busy = Duration::from_millis(20);
        meter.run(Box::pin(async { std::thread::sleep(busy) })).await;
        let spent = Duration::from_nanos(meter.spent.load(Ordering::Relaxed));
        assert!(spent >= busy, "{spent:?}");
        meter.run(Box::pin(tokio::time::sleep(Duration::from_millis(500)))).await;
        let after = Duration::from_nanos(meter.spent.load(Ordering::Relaxed));
        assert!(after >= spent && after - spent < Duration::from_millis(400), "{spent:?} {after:?}");
        meter.reset();
        assert_eq!(meter.spent.load(Ordering::Relaxed), 0);
    }
}
