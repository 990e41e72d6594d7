//! postage 0.4.1, fixed in 0.5.0 (postage-rs#44, #50): a oneshot receiver hangs when its sender is dropped.
//!
//! The sender's drop marks the channel dead but does not wake the receiver. It shows when the receiver is
//! resumed first.

use postage::oneshot;
use postage::stream::Stream;
use timeloop::task::yield_now;

/// The sender is dropped while the receiver waits.
pub(crate) async fn scenario() {
    let (sender, mut receiver) = oneshot::channel::<u32>();

    let sender = timeloop::spawn(async move { drop(sender) });
    let receiver = timeloop::spawn(async move {
        yield_now().await;
        receiver.recv().await
    });

    sender.await.unwrap();
    assert_eq!(receiver.await.unwrap(), None, "nothing was sent");
}
