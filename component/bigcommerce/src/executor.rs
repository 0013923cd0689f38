//! Runs futures on `wasi:io/poll`: one thread, no queue. A future that waits leaves its pollable here; when nothing can go on,
//! all of them are polled at once, and those that are ready wake their futures.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::guest::wasi::io::poll::{Pollable, poll};

struct Slot {
    pollable: Pollable,
    state: RefCell<SlotState>,
}

enum SlotState {
    Waiting(Waker),
    Ready,
}

thread_local! {
    static WAITING: RefCell<Vec<Rc<Slot>>> = const { RefCell::new(Vec::new()) };
}

/// Ready when the pollable is.
pub(crate) struct Wait {
    slot: Option<Rc<Slot>>,
    pollable: Option<Pollable>,
}

/// Waits for a pollable.
pub(crate) fn wait(pollable: Pollable) -> Wait {
    Wait { slot: None, pollable: Some(pollable) }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pollable) = self.pollable.take() {
            // Asked once directly: what is ready already must not wait for the next round.
            if pollable.ready() {
                return Poll::Ready(());
            }
            let slot = Rc::new(Slot { pollable, state: RefCell::new(SlotState::Waiting(context.waker().clone())) });
            WAITING.with_borrow_mut(|waiting| waiting.push(slot.clone()));
            self.slot = Some(slot);
            return Poll::Pending;
        }
        let Some(slot) = &self.slot else { return Poll::Ready(()) };
        let mut state = slot.state.borrow_mut();
        match &mut *state {
            SlotState::Ready => Poll::Ready(()),
            SlotState::Waiting(waker) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            // The pollable goes with the slot, before what it was subscribed on: the component model demands that order.
            WAITING.with_borrow_mut(|waiting| waiting.retain(|other| !Rc::ptr_eq(other, &slot)));
        }
    }
}

/// Notes that the root future, or one below it, asked to be polled again.
#[derive(Default)]
struct Root(AtomicBool);

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future to its end. None if it waits for something that nothing here can bring about.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let root = Arc::new(Root::default());
    let waker = Waker::from(root.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let slots = WAITING.with_borrow(|waiting| {
            waiting
                .iter()
                .filter(|slot| matches!(*slot.state.borrow(), SlotState::Waiting(_)))
                .cloned()
                .collect::<Vec<_>>()
        });
        if root.0.swap(false, Ordering::Relaxed) {
            continue;
        }
        if slots.is_empty() {
            return None;
        }
        let pollables: Vec<&Pollable> = slots.iter().map(|slot| &slot.pollable).collect();
        for index in poll(&pollables) {
            if let Some(slot) = slots.get(index as usize)
                && let SlotState::Waiting(waker) = std::mem::replace(&mut *slot.state.borrow_mut(), SlotState::Ready)
            {
                waker.wake();
            }
        }
    }
}
