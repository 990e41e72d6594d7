//! Compares the exhaustive search with brute force: the same final states, and no schedule twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use timeloop_sim::{
    Absorbed, Access, Bound, Config, Operation, Ready, RegressionsIn, Search, Settings, StrategySpec,
    TaskKey, explore,
};

use crate::brute_force::{BruteForce, Machine, Op, StepEffects, run};
use crate::toy::{self, Toy};

/// A schedule up to equivalence: each step, by its task and its number within the task, with its choices and the
/// earlier steps on which it depends.
type Trace = BTreeMap<(TaskKey, usize), (Vec<u32>, BTreeSet<(TaskKey, usize)>)>;

fn depend(one: &(TaskKey, u32, StepEffects), other: &(TaskKey, u32, StepEffects)) -> bool {
    let races = |a: &Operation, b: &Operation| {
        a.resource == b.resource && (a.access != Access::Read || b.access != Access::Read)
    };
    let wakes = |effects: &StepEffects, task| effects.wakes.iter().any(|(woken, _)| *woken == task);
    let ends = |task: TaskKey, effects: &StepEffects| effects.ended && task == TaskKey::ROOT;
    one.0 == other.0
        || one.1 != other.1
        || ends(one.0, &one.2)
        || ends(other.0, &other.2)
        || wakes(&one.2, other.0)
        || wakes(&other.2, one.0)
        || one.2.operations.iter().any(|a| other.2.operations.iter().any(|b| races(a, b)))
}

fn trace(steps: &[(TaskKey, u32, StepEffects)]) -> Trace {
    let mut counts = BTreeMap::new();
    let mut names = Vec::new();
    let mut trace = Trace::new();
    for (number, step) in steps.iter().enumerate() {
        let count = counts.entry(step.0).or_insert(0_usize);
        let before =
            (0..number).filter(|&earlier| depend(&steps[earlier], step)).map(|earlier| names[earlier]);
        let chosen = step.2.chosen.iter().map(|(_, value)| *value).collect();
        trace.insert((step.0, *count), (chosen, before.collect()));
        names.push((step.0, *count));
        *count += 1;
    }
    trace
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Explored {
    finals: BTreeSet<Machine>,
    traces: BTreeSet<Trace>,
    /// The number of schedules that are equivalent to an earlier one.
    repeated: u64,
    schedules: u64,
    redundant: u64,
    complete: bool,
}

fn searched(root: &Arc<[Op]>, bound: Bound, runs: u64) -> Explored {
    explore_in_parts(root, bound, runs, u64::MAX)
}

/// As [`searched`], but stopped and resumed after every `part` runs.
fn explore_in_parts(root: &Arc<[Op]>, bound: Bound, runs: u64, part: u64) -> Explored {
    const OF: &str = "a machine";

    let mut search = Search::new(bound);
    let mut explored = Explored::default();
    for number in 1..=runs {
        if number % part == 0
            && let Some(frontier) = search.frontier(OF)
        {
            search =
                Search::resume(bound, &frontier, OF).expect("a frontier that was just written can be read");
            assert_eq!(search.frontier(OF), Some(frontier));
        }
        let Some(source) = search.next_run() else { break };
        let ran = run(root, source);
        match search.absorb(&ran.ended) {
            Absorbed::Passed | Absorbed::Failed => {
                explored.finals.insert(ran.machine);
                explored.repeated += u64::from(!explored.traces.insert(trace(&ran.steps)));
            }
            Absorbed::Redundant => {}
            absorbed => panic!("a machine is deterministic, and yet it {absorbed:?}"),
        }
    }
    explored.complete = search.next_run().is_none() && search.is_complete();
    explored.schedules = search.schedules();
    explored.redundant = search.redundant();
    explored
}

fn brute_force(root: &Arc<[Op]>) -> (BTreeSet<Machine>, u64) {
    let mut brute_force = BruteForce::default();
    let ways = brute_force.explore(&Machine::new(Arc::clone(root)));
    (brute_force.finals, ways)
}

fn an_op() -> impl Strategy<Value = Op> {
    let two = || 0..2_u8;
    prop_oneof![
        3 => two().prop_map(Op::Read),
        3 => two().prop_map(Op::Write),
        2 => two().prop_map(Op::Lock),
        2 => two().prop_map(Op::Unlock),
        3 => two().prop_map(Op::Send),
        2 => two().prop_map(Op::Receive),
        1 => (two(), two()).prop_map(|(one, other)| Op::ReceiveAny(one, other)),
        1 => Just(Op::Choose(2)),
        1 => Just(Op::Yield),
        1 => (1..3_u8).prop_map(Op::Sleep),
        1 => two().prop_map(Op::Join),
    ]
}

fn a_task(length: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(an_op(), 1..=length)
}

/// A root that spawns one to three tasks, one of which may spawn another, and has some operations of its own.
///
/// `length` is the length of each task if there are few of them.
fn a_program(length: usize) -> impl Strategy<Value = Arc<[Op]>> {
    let others = prop::collection::vec(a_task(length), 1..=3);
    let nested = prop::option::weighted(0.3, a_task(2));
    (others, nested, a_task(3), 0..3_usize).prop_map(move |(mut others, nested, own, joins)| {
        if let Some(nested) = nested {
            others.truncate(2);
            others[0].truncate(2);
            others[0].insert(0, Op::Spawn(nested.into()));
        }
        let count = others.len();
        let length = if count > 2 { length - 1 } else { length };
        let spawned = others.into_iter().map(|mut task| {
            task.truncate(length);
            Op::Spawn(task.into())
        });
        let mut root: Vec<Op> = spawned.collect();
        root.extend(own.into_iter().take(if count + 2 > length { 1 } else { 3 }));
        root.extend((0..count.min(joins + 1)).map(|child| Op::Join(child as u8)));
        root.into()
    })
}

/// Totals over several programs.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    schedules: u64,
    redundant: u64,
    /// Interleavings of all programs.
    ways: u64,
    /// Programs whose interleavings were all run.
    enumerated: u64,
}

