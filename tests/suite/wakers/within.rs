//! Wakers used within one run.
#![expect(clippy::waker_clone_wake, reason = "a clone is another way to hold a waker, and each way is tried")]

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use timeloop::spawn;
use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep};

use super::{Left, leave_waker, waker, woken};
use crate::support::{Log, fifo, on_drop, pends};

#[test]
fn called_while_another_task_is_polled() {
    for seed in 0..30 {
        timeloop::run(seed, || async {
            let left = Left::default();
            let waiter = spawn(woken(Rc::clone(&left), 3));
            for _ in 0..3 {
                sleep(Duration::from_nanos(1)).await;
                left.take().expect("the task waits").wake();
            }
            assert_eq!(waiter.await.unwrap(), 4);
        })
        .unwrap();
    }
}

#[test]
fn called_many_times_counts_once() {
    let polls = fifo().block_on(async {
        let left = Left::default();
        let waiter = spawn(woken(Rc::clone(&left), 1));
        yield_now().await;
        let waker = left.take().expect("the task waits");
        let clones: Vec<Waker> = (0..100).map(|_| waker.clone()).collect();
        clones.iter().for_each(Waker::wake_by_ref);
        clones.into_iter().for_each(Waker::wake);
        waiter.await.unwrap()
    });
    assert_eq!(polls, 2);
}

#[test]
fn called_by_its_own_task_during_its_poll() {
    let polls = fifo().block_on(async {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            cx.waker().clone().wake();
            if polls == 10 { Poll::Ready(polls) } else { Poll::Pending }
        })
        .await
    });
    assert_eq!(polls, 10);
}

#[test]
fn called_after_its_task_has_ended() {
    timeloop::run(0, || async {
        let left = Left::default();
        let task = spawn({
            let left = Rc::clone(&left);
            async move { leave_waker(&left).await }
        });
        task.await.unwrap();
        // The slot has another task now, which gets at most a superfluous poll.
        let stranger = spawn(woken(Left::default(), 1));
        yield_now().await;
        let waker = left.take().unwrap();
        waker.wake_by_ref();
        waker.clone().wake();
        drop(waker);
        sleep(Duration::from_secs(1)).await;
        assert!(!stranger.is_finished(), "the old waker is not that of the new task");
        stranger.abort();
    })
    .unwrap();
}

#[test]
fn compares_as_the_same_task_or_another() {
    timeloop::run(0, || async {
        let root = waker().await;
        assert!(root.will_wake(&root.clone()));
        let other = spawn(waker()).await.unwrap();
        assert!(!root.will_wake(&other) && other.will_wake(&other.clone()));
        assert!(!root.will_wake(Waker::noop()));
        yield_now().await;
        assert!(root.will_wake(&waker().await), "the same in the next step");
    })
    .unwrap();
}

#[test]
fn forgotten() {
    timeloop::run(0, || async {
        for _ in 0..1000 {
            mem::forget(waker().await);
        }
        mem::forget(sleep(Duration::from_secs(1)));
        let mut forgotten = Box::pin(sleep(Duration::from_secs(1)));
        pends(&mut forgotten).await;
        mem::forget(forgotten);
        mem::forget(spawn(pending::<()>()));
        let start = timeloop::time::Instant::now();
        sleep(Duration::from_secs(2)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(2), "the forgotten timer fires, and that is all");
    })
    .unwrap();
}

#[test]
fn called_in_drop_of_the_task_itself() {
    timeloop::run(0, || async {
        let left = Left::default();
        let own = Rc::clone(&left);
        let guard = on_drop(move || own.take().expect("left before").wake());
        let task = spawn({
            let left = Rc::clone(&left);
            async move {
                let _guard = guard;
                leave_waker(&left).await;
                pending::<()>().await;
            }
        });
        yield_now().await;
        sleep(Duration::from_secs(1)).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    })
    .unwrap();
}

#[test]
fn called_in_drop_while_the_run_is_torn_down() {
    let log = Log::new();
    for seed in 0..20 {
        timeloop::run(seed, || {
            let log = log.clone();
            async move {
                // Each task wakes, clones and drops the waker of the other and of the root when it is dropped.
                let wakers: Rc<Cell<Vec<Waker>>> = Rc::default();
                let mut all = vec![waker().await];
                let mut guards = Vec::new();
                for _ in 0..3 {
                    let (wakers, log) = (Rc::clone(&wakers), log.clone());
                    guards.push(on_drop(move || {
                        let all = wakers.take();
                        all.iter().for_each(Waker::wake_by_ref);
                        all.iter().cloned().for_each(Waker::wake);
                        wakers.set(all);
                        log.push(());
                    }));
                }
                let left = Left::default();
                for guard in guards {
                    let left = Rc::clone(&left);
                    spawn(async move {
                        let _guard = guard;
                        leave_waker(&left).await;
                        pending::<()>().await;
                    });
                    sleep(Duration::from_secs(1)).await;
                }
                all.extend(left.take());
                wakers.set(all);
            }
        })
        .unwrap();
        assert_eq!(log.take().len(), 3);
    }
}

