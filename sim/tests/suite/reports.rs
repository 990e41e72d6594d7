//! Reports, word for word.

use proptest::prelude::*;
use timeloop_sim::{Config, FoundBy, Limits, RegressionsIn, Seed, Settings, StrategySpec, explore};

use crate::exploring::config;
use crate::redact::redacted;
use crate::shrinking::any_toy;
use crate::toy::{self, Op, Toy, program};

fn report(name: &str, toy: &Toy) -> String {
    redacted(&explore(&config(name), toy).report())
}

#[test]
fn of_a_panic() {
    assert_eq!(
        report("lost_update", &toy::lost_update()),
        "\
timeloop: `toys::lost_update` failed in # of # schedules: panic at root.toy:5:5

  cell 0 is 1, not 2
  (in task `root`, after 8 steps, at virtual time 0 s)

Critical order (checked): if these two swap, the test passes
  step 5  `audit` (root.2) resumes at audit.toy:2
  step 6  `transfer` (root.1) resumes at transfer.toy:2

Failing schedule: FIFO order, except
  step 6  `transfer` (root.1) resumes at transfer.toy:2, 2 steps later than in FIFO order, only after `audit`
          (root.2) has resumed at audit.toy:2
  (`transfer` (root.1) is spawned at transfer.toy:1:5; `audit` (root.2) is spawned at audit.toy:1:5)

Steps (▸ out of FIFO order)
    step  time  task               ran from → to
       1   0 s  root               start → root.toy:3
       2   0 s  transfer (root.1)  start → transfer.toy:2
       3   0 s  audit (root.2)     start → audit.toy:1
       4   0 s  audit (root.2)     :1 → :2
       5   0 s  audit (root.2)     :2 → :4
  ▸    6   0 s  transfer (root.1)  transfer.toy:2 → end
       7   0 s  audit (root.2)     audit.toy:4 → end
       8   0 s  root               root.toy:3 → panic

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     no shorter failing schedule found in # runs (# deviation)
replay     TIMELOOP_REPLAY=TL1# cargo test lost_update -- --exact
"
    );
}

#[test]
fn of_a_deadlock() {
    assert_eq!(
        report("lost_wake", &toy::lost_wake()),
        "\
timeloop: `toys::lost_wake` failed in # of # schedules: deadlock

  no task is ready and no timer is pending, so nothing can wake the 3 blocked tasks
  (after 5 steps, at virtual time 0 s)

Blocked tasks
  - `root` has been blocked at root.toy:3:5 since virtual time 0 s
  - `notifier` (root.2), spawned at notifier.toy:1:5, has been blocked at notifier.toy:2:5 since virtual time
    0 s
  - `waiter` (root.1), spawned at waiter.toy:1:5, has been blocked at waiter.toy:3:5 since virtual time 0 s

Critical order (checked): if these two swap, the test passes
  step 3  `notifier` (root.2) resumes at notifier.toy:1
  step 4  `waiter` (root.1) starts

Failing schedule: FIFO order, except
  step 4  `waiter` (root.1) starts, 2 steps later than in FIFO order, only after `notifier` (root.2) has
          resumed at notifier.toy:1

Steps (▸ out of FIFO order)
    step  time  task               ran from → to
       1   0 s  root               start → root.toy:3
       2   0 s  notifier (root.2)  start → notifier.toy:1
       3   0 s  notifier (root.2)  :1 → :2
  ▸    4   0 s  waiter (root.1)    start → waiter.toy:2
       5   0 s  waiter (root.1)    :2 → :3

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     no shorter failing schedule found in # runs (# deviation)
replay     TIMELOOP_REPLAY=TL1# cargo test lost_wake -- --exact
"
    );
}

#[test]
fn of_a_choice() {
    assert_eq!(
        report("select", &toy::select()),
        "\
timeloop: `toys::select` failed in # of # schedules: unobserved panic at chooser.toy:4:5

  cell 1 is 1, not 0
  (in task `chooser` (root.1), spawned at chooser.toy:1:5, after 3 steps, at virtual time 0 s)

The test fails in # of # schedules. It passes with the 1st branch polled first (checked)
  step 3  `chooser` (root.1) resumes at chooser.toy:1, and its 2nd `select!` polls the 2nd branch first

Failing schedule: FIFO order, except
  step 3  `chooser` (root.1) resumes at chooser.toy:1, and its 2nd `select!` polls the 2nd branch first

Steps
    step  time  task              ran from → to
       1   0 s  root              start → root.toy:2
       2   0 s  chooser (root.1)  start → chooser.toy:1
       3   0 s  chooser (root.1)  :1 → panic

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     no shorter failing schedule found in # runs (# deviation)
replay     TIMELOOP_REPLAY=TL1# cargo test select -- --exact
"
    );
}

