//! Shrinking keeps to the bug that was found, and to decisions that a run can make.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;

use timeloop::sync::{Mutex, Notify};
use timeloop::task::{spawn, yield_now};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::{
    Domain, Explorer, FailureKind, Limits, Resource, Seed, StoredSchedule, StrategySpec, run_from,
};

/// Returns a number below `bound`, the next one of a sequence.
fn below(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

/// How a planted bug shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shows {
    /// As a panic in a task, which comes out at a line that both bugs share.
    Panic,
    /// As a task that waits for ever.
    Hang,
    /// As a lock that is never released.
    Lock,
}

/// A program with two planted bugs: the deep one takes several steps in the wrong order, the shallow one takes one.
#[derive(Clone, Copy, Debug)]
struct Program {
    shows: Shows,
    depth: u64,
    yields: u64,
    idlers: u64,
    deep_first: bool,
}

impl Program {
    fn random(number: u64) -> Self {
        let mut state = number;
        Self {
            shows: [Shows::Panic, Shows::Hang, Shows::Lock][(number % 3) as usize],
            depth: 2 + below(&mut state, 2),
            yields: 2 + below(&mut state, 3),
            idlers: below(&mut state, 3),
            deep_first: below(&mut state, 2) == 0,
        }
    }
}

const DEEP: u8 = 1;
const SHALLOW: u8 = 2;

thread_local! {
    /// The bugs of the last run. Of two panics, only the first counts.
    static BUGS: Cell<u8> = const { Cell::new(0) };
}

fn note(bug: u8, shows: Shows) {
    if shows != Shows::Panic || BUGS.get() == 0 {
        BUGS.set(BUGS.get() | bug);
    }
}

async fn two_bugs(program: Program) {
    BUGS.set(0);
    let Program { shows, depth, yields, idlers, deep_first } = program;
    let lock = Rc::new(Mutex::new(()));
    let stage = Rc::new((Cell::new(0), Resource::new("stage")));
    let flag = Rc::new((Cell::new(false), Resource::new("flag")));
    let mut tasks = Vec::new();
    for number in (1..=depth).rev() {
        let stage = Rc::clone(&stage);
        // In FIFO order these run as 3, 2, 1; only 1, 2, 3 gets to the end.
        tasks.push(spawn(async move {
            stage.1.write().await;
            if stage.0.get() == number - 1 {
                stage.0.set(number);
            }
        }));
    }
    for _ in 0..idlers {
        tasks.push(spawn(yield_now()));
    }
    let (last, locked) = (Rc::clone(&stage), Rc::clone(&lock));
    let deep = async move {
        for _ in 0..yields {
            yield_now().await;
        }
        last.1.read().await;
        if last.0.get() == depth {
            note(DEEP, shows);
            match shows {
                Shows::Panic => panic!("the deep bug"),
                Shows::Hang => pending().await,
                Shows::Lock => {
                    let _held = locked.lock().await;
                    drop(locked.lock().await);
                }
            }
        }
    };
    let theirs = Rc::clone(&flag);
    let shallow = async move {
        flag.1.read().await;
        if flag.0.get() {
            note(SHALLOW, shows);
            match shows {
                Shows::Panic => panic!("the shallow bug"),
                Shows::Hang => pending().await,
                Shows::Lock => {
                    let _held = lock.lock().await;
                    drop(lock.lock().await);
                }
            }
        }
    };
    if deep_first {
        tasks.push(spawn(deep));
        tasks.push(spawn(shallow));
    } else {
        tasks.push(spawn(shallow));
        tasks.push(spawn(deep));
    }
    tasks.push(spawn(async move {
        theirs.1.write().await;
        theirs.0.set(true);
    }));
    for task in tasks {
        task.await.unwrap();
    }
}

/// Returns the bugs that show under a schedule, 0 if the program passes.
fn bugs(program: Program, schedule: &StoredSchedule) -> u8 {
    let outcome = run_from(schedule, &Limits::default(), || two_bugs(program));
    assert_eq!(outcome.result.is_err(), BUGS.get() > 0, "{program:?} under {schedule}");
    BUGS.get()
}

/// The failure that is reported is always the one that was found, be it the deep bug or the shallow one.
#[test]
fn a2_shrinking_keeps_to_the_same_bug() {
    let mut counts = BTreeMap::<_, u32>::new();
    for number in 0..12 {
        let program = Program::random(number);
        let mut seen = [false; 4];
        for seed in (number * 100..).take(20) {
            let was = bugs(program, &StoredSchedule::seeded(Seed(seed), StrategySpec::Random));
            if was == 0 || seen[usize::from(was)] {
                continue;
            }
            seen[usize::from(was)] = true;
            let explorer = Explorer::new("slips").without_environment().without_regressions().silent();
            let explorer = explorer.strategy(StrategySpec::Random).seed(seed).runs(1);
            let found = explorer.run(|| two_bugs(program)).found.expect("the run of this seed fails");
            let is = bugs(program, &found.shrunk);
            assert_eq!(was, is, "{program:?}: {}", found.report);
            if program.shows == Shows::Panic {
                let text = if was == DEEP { "the deep bug" } else { "the shallow bug" };
                assert!(found.report.contains(text), "{}", found.report);
            }
            *counts.entry((program.shows, was)).or_default() += 1;
        }
    }
    for shows in [Shows::Panic, Shows::Hang, Shows::Lock] {
        let count = |bugs| counts.get(&(shows, bugs)).copied().unwrap_or_default();
        assert!(count(DEEP) >= 3 && count(SHALLOW) >= 3, "{shows:?}: {counts:?}");
    }
}

