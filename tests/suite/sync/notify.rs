//! The signal: stores at most one permit, wakes in the order of waiting, and passes on when a waiter gives up.

use std::rc::Rc;
use std::sync::Arc;

use timeloop::sync::Notify;

use super::{Log, any_order, baseline, settle, spawn_and_wait};

/// Tasks that wait in order and log their number when they continue.
async fn waiting(notify: &Rc<Notify>, log: &Log<usize>, tasks: usize) -> Vec<timeloop::task::JoinHandle<()>> {
    let mut all = Vec::new();
    for number in 0..tasks {
        let (notify, log) = (Rc::clone(notify), log.clone());
        let task = spawn_and_wait(async move {
            notify.notified().await;
            log.push(number);
        });
        all.push(task.await);
    }
    all
}

#[test]
fn the_first_waiter_is_notified_first_and_the_last_on_request() {
    baseline(async {
        let (notify, log) = (Rc::new(Notify::new()), Log::default());
        let _tasks = waiting(&notify, &log, 4).await;
        notify.notify_one();
        settle().await;
        assert_eq!(log.take(), [0]);
        notify.notify_last();
        settle().await;
        assert_eq!(log.take(), [3]);
        notify.notify_waiters();
        settle().await;
        assert_eq!(log.take(), [1, 2]);
    });
}

#[test]
fn one_permit_is_kept_and_no_more() {
    baseline(async {
        let (notify, log) = (Rc::new(Notify::new()), Log::default());
        notify.notify_one();
        notify.notify_one();
        let _tasks = waiting(&notify, &log, 2).await;
        assert_eq!(log.take(), [0]);
        notify.notify_one();
        settle().await;
        assert_eq!(log.take(), [1]);
    });
}

#[test]
fn notifying_all_stores_no_permit_but_reaches_created_waits() {
    baseline(async {
        let notify = Notify::new();
        let asked = notify.notified();
        notify.notify_waiters();
        asked.await;
        let late = notify.notified();
        timeloop::pin!(late);
        assert!(!late.as_mut().enable());
        notify.notify_one();
        assert!(late.as_mut().enable());
    });
}

#[test]
fn a_notified_wait_that_is_dropped_passes_the_signal_on() {
    baseline(async {
        let (notify, log) = (Rc::new(Notify::new()), Log::default());
        let tasks = waiting(&notify, &log, 3).await;
        notify.notify_one();
        tasks[0].abort();
        settle().await;
        assert_eq!(log.take(), [1]);
    });
}

/// Check, then wait: with the future created before the check, no schedule misses the signal.
#[test]
fn no_schedule_loses_the_signal() {
    any_order(|| async {
        let state = Rc::new((Notify::new(), std::cell::Cell::new(false)));
        let waiter = timeloop::spawn({
            let state = Rc::clone(&state);
            async move {
                let notified = state.0.notified();
                timeloop::task::yield_now().await;
                if !state.1.get() {
                    notified.await;
                }
                assert!(state.1.get());
            }
        });
        timeloop::spawn(async move {
            state.1.set(true);
            state.0.notify_waiters();
        });
        waiter.await.unwrap();
    });
}

#[test]
fn an_owned_wait_outlives_its_maker() {
    baseline(async {
        let notify = Arc::new(Notify::new());
        let owned = Arc::clone(&notify).notified_owned();
        let task = spawn_and_wait(owned).await;
        notify.notify_waiters();
        task.await.unwrap();
    });
}
