//! embassy-sync 0.7.2, fixed in 0.8.0 (embassy#4598): `Signal` hangs after `reset` then `signal`.
//!
//! `reset` empties the signal's one cell, whatever it held; if it held the waker of a task in `wait`, that
//! waker is forgotten, and the `signal` that follows has nobody to wake. It shows when the waiter is
//! resumed before the publisher clears what may be left from the round before.

use std::rc::Rc;

use embassy_signal::blocking_mutex::raw::NoopRawMutex;
use embassy_signal::signal::Signal;
use timeloop::task::yield_now;

/// One waiter, and a publisher that clears stale news before it publishes.
pub(crate) async fn scenario() {
    let signal = Rc::new(Signal::<NoopRawMutex, u32>::new());

    let publisher = timeloop::spawn({
        let signal = signal.clone();
        async move {
            signal.reset();
            yield_now().await;
            signal.signal(1);
        }
    });
    let waiter = timeloop::spawn(async move {
        yield_now().await;
        signal.wait().await
    });

    publisher.await.unwrap();
    assert_eq!(waiter.await.unwrap(), 1);
}
