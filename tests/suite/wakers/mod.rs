//! Wakers: whatever is done with one, the worst effect is a superfluous wake.

mod combinators;
mod handles;
mod runs;
mod threads;
mod within;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A place where a task stores its waker for others.
type Left = Rc<RefCell<Option<Waker>>>;

/// Stores the waker of the current task.
async fn leave_waker(left: &Left) {
    poll_fn(|cx| {
        *left.borrow_mut() = Some(cx.waker().clone());
        Poll::Ready(())
    })
    .await;
}

/// Returns the waker of the current task.
async fn waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Waits until it was woken `wakes` times, storing the waker each time. Returns the number of polls.
async fn woken(left: Left, wakes: u32) -> u32 {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        *left.borrow_mut() = Some(cx.waker().clone());
        if polls > wakes { Poll::Ready(polls) } else { Poll::Pending }
    })
    .await
}
