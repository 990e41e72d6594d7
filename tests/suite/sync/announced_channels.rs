//! Operations that channels and signals announce: each once, before it is done, and also those that cannot be
//! preempted.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use timeloop::Access::{Read, Receive, Release, Send, Write};
use timeloop::spawn;
use timeloop::sync::{Notify, broadcast, mpsc, oneshot, watch};
use timeloop::task::{block_in_place, yield_now};

use crate::recording::{acts, recorded, waits};

/// Polls once, with the waker of the task.
async fn once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Polls until the future waits for other tasks, continuing after preemptions.
async fn until_it_waits<F: Future>(mut future: Pin<&mut F>) {
    for _ in 0..3 {
        assert!(once(future.as_mut()).await.is_none());
        yield_now().await;
    }
}

#[test]
fn bounded_queues() {
    recorded(|ops| async move {
        let (tx, mut rx) = mpsc::channel(2);
        assert_eq!(ops.of(tx.send(1)).await.1, waits(Send));
        assert_eq!(ops.of(tx.send_timeout(2, Duration::from_secs(1))).await.1, waits(Send));
        assert_eq!(ops.by(|| tx.try_send(3)).1, acts(Send));
        assert_eq!(ops.of(rx.recv()).await, (Some(1), waits(Receive)));
        assert_eq!(ops.of(poll_fn(|cx| rx.poll_recv(cx))).await, (Some(2), waits(Receive)));
        assert_eq!(ops.by(|| rx.try_recv()).1, acts(Receive));

        let (permit, words) = ops.of(tx.reserve()).await;
        assert_eq!(words, waits(Send));
        assert_eq!(ops.by(|| drop(permit)).1, acts(Release));
        let (permit, words) = ops.by(|| tx.try_reserve().unwrap());
        assert_eq!(words, acts(Send));
        assert_eq!(ops.by(|| permit.send(4)).1, acts(Send));
        let mut many = Vec::new();
        assert_eq!(ops.of(rx.recv_many(&mut many, 9)).await, (1, waits(Receive)));

        let (mut permits, words) = ops.of(tx.reserve_many(2)).await;
        assert_eq!(words, waits(Send));
        assert_eq!(ops.by(|| permits.as_mut().unwrap().next().map(|permit| permit.send(5))).1, acts(Send));
        assert_eq!(ops.by(|| drop(permits)).1, acts(Release));
        assert_eq!(ops.of(poll_fn(|cx| rx.poll_recv_many(cx, &mut many, 9))).await, (1, waits(Receive)));
        let (permits, words) = ops.by(|| tx.try_reserve_many(1).unwrap());
        assert_eq!(words, acts(Send));
        assert_eq!(ops.by(|| permits.count()).1, acts(Release));

        let (permit, words) = ops.of(tx.clone().reserve_owned()).await;
        assert_eq!(words, waits(Send));
        let (tx, words) = ops.by(|| permit.unwrap().release());
        assert_eq!(words, acts(Release));
        let (permit, words) = ops.by(|| tx.try_reserve_owned().unwrap());
        assert_eq!(words, acts(Send));
        let (tx, words) = ops.by(|| permit.send(6));
        assert_eq!(words, acts(Send));

        assert_eq!(ops.by(|| (tx.capacity(), rx.capacity(), rx.len(), rx.is_empty())).1, vec!["read"; 4]);
        assert_eq!(ops.by(|| (tx.is_closed(), rx.is_closed())).1, vec!["read"; 2]);
        assert_eq!(ops.by(|| (tx.max_capacity(), tx.same_channel(&tx))).1, vec![""; 0]);
        assert_eq!(ops.by(|| rx.close()).1, acts(Write));
        assert_eq!(ops.of(tx.closed()).await.1, waits(Read));
        assert_eq!(ops.by(|| drop(rx)).1, acts(Write));
    });
}

#[test]
fn unbounded_queues() {
    recorded(|ops| async move {
        let (tx, mut rx) = mpsc::unbounded_channel();
        assert_eq!(ops.by(|| tx.send(1)).1, acts(Send));
        assert_eq!(ops.of(rx.recv()).await, (Some(1), waits(Receive)));
        tx.send(2).unwrap();
        assert_eq!(ops.of(poll_fn(|cx| rx.poll_recv(cx))).await, (Some(2), waits(Receive)));
        tx.send(3).unwrap();
        assert_eq!(ops.of(rx.recv_many(&mut Vec::new(), 9)).await, (1, waits(Receive)));
        tx.send(4).unwrap();
        let mut many = Vec::new();
        assert_eq!(ops.of(poll_fn(|cx| rx.poll_recv_many(cx, &mut many, 9))).await, (1, waits(Receive)));
        assert_eq!(ops.by(|| rx.try_recv()).1, acts(Receive));
        assert_eq!(ops.by(|| (rx.len(), rx.is_empty(), rx.is_closed(), tx.is_closed())).1, vec!["read"; 4]);
        assert_eq!(ops.by(|| rx.close()).1, acts(Write));
        assert_eq!(ops.of(tx.closed()).await.1, waits(Read));
        assert_eq!(ops.by(|| drop(rx)).1, acts(Write));
    });
}

