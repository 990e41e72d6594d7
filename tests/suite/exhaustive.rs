//! Exhaustive search of async programs: all that can come of them, in few schedules, and what it does not see.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use timeloop::sync::{Mutex, mpsc, oneshot};
use timeloop::{Bound, Exploration, Explorer, FoundBy, Limits, Resource, Schedule, StrategySpec, spawn, time};
use timeloop_sim::{Absorbed, Ended, Search};

use crate::support::Folder;

/// A number that tasks share, with every access announced.
struct Register {
    resource: Resource,
    number: Cell<i64>,
}

impl Register {
    fn new(name: &'static str) -> Rc<Self> {
        Rc::new(Self { resource: Resource::new(name), number: Cell::new(0) })
    }

    async fn get(&self) -> i64 {
        self.resource.read().await;
        self.number.get()
    }

    async fn set(&self, number: i64) {
        self.resource.write().await;
        self.number.set(number);
    }
}

/// What came of all schedules of a program.
#[derive(Debug)]
struct All<T> {
    outputs: BTreeSet<T>,
    schedules: u64,
    redundant: u64,
    failing: u64,
    complete: bool,
}

fn all<T: Ord, F: Future<Output = T>>(bound: Bound, runs: u64, make: impl Fn() -> F) -> All<T> {
    let mut search = Search::new(bound);
    let mut outputs = BTreeSet::new();
    let mut failing = 0;
    let mut made = 0;
    while made < runs
        && let Some(source) = search.next_run()
    {
        made += 1;
        let outcome = timeloop::run_from(source, &Limits::default(), &make);
        let (output, failure) = match outcome.result {
            Ok(output) => (Some(output), None),
            Err(failure) => (None, Some(Box::new(failure))),
        };
        let ended = Ended {
            failure,
            trace_hash: outcome.trace_hash,
            steps: outcome.steps,
            elapsed_ns: 0,
            record: None,
            unapplied: 0,
        };
        match search.absorb(&ended) {
            Absorbed::Passed => outputs.extend(output),
            Absorbed::Failed => failing += 1,
            Absorbed::Redundant => {}
            absorbed => panic!("a run {absorbed:?}"),
        }
    }
    let complete = search.next_run().is_none() && search.is_complete();
    All { outputs, schedules: search.schedules(), redundant: search.redundant(), failing, complete }
}

/// Explores a program completely, and asserts that to enumerate its interleavings takes at least five times as many runs.
fn all_in_few<T: Ord + std::fmt::Debug, F: Future<Output = T>>(make: impl Fn() -> F) -> All<T> {
    let found = all(Bound::None, 1_000_000, &make);
    assert!(found.complete, "{found:?}");
    let runs = found.schedules + found.redundant;
    let plain = all(Bound::Preemptions(u32::MAX), 5 * runs, &make);
    assert!(!plain.complete, "plain enumeration is through after {} runs, against {found:?}", plain.schedules);
    assert!(plain.outputs.is_subset(&found.outputs), "{plain:?} {found:?}");
    println!("{} schedules, {} redundant, {} failing", found.schedules, found.redundant, found.failing);
    found
}

/// What a checker sees while `setters` tasks set one register and then another.
async fn reorder(setters: u32) -> (i64, i64) {
    let (a, b) = (Register::new("a"), Register::new("b"));
    let tasks: Vec<_> = (0..setters)
        .map(|_| {
            let (a, b) = (Rc::clone(&a), Rc::clone(&b));
            timeloop::task::spawn_local(async move {
                a.set(1).await;
                b.set(-1).await;
            })
        })
        .collect();
    let checker = timeloop::task::spawn_local(async move { (a.get().await, b.get().await) });
    for task in tasks {
        task.await.unwrap();
    }
    checker.await.unwrap()
}

#[test]
fn reorder_3() {
    let found = all_in_few(|| reorder(2));
    assert_eq!(found.outputs, BTreeSet::from([(0, 0), (0, -1), (1, 0), (1, -1)]));
    assert_eq!(found.failing, 0);
}
