//! The end of a process that serves. No new requests; those under way get a while; then their calls are cancelled in an orderly way,
//! so that a write still answers its outcomes. A write goes on though nobody waits for it any more. A client that has sent half a
//! request, or does not read its answer, holds nothing up.

use std::time::Duration;

use connector_host::Canceller;
use tokio::sync::watch;

use crate::interrupt::Interrupt;

/// For answers to get to who asked, once the last call has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Whether the process shall end, and what it still has to do.
pub(super) struct Closing {
    interrupt: Interrupt,
    /// How long calls under way may go on then.
    grace: Duration,
    /// Calls under way.
    calls: watch::Sender<u32>,
}

impl Closing {
    pub(super) fn new(interrupt: &Interrupt, grace: Duration) -> Self {
        Self { interrupt: interrupt.clone(), grace, calls: watch::Sender::default() }
    }

    /// Makes a call. It is cancelled when the process shall end and it takes too long.
    pub(super) async fn call<T>(&self, canceller: Canceller, call: impl Future<Output = T>) -> T {
        let _counted = self.begins();
        let too_late = async {
            self.interrupt.wait().await;
            tokio::time::sleep(self.grace).await;
        };
        tokio::pin!(call);
        tokio::select! {
            biased;
            answer = &mut call => answer,
            () = too_late => {
                canceller.cancel();
                call.await
            }
        }
    }

    /// A call begins: the process does not end before what this answers is dropped.
    pub(super) fn begins(&self) -> Counted {
        Counted::one_more(&self.calls)
    }

    /// Comes to its end when no call is under way.
    pub(super) async fn calls_ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.calls.subscribe().wait_for(|calls| *calls == 0).await;
    }

    /// Comes to its end when the process was asked to end, and whoever still holds it up has no call to wait for.
    pub(super) async fn over(&self) {
        self.interrupt.wait().await;
        tokio::time::sleep(self.grace).await;
        self.calls_ended().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    }
}

/// Something that the process does not end before.
pub(super) struct Counted(watch::Sender<u32>);

impl Counted {
    fn one_more(count: &watch::Sender<u32>) -> Self {
        count.send_modify(|count| *count = count.saturating_add(1));
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