/// A user's waker that wraps the loop's: its functions run inside `wake`, `clone` and `drop`.
#[test]
fn called_re_entrantly_in_the_wake_of_another() {
    use std::sync::{Arc, Mutex};

    struct Chain(Mutex<Option<Waker>>, Waker);

    impl std::task::Wake for Chain {
        fn wake(self: Arc<Self>) {
            self.1.wake_by_ref();
            let next = self.0.lock().unwrap().take();
            if let Some(next) = next {
                next.wake();
            }
            // The loop's functions work from here as from anywhere.
            drop(spawn(async {}));
            drop(sleep(Duration::ZERO));
        }
    }

    impl Drop for Chain {
        fn drop(&mut self) {
            self.1.wake_by_ref();
        }
    }

    timeloop::run(0, || async {
        let root = waker().await;
        let mut chain = Waker::from(Arc::new(Chain(Mutex::new(None), root.clone())));
        for _ in 0..10 {
            chain = Waker::from(Arc::new(Chain(Mutex::new(Some(chain)), root.clone())));
        }
        // As the waker of a timer, of a task's end, and called by hand.
        let mut timer = Box::pin(sleep(Duration::from_secs(1)));
        assert!(timer.as_mut().poll(&mut Context::from_waker(&chain)).is_pending());
        let mut task = spawn(sleep(Duration::from_secs(2)));
        assert!(pin!(&mut task).poll(&mut Context::from_waker(&chain)).is_pending());
        chain.wake_by_ref();
        sleep(Duration::from_secs(3)).await;
        drop((timer, chain));
        task.await.unwrap();
    })
    .unwrap();
}

/// A waker that drops its owner while the loop calls it.
#[test]
fn a_waker_whose_call_drops_the_timer_that_called_it() {
    use std::pin::Pin;
    use std::sync::Arc;

    type Timers = Vec<Pin<Box<timeloop::time::Sleep>>>;

    struct DropTimers(std::sync::Mutex<Timers>);

    impl std::task::Wake for DropTimers {
        fn wake(self: Arc<Self>) {
            let timers = mem::take(&mut *self.0.lock().unwrap());
            drop(timers);
        }
    }

    timeloop::run(0, || async {
        let dropper = Arc::new(DropTimers(std::sync::Mutex::default()));
        let waker = Waker::from(Arc::clone(&dropper));
        for _ in 0..3 {
            let mut timer = Box::pin(sleep(Duration::from_secs(1)));
            assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            dropper.0.lock().unwrap().push(timer);
        }
        sleep(Duration::from_secs(2)).await;
        assert!(dropper.0.lock().unwrap().is_empty());
        assert_eq!(timeloop::runtime::Handle::current().metrics().num_timers(), 0);
    })
    .unwrap();
}

#[test]
fn a_waker_that_panics_fails_only_the_run() {
    struct Panics;

    impl std::task::Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("in wake");
        }
    }

    let failure = timeloop::run(0, || async {
        let waker = Waker::from(std::sync::Arc::new(Panics));
        let mut timer = Box::pin(sleep(Duration::from_secs(1)));
        assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        sleep(Duration::from_secs(2)).await;
    })
    .unwrap_err();
    assert_eq!(failure.message(), "in wake");
    let failure = timeloop::run(0, || async {
        let waker = Waker::from(std::sync::Arc::new(Panics));
        let mut task = spawn(async {});
        assert!(pin!(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        sleep(Duration::from_secs(2)).await;
    })
    .unwrap_err();
    assert_eq!(failure.message(), "in wake");
}

#[test]
fn a_waker_taken_in_the_explained_run_works_too() {
    // A failing run is repeated with wakers that record where tasks wait.
    let failure = timeloop::run(0, || async {
        let left = Left::default();
        let waiter = spawn(woken(Rc::clone(&left), 10));
        for _ in 0..10 {
            sleep(Duration::from_nanos(1)).await;
            let waker = left.take().expect("the task waits");
            mem::forget(waker.clone());
            waker.wake();
        }
        assert_eq!(waiter.await.unwrap(), 11);
        pending::<()>().await;
    })
    .unwrap_err();
    assert_eq!(failure.kind, timeloop::FailureKind::Deadlock);
    let blocked = &failure.blocked[0];
    if let Some(site) = &blocked.waits_at {
        assert!(site.file.ends_with("within.rs"), "{site}");
    }
}