/// Compares the search of random programs with brute force.
#[expect(clippy::print_stdout, reason = "shown by `--nocapture`")]
fn compare(programs: u32, length: usize) -> Totals {
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    let config = Config { cases: programs, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let totals = std::cell::Cell::new(Totals::default());
    let result = runner.run(&a_program(length), |root| {
        let (finals, ways) = brute_force(&root);
        let explored = searched(&root, Bound::None, 1_000_000);
        prop_assert!(explored.complete);
        prop_assert_eq!(explored.repeated, 0);
        prop_assert!(explored.finals == finals, "{} ends of {}", explored.finals.len(), finals.len());
        prop_assert!(explored.schedules <= ways);
        let mut sum = totals.get();
        if ways <= 300 {
            let every = searched(&root, Bound::Preemptions(u32::MAX), 1_000);
            prop_assert!(every.complete);
            prop_assert_eq!(every.schedules, ways);
            prop_assert!(every.finals == finals);
            prop_assert_eq!(every.traces.len(), explored.traces.len());
            sum.enumerated += 1;
        }
        sum.schedules += explored.schedules;
        sum.redundant += explored.redundant;
        sum.ways = sum.ways.saturating_add(ways);
        totals.set(sum);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    println!("{programs} programs: {:?}", totals.get());
    totals.get()
}

#[test]
fn the_search_agrees_with_brute_force() {
    let totals = compare(if cfg!(debug_assertions) { 1_000 } else { 10_000 }, 3);
    assert!(totals.enumerated > 500, "{totals:?}");
    assert!(totals.schedules * 100 < totals.ways, "{totals:?}");
    assert!(totals.redundant * 10 < totals.schedules, "{totals:?}");
}

#[test]
fn the_search_agrees_with_brute_force_on_longer_programs() {
    let totals = compare(if cfg!(debug_assertions) { 30 } else { 3_000 }, 4);
    assert!(totals.schedules * 100 < totals.ways, "{totals:?}");
}

#[test]
fn a_stored_search_continues_where_it_stopped() {
    let writer = |register| Op::Spawn([Op::Read(0), Op::Write(register), Op::Send(0)].into());
    let root: Arc<[Op]> = [
        writer(0),
        writer(1),
        Op::Choose(3),
        Op::ReceiveAny(0, 1),
        Op::Receive(0),
        Op::Sleep(1),
        Op::Read(1),
    ]
    .into();
    for bound in [Bound::None, Bound::Preemptions(1), Bound::Delays(2)] {
        let whole = searched(&root, bound, 100_000);
        assert!(whole.complete && whole.schedules > 50, "{} schedules", whole.schedules);
        for part in [1, 2, 7] {
            assert!(explore_in_parts(&root, bound, 100_000, part) == whole, "{bound:?} in parts of {part}");
        }
    }
}

#[test]
fn a_frontier_of_another_search_is_refused() {
    let root: Arc<[Op]> = [Op::Spawn([Op::Write(0)].into()), Op::Read(0), Op::Choose(2)].into();
    let mut search = Search::new(Bound::None);
    let ran = run(&root, search.next_run().expect("a search begins"));
    assert_eq!(search.absorb(&ran.ended), Absorbed::Passed);
    let frontier = search.frontier("this").expect("there is more than one schedule");
    let error =
        |text: &str, of: &str| Search::resume(Bound::None, text, of).expect_err("refused").to_string();
    assert_eq!(error(&frontier, "that"), "the program, the bound or the limits have changed since");
    assert_eq!(error("", "this"), "line 1 can't be read by this version of timeloop");
    assert_eq!(
        error(&frontier.replace("version 1", "version 2"), "this"),
        "line 1 can't be read by this version of timeloop"
    );
    let last = frontier.lines().count();
    assert_eq!(
        error(&frontier.replace("explored 1 ", "explored 2 "), "this"),
        format!("line {last} can't be read by this version of timeloop")
    );
    let cut = &frontier[..frontier.rfind("checksum").expect("it has one")];
    assert_eq!(error(cut, "this"), format!("line {last} can't be read by this version of timeloop"));
    assert!(Search::resume(Bound::None, &frontier.replace('\n', "\r\n"), "this").is_ok());
}

#[test]
fn a_run_that_does_not_repeat_itself_ends_the_search() {
    let one: Arc<[Op]> = [Op::Spawn([Op::Write(0), Op::Write(0)].into()), Op::Write(0), Op::Join(0)].into();
    let other: Arc<[Op]> = [Op::Spawn([Op::Write(0), Op::Read(0)].into()), Op::Read(0), Op::Join(0)].into();
    let mut search = Search::new(Bound::None);
    let ran = run(&one, search.next_run().expect("a search begins"));
    assert_eq!(search.absorb(&ran.ended), Absorbed::Passed);
    let ran = run(&other, search.next_run().expect("there is more than one schedule"));
    assert!(matches!(search.absorb(&ran.ended), Absorbed::Diverged(_)));
    assert!(search.next_run().is_none() && !search.is_complete());
}

#[test]
fn a_run_may_diverge_at_its_first_step() {
    let root: Arc<[Op]> = [Op::Spawn([Op::Write(0)].into()), Op::Read(0)].into();
    let mut search = Search::new(Bound::None);
    let ran = run(&root, search.next_run().expect("a search begins"));
    assert_eq!(search.absorb(&ran.ended), Absorbed::Passed);
    let mut source = search.next_run().expect("there is more than one schedule");
    let stranger = |slot| Ready { slot, resume: 0, task: TaskKey(u64::from(slot) + 7), announced: None };
    source.ready(stranger(0));
    assert_eq!(source.next(), Some(0));
    // The rest of such a run does not matter.
    source.ready(stranger(1));
    source.woken(stranger(1).task);
    assert_eq!(source.choose(stranger(0).key(), 2), 0);
    assert_eq!((source.next(), source.next()), (Some(1), None));
    assert_eq!(search.absorb(&ran.ended), Absorbed::Diverged(0));
}

/// The root sends in the step in which it gets the lock. Where it finds the lock taken, it never sends. So the races
/// with the send appear in only some of the runs.
#[test]
fn the_effects_of_a_step_may_depend_on_earlier_steps() {
    let receiver = Op::Spawn([Op::Receive(0)].into());
    let root: Arc<[Op]> = [
        Op::Spawn([receiver, Op::Read(0)].into()),
        Op::Spawn([Op::Lock(0)].into()),
        Op::Lock(0),
        Op::Send(0),
        Op::Join(0),
    ]
    .into();
    let explored = searched(&root, Bound::None, 1_000);
    assert!(explored.complete && explored.repeated == 0);
    assert!(explored.finals == brute_force(&root).0);
}

#[test]
fn no_frontier_is_stored_where_ci_is_set() {
    let folder = std::env::temp_dir().join(format!("timeloop-exhaustive-{}", std::process::id()));
    let nine = Toy::new([toy::Op::Select(3, 0), toy::Op::Select(3, 1)]);
    let config = |runs| {
        let exhaustive = StrategySpec::Exhaustive { bound: Bound::None };
        Config {
            strategy: exhaustive,
            runs: Some(runs),
            regressions: RegressionsIn::Folder(folder.clone()),
            silent: true,
            ..Config::new("nine")
        }
    };
    let part = explore(
        &Config { environment: Some(Settings { ci: true, ..Settings::default() }), ..config(4) },
        &nine,
    );
    assert_eq!(part.report(), "timeloop: `nine` passed in 4 schedules; the search is not complete\n");
    assert_eq!(
        part.notes,
        ["the search of `nine` is not complete after 4 schedules; \
             raise `runs` to continue"]
    );
    assert!(!folder.exists());

    let whole = explore(&Config { environment: Some(Settings::default()), ..config(9) }, &nine);
    assert_eq!(
        whole.report(),
        "timeloop: `nine` passed in all 9 schedules (others differ from these only in the order of independent operations)\n"
    );
    assert!(whole.notes.is_empty() && !folder.exists());
}

/// A task that polls a register until another task has run does not keep that task from running.
#[test]
fn a_spinning_task_does_not_starve_the_others() {
    let reads: Vec<Op> = (0..3_000).map(|_| Op::Read(0)).collect();
    let root: Arc<[Op]> = [Op::Spawn(reads.into()), Op::Spawn([Op::Write(0)].into()), Op::Join(1)].into();
    let mut search = Search::new(Bound::None);
    let ran = run(&root, search.next_run().expect("a search begins"));
    assert!(ran.ended.failure.is_none());
    assert!(ran.steps.len() < 2_100, "{} steps", ran.steps.len());
}
