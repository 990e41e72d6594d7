//! The watchdog: a poll that never returns is reported and aborts the process.

use std::time::Duration;

use timeloop_sim::{Config, Limits, RegressionsIn, Seed, StrategySpec, explore};

use crate::environment::{child, is_child};
use crate::toy::{Op, Toy, program};

/// Hangs in the second task, if that runs first.
fn hanging() -> Toy {
    let first = program("first", [Op::Store(0, 1), Op::Yield, Op::Raise(0)]);
    let second = program("second", [Op::WaitUnless(0, 0, 1), Op::Hang]);
    Toy::new([Op::Spawn(first), Op::Spawn(second), Op::Wait(0)])
}

fn config() -> Config {
    let config = Config { strategy: StrategySpec::Random, ..Config::new("toys::hanging") };
    Config {
        regressions: RegressionsIn::Nowhere,
        limits: Limits { stuck_after: Duration::from_millis(200), ..Limits::default() },
        ..config
    }
}

#[test]
fn hangs_while_exploring() {
    if is_child() {
        let _ = explore(&Config { jobs: Some(2), ..config() }, &hanging());
    }
}

#[test]
fn the_process_is_aborted_and_the_run_is_reported() {
    let (passed, text) = child("stuck::hangs_while_exploring", &[]);
    assert!(!passed);
    let message = text.split_once("\ntimeloop: stuck: a poll has not returned for 200 ms\n").expect(&text).1;
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[0], "  test     toys::hanging", "{text}");
    assert!(lines[1].starts_with("  run      seed ") && lines[1].ends_with(", strategy `random`"), "{text}");
    let task = "  task     `root.2`, spawned at sim/tests/suite/toy.rs:";
    assert!(lines[2].starts_with(task) || lines[2].contains("`root.2`, spawned at "), "{text}");
    assert_eq!(lines[3], "  step     2", "{text}");
    let replay = lines[4].strip_prefix("  replay   TIMELOOP_REPLAY=").expect(&text);
    assert_eq!(
        lines[5],
        "No other task can run during a poll, and a poll can't be interrupted, so the process is aborted."
    );

    // The printed command gets stuck again, in the same poll.
    let (token, command) = replay.split_once(' ').unwrap();
    assert_eq!(command, "cargo test hanging -- --exact");
    let (passed, text) = child("stuck::hangs_while_exploring", &[("TIMELOOP_REPLAY", token)]);
    assert!(!passed);
    assert!(text.contains("  task     `root.2`, spawned at ") && text.contains("  step     2\n"), "{text}");
}

#[test]
fn hangs_after_a_failure() {
    if is_child() {
        // Fails if the second task runs first, and hangs otherwise: as soon as other schedules are tried.
        let first = program("first", [Op::AddIf(0, 0, 1, 1), Op::Raise(0)]);
        let second = program("second", [Op::Store(0, 1), Op::Raise(1)]);
        let ops = [
            Op::Spawn(first),
            Op::Spawn(second),
            Op::Wait(0),
            Op::Wait(1),
            Op::HangIf(1, 1),
            Op::Expect(1, 1),
        ];
        let toy = Toy::new(ops);
        // A failing seed, determined without running those that hang.
        let seed = (0..).find(|&seed| {
            let schedule = timeloop_sim::Schedule::seeded(timeloop_sim::Seed(seed), StrategySpec::Random);
            let mut source = schedule.source();
            let ready = |source: &mut dyn timeloop_sim::Source, slot| {
                source.ready(timeloop_sim::Ready {
                    slot,
                    resume: 0,
                    task: timeloop_sim::TaskKey(u64::from(slot)),
                    announced: None,
                });
            };
            ready(&mut *source, 0);
            source.next();
            ready(&mut *source, 1);
            ready(&mut *source, 2);
            source.next() == Some(2)
        });
        let _ = explore(&Config { runs: Some(1), seed: Seed(seed.unwrap()), ..config() }, &toy);
    }
}

#[test]
fn the_message_names_a_failure_found_before() {
    let (passed, text) = child("stuck::hangs_after_a_failure", &[]);
    assert!(!passed);
    let note = text.lines().find(|line| line.starts_with("  note     ")).expect(&text);
    assert!(note.starts_with("  note     a failure was found before: TIMELOOP_REPLAY=TL1"), "{text}");
}

#[test]
fn waits() {
    if is_child() {
        let config = Config {
            strategy: StrategySpec::Random,
            regressions: RegressionsIn::Nowhere,
            limits: Limits { stuck_after: Duration::ZERO, ..Limits::default() },
            ..Config::new("toys::hanging")
        };
        let _ = explore(&config, &hanging());
    }
}

#[test]
fn zero_waits_for_ever() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["stuck::waits", "--exact"]).env("TOY_CHILD", "1");
    let mut child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ended, None, "it still hangs");
}