#[test]
fn of_several_deviations() {
    assert_eq!(
        report("races", &toy::races(2)),
        "\
timeloop: `toys::races` failed in # of # schedules: panic at root.toy:10:5

  cell 13 is 1, not 0
  (in task `root`, after 10 steps, at virtual time 0 s)

Critical order (checked in a similar failing schedule): if these two swap, the test passes
  first  `second` (root.4) starts
  then   `first` (root.3) starts

Failing schedule: FIFO order, except
  step 2  `second` (root.2) starts before `first` (root.1) starts
  step 3  `second` (root.4) starts, 2 steps earlier than in FIFO order, before `first` (root.1) starts
  (`first` (root.1) is spawned at first.toy:1:5; `second` (root.2) is spawned at second.toy:1:5; `second`
   (root.4) is spawned at second.toy:1:5)

Steps (▸ out of FIFO order)
    step  time  task             ran from → to
       1   0 s  root             start → root.toy:5
  ▸    2   0 s  second (root.2)  start → second.toy:2
  ▸    3   0 s  second (root.4)  start → :2
       4   0 s  first (root.1)   start → first.toy:3
       5   0 s  first (root.3)   start → :3
       6   0 s  second (root.2)  second.toy:2 → end
       7   0 s  second (root.4)  :2 → end
       8   0 s  first (root.1)   first.toy:3 → end
       9   0 s  first (root.3)   :3 → end
      10   0 s  root             root.toy:5 → panic

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     from # deviations to # in # runs
replay     TIMELOOP_REPLAY=TL1# cargo test races -- --exact
"
    );
}

#[test]
fn of_an_access_before_which_a_task_is_preempted() {
    assert_eq!(
        report("lost_access", &toy::lost_access()),
        "\
timeloop: `toys::lost_access` failed in # of # schedules: panic at root.toy:5:5

  cell 0 is 1, not 2
  (in task `root`, after 5 steps, at virtual time 0 s)

Critical order (checked): if these two swap, the test passes
  step 3  `wages` (root.2) reads `cell 0` (created at cells.toy:1:1) at wages.toy:2
  step 4  `rent` (root.1) writes it at rent.toy:4

Failing schedule: FIFO order, except
  step 4  `rent` (root.1) writes `cell 0` at rent.toy:4 only after `wages` (root.2) has written it at
          wages.toy:4 (preempted for 1 step)
  (`rent` (root.1) is spawned at rent.toy:1:5; `wages` (root.2) is spawned at wages.toy:1:5)

Steps (▸ out of FIFO order)
    step  time  task            ran from → to
       1   0 s  root            start → root.toy:3
       2   0 s  rent (root.1)   start → rent.toy:4  reads `cell 1`, reads `cell 0`
       3   0 s  wages (root.2)  start → end  reads `cell 1`, reads `cell 0`, writes it
  ▸    4   0 s  rent (root.1)   :4 → end  writes `cell 0`
       5   0 s  root            root.toy:3 → panic

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     from # deviations to # in # runs
replay     TIMELOOP_REPLAY=TL1# cargo test lost_access -- --exact
"
    );
}

#[test]
fn of_a_task_that_is_held_back_while_time_passes() {
    // The watchdog comes half a second later, and would find the work done.
    let work = program("work", [Op::Yield, Op::Store(0, 1), Op::Raise(0)]);
    let watchdog = program("watchdog", [Op::Sleep(500_000_000), Op::Expect(0, 1), Op::Raise(1)]);
    let toy = Toy::new([Op::Spawn(work), Op::Spawn(watchdog), Op::Wait(0), Op::Wait(1)]);
    let config = Config { strategy: "stall".parse().unwrap(), ..config("watchdog") };
    assert_eq!(
        redacted(&explore(&config, &toy).report()),
        "\
timeloop: `toys::watchdog` failed in # of # schedules: unobserved panic at watchdog.toy:2:5

  cell 0 is 0, not 1
  (in task `watchdog` (root.2), spawned at watchdog.toy:1:5, after 4 steps, at virtual time 500 ms)

Critical delay (checked): without this delay, the test passes
  step 3  virtual time advances before `work` (root.1) starts

Failing schedule: FIFO order, except
  step 3  `work` (root.1) starts only at virtual time 500 ms, after a stall of 500 ms
  (`work` (root.1) is spawned at work.toy:1:5)
  Virtual time advanced while a task was ready, as on a busy machine. If the test relies on exact times, set
  `stalls = false`.

Steps (▸ out of FIFO order)
    step    time  task               ran from → to
       1     0 s  root               start → root.toy:3
       2     0 s  watchdog (root.2)  start → watchdog.toy:1
  ▸    3  500 ms  work (root.1)      start → work.toy:1
       4  500 ms  watchdog (root.2)  watchdog.toy:1 → panic

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     from # deviations to # in # runs
replay     TIMELOOP_REPLAY=TL1# cargo test watchdog -- --exact
"
    );
}

