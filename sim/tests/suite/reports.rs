//! Reports, word for word: what failed first, how to see it again last.

use proptest::prelude::*;
use timeloop_sim::{Config, FoundBy, Limits, RegressionsIn, Seed, Settings, StrategySpec, explore};

use crate::exploring::config;
use crate::shrinking::any_toy;
use crate::toy::{self, Op, Toy, program};

fn report(name: &str, toy: &Toy) -> String {
    explore(&config(name), toy).report()
}

#[test]
fn of_a_panic() {
    assert_eq!(
        report("lost_update", &toy::lost_update()),
        "\
timeloop: `toys::lost_update` fails in 47 of 211 schedules: panic at root.toy:5:5

  cell 0 is 1, not 2
  (in task `root`; after 0 s of virtual time and 8 steps)

How it happens, where all else runs in its turn, first in, first out:
  step 6   `transfer` (root.1) resumes at transfer.toy:2 only after `audit` (root.2) has run on from
           audit.toy:2 (the last of 2 that became ready later).
  (`transfer` (root.1) was spawned at transfer.toy:1:5; `audit` (root.2) was spawned at audit.toy:1:5)
Critical: `audit` (root.2) resumes at audit.toy:2 before `transfer` (root.1) resumes at transfer.toy:2; the
other way round the test passes (checked).
Deviations from that order: 1 as found, 1 after 9 runs of shrinking.

The last steps: virtual time, step, task, from where to where it ran (* out of its turn)
    0 s  1  root               from its start to root.toy:3
    0 s  2  transfer (root.1)  from its start to transfer.toy:2
    0 s  3  audit (root.2)     from its start to audit.toy:1
    0 s  4  audit (root.2)     from audit.toy:1 to audit.toy:2
    0 s  5  audit (root.2)     from audit.toy:2 to audit.toy:4
  * 0 s  6  transfer (root.1)  from transfer.toy:2, ends
    0 s  7  audit (root.2)     from audit.toy:4, ends
    0 s  8  root               from root.toy:3, panics

found by   seed 9 (run 10, strategy `random`): TIMELOOP_SEED=9 finds it at once
replay     TIMELOOP_REPLAY=TL11NB5TCD2040020810400010C36Z4P cargo test lost_update -- --exact
"
    );
}

#[test]
fn of_a_deadlock() {
    assert_eq!(
        report("lost_wake", &toy::lost_wake()),
        "\
timeloop: `toys::lost_wake` fails in 62 of 203 schedules: deadlock

  no task is ready and no timer is set, so nothing in the run can wake any of the 3 tasks that wait
  (after 0 s of virtual time and 5 steps)

Tasks that wait:
  - `root` waits at root.toy:3:5 since 0 s
  - `notifier` (root.2), spawned at notifier.toy:1:5, waits at notifier.toy:2:5 since 0 s
  - `waiter` (root.1), spawned at waiter.toy:1:5, waits at waiter.toy:3:5 since 0 s

How it happens, where all else runs in its turn, first in, first out:
  step 4   `waiter` (root.1) starts only after `notifier` (root.2) has run on from notifier.toy:1 (the last of
           2 that became ready later).
  (`waiter` (root.1) was spawned at waiter.toy:1:5; `notifier` (root.2) was spawned at notifier.toy:1:5)
Critical: `notifier` (root.2) resumes at notifier.toy:1 before `waiter` (root.1) starts; the other way round
the test passes (checked).
Deviations from that order: 1 as found, 1 after 7 runs of shrinking.

The last steps: virtual time, step, task, from where to where it ran (* out of its turn)
    0 s  1  root               from its start to root.toy:3
    0 s  2  notifier (root.2)  from its start to notifier.toy:1
    0 s  3  notifier (root.2)  from notifier.toy:1 to notifier.toy:2
  * 0 s  4  waiter (root.1)    from its start to waiter.toy:2
    0 s  5  waiter (root.1)    from waiter.toy:2 to waiter.toy:3

found by   seed 1 (run 2, strategy `random`): TIMELOOP_SEED=1 finds it at once
replay     TIMELOOP_REPLAY=TL11MXA64KK04002081000000XWK4FR6 cargo test lost_wake -- --exact
"
    );
}

