//! Sleeping: exact to the nanosecond, ordered, and at no cost.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake};

use timeloop::runtime::Handle;
use timeloop::task::yield_now;
use timeloop::time::{Duration, Instant, advance, pause, resume, sleep, sleep_until};
use timeloop::{FailureKind, spawn};

use crate::support::{Log, fifo, on_drop, panic_text, pends};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn ends_at_its_deadline_to_the_nanosecond() {
    timeloop::run(0, || async {
        let start = Instant::now();
        for nanoseconds in [1, 999, 1_000_001, 86_400_000_000_007] {
            let before = Instant::now();
            sleep(Duration::from_nanos(nanoseconds)).await;
            assert_eq!(before.elapsed(), Duration::from_nanos(nanoseconds));
        }
        sleep_until(start + 200_000 * SECOND).await;
        assert_eq!(start.elapsed(), 200_000 * SECOND);
    })
    .unwrap();
}

#[test]
fn a_deadline_that_has_passed_does_not_wait() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let mut steps = 0;
        let mut sleeps = pin!(async {
            sleep(Duration::ZERO).await;
            sleep_until(start).await;
            sleep_until(start - SECOND).await;
        });
        poll_fn(|cx| {
            steps += 1;
            sleeps.as_mut().poll(cx)
        })
        .await;
        assert_eq!((steps, start.elapsed()), (1, Duration::ZERO));
    })
    .unwrap();
}

#[test]
fn time_stands_still_while_a_task_is_ready() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let timer = spawn(sleep(Duration::from_nanos(1)));
        for _ in 0..1000 {
            yield_now().await;
        }
        assert_eq!((start.elapsed(), timer.is_finished()), (Duration::ZERO, false));
        timer.await.unwrap();
    })
    .unwrap();
}

#[test]
fn a_year_costs_as_many_steps_as_a_second() {
    let steps = |duration: Duration| {
        fifo().block_on(async move {
            let mut steps = 0;
            let mut sleep = pin!(sleep(duration));
            poll_fn(|cx| {
                steps += 1;
                sleep.as_mut().poll(cx)
            })
            .await;
            steps
        })
    };
    assert_eq!((steps(SECOND), steps(365 * 24 * 3600 * SECOND)), (2, 2));
}