#[test]
fn d3_of_steps_that_repeat_themselves() {
    let ticker = program("ticker", [Op::Spawn(program("", [])), Op::SpinIf(0, 0)]);
    let toy = Toy::new([Op::Spawn(ticker), Op::Wait(0)]);
    let limits = Limits { max_polls_per_instant: 1_000, ..Limits::default() };
    let config = Config { limits, ..config("ticker") };
    assert_eq!(
        redacted(&explore(&config, &toy).report()),
        "\
timeloop: `toys::ticker` failed in # of # schedules: livelock

  1,000 polls while virtual time did not advance: tasks keep waking themselves or each other. If the test
  needs more polls at one instant, raise `max_polls_per_instant`.
  (after 1,000 steps, at virtual time 0 s)

Running tasks
  - `ticker` (root.1), spawned at ticker.toy:1:5, ran in 500 of the last 500 steps; it waits at ticker.toy:2:5
    and wakes itself

Every schedule that was tried fails: all #, and # variants of this one

Failing schedule: FIFO order

Steps
    step  time  task             ran from → to
       1   0 s  root             start → root.toy:2
       2   0 s  ticker (root.1)  start → ticker.toy:2
       3   0 s  root.1.1         start → end
    … 1 step repeated 997 times from step 4 on; the last time:
    1000   0 s  ticker (root.1)  :2 → :2
    spawned: root.1.1 at root.toy:1

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test ticker -- --exact
"
    );
}

/// The table shows the steps around a deviation, however long ago it was, and the last ones.
#[test]
fn d3_the_steps_around_a_deviation_are_shown() {
    let writer = |value| program("writer", [Op::Store(0, value), Op::Raise(value as usize)]);
    let start = [Op::Spawn(writer(1)), Op::Spawn(writer(2)), Op::Wait(1), Op::Wait(2)];
    let later = [const { Op::Yield }; 40];
    let toy = Toy::new([&start[..], &later[..], &[Op::Expect(0, 2)]].concat());
    let report = report("long_ago", &toy);
    let (_, table) = report.split_once("\nSteps").expect("a table");
    let numbers: Vec<&str> = table
        .lines()
        .skip(2)
        .map_while(|line| {
            line.trim_start_matches([' ', '▸']).split(' ').next().filter(|word| !word.is_empty())
        })
        .collect();
    let shown = |range: std::ops::RangeInclusive<u32>| range.map(|step| step.to_string()).collect::<Vec<_>>();
    let expected = [shown(1..=3), vec!["…".to_owned()], shown(30..=44)].concat();
    assert_eq!(numbers, expected, "{report}");
    assert!(table.contains("\n  ▸    2   0 s  writer (root.2)"), "{report}");
}

/// A line of the schedule names one of the tasks that were overtaken, and says how far the task moved.
#[test]
fn d7_a_task_that_overtakes_several_others_has_one_sentence() {
    let late = program("late", [Op::Store(0, 1), Op::Raise(0)]);
    let idle = || Op::Spawn(program("idle", [Op::Load(1)]));
    let start = [Op::Spawn(late), idle(), idle(), idle(), idle()];
    let toy = Toy::new([&start[..], &[Op::Yield, Op::Expect(0, 1)]].concat());
    let report = report("late", &toy);
    let (_, schedule) = report.split_once("Failing schedule: FIFO order, except\n").expect("a schedule");
    assert_eq!(
        schedule.lines().next(),
        Some(
            "  step 2  `root` resumes at root.toy:6, 5 steps earlier than in FIFO order, before `late` (root.1) runs"
        ),
        "{report}"
    );
}

#[test]
fn of_a_run_that_always_fails() {
    assert_eq!(
        report("always", &Toy::new([Op::Yield, Op::Expect(0, 1)])),
        "\
timeloop: `toys::always` failed in # of # schedules: panic at root.toy:2:5

  cell 0 is 0, not 1
  (in task `root`, after 2 steps, at virtual time 0 s)

Every schedule that was tried fails: all #, and # variants of this one

Failing schedule: FIFO order

Steps
    step  time  task  ran from → to
       1   0 s  root  start → root.toy:1
       2   0 s  root  :1 → panic

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test always -- --exact
"
    );
}

