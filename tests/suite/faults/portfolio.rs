//! C5: the portfolio where no operation is announced.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use timeloop::task::spawn;
use timeloop::{AnySource, Limits, Profile, Seed, StrategySpec, run_from};

/// Lets other tasks run. Nothing is announced, as by a primitive that does not come from timeloop.
async fn pass() {
    let mut passed = false;
    poll_fn(|context| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Two tasks that fail in a few of their orders: five switches, each after at most two steps.
async fn five_switches() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let tasks = [0, 1].map(|number| {
        let order = Rc::clone(&order);
        spawn(async move {
            for _ in 0..4 {
                order.borrow_mut().push(number);
                pass().await;
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_ne!(*order.borrow(), [1, 0, 0, 1, 0, 1, 1, 0]);
}

/// Returns the mean number of schedules up to the first failure.
fn mean_schedules(strategy: StrategySpec) -> f64 {
    const BASES: u64 = 100;
    let fails = |source: AnySource| run_from(source, &Limits::default(), five_switches).result.is_err();
    let schedules = (0..BASES).map(|base| {
        let (source, watched) = Profile::watching();
        assert!(!fails(source), "the baseline run passes");
        let profile = watched.into_profile();
        (2..10_000).find(|run| fails(profile.source(strategy, Seed(base * 1_000_000 + run - 2)))).unwrap()
    });
    schedules.sum::<u64>() as f64 / BASES as f64
}

#[test]
fn c5_the_portfolio_keeps_up_with_random_where_nothing_is_announced() {
    let (random, portfolio) = (mean_schedules(StrategySpec::Random), mean_schedules(StrategySpec::Portfolio));
    assert!(portfolio < 1.5 * random, "{portfolio} schedules, and {random} of random");
}