#[test]
fn of_a_choice() {
    assert_eq!(
        report("select", &toy::select()),
        "\
timeloop: `toys::select` fails in 130 of 202 schedules: unobserved panic at chooser.toy:4:5

  cell 1 is 1, not 0
  (in task `chooser` (root.1), spawned at chooser.toy:1:5; after 0 s of virtual time and 3 steps)

How it happens, where all else runs in its turn, first in, first out:
  step 3   When `chooser` (root.1) resumes at chooser.toy:1, its 2nd `select!` polls the 2nd branch first.
  (`chooser` (root.1) was spawned at chooser.toy:1:5)
Critical: when `chooser` (root.1) resumes at chooser.toy:1, its 2nd `select!` polls the 2nd branch first; with
the 1st in its place the test passes (checked).
Deviations from that order: 1 as found, 1 after 5 runs of shrinking.

The last steps: virtual time, step, task, from where to where it ran
    0 s  1  root              from its start to root.toy:2
    0 s  2  chooser (root.1)  from its start to chooser.toy:1
    0 s  3  chooser (root.1)  from chooser.toy:1, panics

found by   seed 0 (run 1, strategy `random`): TIMELOOP_SEED=0 finds it at once
replay     TIMELOOP_REPLAY=TL11MA259CG04002081040G20FADQXG8 cargo test select -- --exact
"
    );
}

#[test]
fn of_several_deviations() {
    assert_eq!(
        report("races", &toy::races(2)),
        "\
timeloop: `toys::races` fails in 57 of 207 schedules: panic at root.toy:10:5

  cell 13 is 1, not 0
  (in task `root`; after 0 s of virtual time and 10 steps)

How it happens, where all else runs in its turn, first in, first out:
  step 2   `second` (root.2) starts before `first` (root.1) starts.
  step 3   `second` (root.4) starts before `first` (root.1) starts (the first of 2 that were ready earlier).
  (`first` (root.1) was spawned at first.toy:1:5; `second` (root.2) was spawned at second.toy:1:5; `second`
   (root.4) was spawned at second.toy:1:5)
Critical: `second` (root.2) starts before `first` (root.1) starts; the other way round the test passes
(checked).
Deviations from that order: 3 as found, 2 after 97 runs of shrinking.

The last steps: virtual time, step, task, from where to where it ran (* out of its turn)
    0 s   1  root             from its start to root.toy:5
  * 0 s   2  second (root.2)  from its start to second.toy:2
  * 0 s   3  second (root.4)  from its start to second.toy:2
    0 s   4  first (root.1)   from its start to first.toy:3
    0 s   5  first (root.3)   from its start to first.toy:3
    0 s   6  second (root.2)  from second.toy:2, ends
    0 s   7  second (root.4)  from second.toy:2, ends
    0 s   8  first (root.1)   from first.toy:3, ends
    0 s   9  first (root.3)   from first.toy:3, ends
    0 s  10  root             from root.toy:5, panics

found by   seed 5 (run 6, strategy `random`): TIMELOOP_SEED=5 finds it at once
replay     TIMELOOP_REPLAY=TL12CAKCARA04004082000000810G000001KXW7KCG cargo test races -- --exact
"
    );
}

