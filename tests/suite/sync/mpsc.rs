//! The mpsc queue: ordered, bounded, and cancellation loses nothing.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use timeloop::spawn;
use timeloop::sync::mpsc::error::{TryRecvError, TrySendError};
use timeloop::sync::mpsc::{self, channel, unbounded_channel};
use timeloop::task::yield_now;
use timeloop::time::timeout;

use super::{any_order, baseline, settle, spawn_and_wait};

#[test]
fn messages_of_one_sender_arrive_in_order_under_every_schedule() {
    let arrivals = any_order(|| async {
        let (tx, mut rx) = channel(2);
        for sender in 0..3 {
            let tx = tx.clone();
            spawn(async move {
                for number in 0..3 {
                    tx.send((sender, number)).await.unwrap();
                }
            });
        }
        drop(tx);
        let mut arrived = Vec::new();
        while let Some(message) = rx.recv().await {
            arrived.push(message);
        }
        arrived
    });
    for arrived in &arrivals {
        for sender in 0..3 {
            let of_sender = arrived.iter().filter(|message| message.0 == sender).map(|message| message.1);
            assert!(of_sender.eq(0..3), "{arrived:?}");
        }
    }
    let distinct: std::collections::BTreeSet<_> = arrivals.iter().collect();
    assert!(distinct.len() > 20, "over the seeds the senders interleave: {}", distinct.len());
}

#[test]
fn a_full_queue_makes_senders_wait_in_order() {
    let arrived = baseline(async {
        let (tx, mut rx) = channel(1);
        tx.send(0).await.unwrap();
        for number in 1..5 {
            let tx = tx.clone();
            spawn_and_wait(async move { tx.send(number).await.unwrap() }).await;
        }
        assert_eq!((tx.capacity(), tx.max_capacity(), rx.len()), (0, 1, 1));
        assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
        drop(tx);
        let mut arrived = Vec::new();
        while let Some(message) = rx.recv().await {
            arrived.push(message);
        }
        arrived
    });
    assert_eq!(arrived, [0, 1, 2, 3, 4]);
}

#[test]
fn a_dropped_receiver_returns_messages() {
    baseline(async {
        let (tx, rx) = channel(1);
        tx.send(1).await.unwrap();
        let waiting = spawn_and_wait({
            let tx = tx.clone();
            async move { tx.send(2).await }
        })
        .await;
        let closed = spawn_and_wait({
            let tx = tx.clone();
            async move { tx.closed().await }
        })
        .await;
        drop(rx);
        closed.await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap_err().0, 2);
        assert_eq!(tx.send(3).await.unwrap_err().0, 3);
        assert_eq!(tx.try_send(4), Err(TrySendError::Closed(4)));
        assert!(tx.is_closed());
    });
}

#[test]
fn a_closed_queue_is_emptied_first() {
    baseline(async {
        let (tx, mut rx) = channel(4);
        tx.send(1).await.unwrap();
        let permit = tx.reserve().await.unwrap();
        rx.close();
        assert!(tx.send(9).await.is_err());
        permit.send(2);
        assert_eq!(rx.recv().await, Some(1));
        assert_eq!(rx.recv().await, Some(2));
        assert_eq!(rx.recv().await, None);
    });
}

#[test]
fn cancelling_loses_no_message_under_any_schedule() {
    let given_up = any_order(|| async {
        let (tx, mut rx) = channel(1);
        let sender = spawn(async move {
            for number in 0..4 {
                timeloop::time::sleep(Duration::from_millis(1)).await;
                tx.send(number).await.unwrap();
            }
        });
        let (mut arrived, mut given_up) = (Vec::new(), 0);
        loop {
            // Due at the very instants at which messages arrive.
            match timeout(Duration::from_millis(1), rx.recv()).await {
                Ok(Some(message)) => arrived.push(message),
                Ok(None) => break,
                Err(_) => given_up += 1,
            }
        }
        sender.await.unwrap();
        assert_eq!(arrived, [0, 1, 2, 3]);
        given_up
    });
    assert!(given_up.iter().any(|&times| times > 0), "over the seeds some receiver gives up");
}

#[test]
fn reserved_capacity_is_kept_and_returned() {
    baseline(async {
        let (tx, mut rx) = channel(2);
        let permits = tx.reserve_many(2).await.unwrap();
        assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
        drop(permits);
        let owned = tx.clone().reserve_owned().await.unwrap();
        tx.try_send(1).unwrap();
        let tx = owned.send(2);
        assert_eq!((rx.recv().await, rx.recv().await), (Some(1), Some(2)));
        assert_eq!(tx.capacity(), 2);
    });
}

#[test]
fn reserving_many_and_zero() {
    baseline(async {
        let (tx, mut rx) = unbounded_channel();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        (0..5).for_each(|number| tx.send(number).unwrap());
        let mut batch = Vec::new();
        assert_eq!(rx.recv_many(&mut batch, 3).await, 3);
        assert_eq!(rx.recv_many(&mut batch, 3).await, 2);
        assert_eq!(batch, [0, 1, 2, 3, 4]);
        drop(tx);
        assert_eq!(rx.recv_many(&mut batch, 3).await, 0);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn weak_senders_do_not_keep_it_open() {
    baseline(async {
        let (tx, mut rx) = channel::<u8>(1);
        let weak: mpsc::WeakSender<u8> = tx.downgrade();
        weak.upgrade().unwrap().send(1).await.unwrap();
        drop(tx);
        assert!(weak.upgrade().is_none());
        assert_eq!(rx.recv().await, Some(1));
        assert_eq!(rx.recv().await, None);
    });
}

#[test]
fn unreceived_messages_are_dropped_with_the_receiver() {
    struct Counted(Rc<Cell<u32>>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.update(|count| count + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    baseline(async {
        let (tx, rx) = unbounded_channel();
        for _ in 0..3 {
            tx.send(Counted(Rc::clone(&dropped))).ok().unwrap();
        }
        settle().await;
        assert_eq!(dropped.get(), 0);
        drop(rx);
        yield_now().await;
        assert_eq!(dropped.get(), 3);
    });
}
