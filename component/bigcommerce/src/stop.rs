//! Keeps the requests of a write that still wait from being sent, once one of them went wrong or the caller wants no more.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Shared by the requests of one write. Asking once holds for good.
#[derive(Clone, Default)]
pub struct Stop(Rc<Inner>);

#[derive(Default)]
struct Inner {
    asked: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Stop {
    /// Lets nothing more be sent. What is on its way is not touched.
    pub fn ask(&self) {
        self.0.asked.set(true);
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.asked.get()
    }

    /// Ready once it is asked for.
    pub async fn asked(&self) {
        poll_fn(|context| {
            if self.is_asked() {
                return Poll::Ready(());
            }
            let mut waiting = self.0.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn who_waits_for_a_stop_learns_of_it_and_so_does_who_comes_later() {
        let stop = Stop::default();
        let other = stop.clone();
        assert!(other.asked().now_or_never().is_none());
        stop.ask();
        assert!(other.is_asked() && other.asked().now_or_never().is_some());
    }
}
