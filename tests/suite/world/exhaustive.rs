//! Exhaustive search with nodes: changes of a node race with all steps on it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use timeloop::task::yield_now;
use timeloop::world::{Node, World};
use timeloop::{Bound, Limits, run_from, spawn};
use timeloop_sim::{Absorbed, Ended, Search};

/// Returns all outcomes of a program, and the number of its schedules.
fn all<T: Ord, Fut: Future<Output = T>>(bound: Bound, make: impl Fn() -> Fut) -> (BTreeSet<T>, u64) {
    let mut search = Search::new(bound);
    let mut outputs = BTreeSet::new();
    while let Some(source) = search.next_run() {
        let outcome = run_from(source, &Limits::default(), &make);
        let (output, failure) = match outcome.result {
            Ok(output) => (Some(output), None),
            Err(failure) => (None, Some(Box::new(failure))),
        };
        let failed = failure.as_ref().map(ToString::to_string);
        let (trace_hash, steps) = (outcome.trace_hash, outcome.steps);
        let ended = Ended { failure, trace_hash, decisions_hash: trace_hash, steps, ..Ended::default() };
        match search.absorb(&ended) {
            Absorbed::Passed => outputs.extend(output),
            Absorbed::Redundant => {}
            absorbed => panic!("a run {absorbed:?}: {failed:?}"),
        }
    }
    assert!(search.is_complete());
    (outputs, search.schedules())
}

/// The counting is not announced, so only the change of the node can race.
async fn counts_until(happens: fn(&Node)) -> u32 {
    let count = Rc::new(Cell::new(0));
    let theirs = Rc::clone(&count);
    let node = World::current().node("db-1").start(move || {
        let count = Rc::clone(&theirs);
        async move {
            for _ in 0..3 {
                count.set(count.get() + 1);
                yield_now().await;
            }
        }
    });
    let task = spawn(async move {
        happens(&node);
    });
    task.await.unwrap();
    count.get()
}

#[test]
fn a_crash_is_tried_at_every_point() {
    let (outputs, schedules) = all(Bound::None, || counts_until(Node::crash));
    assert_eq!(outputs, BTreeSet::from([0, 1, 2, 3]));
    assert!(schedules < 30, "{schedules}");
}

#[test]
fn a_pause_is_tried_at_every_point() {
    let (outputs, _) = all(Bound::None, || counts_until(Node::pause));
    assert_eq!(outputs, BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn the_reduced_search_finds_all_outcomes() {
    let program = || async {
        // One counter per task, because access to them is not announced.
        let logs = Rc::new([Cell::new(0_u32), Cell::new(0)]);
        let note = |log: &Cell<u32>, digit| log.set(log.get() * 10 + digit);
        let (one, other) = (Rc::clone(&logs), Rc::clone(&logs));
        let node = World::current().node("db-1").start(move || {
            let logs = Rc::clone(&one);
            async move {
                note(&logs[0], 1);
                yield_now().await;
                note(&logs[0], 2);
            }
        });
        let task = node.spawn(async move {
            note(&other[1], 1);
            yield_now().await;
            note(&other[1], 2);
        });
        let crashes = spawn(async move {
            node.restart();
            yield_now().await;
            node.crash();
        });
        _ = task.await;
        crashes.await.unwrap();
        (logs[0].get(), logs[1].get())
    };
    let (whole, many) = all(Bound::Delays(9), program);
    let (reduced, few) = all(Bound::None, program);
    assert_eq!(reduced, whole);
    assert!(few < many, "{few} {many}");
}

#[test]
fn other_nodes_do_not_race() {
    let (_, alone) = all(Bound::None, || counts_until(|_| ()));
    let (outputs, beside) =
        all(Bound::None, || counts_until(|_| World::current().node("other").build().crash()));
    assert_eq!(
        (outputs, beside),
        (BTreeSet::from([0, 1, 2, 3]).into_iter().filter(|n| *n < 4).collect(), alone)
    );
}
