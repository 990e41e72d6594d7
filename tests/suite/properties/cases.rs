//! Six bugs that need an input and a schedule. The smallest input and schedule are known by hand.
//!
//! `cargo test --features proptest --test suite properties::cases -- --nocapture` prints how often both are found.

use std::cell::Cell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use timeloop::proptest::prelude::*;
use timeloop::sync::{Mutex, oneshot};
use timeloop::task::yield_now;
use timeloop::{FailedRun, Resource, spawn, time::sleep};

const TRIES: u8 = 10;

/// Counts how often proptest shrinks to `input`, and to a schedule with at most one deviation more than `deviations`.
struct Found {
    case: &'static str,
    /// The number of tries that failed, that reached the input, that reached the deviations, and that reached both.
    failed: u32,
    input: u32,
    deviations: u32,
    both: u32,
}

/// Runs proptest with ten seeds to find a failure of `test`.
#[expect(clippy::print_stdout, reason = "shown by `--nocapture`")]
fn tries<S>(
    case: &'static str,
    (strategy, input): (S, S::Value),
    deviations: usize,
    test: fn(&Schedule, S::Value) -> Result<(), FailedRun>,
) -> Found
where
    S: Strategy,
    S::Value: PartialEq + Debug + Clone,
{
    let strategy = (schedules(), strategy);
    let mut found = Found { case, failed: 0, input: 0, deviations: 0, both: 0 };
    for number in 0..TRIES {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[number; 32]);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let Err(TestError::Fail(_, (schedule, shrunk))) =
            runner.run(&strategy, |(schedule, input)| Ok(test(&schedule, input)?))
        else {
            println!("{case}, seed {number}: nothing is found");
            continue;
        };
        found.failed += 1;
        let small = shrunk == input;
        let few = schedule.deviations().is_some_and(|found| found.len() <= deviations + 1);
        if !(small && few) {
            println!("{case}, seed {number}: {shrunk:?}, {schedule:?}");
        }
        found.input += u32::from(small);
        found.deviations += u32::from(few);
        found.both += u32::from(small && few);
    }
    found
}

/// Amounts over 250 are moved in two steps. An audit between the steps misses the money.
fn transfers(schedule: &Schedule, amounts: Vec<i64>) -> Result<(), FailedRun> {
    schedule.run(|| async {
        let accounts = Arc::new([Mutex::new(10_000), Mutex::new(0)]);
        let audit = spawn({
            let accounts = Arc::clone(&accounts);
            async move { *accounts[0].lock().await + *accounts[1].lock().await }
        });
        for &amount in &amounts {
            let accounts = Arc::clone(&accounts);
            spawn(async move {
                if amount <= 250 {
                    let (mut from, mut to) = (accounts[0].lock().await, accounts[1].lock().await);
                    (*from, *to) = (*from - amount, *to + amount);
                } else {
                    *accounts[0].lock().await -= amount;
                    sleep(Duration::from_millis(5)).await;
                    *accounts[1].lock().await += amount;
                }
            });
        }
        assert_eq!(audit.await.unwrap(), 10_000);
    })
}

/// A cache that checks its capacity before it fetches, and not again afterwards.
fn cache(schedule: &Schedule, (capacity, keys): (usize, usize)) -> Result<(), FailedRun> {
    schedule.run(|| async {
        let (resource, len) = (Rc::new(Resource::new("cache")), Rc::new(Cell::new(0)));
        let fetches: Vec<_> = (0..keys)
            .map(|_| {
                let (resource, len) = (Rc::clone(&resource), Rc::clone(&len));
                spawn(async move {
                    resource.read().await;
                    if len.get() < capacity {
                        resource.write().await;
                        len.set(len.get() + 1);
                    }
                })
            })
            .collect();
        for fetch in fetches {
            fetch.await.unwrap();
        }
        assert!(len.get() <= capacity, "{} entries in a cache of {capacity}", len.get());
    })
}

