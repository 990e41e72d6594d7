//! async-unsync 0.1.0, fixed in 0.1.1 (release note): the drop of the last sender wakes nobody.
//!
//! Dropping the last sender of a bounded channel marks it closed but does not wake a receiver that waits.
//! It shows when the receiver is resumed before the last sender is gone.

use async_unsync::bounded;
use timeloop::task::yield_now;

/// Two senders are dropped while a receiver waits.
pub(crate) async fn scenario() {
    let (sender, mut receiver) = bounded::channel::<u32>(1).into_split();

    let mut senders = Vec::new();
    for sender in [sender.clone(), sender] {
        senders.push(timeloop::spawn(async move { drop(sender) }));
    }
    let receiver = timeloop::spawn(async move {
        yield_now().await;
        receiver.recv().await
    });

    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(receiver.await.unwrap(), None, "nothing was sent");
}
