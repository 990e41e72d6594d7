//! Shrinking: the result has the same failure, is never larger, and no deviation can be removed.

use proptest::prelude::*;
use timeloop_sim::{
    Access, Config, Detail, Deviation, Domain, Ended, Exploration, Failure, FailureKind, Found, Limits,
    Request, Schedule, Seed, Simulation, StrategySpec, explore,
};

use crate::exploring::config;
use crate::toy::{self, Op, Toy, program};

pub(crate) fn run(simulation: &dyn Simulation, schedule: &Schedule, detail: Detail) -> Ended {
    let limits = Limits::default();
    simulation.run(Request {
        source: schedule.source(),
        limits: &limits,
        detail,
        explain_from: 0,
        loud: false,
    })
}

fn found(exploration: &Exploration) -> &Found {
    exploration.found.as_deref().unwrap_or_else(|| panic!("{}", exploration.report()))
}

fn shrunk(name: &str, toy: &Toy) -> Vec<Deviation> {
    let exploration = explore(&Config { runs: Some(100_000), ..config(name) }, toy);
    let found = found(&exploration);
    assert!(found.replayed, "{}", found.report);
    found.shrunk.deviations().expect("the run was shrunk").to_vec()
}

fn deviation(path: &str, resume: u32, domain: Domain, index: u32, value: u32) -> Deviation {
    Deviation { task: path.parse().unwrap(), resume, domain, index, value }
}

#[test]
fn a_lost_update_takes_one_deviation() {
    // The transfer stores what it loaded only after the audit has loaded as well.
    assert_eq!(shrunk("lost_update", &toy::lost_update()), [deviation("root.1", 1, Domain::Schedule, 0, 4)]);
}

#[test]
fn a_lost_wakeup_takes_one_deviation() {
    let deviations = shrunk("lost_wake", &toy::lost_wake());
    assert_eq!(deviations, [deviation("root.1", 0, Domain::Schedule, 0, 3)]);
}

#[test]
fn each_race_takes_one_deviation() {
    for pairs in 1..=4 {
        let deviations = shrunk("races", &toy::races(pairs));
        assert_eq!(deviations.len(), pairs, "{deviations:?}");
    }
}

#[test]
fn a_task_that_must_be_preempted_before_an_access_takes_one_deviation() {
    let deviations = shrunk("lost_access", &toy::lost_access());
    // It has read, and writes only after the other task has written.
    assert_eq!(deviations, [deviation("root.1", 0, Domain::Operation, 2, 2)]);
}

#[test]
fn only_the_choice_that_matters_is_left() {
    assert_eq!(shrunk("select", &toy::select()), [deviation("root.1", 1, Domain::Select, 1, 1)]);
}

/// Fails if two races go wrong, or if a watchdog runs before the work is done.
fn races_or_stall() -> Toy {
    let work = program("work", [Op::Store(10, 1)]);
    let watchdog = program("watchdog", [Op::Sleep(1_000), Op::AddIf(10, 0, 15, 2), Op::Raise(4)]);
    let before = [Op::Spawn(work), Op::Spawn(watchdog), Op::Wait(4)];
    Toy::new([&before[..], &toy::races(2).0.ops[..]].concat())
}

/// Shrinking makes no decision that the strategy of the failing run can't make.
#[test]
fn a1_shrinking_uses_only_decisions_of_the_strategy() {
    let shrunk = |strategy, stalls: bool| {
        let config = Config { strategy, stalls: stalls.into(), ..config("races_or_stall") };
        let exploration = explore(&config, &races_or_stall());
        found(&exploration).shrunk.deviations().unwrap().to_vec()
    };
    // One stall would do, but these strategies never stall.
    for stalls in [true, false] {
        for strategy in [StrategySpec::Random, StrategySpec::Surw, StrategySpec::Pct { depth: 3 }] {
            let deviations = shrunk(strategy, stalls);
            assert_eq!(deviations.len(), 2, "{deviations:?}");
            assert!(
                deviations.iter().all(|deviation| deviation.domain == Domain::Schedule),
                "{deviations:?}"
            );
        }
    }
}

