//! Exhaustive search of async programs: it finds all results in few schedules, and this is what it does not find.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use timeloop::sync::{Mutex, mpsc};
use timeloop::task::yield_now;
use timeloop::time::sleep;
use timeloop::{Bound, Exploration, Explorer, FoundBy, Limits, Resource, StrategySpec, spawn};
use timeloop_sim::{Absorbed, Ended, Search};

use crate::support::Folder;

/// A number that tasks share, with all accesses announced.
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

/// Returns the results of all schedules of a program.
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
            decisions_hash: outcome.trace_hash,
            steps: outcome.steps,
            ..Ended::default()
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

/// Explores a program completely, and asserts that enumerating its interleavings takes at least five times as many
/// runs.
#[expect(clippy::print_stdout, reason = "shown by `--nocapture`")]
fn all_in_few<T: Ord + std::fmt::Debug, F: Future<Output = T>>(make: impl Fn() -> F) -> All<T> {
    let found = all(Bound::None, 1_000_000, &make);
    assert!(found.complete, "{found:?}");
    let runs = found.schedules + found.redundant;
    let plain = all(Bound::Preemptions(u32::MAX), 5 * runs, &make);
    assert!(
        !plain.complete,
        "plain enumeration is through after {} runs, against {found:?}",
        plain.schedules
    );
    assert!(plain.outputs.is_subset(&found.outputs), "{plain:?} {found:?}");
    println!("{} schedules, {} redundant, {} failing", found.schedules, found.redundant, found.failing);
    found
}

