//! Nondeterminism: a failure that can't be repeated is reported as such, with the first step that differs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use proptest::prelude::*;
use timeloop_sim::{Config, Ended, Exploration, FailureKind, Request, Seed, Settings, Simulation, explore};

use crate::exploring::config;
use crate::shrinking::any_toy;
use crate::toy::{Op, Toy, program};

/// Runs its toys in rotation, like code that keeps a counter in a `static`.
struct Fickle(Vec<Toy>, AtomicU64);

impl Simulation for Fickle {
    fn run(&self, request: Request<'_>) -> Ended {
        let number = usize::try_from(self.1.fetch_add(1, Relaxed)).unwrap();
        self.0[number % self.0.len()].run(request)
    }
}

fn explored(toys: &[Toy]) -> Exploration {
    let exploration =
        explore(&Config { runs: Some(50), ..config("fickle") }, &Fickle(toys.to_vec(), AtomicU64::new(0)));
    if let Some(found) = &exploration.found {
        assert_eq!(found.failure.kind, FailureKind::Nondeterminism);
        assert!(!found.replayed && found.stored.is_none());
    }
    exploration
}

fn message(toys: &[Toy]) -> String {
    explored(toys).found.expect("nondeterminism is detected").failure.message()
}

const CAUSES: &str = "
The code depends on something besides the schedule. Common causes:
- iteration over a `HashMap` or `HashSet`, whose order is random (`timeloop::collections` has deterministic ones)
- the real clock: `std::time::Instant::now`, `SystemTime::now`
- random numbers that do not come from `timeloop::rng()`
- a `static` or thread-local that one run leaves changed for the next
- addresses or thread ids that are compared, sorted or hashed
- a real thread, or another runtime, that wakes a task or sends it something
- `futures::select!` or tokio's own `select!`, which use random generators of their own
";

fn failing(name: &'static str, ops: &[Op]) -> Toy {
    let task = program(name, ops);
    Toy::new([Op::Spawn(task), Op::Yield, Op::Yield, Op::Yield, Op::Expect(9, 1)])
}

#[test]
fn another_failure_under_the_same_schedule() {
    // The first run fails at another location than the second.
    let toys =
        [Toy::new([Op::Yield, Op::Expect(0, 1)]), Toy::new([Op::Yield, Op::Load(0), Op::Expect(0, 1)])];
    assert_eq!(
        message(&toys),
        format!(
            "two runs take the same steps but end differently.{CAUSES}One of the runs failed: panic in `root` at root.toy:2:5 after 0 s: cell 0 is 0, not 1"
        )
    );
}

#[test]
fn another_task_at_a_step() {
    let toys = [
        Toy::new([Op::Spawn(program("a", [Op::Yield])), Op::Yield, Op::Yield, Op::Yield, Op::Expect(9, 1)]),
        Toy::new([Op::Yield, Op::Yield, Op::Yield, Op::Expect(9, 1)]),
    ];
    let message = message(&toys);
    assert!(
        message.starts_with(
            "two runs of one schedule differ, first at step 2, at virtual time 0 s: one run resumes `root` for the 2nd time, \
             the other run `a` (root.1), spawned at a.toy:1:5, for the 1st time."
        ) || message.starts_with(
            "two runs of one schedule differ, first at step 2, at virtual time 0 s: one run resumes `a` (root.1), \
             spawned at a.toy:1:5, for the 1st time, the other run `root` for the 2nd time."
        ),
        "{message}"
    );
}