#[test]
fn dropping_the_last_sender_closes_the_channel() {
    recorded(|ops| async move {
        let (tx, rx) = mpsc::channel::<u8>(1);
        let (clone, words) = ops.by(|| tx.clone());
        assert_eq!(words, acts(Read));
        let (weak, words) = ops.by(|| tx.downgrade());
        assert_eq!(words, acts(Read));
        assert_eq!(ops.by(|| weak.upgrade().is_some()).1, vec!["read"; 2]);
        assert_eq!(ops.by(|| drop(clone)).1, acts(Read));
        assert_eq!(ops.by(|| (tx.strong_count(), rx.sender_weak_count())).1, vec!["write"; 2]);
        // Their number, then the channel itself.
        assert_eq!(ops.by(|| drop(tx)).1, ["write", "2:write"]);
        assert_eq!(ops.by(|| weak.upgrade().is_none()).1, acts(Read));

        let (tx, _rx) = mpsc::channel::<u8>(1);
        let permit = tx.try_reserve_owned().unwrap();
        assert_eq!(ops.by(|| drop(permit)).1, ["release", "2:write", "write"]);
        let (tx, _rx) = mpsc::unbounded_channel::<u8>();
        assert_eq!(ops.by(|| drop(tx)).1, ["write", "2:write"]);
        let (tx, _rx) = broadcast::channel::<u8>(1);
        let clone = tx.clone();
        assert_eq!(ops.by(|| drop(clone)).1, acts(Read));
        assert_eq!(ops.by(|| drop(tx)).1, ["write", "2:write"]);
        let (tx, rx) = watch::channel(1);
        let clones = (tx.clone(), rx.clone());
        assert_eq!(ops.by(|| drop(clones)).1, ["read", "2:read"]);
        assert_eq!(ops.by(|| drop(tx)).1, ["write", "2:write"]);
        assert_eq!(ops.by(|| drop(rx)).1, ["write", "2:write"]);
    });
}

#[test]
fn channels_for_one_value() {
    recorded(|ops| async move {
        let (tx, mut rx) = oneshot::channel();
        assert_eq!(ops.by(|| (tx.is_closed(), rx.is_empty())).1, vec!["read"; 2]);
        assert_eq!(ops.by(|| rx.try_recv()).1, acts(Receive));
        assert_eq!(ops.by(|| tx.send(1)).1, acts(Send));
        assert_eq!(ops.of(&mut rx).await, (Ok(1), waits(Receive)));
        assert_eq!(ops.by(|| drop(rx)).1, [""; 0], "it has what it can have");

        let (mut tx, rx) = oneshot::channel::<u8>();
        assert_eq!(ops.by(|| drop(rx)).1, acts(Write));
        assert_eq!(ops.of(tx.closed()).await.1, waits(Read));
        assert_eq!(ops.of(poll_fn(|cx| tx.poll_closed(cx))).await.1, waits(Read));
        assert_eq!(ops.by(|| drop(tx)).1, acts(Write));
        let (_tx, mut rx) = oneshot::channel::<u8>();
        assert_eq!(ops.by(|| rx.close()).1, acts(Write));
    });
}

#[test]
fn broadcasts() {
    recorded(|ops| async move {
        let (tx, mut rx) = broadcast::channel(2);
        assert_eq!(ops.by(|| tx.send(1)).1, acts(Send));
        assert_eq!(ops.of(rx.recv()).await, (Ok(1), waits(Receive)));
        assert_eq!(ops.by(|| rx.try_recv()).1, acts(Receive));
        let (others, words) = ops.by(|| (tx.subscribe(), rx.resubscribe()));
        assert_eq!(words, ["write"; 2]);
        assert_eq!(ops.by(|| (tx.len(), tx.is_empty(), tx.receiver_count())).1, ["read"; 3]);
        assert_eq!(ops.by(|| (rx.len(), rx.is_empty(), rx.is_closed())).1, ["read"; 3]);
        drop(others);
        assert_eq!(ops.by(|| drop(rx)).1, acts(Write));
        assert_eq!(ops.of(tx.closed()).await.1, waits(Read));
    });
}

