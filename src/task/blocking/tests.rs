//! Runs whose closures end in the reverse order of their waits are the same with and without stacks of their own.

use std::cell::Cell;
use std::time::Duration;

use timeloop_sim::{Limits, Seed, StrategySpec};

use crate::engine::own_stack::set_on_loop_stack;
use crate::runtime::Handle;
use crate::task::{self, spawn_blocking, yield_now};
use crate::time::sleep;
use crate::{Resource, run_from, spawn};

const MS: Duration = Duration::from_millis(1);

/// Returns what the run of this seed is made of.
fn run<Fut: Future<Output = u64>>(strategy: &str, seed: u64, test: fn() -> Fut) -> (u64, u64, Duration, u64) {
    let strategy: StrategySpec = strategy.parse().expect("a strategy");
    let outcome = run_from(strategy.source(Seed(seed)), &Limits::default(), test);
    (outcome.trace_hash, outcome.steps, outcome.elapsed, outcome.result.expect("the test passes"))
}

/// Asserts that a test has the same runs in both modes.
fn assert_same<Fut: Future<Output = u64>>(test: fn() -> Fut) {
    for strategy in ["fifo", "random", "pct", "pos", "surw"] {
        for seed in 0..50 {
            let own = run(strategy, seed, test);
            set_on_loop_stack(true);
            let nested = run(strategy, seed, test);
            set_on_loop_stack(false);
            assert_eq!(own, nested, "{strategy}, seed {seed}");
        }
    }
}

#[test]
fn a_closure_that_does_not_wait() {
    assert_same(|| async {
        let closures = [1, 2, 3].map(|number| spawn_blocking(move || number));
        let mut sum = 0;
        for closure in closures {
            sum = sum * 10 + closure.await.expect("it ends");
        }
        sum
    });
}

#[test]
fn a_closure_that_waits_several_times() {
    assert_same(|| async {
        let resource = std::rc::Rc::new(Resource::new("shared"));
        let shared = std::rc::Rc::clone(&resource);
        let ticks = spawn(async move {
            for _ in 0..5 {
                shared.write().await;
                yield_now().await;
                sleep(MS).await;
            }
            7
        });
        let closure = spawn_blocking(move || {
            let handle = Handle::current();
            let mut sum = 0;
            for round in 0..4 {
                handle.block_on(sleep(round * MS));
                handle.block_on(async {
                    for _ in 0..200 {
                        resource.read().await;
                    }
                    resource.write().await;
                    yield_now().await;
                });
                sum += task::block_in_place(|| handle.block_on(spawn(async { 1 }))).expect("it ends");
                sum += handle.block_on(async {
                    // Within a wait, in the future that is awaited.
                    yield_now().await;
                    task::block_in_place(|| Handle::current().block_on(async { 10 }))
                });
            }
            sum + handle.block_on(ticks).expect("it ends")
        });
        closure.await.expect("it ends")
    });
}

#[test]
fn closures_that_wait_one_after_the_other() {
    assert_same(|| async {
        let count = std::rc::Rc::new(Cell::new(0));
        let inner = std::rc::Rc::clone(&count);
        let outer = spawn_blocking(move || {
            let handle = Handle::current();
            let innermost = spawn_blocking(move || {
                Handle::current().block_on(sleep(3 * MS));
                inner.set(inner.get() + 1);
                Handle::current().block_on(yield_now());
                5
            });
            let five = handle.block_on(innermost).expect("it ends");
            assert!(handle.block_on(spawn_blocking(|| panic!("of a closure"))).is_err());
            five
        });
        let others = (0..3).map(|number| {
            spawn(async move {
                sleep(number * MS).await;
                yield_now().await;
            })
        });
        for other in others.collect::<Vec<_>>() {
            other.await.expect("it ends");
        }
        outer.await.expect("it ends") + count.get()
    });
}