#[test]
fn timers_of_one_deadline_come_due_in_order_of_registration() {
    let log = Log::new();
    let root = log.clone();
    fifo().block_on(async move {
        let start = Instant::now();
        let tasks = [3, 1, 2, 0].map(|number| {
            let log = root.clone();
            spawn(async move {
                // Registered in another order than spawned.
                sleep(Duration::from_millis(number)).await;
                sleep_until(start + SECOND).await;
                log.push(number);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(log.take(), [0, 1, 2, 3]);
}

#[test]
fn timers_of_one_deadline_compete_under_a_random_strategy() {
    let orders: std::collections::BTreeSet<_> = (0..200)
        .map(|seed| {
            timeloop::run(seed, || async {
                let log = Log::new();
                let tasks = [1, 2, 3].map(|number| {
                    let log = log.clone();
                    spawn(async move {
                        sleep(SECOND).await;
                        log.push(number);
                    })
                });
                for task in tasks {
                    task.await.unwrap();
                }
                log.take()
            })
            .unwrap()
        })
        .collect();
    assert_eq!(orders.len(), 6);
}

#[test]
fn timers_of_different_deadlines_keep_their_order_under_any_seed() {
    for seed in 0..50 {
        timeloop::run(seed, || async {
            let log = Log::new();
            let tasks = [5, 2, 4, 1, 3].map(|nanoseconds| {
                let log = log.clone();
                spawn(async move {
                    sleep(Duration::from_nanos(nanoseconds)).await;
                    log.push(nanoseconds);
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(log.take(), [1, 2, 3, 4, 5]);
        })
        .unwrap();
    }
}

#[test]
fn a_dropped_sleep_leaves_nothing_behind() {
    timeloop::run(0, || async {
        let metrics = Handle::current().metrics();
        {
            let mut sleep = pin!(sleep(3600 * SECOND));
            pends(&mut sleep).await;
            assert_eq!(metrics.num_timers(), 1);
        }
        assert_eq!(metrics.num_timers(), 0);
        let start = Instant::now();
        sleep(SECOND).await;
        assert_eq!((start.elapsed(), metrics.num_timers()), (SECOND, 0));
    })
    .unwrap();
}

#[test]
fn a_sleep_that_was_never_polled_sets_no_timer() {
    timeloop::run(0, || async {
        let mut unpolled = std::pin::pin!(sleep(SECOND));
        assert_eq!(Handle::current().metrics().num_timers(), 0);
        assert!(!unpolled.is_elapsed());
        assert_eq!(unpolled.deadline(), Instant::now() + SECOND);
        sleep(SECOND).await;
        assert!(!unpolled.is_elapsed(), "not before its first poll, as in tokio");
        unpolled.as_mut().await;
        assert!(unpolled.is_elapsed());
    })
    .unwrap();
}

#[test]
fn reset_moves_a_deadline_later_and_earlier() {
    timeloop::run(0, || async {
        for (from, to) in [(1, 10), (10, 1), (5, 5)] {
            let start = Instant::now();
            let mut sleep = pin!(sleep(from * SECOND));
            pends(&mut sleep).await;
            sleep.as_mut().reset(start + to * SECOND);
            assert_eq!(sleep.deadline(), start + to * SECOND);
            sleep.await;
            assert_eq!(start.elapsed(), to * SECOND);
        }
        assert_eq!(Handle::current().metrics().num_timers(), 0);
    })
    .unwrap();
}

#[test]
fn reset_wakes_the_task_that_waits_without_another_poll() {
    timeloop::run(0, || async {
        sleep(10 * SECOND).await;
        let start = Instant::now();
        let mut moved = pin!(sleep(3600 * SECOND));
        // Polled once, so that it has a waker; reset to the past, and not polled again before time passes.
        pends(&mut moved).await;
        moved.as_mut().reset(start - SECOND);
        let mut polls = 0;
        poll_fn(|_| {
            polls += 1;
            if polls == 1 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        assert_eq!((start.elapsed(), polls), (Duration::ZERO, 2));
        moved.await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    })
    .unwrap();
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// As in tokio. The `DelayQueue` of tokio-util relies on it.
#[test]
fn reset_wakes_at_once_if_the_deadline_has_passed() {
    timeloop::run(0, || async {
        sleep(10 * SECOND).await;
        let now = Instant::now();
        for (deadline, wakes) in [(now - SECOND, true), (now, true), (now + SECOND, false)] {
            let mut moved = pin!(sleep(3600 * SECOND));
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            let waker = Arc::clone(&woken).into();
            assert!(moved.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            moved.as_mut().reset(deadline);
            assert_eq!(woken.0.load(Relaxed), wakes, "{deadline:?}");
            moved.await;
            assert_eq!(Instant::now(), now.max(deadline));
        }
    })
    .unwrap();
}

#[test]
fn reset_after_the_end_sleeps_again() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let mut sleep = pin!(sleep(SECOND));
        sleep.as_mut().await;
        sleep.as_mut().reset(start + 3 * SECOND);
        assert!(!sleep.is_elapsed());
        sleep.await;
        assert_eq!(start.elapsed(), 3 * SECOND);
    })
    .unwrap();
}

#[test]
fn resetting_a_timer_to_now_for_ever_is_a_livelock() {
    let failure = timeloop::run(0, || async {
        let mut moved = pin!(sleep(SECOND));
        poll_fn(|cx| {
            let now = Instant::now();
            moved.as_mut().reset(now + SECOND);
            assert!(moved.as_mut().poll(cx).is_pending());
            moved.as_mut().reset(now);
            Poll::<()>::Pending
        })
        .await;
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Livelock);
}

#[test]
fn a_sleep_that_moves_between_tasks_wakes_the_last_one() {
    timeloop::run(0, || async {
        let mut sleep = Box::pin(sleep(SECOND));
        pends(&mut sleep).await;
        let start = Instant::now();
        spawn(sleep).await.unwrap();
        assert_eq!(start.elapsed(), SECOND);
    })
    .unwrap();
}

#[test]
fn a_sleep_may_be_dropped_in_a_destructor_during_teardown() {
    let log = Log::new();
    timeloop::run(0, || {
        let log = log.clone();
        async move {
            let mut held = Some(Box::pin(sleep(SECOND)));
            let guard = on_drop({
                let log = log.clone();
                let mut sleep = held.take();
                move || {
                    log.push(Instant::now().elapsed());
                    drop(sleep.take());
                }
            });
            spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            });
            yield_now().await;
        }
    })
    .unwrap();
    assert_eq!(log.take(), [Duration::ZERO]);
}

#[test]
fn a_duration_beyond_the_end_of_time_takes_30_years() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let never = timeloop::time::timeout(SECOND, sleep(Duration::MAX)).await;
        assert!(never.is_err());
        assert_eq!(start.elapsed(), SECOND);
    })
    .unwrap();
    let failure =
        timeloop::run(0, || async { sleep(Duration::from_secs(400 * 365 * 24 * 3600)).await }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::TimeLimit);
}

#[test]
fn advance_lets_timers_fire_on_the_way() {
    timeloop::run(0, || async {
        pause();
        let start = Instant::now();
        let task = spawn(async move {
            sleep(SECOND).await;
            start.elapsed()
        });
        advance(5 * SECOND).await;
        assert_eq!((start.elapsed(), task.await.unwrap()), (5 * SECOND, SECOND));
        resume();
        assert_eq!(start.elapsed(), 5 * SECOND);
    })
    .unwrap();
}

#[test]
fn outside_of_a_run_there_is_no_time() {
    for what in [
        panic_text(|| drop(sleep(SECOND))).replace("sleep", "read the virtual clock"),
        panic_text(|| _ = Instant::now()),
        panic_text(|| drop(timeloop::time::timeout(SECOND, async {})))
            .replace("sleep", "read the virtual clock"),
        panic_text(|| drop(timeloop::time::interval(SECOND))).replace("sleep", "read the virtual clock"),
    ] {
        assert_eq!(
            what,
            "can't read the virtual clock outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, \
             `timeloop::explore` or `Runtime::block_on`"
        );
    }
}
