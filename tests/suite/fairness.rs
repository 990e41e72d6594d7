//! Fairness: what waits for another task by looking again and again is no livelock, whatever the strategy.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use timeloop::sync::Mutex;
use timeloop::task::yield_now;
use timeloop::time::sleep;
use timeloop::{Resource, StrategySpec, spawn};

use crate::support::explorer;

/// Under every strategy, with a bound on polls at an instant that leaves room for some impatience.
fn passes<F: Future<Output = ()>>(name: &str, run: impl Fn() -> F + Sync) {
    for strategy in StrategySpec::ALL {
        if matches!(strategy, StrategySpec::Exhaustive { .. }) {
            // Its schedules have no end here.
            continue;
        }
        let explorer = explorer(name).strategy(strategy).runs(300).max_polls_per_instant(30_000);
        let exploration = explorer.run(&run);
        assert!(exploration.passed(), "{strategy}: {}", exploration.report());
    }
}

#[test]
fn a_task_that_yields_until_another_has_run() {
    passes("yields", || async {
        let lock = Rc::new(Mutex::new(()));
        let done = Rc::new(Cell::new(false));
        let setter = spawn({
            let (lock, done) = (Rc::clone(&lock), Rc::clone(&done));
            async move {
                yield_now().await;
                let _guard = lock.lock().await;
                done.set(true);
            }
        });
        while !done.get() {
            yield_now().await;
        }
        setter.await.unwrap();
    });
}

#[test]
fn a_task_that_looks_at_a_variable_until_another_has_run() {
    passes("looks", || async {
        let variable = Rc::new((Resource::new("done"), Cell::new(0)));
        let setters: Vec<_> = (0..2)
            .map(|_| {
                let variable = Rc::clone(&variable);
                spawn(async move {
                    variable.0.read().await;
                    let before = variable.1.get();
                    variable.0.write().await;
                    variable.1.set(before + 1);
                })
            })
            .collect();
        loop {
            variable.0.read().await;
            if variable.1.get() > 0 {
                break;
            }
            yield_now().await;
        }
        for setter in setters {
            setter.await.unwrap();
        }
    });
}

#[test]
fn a_task_that_looks_while_timers_are_set() {
    passes("timers", || async {
        let done = Rc::new(Cell::new(false));
        let timer = spawn(async { sleep(Duration::from_secs(1)).await });
        let setter = spawn({
            let done = Rc::clone(&done);
            async move {
                yield_now().await;
                Resource::new("done").write().await;
                done.set(true);
            }
        });
        while !done.get() {
            yield_now().await;
        }
        setter.await.unwrap();
        timer.await.unwrap();
    });
}
