//! The barrier: timeloop's own, since tokio's is built on a watch channel. It differs only in the order of wakes.

use std::rc::Rc;
use std::task::Context;

use futures_util::FutureExt as _;
use futures_util::task::noop_waker_ref;
use proptest::prelude::*;
use timeloop::sync::Barrier;
use timeloop::task::yield_now;

use super::{Log, any_order, assert_send_sync, baseline, settle, spawn_and_wait};

#[test]
fn no_task_continues_before_all_have_arrived_and_one_leads_each_round() {
    any_order(|| async {
        let (barrier, log) = (Rc::new(Barrier::new(3)), Log::default());
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (barrier, log) = (Rc::clone(&barrier), log.clone());
                timeloop::spawn(async move {
                    let mut led = 0;
                    for round in 0..3 {
                        log.push((round, "come"));
                        led += u32::from(barrier.wait().await.is_leader());
                        log.push((round, "gone"));
                    }
                    led
                })
            })
            .collect();
        let mut led = 0;
        for task in tasks {
            led += task.await.unwrap();
        }
        assert_eq!(led, 3);
        let log = log.take();
        for round in 0..3 {
            let last_come = log.iter().rposition(|&entry| entry == (round, "come")).unwrap();
            let first_gone = log.iter().position(|&entry| entry == (round, "gone")).unwrap();
            assert!(last_come < first_gone, "{log:?}");
        }
    });
}

#[test]
fn waiters_are_woken_in_order_of_arrival() {
    for _ in 0..100 {
        let order = baseline(async {
            let (barrier, log) = (Rc::new(Barrier::new(21)), Log::default());
            for number in 0..20 {
                let (barrier, log) = (Rc::clone(&barrier), log.clone());
                timeloop::spawn(async move {
                    assert!(!barrier.wait().await.is_leader());
                    log.push(number);
                });
            }
            yield_now().await;
            assert!(barrier.wait().await.is_leader());
            settle().await;
            log.take()
        });
        assert!(order.iter().copied().eq(0..20), "{order:?}");
    }
}

#[test]
fn a_barrier_for_zero_tasks_is_one_for_one_task() {
    baseline(async {
        assert!(Barrier::new(0).wait().await.is_leader());
        assert!(Barrier::new(1).wait().await.is_leader());
    });
}

#[test]
fn a_cancelled_arrival_counts_as_in_tokio() {
    baseline(async {
        let barrier = Rc::new(Barrier::new(2));
        let first = spawn_and_wait({
            let barrier = Rc::clone(&barrier);
            async move { barrier.wait().await.is_leader() }
        })
        .await;
        first.abort();
        settle().await;
        assert!(barrier.wait().await.is_leader());
    });
}

#[derive(Clone, Debug)]
enum Operation {
    Come,
    Poll(usize),
    GiveUp(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => Just(Operation::Come),
        3 => (0..8_usize).prop_map(Operation::Poll),
        1 => (0..8_usize).prop_map(Operation::GiveUp),
    ]
}

macro_rules! seen {
    ($barrier:ty, $size:expr, $operations:expr) => {{
        let barrier = <$barrier>::new($size);
        let mut context = Context::from_waker(noop_waker_ref());
        let mut waiting = Vec::new();
        let mut seen = Vec::new();
        for operation in $operations {
            let index = match operation {
                Operation::Come => {
                    waiting.push(Box::pin(async { barrier.wait().await.is_leader() }));
                    waiting.len() - 1
                }
                Operation::Poll(index) | Operation::GiveUp(index) if waiting.is_empty() => *index,
                Operation::Poll(index) => index % waiting.len(),
                Operation::GiveUp(index) => {
                    drop(waiting.remove(index % waiting.len()));
                    continue;
                }
            };
            let polled = waiting.get_mut(index).map(|future| future.poll_unpin(&mut context));
            if polled.is_some_and(|polled| polled.is_ready()) {
                drop(waiting.remove(index));
            }
            seen.push(polled);
        }
        seen
    }};
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_like_tokios(size in 0..5_usize, operations in prop::collection::vec(operation(), 0..60)) {
        prop_assert_eq!(
            seen!(tokio::sync::Barrier, size, &operations),
            seen!(timeloop::sync::Barrier, size, &operations),
        );
    }
}

#[test]
fn it_crosses_threads_like_tokios() {
    assert_send_sync::<Barrier>();
    assert_send_sync::<timeloop::sync::BarrierWaitResult>();
}
