//! Exhaustive search against brute force: the same ends, and no schedule twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use timeloop_sim::{Absorbed, Access, Bound, Operation, Search, TaskKey};

use crate::machine::{BruteForce, Did, Machine, Op, run};

/// A schedule without the order of what does not matter: each step, by its task and its how-many-th, with what it chose and
/// those before it that it depends on.
type Trace = BTreeMap<(TaskKey, usize), (Vec<u32>, BTreeSet<(TaskKey, usize)>)>;

fn depend(one: &(TaskKey, u32, Did), other: &(TaskKey, u32, Did)) -> bool {
    let races = |a: &Operation, b: &Operation| {
        a.resource == b.resource && (a.access != Access::Read || b.access != Access::Read)
    };
    let wakes = |did: &Did, task| did.wakes.iter().any(|(woken, _)| *woken == task);
    let ends = |task: TaskKey, did: &Did| did.ended && task == TaskKey::ROOT;
    one.0 == other.0
        || one.1 != other.1
        || ends(one.0, &one.2)
        || ends(other.0, &other.2)
        || wakes(&one.2, other.0)
        || wakes(&other.2, one.0)
        || one.2.operations.iter().any(|a| other.2.operations.iter().any(|b| races(a, b)))
}

fn trace(steps: &[(TaskKey, u32, Did)]) -> Trace {
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
    /// Schedules that are equivalent to an earlier one.
    repeated: u64,
    schedules: u64,
    redundant: u64,
    complete: bool,
}

fn explore(root: &Arc<[Op]>, bound: Bound, runs: u64) -> Explored {
    explore_in_parts(root, bound, runs, u64::MAX)
}

/// The same, stopped and taken up again after every so many runs.
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

/// A root that spawns one to three tasks, one of which may spawn another, and does something of its own.
fn a_program() -> impl Strategy<Value = Arc<[Op]>> {
    let others = prop::collection::vec(a_task(3), 1..=3);
    let nested = prop::option::weighted(0.3, a_task(2));
    (others, nested, a_task(3), 0..3_usize).prop_map(|(mut others, nested, own, joins)| {
        if let Some(nested) = nested {
            others.truncate(2);
            others[0].truncate(2);
            others[0].insert(0, Op::Spawn(nested.into()));
        }
        let length = if others.len() > 2 { 2 } else { 3 };
        let count = others.len();
        let spawned = others.into_iter().map(|mut task| {
            task.truncate(length);
            Op::Spawn(task.into())
        });
        let mut root: Vec<Op> = spawned.collect();
        root.extend(own.into_iter().take(if count > 1 { 1 } else { 3 }));
        root.extend((0..count.min(joins + 1)).map(|child| Op::Join(child as u8)));
        root.into()
    })
}

const PROGRAMS: u32 = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

#[test]
fn it_agrees_with_brute_force() {
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    let config = Config { cases: PROGRAMS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let totals = std::cell::Cell::new((0_u64, 0_u64, 0_u64, 0_u64));
    runner
        .run(&a_program(), |root| {
            let (finals, ways) = brute_force(&root);
            let explored = explore(&root, Bound::None, 100_000);
            prop_assert!(explored.complete);
            prop_assert_eq!(explored.repeated, 0);
            prop_assert_eq!(&explored.finals, &finals);
            prop_assert!(explored.schedules <= ways);
            let mut all = 0;
            if ways <= 300 {
                let every = explore(&root, Bound::Preemptions(u32::MAX), 1_000);
                prop_assert!(every.complete);
                prop_assert_eq!(every.schedules, ways);
                prop_assert_eq!(&every.finals, &finals);
                prop_assert_eq!(every.traces.len(), explored.traces.len());
                all = 1;
            }
            let (schedules, redundant, brute, enumerated) = totals.get();
            totals.set((
                schedules + explored.schedules,
                redundant + explored.redundant,
                brute.saturating_add(ways),
                enumerated + all,
            ));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let (schedules, redundant, ways, enumerated) = totals.get();
    println!(
        "{PROGRAMS} programs: {schedules} schedules and {redundant} redundant runs for {ways} interleavings; \
         {enumerated} enumerated one by one"
    );
    assert!(schedules * 5 < ways);
}

#[test]
fn it_goes_on_where_it_stopped() {
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
        let whole = explore(&root, bound, 100_000);
        assert!(whole.complete && whole.schedules > 50, "{} schedules", whole.schedules);
        for part in [1, 2, 7] {
            assert!(explore_in_parts(&root, bound, 100_000, part) == whole, "{bound:?} in parts of {part}");
        }
    }
}

#[test]
fn a_frontier_that_is_not_its_own_is_refused() {
    let root: Arc<[Op]> = [Op::Spawn([Op::Write(0)].into()), Op::Read(0), Op::Choose(2)].into();
    let mut search = Search::new(Bound::None);
    let ran = run(&root, search.next_run().expect("a search begins"));
    assert_eq!(search.absorb(&ran.ended), Absorbed::Passed);
    let frontier = search.frontier("this").expect("there is more than one schedule");
    let error =
        |text: &str, of: &str| Search::resume(Bound::None, text, of).expect_err("refused").to_string();
    assert_eq!(error(&frontier, "that"), "the program, the bound or the limits have changed since");
    assert_eq!(error("", "this"), "line 1 is not as this version of timeloop writes it");
    assert_eq!(
        error(&frontier.replace("version 1", "version 2"), "this"),
        "line 1 is not as this version of timeloop writes it"
    );
    let last = frontier.lines().count();
    assert_eq!(
        error(&frontier.replace("explored 1 ", "explored 2 "), "this"),
        format!("line {last} is not as this version of timeloop writes it")
    );
    let cut = &frontier[..frontier.rfind("checksum").expect("it has one")];
    assert_eq!(error(cut, "this"), format!("line {last} is not as this version of timeloop writes it"));
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
    assert!(matches!(search.absorb(&ran.ended), Absorbed::Strayed(_)));
    assert!(search.next_run().is_none() && !search.is_complete());
}