#[test]
fn watched_values() {
    recorded(|ops| async move {
        let (tx, mut rx) = watch::channel(0);
        assert_eq!(ops.by(|| tx.send(1)).1, acts(Send));
        assert_eq!(ops.by(|| tx.send_replace(2)).1, acts(Send));
        assert_eq!(ops.by(|| tx.send_modify(|value| *value = 3)).1, acts(Send));
        assert_eq!(ops.by(|| tx.send_if_modified(|_| false)).1, acts(Send));
        assert_eq!(ops.of(rx.changed()).await.1, waits(Read));
        assert_eq!(
            ops.of(async { *rx.wait_for(|value| *value == 3).await.unwrap() }).await,
            (3, waits(Read))
        );
        assert_eq!(ops.by(|| (*rx.borrow(), *tx.borrow())).1, ["read"; 2]);
        assert_eq!(ops.by(|| *rx.borrow_and_update()).1, acts(Read));
        assert_eq!(ops.by(|| (rx.has_changed(), rx.is_closed(), tx.is_closed())).1, ["read"; 3]);
        assert_eq!(ops.by(|| rx.mark_unchanged()).1, acts(Read));
        assert_eq!(ops.by(|| rx.mark_changed()).1, [""; 0]);
        assert_eq!(ops.by(|| (tx.receiver_count(), tx.sender_count())).1, ["write", "2:write"]);
        assert_eq!(ops.by(|| drop(tx.subscribe())).1, ["write", "2:read", "2:read"]);
        drop(rx);
        assert_eq!(ops.of(tx.closed()).await.1, waits(Read));
    });
}

#[test]
fn signals() {
    recorded(|ops| async move {
        let notify = Arc::new(Notify::new());
        assert_eq!(ops.by(|| notify.notify_one()).1, acts(Send));
        assert_eq!(ops.of(notify.notified()).await.1, waits(Receive));
        assert_eq!(ops.by(|| notify.notify_last()).1, acts(Send));
        // Creating the future is a read: from here on `notify_waiters` reaches it.
        let (owned, words) = ops.by(|| Arc::clone(&notify).notified_owned());
        assert_eq!(words, acts(Read));
        assert_eq!(ops.of(owned).await.1, waits(Receive));

        let mut enabled = pin!(notify.notified());
        assert_eq!(ops.by(|| enabled.as_mut().enable()), (false, acts(Receive)));
        assert_eq!(ops.by(|| notify.notify_waiters()).1, acts(Send));
        assert_eq!(ops.of(enabled).await.1, acts(Receive));

        let left = notify.notified();
        assert_eq!(ops.by(|| drop(left)).1, [""; 0]);
        let mut left = Box::pin(notify.notified());
        left.as_mut().enable();
        assert_eq!(ops.by(|| drop(left)).1, acts(Release), "it leaves the queue");
    });
}

/// The future is created, then notified by `notify_waiters` while it is preempted at its first poll.
#[test]
fn notify_waiters_reaches_a_preempted_wait() {
    recorded(|_| async {
        let notify = Rc::new(Notify::new());
        let mut waiting = Box::pin(notify.notified());
        assert!(once(waiting.as_mut()).await.is_none(), "it is preempted");
        notify.notify_waiters();
        yield_now().await;
        assert!(once(waiting.as_mut()).await.is_some());
    });
}

#[test]
fn a_waiting_task_announces_completion_but_not_failed_attempts() {
    recorded(|ops| async move {
        let (tx, mut rx) = mpsc::channel(1);
        let mut receiving = Box::pin(rx.recv());
        until_it_waits(receiving.as_mut()).await;
        assert_eq!(ops.words(), ["receive?", "receive", "read"]);
        tx.try_send(1).unwrap();
        assert_eq!(ops.of(receiving).await, (Some(1), acts(Receive)));

        tx.try_send(2).unwrap();
        let mut sending = Box::pin(tx.send(3));
        until_it_waits(sending.as_mut()).await;
        assert_eq!(ops.words()[1..], ["send?", "send", "read"]);
        assert_eq!(ops.by(|| drop(sending)).1, acts(Release), "it leaves the queue of senders");
        let mut sending = Box::pin(tx.send(4));
        until_it_waits(sending.as_mut()).await;
        assert_eq!(rx.recv().await, Some(2));
        assert_eq!(ops.of(sending).await.1, acts(Send));
    });
}

