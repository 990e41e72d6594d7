//! Wakers used on real threads.
#![expect(clippy::disallowed_methods, reason = "what happens on a real thread is what is tested")]

use std::future::pending;
use std::rc::Rc;
use std::thread;

use timeloop::task::yield_now;
use timeloop::time::{Duration, sleep};
use timeloop::{FailureKind, spawn};

use super::{Left, waker, woken};
use crate::support::{fifo, panic_text};

const ESCAPE: &str = "a real thread woke a task of the run, at a time that is not reproducible. Replace the thread by \
                      `timeloop::task::spawn_blocking`, and do not start another runtime.";

#[test]
fn after_the_run_nothing_happens() {
    let waker = timeloop::run(0, || async { spawn(waker()).await.unwrap() }).unwrap();
    let there = thread::spawn(move || {
        waker.wake_by_ref();
        let clone = waker.clone();
        clone.wake();
        drop(waker);
    });
    there.join().unwrap();
    timeloop::run(0, yield_now).unwrap();
}

#[test]
fn a_wake_during_the_run_is_an_escape_that_names_the_task() {
    let failure = timeloop::run(0, || async {
        let task = spawn(async {
            let waker = waker().await;
            thread::spawn(move || waker.wake()).join().unwrap();
            pending::<()>().await;
        });
        task.await.unwrap();
    })
    .unwrap_err();
    assert_eq!((failure.kind, failure.message().as_str()), (FailureKind::Escape, ESCAPE));
    assert_eq!(failure.task.expect("the task is known").path.to_string(), "root.1");
}

#[test]
fn cloning_and_dropping_there_is_not_an_escape() {
    timeloop::run(0, || async {
        let waker = waker().await;
        thread::spawn(move || drop((waker.clone(), waker))).join().unwrap();
        yield_now().await;
    })
    .unwrap();
}

#[test]
fn a_wake_after_the_last_step_is_an_escape_too() {
    let failure = timeloop::run(0, || async {
        let waker = waker().await;
        thread::spawn(move || waker.wake()).join().unwrap();
    })
    .unwrap_err();
    assert_eq!((failure.kind, failure.message().as_str()), (FailureKind::Escape, ESCAPE));
}

#[test]
fn an_idle_runtime_observes_the_wake_when_it_continues() {
    let runtime = fifo();
    let left = Left::default();
    let task = runtime.spawn(woken(Rc::clone(&left), 1));
    runtime.block_on(yield_now());
    let waker = left.take().expect("the task waits");
    thread::spawn(move || waker.wake()).join().unwrap();
    let text = panic_text(|| _ = runtime.block_on(task));
    assert!(text.contains(ESCAPE), "{text}");
}

#[test]
fn a_waker_of_a_run_on_another_thread_is_no_escape() {
    let waker = timeloop::run(0, waker).unwrap();
    let there = thread::spawn(move || {
        timeloop::run(0, || {
            let waker = waker.clone();
            async move {
                waker.wake();
                sleep(Duration::from_secs(1)).await;
            }
        })
    });
    there.join().unwrap().unwrap();
}

#[test]
fn runs_on_many_threads_do_not_affect_each_other() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                for seed in 0..50 {
                    timeloop::run(seed, || async {
                        let left = Left::default();
                        let task = spawn(woken(Rc::clone(&left), 1));
                        sleep(Duration::from_secs(1)).await;
                        left.take().expect("the task waits").wake();
                        assert_eq!(task.await.unwrap(), 2);
                    })
                    .unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