#[test]
fn another_time_of_a_step() {
    let toys = [3, 5].map(|ns| Toy::new([Op::Sleep(ns), Op::Expect(9, 1)]));
    let message = message(&toys);
    let start = "two runs of one schedule differ, first at step 2, at virtual time 5 ns: one run resumes `root` for the 2nd \
                 time, the other run does so at 3 ns.";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn another_choice_within_a_step() {
    // Two branches or five: the draws have different bounds, and so differ sooner or later.
    let toys = [2, 5].map(|arity| {
        let ops = [
            Op::Select(arity, 0),
            Op::Select(arity, 0),
            Op::Select(arity, 0),
            Op::Select(arity, 0),
            Op::Yield,
        ];
        failing("chooser", &ops)
    });
    // With a single run no baseline run is made, in which all choices would be the first branch.
    let exploration =
        explore(&Config { runs: Some(1), ..config("fickle") }, &Fickle(toys.to_vec(), AtomicU64::new(0)));
    let found = exploration.found.expect("nondeterminism is detected");
    assert_eq!(found.failure.kind, FailureKind::Nondeterminism);
    let message = found.failure.message();
    assert!(message.contains("both runs resume `chooser` (root.1), spawned at chooser.toy:1:5, for the 1st time, but the task then makes different choices."), "{message}");
}

#[test]
fn a_run_with_more_steps() {
    let toys = [1, 2].map(|yields| {
        let mut ops = vec![Op::Yield; yields];
        ops.push(Op::Expect(9, 1));
        Toy::new(ops)
    });
    let message = message(&toys);
    let start = "two runs of one schedule differ, first at step 3, at virtual time 0 s: one run has ended, the other run \
                 resumes `root` for the 3rd time.";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn a_first_run_that_later_ones_do_not_repeat() {
    let mut toys = vec![Toy::new([Op::Yield, Op::Expect(0, 1)])];
    toys.extend(vec![Toy::new([Op::Yield]); 200]);
    let message = message(&toys);
    assert!(
        message.starts_with("the first run of a schedule differs from two later runs of it.\n"),
        "{message}"
    );
    assert!(
        message.ends_with(
            "\nOne of the runs failed: panic in `root` at root.toy:2:5 after 0 s: cell 0 is 0, not 1"
        ),
        "{message}"
    );
}

#[test]
fn a_first_run_with_the_same_failure_and_other_steps() {
    let by = |ns| Toy::new([Op::Sleep(ns), Op::Expect(0, 1)]);
    let mut toys = vec![by(1)];
    toys.extend(vec![by(2); 200]);
    let message = message(&toys);
    assert!(
        message.starts_with("the first run of a schedule differs from two later runs of it.\n"),
        "{message}"
    );
}

#[test]
fn timeloop_check_finds_it_without_a_failure() {
    let toys = [3, 5].map(|ns| Toy::new([Op::Sleep(ns)]));
    assert!(explored(&toys).passed(), "nothing fails, so nothing is compared");
    let settings = Settings { check: Some(10), ..Settings::default() };
    let fickle = Fickle(toys.to_vec(), AtomicU64::new(0));
    let found = explore(&Config { environment: Some(settings.clone()), ..config("fickle") }, &fickle)
        .found
        .expect("the runs differ");
    assert_eq!(found.failure.kind, FailureKind::Nondeterminism);
    assert!(
        found.failure.message().contains(", first at step 2, at virtual time 5 ns"),
        "{}",
        found.failure.message()
    );

    let steady = Toy::new([Op::Sleep(3)]);
    assert!(explore(&Config { environment: Some(settings), ..config("steady") }, &steady).passed());
}

#[test]
fn an_escape_is_reported_as_such() {
    /// A real thread interferes with every second run, or with all runs.
    struct Leaky(AtomicU64, u64);
    impl Simulation for Leaky {
        fn run(&self, request: Request<'_>) -> Ended {
            let number = self.0.fetch_add(1, Relaxed);
            let mut ended = Toy::new([Op::Yield]).run(request);
            if number.is_multiple_of(self.1) {
                ended.trace_hash ^= number;
                ended.failure = Some(Box::new(timeloop_sim::Failure {
                    kind: FailureKind::Escape,
                    cause: timeloop_sim::Cause::Escape,
                    notes: Box::default(),
                    site: None,
                    task: None,
                    blocked: Box::default(),
                    network: Box::default(),
                    at_ns: 0,
                    at_step: 1,
                }));
            }
            ended
        }
    }
    for every in [1, 2, 3, 100] {
        let found = explore(&config("leaky"), &Leaky(AtomicU64::new(0), every)).found.expect("it fails");
        assert_eq!(found.failure.kind, FailureKind::Escape, "{}", found.report);
        assert!(!found.replayed && found.stored.is_none());
        assert_eq!(
            found.not_shrunk.as_deref(),
            Some(
                "The schedule was not shrunk: something outside of the simulation takes part in the run, so the next run may take other steps."
            )
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    /// Runs that make the same decisions end in the same way. A run that seems to be an exception lacks a decision in its hash.
    #[test]
    fn a3_deterministic_code_is_not_called_nondeterministic(toy in any_toy(), seed in any::<u64>()) {
        let exploration = explore(&Config { seed: Seed(seed), runs: Some(50), shrink_runs: 500, ..config("toy") }, &toy);
        if let Some(found) = &exploration.found {
            prop_assert_ne!(found.failure.kind, FailureKind::Nondeterminism, "{}", found.report);
        }
    }
}

/// A preempted task that continues at once is not in the trace, and one that does not continue is not, either.
#[test]
fn a3_a_preemption_is_a_decision() {
    let child = program("child", [Op::Touch(0, timeloop_sim::Access::Read), Op::AddIf(0, 0, 0, 1)]);
    let toy = Toy::new([Op::Spawn(child), Op::Yield, Op::Expect(0, 0)]);
    for seed in 0..20 {
        let exploration = explore(&Config { seed: Seed(seed), runs: Some(50), ..config("toy") }, &toy);
        let found = exploration.found.expect("the baseline run fails");
        assert_eq!(found.failure.kind, FailureKind::Panic, "{}", found.report);
    }
}
