//! The critical pair: two schedules that differ in one decision, of which one fails and the other does not.

use proptest::prelude::*;
use timeloop_sim::{
    Access, Config, Critical, CriticalDecision, CriticalStep, Detail, Ended, Exploration, FailureKind, Found,
    Record, Schedule, Seed, Stalls, StrategySpec, explore,
};

use crate::exploring::config;
use crate::shrinking::{any_toy, run};
use crate::toy::{self, Op, Toy, program};

fn explored(toy: &Toy) -> Exploration {
    explore(&Config { runs: Some(10_000), ..config("critical") }, toy)
}

/// Returns the critical pair of `found`, after running both of its schedules again.
fn checked<'a>(toy: &Toy, found: &'a Found) -> &'a Critical {
    let critical =
        found.critical.as_ref().or(found.rescue.as_ref()).unwrap_or_else(|| panic!("{}", found.report));
    let print = |ended: &Ended| ended.failure.as_ref().map(|failure| failure.fingerprint());
    let [fails, other] =
        [&critical.fails, &critical.other].map(|schedule| run(toy, schedule, Detail::Blocked));
    assert_eq!(print(&fails), Some(found.fingerprint), "{}", found.report);
    assert_ne!(print(&other), Some(found.fingerprint), "{}", found.report);
    assert_eq!(other.failure.map(|failure| failure.kind), critical.otherwise, "{}", found.report);
    assert_eq!(Schedule::from_token(&critical.other_token, "toys::critical"), Ok(critical.other.clone()));
    if let CriticalDecision::Order { first, second, .. } = &critical.decision {
        assert_ne!(first.task.path, second.task.path);
        let at = |step: &CriticalStep| step.step.map_or(usize::MAX, |step| step as usize - 1);
        let (fails, other) = (fails.record.unwrap(), other.record.unwrap());
        assert!(at(first) < at(second), "{}", found.report);
        let path = |record: &Record, step: usize| record.task_of(&record.steps[step]).label.path.clone();
        assert_eq!(path(&fails, at(first)), first.task.path);
        // Up to that step both runs are the same.
        for step in 0..at(first) {
            assert_eq!(path(&fails, step), path(&other, step));
        }
        assert_eq!(path(&other, at(first)), second.task.path, "{}", found.report);
    }
    critical
}

/// Returns the text of the two steps whose order matters.
fn order(toy: &Toy) -> (String, String) {
    let exploration = explored(toy);
    let critical = checked(toy, exploration.found.as_deref().expect("some run fails"));
    assert_eq!(critical.otherwise, None, "it passes in the other order");
    match &critical.decision {
        CriticalDecision::Order { first, second, .. } => (first.to_string(), second.to_string()),
        decision => panic!("{decision:?}"),
    }
}

#[test]
fn a_task_moved_ahead_is_paired_with_the_step_that_it_must_precede() {
    // The task that runs late may run before two idle ones, but not before the one that sets the cell.
    let idle = || program("idle", [Op::Load(9), Op::Raise(7)]);
    let setter = program("setter", [Op::Store(0, 1), Op::Raise(0)]);
    let late = program("late", [Op::AddIf(0, 0, 1, 1), Op::Raise(1)]);
    let tasks = [setter, idle(), idle(), late].map(Op::Spawn);
    let waits = [Op::Wait(0), Op::Wait(1), Op::Expect(1, 0)];
    let toy = Toy::new([&tasks[..], &waits[..]].concat());
    assert_eq!(order(&toy), ("`late` (root.4) starts".to_owned(), "`setter` (root.1) starts".to_owned()));
}

#[test]
fn a_task_moved_back_is_paired_with_the_last_step_before_it() {
    let (first, second) = order(&toy::lost_update());
    assert_eq!(first, "`audit` (root.2) resumes at audit.toy:2");
    assert_eq!(second, "`transfer` (root.1) resumes at transfer.toy:2");
}

#[test]
fn a_baseline_run_that_fails_has_a_pair() {
    // FIFO order loses an update; one task after the other is correct.
    let deposit = || program("deposit", [Op::Load(0), Op::Yield, Op::Store(0, 1), Op::Raise(1)]);
    let other = program("other", [Op::Load(0), Op::Yield, Op::Store(0, 1), Op::Raise(2)]);
    let toy = Toy::new([Op::Spawn(deposit()), Op::Spawn(other), Op::Wait(1), Op::Wait(2), Op::Expect(0, 2)]);
    let (first, second) = order(&toy);
    assert_eq!(first, "`other` (root.2) starts");
    assert_eq!(second, "`deposit` (root.1) resumes at deposit.toy:2");
}

