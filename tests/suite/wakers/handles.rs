//! Handles, timers and sets that outlive their run, or move to another thread.
#![expect(clippy::disallowed_methods, reason = "what happens on a real thread is what is tested")]

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;

use timeloop::task::{JoinHandle, JoinSet, yield_now};
use timeloop::time::{Duration, Interval, Sleep, interval, sleep};
use timeloop::{FailureKind, spawn};

use crate::support::{fifo, on_drop};

/// Items of all kinds, in use.
struct Things {
    running: JoinHandle<u32>,
    ended: JoinHandle<u32>,
    sleep: Pin<Box<Sleep>>,
    interval: Interval,
    set: JoinSet<u32>,
}

async fn things() -> Things {
    let running = spawn(pending());
    let ended = spawn(async { 42 });
    let mut things = Things {
        running,
        ended,
        sleep: Box::pin(sleep(Duration::from_secs(100))),
        interval: interval(Duration::from_secs(1)),
        set: JoinSet::new(),
    };
    things.set.spawn(pending());
    things.set.spawn(async { 42 });
    things.interval.tick().await;
    poll_fn(|cx| {
        assert!(things.sleep.as_mut().poll(cx).is_pending());
        assert!(things.interval.poll_tick(cx).is_pending());
        assert!(Pin::new(&mut things.running).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    sleep(Duration::from_nanos(1)).await;
    things
}

#[test]
fn dropped_after_their_run() {
    let things = timeloop::run(0, things).unwrap();
    drop(things);
}

#[test]
fn dropped_in_a_later_run() {
    let things = std::cell::Cell::new(Some(timeloop::run(0, things).unwrap()));
    fifo().block_on(async {
        let mine = spawn(async { 42 });
        drop(things.take());
        assert_eq!(mine.await.unwrap(), 42);
    });
}

#[test]
fn dropped_on_another_thread_after_their_run() {
    let things = timeloop::run(0, things).unwrap();
    thread::spawn(move || drop(things)).join().unwrap();
}

/// Dropping a set aborts its tasks, and dropping a timer may let time pass: both at a time that is not reproducible.
#[test]
fn dropped_on_another_thread_during_their_run() {
    let failure = timeloop::run(0, || async {
        let things = things().await;
        thread::spawn(move || drop(things)).join().unwrap();
        sleep(Duration::from_secs(1000)).await;
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Escape);
}

#[test]
fn used_after_their_run() {
    let mut things = timeloop::run(0, things).unwrap();
    assert!(things.running.is_finished() && things.ended.is_finished());
    things.running.abort();
    things.set.abort_all();
    let context = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Err(error)) = Pin::new(&mut things.running).poll(context) else { panic!("cancelled") };
    assert!(error.is_cancelled());
    let Poll::Ready(Err(error)) = Pin::new(&mut things.ended).poll(context) else { panic!("cancelled") };
    assert!(error.is_cancelled());
    assert_eq!(things.set.len(), 2);
    assert!(things.set.try_join_next().is_some());
}

#[test]
fn timers_are_awaited_in_a_later_run_by_its_own_clock() {
    let mut things = timeloop::run(0, things).unwrap();
    fifo().block_on(async {
        let start = timeloop::time::Instant::now();
        things.sleep.as_mut().await;
        assert_eq!(start.elapsed(), Duration::from_secs(100));
        things.sleep.as_mut().reset(start);
        things.sleep.as_mut().await;
        things.interval.reset();
        things.interval.tick().await;
        assert_eq!(start.elapsed(), Duration::from_secs(101));
    });
}

#[test]
fn moved_from_one_runtime_to_another_while_both_live() {
    let (first, second) = (fifo(), fifo());
    let mut things = first.block_on(things());
    second.block_on(async {
        things.sleep.as_mut().await;
        assert_eq!(things.ended.await.unwrap(), 42, "the first one still has it");
    });
    assert_eq!(first.metrics().num_timers(), 1, "the interval's; the sleep has gone to the second");
    drop(things.interval);
    assert_eq!((first.metrics().num_timers(), second.metrics().num_timers()), (0, 0));
}

#[test]
fn a_panic_whose_handle_was_dropped_on_another_thread_is_not_lost() {
    let failure = timeloop::run(0, || async {
        let task = spawn(async { panic!("nobody looked") });
        sleep(Duration::from_secs(1)).await;
        thread::spawn(move || drop(task)).join().unwrap();
        sleep(Duration::from_secs(1)).await;
    })
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Escape);
    assert!(failure.notes.iter().any(|note| note.to_string().contains("nobody looked")), "{failure:?}");
}

#[test]
fn handles_dropped_by_destructors_while_the_run_is_torn_down() {
    timeloop::run(0, || async {
        // Each task holds the handle of another, in both directions of the order in which they are dropped.
        let later = std::rc::Rc::new(std::cell::Cell::new(None));
        let held = std::rc::Rc::clone(&later);
        let guard = on_drop(move || drop(held.take()));
        let first = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        let second = spawn(async move {
            let _first = first;
            pending::<()>().await;
        });
        later.set(Some(second));
        yield_now().await;
        sleep(Duration::from_secs(1)).await;
    })
    .unwrap();
}
