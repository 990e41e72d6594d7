//! futures-intrusive 0.2.0, fixed in 0.3.0 (futures-intrusive#18, #19): a stale waker.
//!
//! A receive remembers the waker of the task that polled it first, and no other. Polled once, then moved to
//! another task, it wakes the task that gave it away. It shows when the new owner polls before the message
//! is sent.

use std::future::{Future, poll_fn};
use std::task::Poll;

use futures_intrusive::channel::shared::oneshot_channel;

/// A future polled once, then handed to another task.
pub(crate) async fn scenario() {
    let (sender, receiver) = oneshot_channel();
    let mut receive = Box::pin(receiver.receive());
    let first = poll_fn(|cx| Poll::Ready(receive.as_mut().poll(cx))).await;
    assert!(first.is_pending(), "nothing was sent yet");

    let sender = timeloop::spawn(async move { sender.send(7).expect("the receiver is still there") });
    let owner = timeloop::spawn(receive);

    sender.await.unwrap();
    assert_eq!(owner.await.unwrap(), Some(7));
}