#[test]
fn of_an_access_before_which_a_task_is_preempted() {
    assert_eq!(
        report("lost_access", &toy::lost_access()),
        "\
timeloop: `toys::lost_access` fails in 70 of 204 schedules: panic at root.toy:5:5

  cell 0 is 1, not 2
  (in task `root`; after 0 s of virtual time and 5 steps)

How it happens, where all else runs in its turn, first in, first out:
  step 4   `rent` (root.1), about to write `cell 0` at rent.toy:4, gives way until `wages` (root.2) has
           written it at wages.toy:4.
  (`rent` (root.1) was spawned at rent.toy:1:5; `wages` (root.2) was spawned at wages.toy:1:5)
Critical: `wages` (root.2) reads `cell 0` (made at cells.toy:1) at wages.toy:2 before `rent` (root.1) writes
it at rent.toy:4; the other way round the test passes (checked).
Deviations from that order: 3 as found, 1 after 10 runs of shrinking.

The last steps: virtual time, step, task, from where to where it ran (* out of its turn)
    0 s  1  root            from its start to root.toy:3
    0 s  2  rent (root.1)   from its start to rent.toy:4; reads `cell 1`, reads `cell 0`
    0 s  3  wages (root.2)  starts, ends; reads `cell 1`, reads `cell 0`, writes `cell 0`
  * 0 s  4  rent (root.1)   from rent.toy:4, ends; writes `cell 0`
    0 s  5  root            from root.toy:3, panics

found by   seed 2 (run 3, strategy `random`): TIMELOOP_SEED=2 finds it at once
replay     TIMELOOP_REPLAY=TL11MKB48SS04002081001G40H2J97CJ cargo test lost_access -- --exact
"
    );
}

#[test]
fn of_a_task_that_is_held_back_while_time_passes() {
    // The watchdog comes a second later, and would find the work done.
    let work = program("work", [Op::Yield, Op::Store(0, 1), Op::Raise(0)]);
    let watchdog = program("watchdog", [Op::Sleep(1_000_000_000), Op::Expect(0, 1), Op::Raise(1)]);
    let toy = Toy::new([Op::Spawn(work), Op::Spawn(watchdog), Op::Wait(0), Op::Wait(1)]);
    let config = Config { strategy: "stall".parse().unwrap(), ..config("watchdog") };
    assert_eq!(
        explore(&config, &toy).report(),
        "\
timeloop: `toys::watchdog` fails in 16 of 215 schedules: unobserved panic at watchdog.toy:2:5

  cell 0 is 0, not 1
  (in task `watchdog` (root.2), spawned at watchdog.toy:1:5; after 1 s of virtual time and 4 steps)

How it happens, where all else runs in its turn, first in, first out:
  step 3   `work` (root.1) starts only after time has moved on once, to 1 s.
  (`work` (root.1) was spawned at work.toy:1:5)
Time passed while a task was ready, as it does on a busy machine; `stalls = false` keeps it from doing so,
where a test counts on exact times.
Critical: time moves on before `work` (root.1) starts; if it does not, the test passes (checked).
Deviations from that order: 2 as found, 1 after 7 runs of shrinking.

The last steps: virtual time, step, task, from where to where it ran (* out of its turn)
    0 s  1  root               from its start to root.toy:3
    0 s  2  watchdog (root.2)  from its start to watchdog.toy:1
  * 1 s  3  work (root.1)      from its start to work.toy:1
    1 s  4  watchdog (root.2)  from watchdog.toy:1, panics

found by   seed 13 (run 14, strategy `stall`): TIMELOOP_SEED=13 finds it at once
replay     TIMELOOP_REPLAY=TL11PGAH0EV04002081002000FG8H5EC cargo test watchdog -- --exact
"
    );
}