#[test]
fn a_choice_of_the_failing_run() {
    let toy = toy::select();
    let exploration = explored(&toy);
    let critical = checked(&toy, exploration.found.as_deref().unwrap());
    assert!(matches!(critical.decision, CriticalDecision::Choice { fails_with: true, .. }), "{critical:?}");
    assert_eq!(
        critical.to_string(),
        "choice: `chooser` (root.1) resumes at chooser.toy:1, and its 2nd `select!` polls the 2nd branch first; with the 1st branch polled first, the test passes (checked)"
    );
}

#[test]
fn a_choice_of_the_passing_run() {
    let chooser = program("chooser", [Op::Yield, Op::Select(2, 0), Op::Expect(0, 1), Op::Raise(0)]);
    let toy = Toy::new([Op::Spawn(chooser), Op::Wait(0)]);
    let exploration = explored(&toy);
    let critical = checked(&toy, exploration.found.as_deref().unwrap());
    assert_eq!(
        critical.to_string(),
        "choice: `chooser` (root.1) resumes at chooser.toy:1, and its 1st `select!` polls the 1st branch first; with the 2nd branch polled first, the test passes (checked)"
    );
}

#[test]
fn random_numbers() {
    let drawer = program("drawer", [Op::Draw(3, 0), Op::Expect(0, 1), Op::Raise(0)]);
    let toy = Toy::new([Op::Spawn(drawer), Op::Wait(0)]);
    let exploration = explored(&toy);
    let critical = checked(&toy, exploration.found.as_deref().unwrap());
    let CriticalDecision::Randomness { fails, other } = critical.decision else { panic!("{critical:?}") };
    assert_eq!(fails, Seed(0));
    assert_eq!(
        critical.to_string(),
        format!(
            "randomness: the code under test gets its random numbers from seed 0; with the random numbers of seed {other}, the \
             test passes (checked)"
        )
    );
}

#[test]
fn another_failure_in_the_other_order_is_reported() {
    // It fails in either order.
    let one = program("one", [Op::AddIf(0, 0, 1, 1), Op::Store(0, 1), Op::Raise(0)]);
    let two = program("two", [Op::AddIf(0, 0, 2, 1), Op::Store(0, 1), Op::Raise(1)]);
    let toy = Toy::new([
        Op::Spawn(one),
        Op::Spawn(two),
        Op::Wait(0),
        Op::Wait(1),
        Op::Expect(1, 0),
        Op::WaitUnless(2, 0, 9),
    ]);
    let exploration = explored(&toy);
    let critical = checked(&toy, exploration.found.as_deref().unwrap());
    assert_eq!(critical.otherwise, Some(FailureKind::Deadlock));
    assert_eq!(
        critical.to_string(),
        "order: `one` (root.1) starts, then `two` (root.2) starts; if these two swap, the test fails in another way (deadlock) (checked)"
    );
}

/// Several orders decide, one after the other. The last one is the nearest to the failure.
#[test]
fn d5_the_nearest_order_that_decides_is_reported() {
    for pairs in 2..=3 {
        let exploration = explored(&toy::races(pairs));
        let critical = checked(&toy::races(pairs), exploration.found.as_deref().expect("some run fails"));
        let CriticalDecision::Order { first, .. } = &critical.decision else { panic!("{critical:?}") };
        assert_eq!(first.task.path.to_string(), format!("root.{}", 2 * pairs), "{critical}");
    }
}

/// An order that no deviation changes decides, too, and is nearer to the failure than the deviation.
#[test]
fn d5_an_order_after_the_last_deviation_is_nearer() {
    let first = program("first", [Op::Store(0, 1), Op::Raise(0)]);
    let second = program("second", [Op::AddIf(0, 0, 15, 1), Op::Raise(1)]);
    let writer = program("writer", [Op::Touch(1, Access::Write), Op::Store(1, 1), Op::Raise(2)]);
    let reader = program("reader", [Op::Touch(1, Access::Read), Op::AddIf(1, 1, 15, 1), Op::Raise(3)]);
    let early = [Op::Spawn(first), Op::Spawn(second), Op::Wait(0), Op::Wait(1)];
    let late = [Op::Spawn(writer), Op::Spawn(reader), Op::Wait(2), Op::Wait(3)];
    let toy = Toy::new([&early[..], &late[..], &[Op::AddIf(15, 2, 13, 1), Op::Expect(13, 0)]].concat());
    let exploration = explored(&toy);
    let found = exploration.found.as_deref().expect("some run fails");
    assert_eq!(found.deviations_after(), Some(1), "{}", found.report);
    let CriticalDecision::Order { first, second, .. } = &checked(&toy, found).decision else {
        panic!("{}", found.report)
    };
    assert_eq!([&first.task.name, &second.task.name], ["writer", "reader"], "{}", found.report);
}

