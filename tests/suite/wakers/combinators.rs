//! Futures that create their own wakers.

use std::future::pending;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable, Aborted, join_all, select};
use futures_util::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use timeloop::spawn;
use timeloop::time::{Duration, Instant, interval, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

async fn after(seconds: u32) -> u32 {
    sleep(seconds * SECOND).await;
    seconds
}

#[test]
fn futures_unordered_and_ordered() {
    for seed in 0..20 {
        timeloop::run(seed, || async {
            let start = Instant::now();
            let tasks: FuturesUnordered<_> =
                [3, 1, 2].map(|seconds| spawn(after(seconds))).into_iter().collect();
            let seconds: Vec<_> = tasks.map(Result::unwrap).collect().await;
            assert_eq!((seconds, start.elapsed()), (vec![1, 2, 3], 3 * SECOND));
            let plain: FuturesOrdered<_> = [3, 1, 2].map(after).into_iter().collect();
            assert_eq!(plain.collect::<Vec<_>>().await, [3, 1, 2]);
            assert_eq!(start.elapsed(), 6 * SECOND);
        })
        .unwrap();
    }
}

#[test]
fn dropped_half_way_they_cancel_their_timers() {
    timeloop::run(0, || async {
        let mut futures: FuturesUnordered<_> = (1..100).map(after).collect();
        assert_eq!(futures.next().await, Some(1));
        let metrics = timeloop::runtime::Handle::current().metrics();
        assert_eq!(metrics.num_timers(), 98);
        drop(futures);
        assert_eq!(metrics.num_timers(), 0);
    })
    .unwrap();
}

#[test]
fn shared_wakes_all_waiting_tasks() {
    for seed in 0..20 {
        timeloop::run(seed, || async {
            let shared = after(5).shared();
            let tasks: Vec<_> = (0..10).map(|_| spawn(shared.clone())).collect();
            let impatient = spawn(timeout(SECOND, shared.clone()));
            for task in tasks {
                assert_eq!(task.await.unwrap(), 5);
            }
            assert!(impatient.await.unwrap().is_err());
            assert_eq!(shared.peek(), Some(&5));
        })
        .unwrap();
    }
}

#[test]
fn a_shared_future_continues_when_the_task_that_polled_it_is_aborted() {
    for seed in 0..50 {
        timeloop::run(seed, || async {
            let shared = after(5).shared();
            let first = spawn(shared.clone());
            let second = spawn(shared.clone());
            sleep(SECOND).await;
            first.abort();
            assert_eq!(second.await.unwrap(), 5);
        })
        .unwrap();
    }
}

#[test]
fn abortable() {
    timeloop::run(0, || async {
        let (handle, registration) = AbortHandle::new_pair();
        let task = spawn(Abortable::new(pending::<()>(), registration));
        spawn(async move {
            sleep(SECOND).await;
            handle.abort();
        });
        assert_eq!(task.await.unwrap(), Err(Aborted));
    })
    .unwrap();
}

#[test]
fn join_all_and_select() {
    timeloop::run(0, || async {
        let start = Instant::now();
        assert_eq!(join_all((1..100).map(after)).await, (1..100).collect::<Vec<_>>());
        assert_eq!(start.elapsed(), 99 * SECOND);
        let (seconds, rest) = select(Box::pin(after(1)), Box::pin(after(2))).await.factor_first();
        assert_eq!(seconds, 1);
        assert_eq!(rest.await, 2);
        assert_eq!(start.elapsed(), 101 * SECOND);
    })
    .unwrap();
}

#[test]
fn a_stream_of_ticks() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let ticks = futures_util::stream::unfold(interval(SECOND), |mut ticks| async {
            let tick = ticks.tick().await;
            Some((tick, ticks))
        });
        let ticks: Vec<_> = ticks.take(3).map(|tick| tick - start).collect().await;
        assert_eq!(ticks, [Duration::ZERO, SECOND, 2 * SECOND]);
    })
    .unwrap();
}

#[test]
fn a_panic_caught_by_a_combinator_is_not_a_failure() {
    timeloop::run(0, || async {
        let catching = std::panic::AssertUnwindSafe(async {
            after(1).await;
            panic!("caught by a combinator");
        })
        .catch_unwind();
        assert!(spawn(catching).await.unwrap().is_err());
    })
    .unwrap();
}