#[test]
fn of_steps_that_repeat_themselves() {
    let ticker = program("ticker", [Op::Spawn(program("", [])), Op::SpinIf(0, 0)]);
    let toy = Toy::new([Op::Spawn(ticker), Op::Wait(0)]);
    assert_eq!(
        explore(
            &Config {
                limits: Limits { max_polls_per_instant: 1_000, ..Limits::default() },
                ..config("ticker")
            },
            &toy
        )
        .report(),
        "\
timeloop: `toys::ticker` fails in 201 of 201 schedules: livelock

  1,000 polls while time stood still: tasks keep waking themselves or each other; if the test needs that many
  at one instant, raise `max_polls_per_instant`
  (after 0 s of virtual time and 1,000 steps)

It fails in the quiet run: every task runs in its turn, first in, first out.
It fails whatever the order: in all 201 schedules that were tried, and after each of 300 changes of this one.

The last steps: virtual time, step, task, from where to where it ran
    0 s     1  root             from its start to root.toy:2
    0 s     2  ticker (root.1)  from its start to ticker.toy:2
    0 s     3  root.1.1         starts, ends
    … this step 997 times, from step 4 on; the last time:
    0 s  1000  ticker (root.1)  from ticker.toy:2 to ticker.toy:2

found by   the quiet run: no schedule needed
replay     TIMELOOP_REPLAY=TL10W3KT826040005YP9Q1G cargo test ticker -- --exact
"
    );
}

#[test]
fn of_a_run_that_always_fails() {
    assert_eq!(
        report("always", &Toy::new([Op::Yield, Op::Expect(0, 1)])),
        "\
timeloop: `toys::always` fails in 201 of 201 schedules: panic at root.toy:2:5

  cell 0 is 0, not 1
  (in task `root`; after 0 s of virtual time and 2 steps)

It fails in the quiet run: every task runs in its turn, first in, first out.
It fails whatever the order: in all 201 schedules that were tried, and after each of 8 changes of this one.

The last steps: virtual time, step, task, from where to where it ran
    0 s  1  root  from its start to root.toy:1
    0 s  2  root  from root.toy:1, panics

found by   the quiet run: no schedule needed
replay     TIMELOOP_REPLAY=TL10XPBCYY504000PHZAV40 cargo test always -- --exact
"
    );
}

#[test]
fn with_other_failures_and_random_numbers() {
    let drawer = program("drawer", [Op::Draw(3, 0), Op::Yield, Op::Raise(0)]);
    let ops = [Op::Spawn(drawer), Op::Wait(0), Op::Expect(0, 2), Op::AddIf(0, 2, 1, 1), Op::Expect(1, 0)];
    assert_eq!(
        explore(&Config { seed: Seed(3), ..config("drawing") }, &Toy::new(ops)).report(),
        "\
timeloop: `toys::drawing` fails in 201 of 201 schedules: panic at root.toy:3:5

  cell 0 is 0, not 2
  (in task `root`; after 0 s of virtual time and 4 steps)

It fails in the quiet run: every task runs in its turn, first in, first out.
It fails whatever the order: in all 201 schedules that were tried, and after each of 16 changes of this one.

The last steps: virtual time, step, task, from where to where it ran
    0 s  1  root             from its start to root.toy:2
    0 s  2  drawer (root.1)  from its start to drawer.toy:2
    0 s  3  drawer (root.1)  from drawer.toy:2, ends
    0 s  4  root             from root.toy:2, panics

found by   the quiet run: no schedule needed
also seen  panic 59 times, first with seed 9
replay     TIMELOOP_REPLAY=TL10WJNMWA604000QVPQKQG cargo test drawing -- --exact
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
    let report = explore(&config, &toy).report();
    // How many runs there is time for depends on the machine.
    let (_, from_kind) = report.split_once(" schedules: ").unwrap();
    assert_eq!(
        from_kind,
        "\
step limit

  the run did not end within 2,000,001 steps; if it needs more, raise `max_steps`
  (after 0 s of virtual time and 2,000,001 steps)

The run of 2,000,001 steps is too long to be shrunk, for which at most 2,000,000 are kept; a lower
`max_steps`, or a smaller test, would make it possible.

found by   seed 0 (run 1, strategy `random`): TIMELOOP_SEED=0 finds it at once
replay     TIMELOOP_REPLAY=TL10Z12WR1000000JYD2XXG cargo test spin -- --exact
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
    let line = "first out.\nRandom numbers drawn by the code under test are those of seed ";
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
        format!("found by   the schedule stored at {}:7\n", folder.0.join("toys.lost_update.txt").display());
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