/// The numbers in front of the critical steps are those of the table of steps.
#[test]
fn d4_the_critical_line_names_its_steps() {
    let late = program("late", [Op::Expect(0, 0), Op::Raise(1)]);
    let setter = program("setter", [Op::Yield, Op::Store(0, 1), Op::Raise(0)]);
    let toy = Toy::new([Op::Spawn(late), Op::Spawn(setter), Op::Wait(0), Op::Wait(1)]);
    let exploration = explored(&toy);
    let (critical, steps) = (part(&exploration, "Critical "), part(&exploration, "Steps"));
    let rows = critical.lines().skip(1);
    let numbers: Vec<u64> = rows
        .map(|row| {
            let words: Vec<&str> = row.split_whitespace().collect();
            assert_eq!(words[0], "step", "{critical}");
            let number: u64 = words[1].parse().expect("a number");
            let task = row.split('`').nth(1).expect("the name of a task");
            let listed = steps
                .lines()
                .find(|line| line.trim_start_matches([' ', '▸']).split(' ').next() == Some(words[1]));
            assert!(listed.is_some_and(|listed| listed.contains(task)), "{critical}\n{steps}");
            number
        })
        .collect();
    assert_eq!(numbers.len(), 2, "{critical}");
    assert!(numbers[0] < numbers[1], "{critical}");
}

#[test]
fn a_failure_in_any_order_has_no_pair() {
    let toy = Toy::new([Op::Yield, Op::Expect(0, 1)]);
    let exploration = explored(&toy);
    let found = exploration.found.unwrap();
    assert_eq!(found.critical, None);
    assert!(found.critical_tried > 0);
}

/// The part of the report about the critical decision.
fn part(exploration: &Exploration, start: &str) -> String {
    let report = exploration.report();
    let start =
        report.find(&format!("\n{start}")).map(|start| start + 1).unwrap_or_else(|| panic!("{report}"));
    report[start..].split("\n\n").next().unwrap().to_owned()
}

#[test]
fn a_stall_of_the_failing_run() {
    let work = program("work", [Op::Store(0, 1)]);
    let toy = Toy::new([Op::Spawn(work), Op::Yield, Op::Sleep(3), Op::Expect(0, 1)]);
    let exploration = explore(&Config { strategy: StrategySpec::Starve, ..config("critical") }, &toy);
    let critical = checked(&toy, exploration.found.as_deref().expect("some run fails"));
    let CriticalDecision::Choice { task, fails_with: true, .. } = &critical.decision else {
        panic!("{critical:?}");
    };
    assert_eq!((task.step, task.starts), (None, true), "the task does not run");
    assert_eq!(
        part(&exploration, "Critical "),
        "\
Critical delay (checked): without this delay, the test passes
  virtual time advances while `work` (root.1) is ready"
    );
}

/// It fails in FIFO order and in every other order, unless time passes. The report does not call that order the cause.
#[test]
fn a11_a_failure_of_most_schedules_has_a_rescue_and_no_critical_order() {
    let hasty = program("hasty", [Op::Expect(0, 1), Op::Raise(0)]);
    let sleeper = program("sleeper", [Op::Sleep(5), Op::Store(0, 1), Op::Raise(1)]);
    let toy = Toy::new([Op::Spawn(hasty), Op::Spawn(sleeper), Op::Wait(0), Op::Wait(1)]);
    let config = Config { strategy: StrategySpec::Portfolio, ..config("critical") };
    let exploration = explore(&config, &toy);
    let found = exploration.found.as_deref().expect("it fails");
    assert_eq!(found.critical, None);
    checked(&toy, found);
    let start =
        format!("The test fails in {} of {} schedules", found.frequency.failing, found.frequency.tried);
    assert_eq!(
        part(&exploration, &start),
        format!(
            "\
{start}. It passes if virtual time advances first (checked)
  step 2  `hasty` (root.1) starts before virtual time advances"
        )
    );
    let found = explore(&Config { stalls: Stalls::Never, ..config }, &toy).found.expect("it fails");
    assert_eq!((found.critical, found.rescue), (None, None));
    assert!(found.report.contains("Every schedule that was tried fails: "), "{}", found.report);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn both_schedules_run_as_reported(toy in any_toy(), seed in any::<u64>()) {
        let exploration = explore(&Config { seed: Seed(seed), runs: Some(50), shrink_runs: 500, ..config("critical") }, &toy);
        let Some(found) = &exploration.found else { return Ok(()) };
        if found.critical.is_some() || found.rescue.is_some() {
            checked(&toy, found);
        } else {
            let texts = ["Every schedule that was tried fails: ", "\nThe test fails in ", "No critical order found: "];
            let is_explained = texts.iter().any(|text| found.report.contains(text));
            prop_assert!(is_explained || found.critical_tried == 0, "{}", found.report);
        }
    }
}
