//! Functions on tasks: gather, wait, wait_for, shield, as_completed, task groups, to_thread.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use timeloop::spawn;
use timeloop::task::{JoinHandle, JoinSet, spawn_blocking};
use timeloop::time::{Duration, Instant, sleep, timeout};

use super::{SECOND, always};
use crate::support::Log;

/// Sleeps and returns its number; an odd number is an error.
async fn work(seconds: u32) -> Result<u32, u32> {
    sleep(seconds * SECOND).await;
    if seconds.is_multiple_of(2) { Ok(seconds) } else { Err(seconds) }
}

async fn number(seconds: u32) -> u32 {
    sleep(seconds * SECOND).await;
    seconds
}

/// `gather`: all outputs, in the order of the arguments.
#[test]
fn gather() {
    always(|| async {
        let start = Instant::now();
        assert_eq!(timeloop::join!(number(3), number(1), number(2)), (3, 1, 2));
        assert_eq!(start.elapsed(), 3 * SECOND);
        assert_eq!(join_all([3, 1, 2].map(number)).await, [3, 1, 2]);
        assert_eq!(start.elapsed(), 6 * SECOND);
        // `return_exceptions=True`.
        assert_eq!(join_all([2, 1, 3].map(work)).await, [Ok(2), Err(1), Err(3)]);
    });
}

/// `gather` raises the first exception; unlike asyncio's, `try_join!` drops the others at once.
#[test]
fn failed_gather() {
    let printed = always(|| async {
        let start = Instant::now();
        let log = Log::new();
        let finally = log.on_drop("the other future is dropped");
        let other = async move {
            let _finally = finally;
            work(10).await
        };
        assert_eq!(timeloop::try_join!(work(2), work(1), other), Err(1));
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!(try_join_all([2, 4, 6].map(work)).await, Ok(vec![2, 4, 6]));
        log.take()
    });
    assert_eq!(printed, ["the other future is dropped"]);
}

/// As in asyncio, if one of the gathered *tasks* fails, the others continue.
#[test]
fn a_failed_gather_of_tasks_leaves_the_others_running() {
    always(|| async {
        let start = Instant::now();
        let mut tasks: Vec<_> = [1, 4].map(|seconds| spawn(work(seconds))).into();
        let first = try_join_all(tasks.iter_mut().map(|task| async { task.await.unwrap() })).await;
        assert_eq!((first, start.elapsed()), (Err(1), SECOND));
        let last = tasks.pop().unwrap();
        assert!(!last.is_finished());
        assert_eq!((last.await.unwrap(), start.elapsed()), (Ok(4), 4 * SECOND));
    });
}

/// `wait(…, return_when=ALL_COMPLETED)`.
#[test]
fn wait_for_all() {
    always(|| async {
        let mut done = Vec::new();
        let mut pending: JoinSet<_> = [3, 1, 2].map(work).into_iter().collect();
        while let Some(result) = pending.join_next().await {
            done.push(result.unwrap());
        }
        assert_eq!(done, [Err(1), Ok(2), Err(3)]);
    });
}

/// `wait(…, return_when=FIRST_COMPLETED)`: the others stay in the set and continue.
#[test]
fn wait_for_the_first_completed() {
    always(|| async {
        let start = Instant::now();
        let mut pending: JoinSet<_> = [3, 1, 2].map(number).into_iter().collect();
        assert_eq!(pending.join_next().await.unwrap().unwrap(), 1);
        assert_eq!((pending.len(), start.elapsed()), (2, SECOND));
        // Of two futures, the other one is dropped.
        let first = timeloop::select! {
            output = number(5) => output,
            output = number(4) => output,
        };
        assert_eq!((first, start.elapsed()), (4, 5 * SECOND));
        assert_eq!(pending.join_all().await, [2, 3]);
        assert_eq!(start.elapsed(), 5 * SECOND);
    });
}

/// `wait(…, return_when=FIRST_EXCEPTION)`.
#[test]
fn wait_for_the_first_exception() {
    always(|| async {
        let start = Instant::now();
        let mut done = Vec::new();
        let mut pending: JoinSet<_> = [2, 4, 5, 6].map(work).into_iter().collect();
        while let Some(result) = pending.join_next().await {
            done.push(result.unwrap());
            if done.last().is_some_and(Result::is_err) {
                break;
            }
        }
        assert_eq!((done, pending.len()), (vec![Ok(2), Ok(4), Err(5)], 1));
        assert_eq!(start.elapsed(), 5 * SECOND);
    });
}

/// `wait(…, timeout=…)` cancels nothing.
#[test]
fn wait_with_a_timeout() {
    always(|| async {
        let mut done = Vec::new();
        let mut pending: JoinSet<_> = [1, 2, 5].map(number).into_iter().collect();
        let all = timeout(3 * SECOND, async {
            while let Some(result) = pending.join_next().await {
                done.push(result.unwrap());
            }
        });
        assert!(all.await.is_err());
        assert_eq!((done, pending.len()), (vec![1, 2], 1));
        assert_eq!(pending.join_next().await.unwrap().unwrap(), 5);
    });
}