/// Under `fifo`, only choices differ. Shrinking does not reorder tasks, although one deviation would do instead of two.
#[test]
fn a1_tasks_stay_in_fifo_order_where_the_strategy_keeps_it() {
    let choices =
        [Op::Select(2, 0), Op::Select(2, 1), Op::AddIf(0, 1, 3, 1), Op::AddIf(1, 1, 3, 1), Op::Raise(0)];
    let setter = program("setter", [Op::Store(5, 1), Op::Raise(1)]);
    let reader = program("reader", [Op::AddIf(5, 0, 3, 2), Op::Raise(2)]);
    let tasks = [program("chooser", choices), setter, reader].map(Op::Spawn);
    let waits = [Op::Wait(0), Op::Wait(1), Op::Wait(2), Op::AddIf(3, 2, 13, 1), Op::Expect(13, 0)];
    let toy = Toy::new([&tasks[..], &waits[..]].concat());
    let exploration = explore(&Config { strategy: StrategySpec::Fifo, ..config("choices") }, &toy);
    let deviations = found(&exploration).shrunk.deviations().unwrap().to_vec();
    assert_eq!(deviations, [0, 1].map(|index| deviation("root.1", 0, Domain::Select, index, 1)));
}

/// A stall gets no longer than the strategy's, although a shorter list of deviations would do.
#[test]
fn a1_a_stall_stays_as_short_as_the_strategy_makes_it() {
    // The work is checked after 5 ms, if the first watchdog runs after the setter, and after ten minutes.
    let watchdog =
        |cell, ns| program("watchdog", [Op::WaitUnless(cell, 1, 9), Op::Sleep(ns), Op::Expect(0, 1)]);
    let setter = program("setter", [Op::Store(4, 1)]);
    let work = program("work", [Op::Store(0, 1), Op::Raise(0)]);
    let tasks = [watchdog(4, 5_000_000), setter, work, watchdog(5, 600_000_000_000)].map(Op::Spawn);
    let toy = Toy::new([&[Op::Store(5, 1)], &tasks[..], &[Op::Wait(0)]].concat());
    for seed in [0, 1_000, 2_000] {
        let config = Config { strategy: StrategySpec::Stall, seed: Seed(seed), ..config("short") };
        let exploration = explore(&config, &toy);
        let found = found(&exploration);
        let ended = run(&toy, &found.shrunk, Detail::Lean);
        assert_eq!((ended.held_ns, found.deviations_after()), (5_000_000, Some(3)), "{}", found.report);
    }
}

#[test]
fn a_run_that_always_fails_takes_no_deviation() {
    assert_eq!(shrunk("always", &Toy::new([Op::Yield, Op::Expect(0, 1)])), []);
}

#[test]
fn randomness_is_set_to_zero_unless_it_matters() {
    let drawing = |number| {
        let drawer = program("drawer", [Op::Draw(3, 0), Op::Yield, Op::Raise(0)]);
        Toy::new([Op::Spawn(drawer), Op::Wait(0), Op::AddIf(0, number, 1, 1), Op::Expect(1, 0)])
    };
    let mut seeds = [0, 1, 2].map(|number| {
        let exploration = explore(&config("drawing"), &drawing(number));
        match &found(&exploration).shrunk {
            Schedule::Deviations { randomness, deviations } => {
                assert_eq!(deviations, &[]);
                *randomness
            }
            schedule => panic!("{schedule:?}"),
        }
    });
    seeds.sort();
    assert_eq!(seeds[0], Seed(0), "one of three numbers is drawn in the baseline run");
    assert!(seeds[1] > Seed(0), "the others need a seed of their own: {seeds:?}");
}

#[test]
fn the_report_says_which_bound_ended_shrinking() {
    let exploration =
        explore(&Config { runs: Some(100_000), shrink_runs: 3, ..config("races") }, &toy::races(4));
    let found = found(&exploration);
    assert_eq!(found.shrink_ended_by, Some(timeloop_sim::StopReason::Runs));
    assert!(found.replayed);
    let report = found.report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains("; stopped at the limit on runs (`shrink_runs`)"), "{}", found.report);
}

