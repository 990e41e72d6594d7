//! Whatever is done with a waker, nothing worse than a wake too many happens.

mod combinators;
mod handles;
mod runs;
mod threads;
mod within;

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Where a task leaves its waker for others.
type Left = Rc<RefCell<Option<Waker>>>;

/// Leaves the waker of the current task.
async fn leave_waker(left: &Left) {
    poll_fn(|cx| {
        *left.borrow_mut() = Some(cx.waker().clone());
        Poll::Ready(())
    })
    .await;
}

/// The waker of the current task.
async fn waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// Waits until it is woken `wakes` times, leaving the waker each time; gives the number of polls.
async fn woken(left: Left, wakes: u32) -> u32 {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        *left.borrow_mut() = Some(cx.waker().clone());
        if polls > wakes { Poll::Ready(polls) } else { Poll::Pending }
    })
    .await
}