/// Philosophers at a table of `forks`, with as many seats as philosophers.
fn forks(schedule: &Schedule, (forks, philosophers): (usize, usize)) -> Result<(), FailedRun> {
    schedule.run(|| async {
        let forks: Arc<Vec<_>> = Arc::new((0..forks).map(|_| Mutex::new(())).collect());
        let philosophers: Vec<_> = (0..philosophers)
            .map(|seat| {
                let forks = Arc::clone(&forks);
                spawn(async move {
                    let _left = forks[seat % forks.len()].lock().await;
                    let _right = forks[(seat + 1) % forks.len()].lock().await;
                })
            })
            .collect();
        for philosopher in philosophers {
            philosopher.await.unwrap();
        }
    })
}

/// Orders of at least 10 are checked against the stock, and taken from it a moment later.
fn stock(schedule: &Schedule, orders: Vec<u32>) -> Result<(), FailedRun> {
    schedule.run(|| async {
        let stock = Arc::new(Mutex::new(19));
        let orders: Vec<_> = orders
            .iter()
            .map(|&order| {
                let stock = Arc::clone(&stock);
                spawn(async move {
                    // Smaller orders are served from the shelf.
                    if order >= 10 && *stock.lock().await >= order {
                        let mut stock = stock.lock().await;
                        *stock = stock.checked_sub(order).expect("there was enough");
                    }
                })
            })
            .collect();
        for order in orders {
            order.await.unwrap();
        }
    })
}

/// Waiters that check a flag, and then add themselves to a list of tasks to wake, which may have been processed
/// meanwhile.
fn wakeup(schedule: &Schedule, (rounds, waiters): (usize, usize)) -> Result<(), FailedRun> {
    schedule.run(|| async {
        for _ in 0..rounds {
            let (done, list) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(Vec::new())));
            let waiters: Vec<_> = (0..waiters)
                .map(|_| {
                    let (done, list) = (Arc::clone(&done), Arc::clone(&list));
                    spawn(async move {
                        if !*done.lock().await {
                            let (wake, woken) = oneshot::channel();
                            list.lock().await.push(wake);
                            woken.await.unwrap();
                        }
                    })
                })
                .collect();
            let to_be_woken = Arc::clone(&list);
            spawn(async move {
                *done.lock().await = true;
                for wake in to_be_woken.lock().await.drain(..) {
                    let _ = oneshot::Sender::<()>::send(wake, ());
                }
            });
            for waiter in waiters {
                waiter.await.unwrap();
            }
            assert!(list.lock().await.is_empty());
        }
    })
}

/// A counter that may lose one of many increments, but not two.
fn counter(schedule: &Schedule, increments: u32) -> Result<(), FailedRun> {
    schedule.run(|| async {
        let (resource, total) = (Rc::new(Resource::new("counter")), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..increments)
            .map(|_| {
                let (resource, total) = (Rc::clone(&resource), Rc::clone(&total));
                spawn(async move {
                    resource.read().await;
                    let seen = total.get();
                    resource.write().await;
                    total.set(seen + 1);
                    yield_now().await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(total.get() + 1 >= increments, "{} of {increments}", total.get());
    })
}

#[test]
fn input_and_schedule_shrink_to_the_known_minimum() {
    let found = [
        tries("transfers", (prop::collection::vec(0..1_000_i64, 0..8), vec![251]), 1, transfers),
        tries("cache", ((1..8_usize, 0..12_usize), (1, 2)), 1, cache),
        tries("forks", ((2..5_usize, 0..8_usize), (2, 2)), 1, forks),
        tries("stock", (prop::collection::vec(0..20_u32, 0..8), vec![10, 10]), 1, stock),
        tries("wakeup", ((1..5_usize, 0..6_usize), (1, 1)), 1, wakeup),
        tries("counter", (0..8_u32, 3), 2, counter),
    ];
    println!("case        failed  input  deviations  both  (of {TRIES})");
    for Found { case, failed, input, deviations, both } in &found {
        println!("{case:<12}{failed:<8}{input:<7}{deviations:<12}{both}");
    }
    let both: u32 = found.iter().map(|found| found.both).sum();
    let of = u32::from(TRIES) * found.len() as u32;
    println!("in all      {both} of {of}");
    assert!(both * 10 >= of * 9, "{both} of {of}");
}