#[test]
fn a_livelock_and_a_step_limit_are_shrunk() {
    // Spins for ever if the second task runs first.
    let spinner = program("spinner", [Op::AddIf(0, 0, 1, 1), Op::Yield, Op::Raise(1)]);
    let calm = program("calm", [Op::Store(0, 1), Op::Yield, Op::Raise(0)]);
    let ops = [Op::Spawn(calm), Op::Spawn(spinner), Op::Wait(0), Op::Wait(1), Op::SpinIf(1, 1)];
    for (config, kind) in [
        (
            Config { limits: Limits { max_polls_per_instant: 1_000, ..Limits::default() }, ..config("spin") },
            FailureKind::Livelock,
        ),
        (
            Config { limits: Limits { max_steps: 1_000, ..Limits::default() }, ..config("spin") },
            FailureKind::StepLimit,
        ),
    ] {
        let exploration = explore(&config, &Toy::new(ops.clone()));
        let found = found(&exploration);
        assert_eq!(found.failure.kind, kind);
        assert_eq!(found.deviations_after(), Some(1), "{}", found.report);
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    let cell = 0..3_usize;
    let flag = 0..3_usize;
    prop_oneof![
        4 => Just(Op::Yield),
        1 => (1..4_u64).prop_map(Op::Sleep),
        2 => (cell.clone(), 0..6_usize).prop_map(|(cell, access)| Op::Touch(cell, Access::ALL[access])),
        2 => cell.clone().prop_map(Op::Load),
        2 => (cell.clone(), 0..3_i64).prop_map(|(cell, number)| Op::Store(cell, number)),
        2 => (cell.clone(), 0..2_i64, cell.clone()).prop_map(|(cell, is, to)| Op::AddIf(cell, is, to, 1)),
        1 => flag.clone().prop_map(Op::Raise),
        1 => flag.prop_map(Op::Wait),
        1 => (2..4_u32, cell.clone()).prop_map(|(arity, cell)| Op::Select(arity, cell)),
        1 => (2..4_u32, cell.clone()).prop_map(|(bound, cell)| Op::Draw(bound, cell)),
        1 => (cell, 0..3_i64).prop_map(|(cell, number)| Op::Expect(cell, number)),
    ]
}

/// Generates toys: tasks that spawn tasks, some of which may fail.
pub(crate) fn any_toy() -> impl Strategy<Value = Toy> {
    let leaf = prop::collection::vec(any_op(), 0..8);
    let tree = leaf.prop_recursive(2, 24, 3, |inner| {
        let part = prop_oneof![
            3 => prop::collection::vec(any_op(), 1..5),
            2 => inner.prop_map(|ops| vec![Op::Spawn(program("child", ops))]),
        ];
        prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
    });
    tree.prop_map(Toy::new)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_deviations_of_a_run_repeat_it(toy in any_toy(), seed in any::<u64>()) {
        let seeded = Schedule::seeded(Seed(seed), StrategySpec::Random);
        let ended = run(&toy, &seeded, Detail::Record);
        let lean = run(&toy, &seeded, Detail::Lean);
        prop_assert_eq!(ended.trace_hash, lean.trace_hash);
        let deviations = ended.record.as_ref().unwrap().deviations();
        let rewritten = Schedule::Deviations { randomness: Seed(seed), deviations: deviations.clone() };
        let again = run(&toy, &rewritten, Detail::Record);
        prop_assert_eq!(again.trace_hash, ended.trace_hash);
        // Steps without an effective preemption are merged with those before them.
        let end = |ended: &Ended| ended.failure.clone().map(|failure| Failure { at_step: 0, ..*failure });
        prop_assert_eq!(end(&again), end(&ended));
        prop_assert_eq!(again.unapplied, 0);
        // Rewriting is idempotent.
        prop_assert_eq!(again.record.unwrap().deviations(), deviations);
    }

    #[test]
    fn the_baseline_run_has_no_deviations(toy in any_toy()) {
        let ended = run(&toy, &Schedule::baseline(), Detail::Record);
        prop_assert_eq!(ended.record.unwrap().deviations(), vec![]);
    }

    #[test]
    fn the_result_has_the_same_failure_and_is_minimal(toy in any_toy(), seed in any::<u64>()) {
        let exploration = explore(&Config { seed: Seed(seed), runs: Some(100), shrink_runs: 20_000, ..config("any") }, &toy);
        let Some(found) = &exploration.found else { return Ok(()) };
        prop_assert!(found.replayed, "{}", found.report);
        let fails_alike = |schedule: &Schedule| {
            let ended = run(&toy, schedule, Detail::Blocked);
            ended.failure.is_some_and(|failure| failure.fingerprint() == found.fingerprint)
        };
        prop_assert!(fails_alike(&found.schedule));
        prop_assert!(fails_alike(&found.shrunk));
        let Schedule::Deviations { randomness, deviations } = &found.shrunk else {
            return Err(TestCaseError::fail("not shrunk"));
        };
        prop_assert!(found.deviations_before.unwrap() >= deviations.len());
        if found.shrink_ended_by.is_none() {
            for index in 0..deviations.len() {
                let mut fewer = deviations.clone();
                fewer.remove(index);
                let fewer = Schedule::Deviations { randomness: *randomness, deviations: fewer };
                prop_assert!(!fails_alike(&fewer), "{}", found.report);
            }
        }
    }
}