#[test]
fn dropping_a_preempted_operation_leaves_nothing_behind() {
    recorded(|ops| async move {
        let (tx, mut rx) = mpsc::channel(1);
        tx.try_send(1).unwrap();
        let mut receiving = Box::pin(rx.recv());
        assert!(once(receiving.as_mut()).await.is_none());
        assert_eq!(ops.words()[1..], ["receive?"]);
        assert_eq!(ops.by(|| drop(receiving)).1, [""; 0]);
        yield_now().await;
        assert_eq!(ops.of(rx.recv()).await, (Some(1), waits(Receive)));

        // The operation that `poll_recv` started ends with the next message, however it is received.
        assert!(once(pin!(poll_fn(|cx| rx.poll_recv(cx)))).await.is_none());
        yield_now().await;
        tx.try_send(2).unwrap();
        assert_eq!(ops.of(rx.recv()).await, (Some(2), waits(Receive)));
        tx.try_send(3).unwrap();
        assert_eq!(ops.of(poll_fn(|cx| rx.poll_recv(cx))).await, (Some(3), waits(Receive)));

        let mut sending = Box::pin(tx.send(4));
        assert!(once(sending.as_mut()).await.is_none());
        drop(sending);
        yield_now().await;
        assert!(rx.try_recv().is_err());
    });
}

/// The halves are one resource, and two channels are two.
#[test]
fn channels_are_distinct_resources() {
    recorded(|ops| async move {
        let (one, mut of_one) = mpsc::unbounded_channel();
        let (two, _of_two) = mpsc::unbounded_channel();
        let ((), words) = ops.by(|| {
            one.send(1).unwrap();
            two.send(1).unwrap();
            of_one.try_recv().unwrap();
            two.clone().send(2).unwrap();
        });
        assert_eq!(words, ["send", "2:send", "receive", "3:read", "2:send", "3:read"]);
    });
}

#[test]
fn blocking_methods_wait_where_code_may_block() {
    recorded(|ops| async move {
        block_in_place(|| {
            let (tx, mut rx) = mpsc::channel(1);
            assert_eq!(ops.by(|| tx.blocking_send(1)), (Ok(()), waits(Send)));
            assert_eq!(ops.by(|| rx.blocking_recv()), (Some(1), waits(Receive)));
            tx.try_send(2).unwrap();
            assert_eq!(rx.blocking_recv_many(&mut Vec::new(), 2), 1);
            let (tx, mut rx) = mpsc::unbounded_channel();
            tx.send(1).unwrap();
            tx.send(2).unwrap();
            assert_eq!((rx.blocking_recv(), rx.blocking_recv_many(&mut Vec::new(), 2)), (Some(1), 1));
            let (tx, rx) = oneshot::channel();
            tx.send(1).unwrap();
            assert_eq!(rx.blocking_recv(), Ok(1));
            let (tx, mut rx) = broadcast::channel(1);
            tx.send(1).unwrap();
            assert_eq!(rx.blocking_recv(), Ok(1));
        });
    });
}

#[test]
fn outside_of_a_run_blocking_methods_block() {
    let (tx, mut rx) = mpsc::channel(1);
    let (one, of_one) = oneshot::channel();
    let (broadcast, mut of_broadcast) = broadcast::channel(1);
    let (unbounded, mut of_unbounded) = mpsc::unbounded_channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            (0..3).for_each(|number| tx.blocking_send(number).unwrap());
            one.send(7).unwrap();
            broadcast.send(8).unwrap();
            unbounded.send(9).unwrap();
        });
        assert_eq!([(); 3].map(|()| rx.blocking_recv().unwrap()), [0, 1, 2]);
        assert_eq!(of_one.blocking_recv(), Ok(7));
        assert_eq!(of_broadcast.blocking_recv(), Ok(8));
        assert_eq!(of_unbounded.blocking_recv(), Some(9));
        assert_eq!(rx.blocking_recv_many(&mut Vec::new(), 2), 0);
    });
}

#[test]
fn a_send_times_out() {
    use mpsc::error::SendTimeoutError;
    use tokio::sync::mpsc::error::SendTimeoutError as Tokios;

    timeloop::run(0, || async {
        let (tx, mut rx) = mpsc::channel(1);
        let start = timeloop::time::Instant::now();
        tx.send_timeout(1, Duration::from_secs(1)).await.unwrap();
        let error = tx.send_timeout(2, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        assert_eq!(error, SendTimeoutError::Timeout(2));
        assert_eq!(error.to_string(), "timed out waiting on send operation");
        assert_eq!(format!("{error:?} {error}"), format!("{0:?} {0}", Tokios::Timeout(2)));
        let waiting = spawn({
            let tx = tx.clone();
            async move { tx.send_timeout(3, Duration::from_secs(1)).await }
        });
        timeloop::time::sleep(Duration::from_millis(999)).await;
        assert_eq!(rx.recv().await, Some(1));
        waiting.await.unwrap().unwrap();
        assert_eq!(rx.recv().await, Some(3));
        drop(rx);
        let error = tx.send_timeout(4, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(format!("{error:?} {error}"), format!("{0:?} {0}", Tokios::Closed(4)));
        assert_eq!(error.into_inner(), 4);
    })
    .unwrap();
}
