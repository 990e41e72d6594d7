//! Fairness: a task that polls until another task has run is not a livelock, and under every strategy a task that waits
//! long enough is served.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use timeloop::sync::{Mutex, mpsc};
use timeloop::task::yield_now;
use timeloop::time::{interval, sleep, timeout};
use timeloop::{Resource, Stalls, StrategySpec, spawn};

use crate::support::explorer;

/// Runs under every strategy, with a limit on polls at an instant that allows some unfairness.
fn passes<F: Future<Output = ()>>(name: &str, run: impl Fn() -> F + Sync) {
    passes_with(name, Stalls::default(), run);
}

fn passes_with<F: Future<Output = ()>>(name: &str, stalls: Stalls, run: impl Fn() -> F + Sync) {
    for strategy in StrategySpec::ALL {
        if matches!(strategy, StrategySpec::Exhaustive { .. }) {
            // Its schedules are endless here.
            continue;
        }
        let explorer =
            explorer(name).strategy(strategy).stalls(stalls).runs(300).max_polls_per_instant(30_000);
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
fn a_task_that_polls_a_variable_until_another_has_run() {
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
fn a_task_that_polls_while_timers_are_set() {
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

#[test]
fn generous_margins_suffice() {
    passes("margins", || async {
        let work = spawn(sleep(Duration::from_millis(10)));
        timeout(Duration::from_secs(600), work).await.expect("a minute is enough for 10 ms").unwrap();
        let ticks = async {
            let mut ticks = interval(Duration::from_millis(10));
            for _ in 0..20 {
                ticks.tick().await;
            }
        };
        timeout(Duration::from_secs(30), ticks).await.expect("20 ticks take 200 ms");
    });
}

#[test]
fn a_heartbeat_well_within_its_margin_is_seen() {
    passes_with("heartbeats", Duration::from_secs(1).into(), || async {
        let (tx, mut rx) = mpsc::channel(4);
        let server = spawn(async move {
            for _ in 0..10 {
                sleep(Duration::from_millis(10)).await;
                if tx.send(()).await.is_err() {
                    return;
                }
            }
        });
        for _ in 0..10 {
            timeout(Duration::from_secs(5), rx.recv()).await.expect("it is alive").unwrap();
        }
        server.await.unwrap();
    });
}