/// Other failures of the same kind are distinguished by where their tasks wait.
#[test]
fn a2_hangs_at_other_lines_are_other_failures() {
    let explorer = Explorer::new("hangs").without_environment().without_regressions().silent();
    let found = explorer
        .run(|| async {
            let flag = Rc::new((Cell::new(0), Resource::new("flag")));
            for number in 1..=2 {
                let flag = Rc::clone(&flag);
                spawn(async move {
                    flag.1.write().await;
                    flag.0.set(number);
                });
            }
            spawn(async move {
                flag.1.read().await;
                match flag.0.get() {
                    0 => {}
                    1 => Notify::new().notified().await,
                    _ => Notify::new().notified().await,
                }
            })
            .await
            .unwrap();
        })
        .found
        .expect("it hangs");
    assert_eq!(found.failure.kind, FailureKind::Deadlock);
    let others = &found.frequency.others;
    assert_eq!(others.len(), 1, "{}", found.report);
    assert!((others[0].kind, others[0].count > 0) == (FailureKind::Deadlock, true), "{}", found.report);
}

/// A cycle of locks: each task takes its own lock, and then its neighbor's.
async fn ring(corrected: bool) {
    let locks: Rc<Vec<Mutex<()>>> = Rc::new((0..4).map(|_| Mutex::new(())).collect());
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let locks = Rc::clone(&locks);
            spawn(async move {
                sleep(Duration::from_millis(1)).await;
                let (one, two) = (number, (number + 1) % 4);
                let (one, two) = if corrected { (one.min(two), one.max(two)) } else { (one, two) };
                let _one = locks[one].lock().await;
                let _two = locks[two].lock().await;
            })
        })
        .collect();
    let all = async {
        for task in tasks {
            task.await.unwrap();
        }
    };
    timeout(Duration::from_secs(600), all).await.expect("it hangs");
}

/// One stall of ten minutes would do instead of the deadlock's decisions. No strategy makes such a stall.
#[test]
fn a1_no_failing_schedule_has_a_stall_that_no_run_makes() {
    for strategy in [StrategySpec::Surw, StrategySpec::Portfolio, StrategySpec::Stall, StrategySpec::Starve] {
        for seed in [0, 10_000] {
            let explorer = Explorer::new("ring").without_environment().without_regressions().silent();
            let exploration = explorer.strategy(strategy).seed(seed).run(|| ring(false));
            let Some(found) = exploration.found else { continue };
            assert!(found.shrunk.deviations().is_some(), "{}", found.report);
            let corrected = run_from(&found.shrunk, &Limits::default(), || ring(true));
            assert!(corrected.result.is_ok(), "{strategy}: the corrected program fails: {}", found.report);
        }
    }
}

/// Fails if two tasks overtake others, or if a task is preempted before it takes a free lock.
async fn overtaken_or_preempted() {
    let overtakes = Rc::new(Cell::new(0));
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (is_set, overtakes) = (Rc::new(Cell::new(false)), Rc::clone(&overtakes));
        let first = Rc::clone(&is_set);
        tasks.push(spawn(async move { first.set(true) }));
        tasks.push(spawn(async move { overtakes.set(overtakes.get() + u32::from(!is_set.get())) }));
    }
    let (lock, state) = (Rc::new(Mutex::new(())), Rc::new(Cell::new("idle")));
    let (theirs, of_holder, both) = (Rc::clone(&lock), Rc::clone(&state), Rc::clone(&overtakes));
    tasks.push(spawn(async move {
        of_holder.set("about to lock");
        drop(theirs.lock().await);
        of_holder.set("done");
    }));
    tasks.push(spawn(async move {
        drop(lock.lock().await);
        if state.get() == "about to lock" {
            both.set(2);
        }
    }));
    for task in tasks {
        task.await.unwrap();
    }
    assert!(overtakes.get() < 2, "both overtake, or one is preempted");
}

/// One preemption would do instead of two moves. Under `random`, nothing is preempted before a free lock.
#[test]
fn a1_nothing_is_preempted_where_the_strategy_does_not_preempt() {
    let shrunk = |strategy: StrategySpec| {
        let explorer = crate::support::explorer("a1::preempted").strategy(strategy).stalls(false);
        let found = explorer.run(overtaken_or_preempted).found.expect("both tasks overtake sometimes");
        let deviations = found.shrunk.deviations().expect("it is shrunk").iter();
        deviations.map(|deviation| deviation.domain).collect::<Vec<_>>()
    };
    assert_eq!(shrunk(StrategySpec::Random), [Domain::Schedule; 2]);
    assert_eq!(shrunk(StrategySpec::Surw), [Domain::Operation]);
}
