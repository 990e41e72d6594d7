//! The broadcast channel: each receiver gets each message, unless it lags.

use timeloop::sync::broadcast::channel;
use timeloop::sync::broadcast::error::{RecvError, TryRecvError};

use super::{Log, any_order, baseline, settle, spawn_and_wait};

#[test]
fn each_receiver_gets_each_message_in_order() {
    any_order(|| async {
        let (tx, _) = channel(8);
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                let mut rx = tx.subscribe();
                timeloop::spawn(async move {
                    let mut got = Vec::new();
                    while let Ok(message) = rx.recv().await {
                        got.push(message);
                    }
                    got
                })
            })
            .collect();
        let sender = timeloop::spawn(async move {
            for number in 0..5 {
                tx.send(number).unwrap();
                timeloop::task::yield_now().await;
            }
        });
        sender.await.unwrap();
        for receiver in receivers {
            assert_eq!(receiver.await.unwrap(), [0, 1, 2, 3, 4]);
        }
    });
}

#[test]
fn a_lagging_receiver_learns_by_how_much_and_continues_with_the_oldest() {
    baseline(async {
        let (tx, mut rx) = channel(2);
        (0..5).for_each(|number| assert_eq!(tx.send(number).unwrap(), 1));
        assert_eq!(rx.recv().await, Err(RecvError::Lagged(3)));
        assert_eq!((rx.recv().await, rx.recv().await), (Ok(3), Ok(4)));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        drop(tx);
        assert_eq!(rx.recv().await, Err(RecvError::Closed));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn a_new_receiver_gets_only_later_messages() {
    baseline(async {
        let (tx, mut old) = channel(4);
        tx.send(1).unwrap();
        let mut new = tx.subscribe();
        let mut again = old.resubscribe();
        tx.send(2).unwrap();
        assert_eq!((old.recv().await, new.recv().await, again.recv().await), (Ok(1), Ok(2), Ok(2)));
        assert_eq!((tx.receiver_count(), tx.len(), old.len()), (3, 1, 1));
    });
}

#[test]
fn without_receivers_sending_fails_and_returns_the_value() {
    let (tx, rx) = channel(1);
    drop(rx);
    assert_eq!(tx.send(7).unwrap_err().0, 7);
}

#[test]
fn receivers_are_woken_in_the_order_in_which_they_began_to_wait() {
    let order = baseline(async {
        let (tx, log) = (channel(4).0, Log::default());
        for number in 0..6 {
            let (mut rx, log) = (tx.subscribe(), log.clone());
            spawn_and_wait(async move {
                rx.recv().await.unwrap();
                log.push(number);
            })
            .await;
        }
        tx.send(()).unwrap();
        settle().await;
        log.take()
    });
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn cancelling_loses_nothing() {
    baseline(async {
        let (tx, mut rx) = channel(4);
        let second = tx.subscribe();
        let waiting = spawn_and_wait({
            let mut rx = second;
            async move { rx.recv().await }
        })
        .await;
        tx.send(7).unwrap();
        waiting.abort();
        assert!(waiting.await.is_err());
        let given_up = timeloop::time::timeout(std::time::Duration::ZERO, std::future::pending::<()>()).await;
        assert!(given_up.is_err());
        assert_eq!(rx.recv().await, Ok(7));
    });
}