/// `wait_for` cancels the future after the timeout.
#[test]
fn wait_for() {
    let printed = always(|| async {
        let log = Log::new();
        let finally = log.on_drop("cancelled");
        let late = timeout(SECOND, async {
            let _finally = finally;
            number(2).await
        });
        assert_eq!(late.await.unwrap_err().to_string(), "deadline has elapsed");
        assert_eq!(timeout(3 * SECOND, number(2)).await, Ok(2));
        log.take()
    });
    assert_eq!(printed, ["cancelled"]);
}

/// `wait_for` of a task: dropping a handle does not cancel its task, so the program aborts it.
#[test]
fn wait_for_a_task() {
    always(|| async {
        let mut task = spawn(number(2));
        assert!(timeout(SECOND, &mut task).await.is_err());
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

/// `shield`: cancelling a future that awaits a task does not cancel the task.
#[test]
fn shield() {
    always(|| async {
        let start = Instant::now();
        let mut inner = spawn(number(3));
        assert!(timeout(SECOND, &mut inner).await.is_err(), "the waiter is cancelled");
        assert_eq!((inner.await.unwrap(), start.elapsed()), (3, 3 * SECOND), "the task is not cancelled");

        let saved = Rc::new(Cell::new(0));
        let save = Rc::clone(&saved);
        let outer = spawn(async move {
            let inner = spawn(async move { save.set(number(2).await) });
            inner.await.unwrap();
        });
        sleep(SECOND).await;
        outer.abort();
        assert!(outer.await.unwrap_err().is_cancelled());
        sleep(2 * SECOND).await;
        assert_eq!(saved.get(), 2);
    });
}

/// `as_completed`.
#[test]
fn as_completed() {
    always(|| async {
        let start = Instant::now();
        let mut futures: FuturesUnordered<_> = [3, 1, 2].map(number).into_iter().collect();
        let mut outputs = Vec::new();
        while let Some(output) = futures.next().await {
            assert_eq!(start.elapsed(), output * SECOND);
            outputs.push(output);
        }
        let mut tasks: JoinSet<_> = [3, 1, 2].map(number).into_iter().collect();
        while let Some(output) = tasks.join_next().await {
            outputs.push(output.unwrap());
        }
        assert_eq!(outputs, [1, 2, 3, 1, 2, 3]);
    });
}

/// A task group: it ends when all its tasks have ended, and the first failure cancels the others.
async fn task_group(log: &Log, seconds: &[u32]) -> Result<u32, u32> {
    let mut group = JoinSet::new();
    for &seconds in seconds {
        let finally = log.on_drop("a task ends");
        group.spawn(async move {
            let _finally = finally;
            work(seconds).await
        });
    }
    let mut sum = 0;
    while let Some(result) = group.join_next().await {
        match result.expect("no task panics or is cancelled") {
            Ok(output) => sum += output,
            Err(error) => {
                group.shutdown().await;
                return Err(error);
            }
        }
    }
    Ok(sum)
}

#[test]
fn task_groups() {
    always(|| async {
        let (start, log) = (Instant::now(), Log::new());
        assert_eq!(task_group(&log, &[2, 4, 6]).await, Ok(12));
        assert_eq!((log.take().len(), start.elapsed()), (3, 6 * SECOND));
        assert_eq!(task_group(&log, &[2, 4, 3, 100]).await, Err(3));
        assert_eq!(
            (log.take().len(), start.elapsed()),
            (4, 9 * SECOND),
            "all tasks have ended when the group has"
        );
    });
}

/// Cancelling a group cancels its tasks.
#[test]
fn a_cancelled_task_group() {
    always(|| async {
        let log = Log::new();
        assert!(timeout(SECOND, task_group(&log, &[2, 4])).await.is_err());
        sleep(Duration::from_nanos(1)).await;
        assert_eq!(log.take(), ["a task ends"; 2]);
    });
}

/// `to_thread`: no thread, but a separate step that the scheduler orders.
#[test]
fn to_thread() {
    always(|| async {
        let start = Instant::now();
        let sums: Vec<JoinHandle<u64>> =
            (1..4).map(|number| spawn_blocking(move || (0..=number * 1000).sum())).collect();
        let sums = join_all(sums).await.into_iter().map(Result::unwrap);
        assert_eq!(sums.collect::<Vec<_>>(), [500_500, 2_001_000, 4_501_500]);
        assert_eq!(start.elapsed(), Duration::ZERO);
        let error = spawn_blocking(|| panic!("in the closure")).await.unwrap_err();
        assert!(error.is_panic());
    });
}

/// `sleep(0)`: others may run.
#[test]
fn sleep_zero_is_a_yield() {
    let others: std::collections::BTreeSet<usize> = super::every_seed(|| async {
        let log = Log::new();
        for _ in 0..2 {
            let log = log.clone();
            spawn(async move { log.push("another") });
        }
        timeloop::task::yield_now().await;
        log.take().len()
    })
    .into_iter()
    .collect();
    assert_eq!(others, [0, 1, 2].into());
}