/// Returns what a reader sees while `setters` tasks set one register and then another.
async fn reorder(setters: u32) -> (i64, i64) {
    let (a, b) = (Register::new("a"), Register::new("b"));
    let tasks: Vec<_> = (0..setters)
        .map(|_| {
            let (a, b) = (Rc::clone(&a), Rc::clone(&b));
            spawn(async move {
                a.set(1).await;
                b.set(-1).await;
            })
        })
        .collect();
    let checker = spawn(async move { (a.get().await, b.get().await) });
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

/// A writer that sets one number under one lock, then another number under another lock, and a reader that takes both
/// locks in turn.
async fn twostage() -> (i64, i64) {
    let (one, two) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let (ones, twos) = (Arc::clone(&one), Arc::clone(&two));
    let writer = spawn(async move {
        *ones.lock().await = 1;
        let first = *ones.lock().await;
        *twos.lock().await = first + 1;
    });
    let reader = spawn(async move {
        let first = *one.lock().await;
        if first == 0 { (0, 0) } else { (first, *two.lock().await) }
    });
    writer.await.unwrap();
    reader.await.unwrap()
}

#[test]
fn twostage_is_explored() {
    let found = all_in_few(twostage);
    assert_eq!(found.outputs, BTreeSet::from([(0, 0), (1, 0), (1, 2)]));
    assert_eq!(found.failing, 0);
}

/// Two tasks that take two locks in opposite order.
async fn deadlock01() {
    let (one, two) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let tasks = [(Arc::clone(&one), Arc::clone(&two)), (two, one)].map(|(first, second)| {
        spawn(async move {
            let _first = first.lock().await;
            let _second = second.lock().await;
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn deadlock01_is_explored() {
    let found = all_in_few(deadlock01);
    assert!(found.failing > 0 && found.failing < found.schedules, "{found:?}");
}

#[test]
fn accesses_at_different_times_never_race() {
    let writers = |delays: [u64; 2]| {
        move || async move {
            let register = Register::new("register");
            let tasks = delays.map(|delay| {
                let register = Rc::clone(&register);
                spawn(async move {
                    sleep(Duration::from_millis(delay)).await;
                    register.set(register.get().await * 10 + delay as i64).await;
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            register.get().await
        }
    };
    let apart = all(Bound::None, 1_000, writers([1, 2]));
    assert_eq!((apart.schedules, apart.redundant, apart.complete), (1, 0, true), "{apart:?}");
    assert_eq!(apart.outputs, BTreeSet::from([12]));
    let together = all(Bound::None, 1_000, writers([1, 1]));
    assert!(together.complete && together.schedules > 3, "{together:?}");
    assert_eq!(together.outputs, BTreeSet::from([1, 11]));
}

#[test]
fn every_branch_of_a_select_is_tried_first() {
    let found = all(Bound::None, 1_000, || async {
        let mut said = String::new();
        for _ in 0..2 {
            timeloop::select! {
                () = async {} => said.push('a'),
                () = async {} => said.push('b'),
                () = async {} => said.push('c'),
            }
        }
        said
    });
    assert_eq!(found.outputs.len(), 9, "{found:?}");
    assert_eq!((found.schedules, found.complete), (9, true));
}

#[test]
fn messages_come_in_every_order() {
    let found = all_in_few(|| async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for number in 0..3 {
            let sender = sender.clone();
            spawn(async move {
                yield_now().await;
                sender.send(number).unwrap();
            });
        }
        drop(sender);
        let mut got = Vec::new();
        while let Some(number) = receiver.recv().await {
            got.push(number);
        }
        got
    });
    assert_eq!(found.outputs.len(), 6, "{found:?}");
}

/// A limit and its workaround: unannounced accesses do not race. Simple enumeration needs no announcements.
#[test]
fn unannounced_accesses_are_not_seen() {
    let lost_update = || async {
        let cell = Rc::new(Cell::new(0));
        for _ in 0..2 {
            let cell = Rc::clone(&cell);
            spawn(async move {
                let number = cell.get();
                yield_now().await;
                cell.set(number + 1);
            });
        }
        sleep(Duration::from_millis(1)).await;
        cell.get()
    };
    let reduced = all(Bound::None, 1_000, lost_update);
    assert!(reduced.complete && reduced.outputs.len() == 1, "{reduced:?}");
    let plain = all(Bound::Preemptions(0), 1_000, lost_update);
    assert_eq!((plain.complete, plain.outputs), (true, BTreeSet::from([1, 2])));
}

/// When one of several futures on a task is preempted, the others are not polled. Otherwise nothing could run between
/// them in the same step.
#[test]
fn futures_polled_on_one_task_are_interleaved_with_other_tasks() {
    let program = || async {
        let number = Rc::new(Mutex::new(0));
        let push = |digit: i32| {
            let number = Rc::clone(&number);
            async move {
                let mut number = number.lock().await;
                *number = *number * 10 + digit;
                yield_now().await;
            }
        };
        let other = spawn(push(3));
        let mut some: FuturesUnordered<_> = [push(1), push(2)].into_iter().collect();
        while some.next().await.is_some() {}
        other.await.unwrap();
        *number.lock().await
    };
    for bound in [Bound::None, Bound::Preemptions(1_000)] {
        let all = all(bound, 1_000, program);
        assert!(all.complete);
        assert_eq!(all.outputs, BTreeSet::from([123, 132, 312]), "{bound:?}");
    }
}

/// The awaited task sleeps, so its next step does not depend on the other task, which announces nothing. The other task
/// polls for ever, which is not a livelock of the program. The search makes no claim about what comes after.
#[test]
fn polling_for_a_sleeping_task_is_not_a_livelock() {
    let all = all(Bound::None, 100, || async {
        let (flag, lock) = (Rc::new(Cell::new(false)), Rc::new(Mutex::new(0)));
        let other = spawn({
            let (flag, lock) = (Rc::clone(&flag), Rc::clone(&lock));
            async move {
                for _ in 0..3 {
                    *lock.lock().await += 1;
                    yield_now().await;
                }
                flag.set(true);
            }
        });
        while !flag.get() {
            yield_now().await;
        }
        other.await.unwrap();
        *lock.lock().await
    });
    assert_eq!((all.outputs, all.failing), (BTreeSet::from([3]), 0));
    assert!(all.redundant > 0);
    assert!(!all.complete);
}

async fn checked_reorder() {
    let seen = reorder(2).await;
    assert!(seen == (0, 0) || seen == (1, -1), "the checker saw {seen:?}");
}

fn explorer(name: &str) -> Explorer {
    Explorer::new(name).without_environment().silent().strategy("exhaustive")
}

#[test]
fn a_test_passes_in_all_schedules() {
    let exploration = explorer("suite::reorder").without_regressions().run(|| async {
        reorder(2).await;
    });
    assert_eq!(
        exploration.report(),
        "timeloop: `suite::reorder` passed in all 72 schedules (others differ from these only in the order of independent operations)\n"
    );
    let bounded = explorer("suite::reorder").strategy("exhaustive(preemptions = 0)").without_regressions();
    let exploration = bounded.run(|| async {
        reorder(2).await;
    });
    let report = exploration.report();
    assert!(report.ends_with(" schedules with at most 0 preemptions\n"), "{report}");
    assert!(exploration.searched.is_some_and(|searched| searched.complete));
}

#[test]
fn a_failing_schedule_is_confirmed_and_shrunk() {
    let exploration = explorer("suite::checked_reorder").without_regressions().run(checked_reorder);
    let found = exploration.found.as_ref().expect("a checker may come between");
    let FoundBy::Search { number } = found.by else { panic!("found by {:?}", found.by) };
    assert!(number > 1 && found.replayed, "{}", found.report);
    assert!(found.deviations_after().is_some_and(|count| count <= 2), "{}", found.report);
    assert!(found.frequency.failing > 1 && found.frequency.failing < found.frequency.tried);
    let line = format!("found by   exhaustive search (schedule {number})\n");
    assert!(found.report.contains(&line), "{}", found.report);
    let again = timeloop::run_from(&found.shrunk, &Limits::default(), checked_reorder);
    assert_eq!(again.trace_hash, found.trace_hash);
}

fn searched(exploration: &Exploration) -> (u64, bool) {
    let searched = exploration.searched.as_ref().expect("a search says how far it got");
    (searched.schedules, searched.complete)
}

#[test]
fn an_incomplete_search_continues_the_next_time() {
    let folder = Folder::new();
    let part = || {
        explorer("suite::reorder").runs(30).regressions(folder.path()).run(|| async {
            reorder(2).await;
        })
    };
    let file = folder.0.join("suite.reorder.frontier");

    let first = part();
    assert_eq!(searched(&first), (30, false));
    assert_eq!(
        first.report(),
        "timeloop: `suite::reorder` passed in 30 schedules; the search is not complete\n"
    );
    let notes: Vec<_> = first.notes.iter().map(|note| folder.hidden_in(note)).collect();
    assert_eq!(
        notes,
        [
            "the search of `suite::reorder` is not complete after 30 schedules; run the test again to continue (the \
             state is in FOLDER/suite.reorder.frontier and need not be committed), or raise `runs`"
        ]
    );

    let kept = std::fs::read_to_string(&file).expect("the frontier is kept");
    let second = part();
    assert_eq!(searched(&second), (60, false));
    assert_eq!(
        folder.hidden_in(&second.notes[0]),
        "the search of `suite::reorder` continues where it stopped, after 30 schedules (FOLDER/suite.reorder.frontier)"
    );

    let third = part();
    assert_eq!(searched(&third), (72, true));
    assert_eq!(third.notes.last().map(String::as_str), Some("the search of `suite::reorder` is complete"));
    assert!(!file.exists());

    // From another program.
    let other: String = kept.replacen("program ", "program 1", 1);
    std::fs::write(&file, other).unwrap();
    let anew = part();
    assert_eq!(searched(&anew), (30, false));
    assert_eq!(
        folder.hidden_in(&anew.notes[0]),
        "the search of `suite::reorder` starts over instead of continuing where it stopped (FOLDER/suite.reorder.frontier): \
         the program, the bound or the limits have changed since"
    );
}

#[test]
fn a_run_that_does_not_repeat_is_reported() {
    thread_local! {
        static RUNS: Cell<u32> = const { Cell::new(0) };
    }

    let exploration = explorer("suite::stray").without_regressions().run(|| async {
        let register = Register::new("register");
        let number = RUNS.replace(RUNS.get() + 1);
        let others = [1, 2].map(|_| {
            let register = Rc::clone(&register);
            spawn(async move { register.set(1).await })
        });
        // The first two runs are equal.
        if number > 1 {
            register.set(2).await;
        }
        for other in others {
            other.await.unwrap();
        }
    });
    let found = exploration.found.as_ref().expect("a run that strays is a failure");
    assert_eq!(found.failure.kind, timeloop::FailureKind::Nondeterminism, "{}", found.report);
    assert!(found.failure.message().starts_with("a run should have repeated the first "), "{}", found.report);
    assert!(exploration.searched.is_some_and(|searched| !searched.complete));
}

#[test]
fn the_strategy_is_printed_with_its_bound() {
    let parsed = |text: &str| text.parse::<StrategySpec>();
    assert_eq!(parsed("exhaustive"), Ok(StrategySpec::Exhaustive { bound: Bound::None }));
    assert_eq!(parsed("exhaustive(delays = 2)"), Ok(StrategySpec::Exhaustive { bound: Bound::Delays(2) }));
}
