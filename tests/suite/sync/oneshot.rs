//! The oneshot channel.

use timeloop::spawn;
use timeloop::sync::oneshot::{self, error::TryRecvError};

use super::{any_order, baseline, spawn_and_wait};

#[test]
fn the_value_arrives_in_either_order() {
    any_order(|| async {
        let (tx, rx) = oneshot::channel();
        let receiver = spawn(rx);
        let sender = spawn(async move { tx.send(7) });
        assert_eq!(receiver.await.unwrap(), Ok(7));
        assert_eq!(sender.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_dropped_sender_is_an_error_and_a_dropped_receiver_returns_the_value() {
    baseline(async {
        let (tx, rx) = oneshot::channel::<u8>();
        let waiting = spawn_and_wait(rx).await;
        drop(tx);
        assert_eq!(waiting.await.unwrap().unwrap_err().to_string(), "channel closed");

        let (mut tx, rx) = oneshot::channel();
        assert!(!tx.is_closed());
        let receiver = spawn_and_wait(rx).await;
        receiver.abort();
        tx.closed().await;
        assert_eq!(tx.send(7), Err(7));
    });
}

#[test]
fn trying_without_waiting() {
    let (tx, mut rx) = oneshot::channel();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    tx.send(7).unwrap();
    assert_eq!(rx.try_recv(), Ok(7));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_closed_receiver_still_receives_earlier_values() {
    baseline(async {
        let (tx, mut rx) = oneshot::channel();
        tx.send(7).unwrap();
        rx.close();
        assert_eq!(rx.await, Ok(7));
    });
}

/// Sending races with giving up: the value is either received or returned, never both, never neither.
#[test]
fn under_every_schedule_the_value_is_in_one_place() {
    let outcomes = any_order(|| async {
        let (tx, rx) = oneshot::channel();
        let receiver = spawn(rx);
        let sender = spawn(async move { tx.send(7) });
        let aborter = spawn({
            let receiver = receiver.abort_handle();
            async move { receiver.abort() }
        });
        aborter.await.unwrap();
        let (sent, received) = (sender.await.unwrap(), receiver.await);
        // Sent to a receiver that was cancelled before it could look, the value is dropped with it.
        match (&sent, &received) {
            (Ok(()), Ok(Ok(7))) | (Ok(()) | Err(7), Err(_)) => (sent.is_ok(), received.is_ok()),
            other => panic!("{other:?}"),
        }
    });
    for outcome in [(true, true), (true, false), (false, false)] {
        assert!(outcomes.contains(&outcome), "over the seeds all happen");
    }
}
