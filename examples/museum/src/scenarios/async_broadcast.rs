//! async-broadcast 0.3.2, fixed in 0.3.3 (commit b45e7ed): a hang or a panic when the last receiver leaves.
//!
//! The channel is closed when the last active receiver is dropped and no inactive one is left; dropping the
//! last inactive receiver closes nothing. If the inactive receiver leaves after the active one, a waiting
//! sender hangs, and one that sends later trips over an assertion.

use async_broadcast::broadcast;
use timeloop::task::yield_now;

/// A sender; an active and an inactive receiver leave in either order.
pub(crate) async fn scenario() {
    let (sender, receiver) = broadcast(1);
    let inactive = receiver.clone().deactivate();

    let inactive = timeloop::spawn(async move { drop(inactive) });
    let active = timeloop::spawn(async move {
        yield_now().await;
        drop(receiver);
    });
    let sender = timeloop::spawn(async move {
        // Once nobody can ever listen again, sending ends with an error.
        while sender.broadcast(1).await.is_ok() {}
    });

    inactive.await.unwrap();
    active.await.unwrap();
    sender.await.unwrap();
}