#[test]
fn with_other_failures_and_random_numbers() {
    let drawer = program("drawer", [Op::Draw(3, 0), Op::Yield, Op::Raise(0)]);
    let ops = [Op::Spawn(drawer), Op::Wait(0), Op::Expect(0, 2), Op::AddIf(0, 2, 1, 1), Op::Expect(1, 0)];
    assert_eq!(
        redacted(&explore(&Config { seed: Seed(3), ..config("drawing") }, &Toy::new(ops)).report()),
        "\
timeloop: `toys::drawing` failed in # of # schedules: panic at root.toy:3:5

  cell 0 is 0, not 2
  (in task `root`, after 4 steps, at virtual time 0 s)

Every schedule that was tried fails: all #, and # variants of this one

Failing schedule: FIFO order

Steps
    step  time  task             ran from → to
       1   0 s  root             start → root.toy:2
       2   0 s  drawer (root.1)  start → drawer.toy:2
       3   0 s  drawer (root.1)  :2 → end
       4   0 s  root             root.toy:2 → panic

found by   the baseline run (FIFO order)
also seen  another panic: # times, first with seed #
replay     TIMELOOP_REPLAY=TL1# cargo test drawing -- --exact
"
    );
}

#[test]
fn of_a_run_too_long_to_be_shrunk() {
    let toy = Toy::new([Op::SpinIf(0, 0)]);
    let config = Config {
        runs: Some(1),
        limits: Limits { max_steps: 2_000_001, max_polls_per_instant: u64::MAX, ..Limits::default() },
        ..config("spin")
    };
    assert_eq!(
        redacted(&explore(&config, &toy).report()),
        "\
timeloop: `toys::spin` failed in # of # schedules: step limit

  the run did not end within 2,000,001 steps. If the test needs more, raise `max_steps`.
  (after 2,000,001 steps, at virtual time 0 s)

The schedule was not shrunk: the run has 2,000,001 steps, and at most 2,000,000 are recorded. Make the test
smaller.

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
replay     TIMELOOP_REPLAY=TL1# cargo test spin -- --exact
"
    );
}

#[test]
fn with_random_numbers_that_matter() {
    let reports = [0, 1, 2].map(|number| {
        let drawer = program("drawer", [Op::Draw(3, 0), Op::Yield, Op::Raise(0)]);
        report(
            "drawing",
            &Toy::new([Op::Spawn(drawer), Op::Wait(0), Op::AddIf(0, number, 1, 1), Op::Expect(1, 0)]),
        )
    });
    let line = "FIFO order\n  The code under test gets its random numbers from seed #.";
    assert_eq!(reports.iter().filter(|report| report.contains(line)).count(), 2, "{reports:?}");
}

#[test]
fn of_a_regression() {
    let folder = crate::regressions::Folder::new();
    let explore = || {
        let config = Config {
            strategy: StrategySpec::Random,
            environment: Some(Settings::default()),
            silent: true,
            jobs: Some(1),
            ..Config::new("toys::lost_update")
        };
        explore(
            &Config { regressions: RegressionsIn::Folder(folder.0.clone()), ..config },
            &toy::lost_update(),
        )
    };
    let first = explore();
    assert!(first.report().contains("\nstored     "), "{}", first.report());
    let again = explore();
    let found = again.found.unwrap();
    assert!(matches!(found.by, FoundBy::Regression { .. }));
    let by =
        format!("found by   the stored schedule at {}:7\n", folder.0.join("toys.lost_update.txt").display());
    assert!(found.report.contains(&by), "{}", found.report);
    let stored = "\nstored ";
    assert!(!found.report.contains(stored), "it is stored already: {}", found.report);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_report_fits_the_screen_and_ends_with_the_replay_line(toy in any_toy(), seed in any::<u64>()) {
        let exploration = explore(&Config { seed: Seed(seed), runs: Some(30), shrink_runs: 200, ..config("any") }, &toy);
        let Some(found) = &exploration.found else { return Ok(()) };
        let report = exploration.report();
        let (text, last) = report.trim_end().rsplit_once('\n').unwrap();
        prop_assert_eq!(last, format!("replay     TIMELOOP_REPLAY={} cargo test any -- --exact", found.token));
        for line in text.lines() {
            prop_assert!(line.chars().count() <= 110, "{}", line);
            prop_assert_eq!(line, line.trim_end());
        }
    }
}
