//! Ctrl-C and SIGTERM. The first asks the activity under way to come to an orderly end; the second, or one where nothing is
//! under way, ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use connector_host::Canceller;
use tokio::sync::watch;

/// Whether the user wants the end.
#[derive(Clone)]
pub(crate) struct Interrupt {
    asked: watch::Sender<bool>,
    /// Activities under way.
    under_way: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Begins to listen. Must be called within the runtime.
    pub(crate) fn install(quiet: bool) -> Self {
        let asked = watch::Sender::new(false);
        let sender = asked.clone();
        let under_way = Arc::new(AtomicUsize::new(0));
        let activities = under_way.clone();
        tokio::spawn(async move {
            signal().await;
            if activities.load(Ordering::SeqCst) == 0 {
                if !quiet {
                    crate::terminal::tell("stopped, as you asked\n");
                }
                std::process::exit(1);
            }
            sender.send_replace(true);
            if !quiet {
                crate::progress::above(|| {
                    crate::terminal::tell("stopping; press Ctrl-C again to stop at once\n");
                });
            }
            signal().await;
            std::process::exit(1);
        });
        Self { asked, under_way }
    }

    /// One that no signal asks for, but whoever holds the sender.
    pub(crate) fn by_hand() -> (watch::Sender<bool>, Self) {
        let asked = watch::Sender::new(false);
        (asked.clone(), Self { asked, under_way: Arc::default() })
    }

    /// Asks for the end.
    pub(crate) fn ask(&self) {
        self.asked.send_replace(true);
    }

    /// Whether the end was asked for.
    pub(crate) fn asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Comes to its end when the end is asked for.
    pub(crate) async fn wait(&self) {
        // This holds a sender itself: the channel is never closed.
        let _ = self.asked.subscribe().wait_for(|asked| *asked).await;
    }

    /// Something is under way that must come to an orderly end, as long as the guard lives, though nothing can be cancelled yet.
    pub(crate) fn working(&self) -> Guard {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        Guard { waiter: None, under_way: self.under_way.clone() }
    }

    /// Cancels this activity when the end is asked for, as long as the guard lives.
    pub(crate) fn cancels(&self, canceller: Canceller) -> Guard {
        let mut asked = self.asked.subscribe();
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let waiter = tokio::spawn(async move {
            if asked.wait_for(|asked| *asked).await.is_ok() {
                canceller.cancel();
            }
        });
        Guard { waiter: Some(waiter), under_way: self.under_way.clone() }
    }
}

/// Keeps an activity under the interrupt.
pub(crate) struct Guard {
    waiter: Option<tokio::task::JoinHandle<()>>,
    under_way: Arc<AtomicUsize>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(waiter) = &self.waiter {
            waiter.abort();
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // No signal can be heard here: wait for none.
        std::future::pending::<()>().await;
    }
}
