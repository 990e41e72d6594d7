//! Reports of stored and replayed schedules.

use timeloop::task;

use crate::support::{child, is_child};

/// Panics in a task whose joiner passes the panic on. Run by the tests below.
#[timeloop::test(strategy = "random")]
async fn passes_a_panic_on() {
    if is_child() {
        task::spawn(async { panic!("the first panic") }).await.unwrap();
    }
}

/// Prints in every run, and fails in half of them. Run by the test below.
#[timeloop::test(strategy = "random")]
async fn prints() {
    if !is_child() {
        return;
    }
    if timeloop::is_replay() {
        println!("a line of the replayed run");
    }
    let reader = task::spawn(async { task::yield_now().await });
    let late = task::spawn(task::yield_now());
    reader.await.unwrap();
    assert!(late.is_finished(), "read too early");
}

/// Neither the panics of a thousand runs nor what they print stand before the report, but a replay prints both.
#[test]
fn d11_only_a_replay_prints() {
    let found = child("faults::replays::prints", &[]);
    let before = |printed: &str| printed.split("timeloop: `").next().expect("a first part").to_owned();
    let count = |text: &str, line: &str| text.matches(line).count();
    let explored = before(found.printed());
    let (line, panic) = ("a line of the replayed run", "read too early");
    assert_eq!(count(&explored, line), 1, "the report is made of one run: {explored}");
    assert_eq!(count(&explored, panic), 0, "{explored}");
    let token = found.printed().rsplit_once("TIMELOOP_REPLAY=").expect("a replay line").1;
    let token = token.split(' ').next().expect("a token");
    let replayed = child("faults::replays::prints", &[("TIMELOOP_REPLAY", token)]);
    assert_eq!(count(replayed.printed(), line), 1, "{}", replayed.printed());
    let replayed = before(replayed.printed());
    assert_eq!([count(&replayed, line), count(&replayed, panic)], [1, 1], "{replayed}");
}

/// The report of a replay has the same critical order as that of the exploration.
#[test]
fn d12_a_replay_keeps_the_critical_order() {
    let found = child("faults::replays::prints", &[]);
    let critical = |printed: &str| {
        let start = printed.find("\nCritical order (checked): ").unwrap_or_else(|| panic!("{printed}"));
        printed[start + 1..].split("\n\n").next().expect("a first part").to_owned()
    };
    let token = found.printed().rsplit_once("TIMELOOP_REPLAY=").expect("a replay line").1;
    let token = token.split(' ').next().expect("a token");
    let replayed = child("faults::replays::prints", &[("TIMELOOP_REPLAY", token)]);
    assert_eq!(critical(replayed.printed()), critical(found.printed()));
}

/// The backtrace of a replay lists the code under test, without what runs and polls it.
#[test]
fn d12_the_backtrace_of_a_replay_is_short() {
    let test = "faults::replays::passes_a_panic_on";
    let found = child(test, &[]);
    let token = found.printed().rsplit_once("TIMELOOP_REPLAY=").expect("a replay line").1;
    let token = token.split(' ').next().expect("a token");
    let frames = |style| {
        let replayed = child(test, &[("TIMELOOP_REPLAY", token), ("RUST_BACKTRACE", style)]);
        let (_, backtrace) = replayed.printed().split_once("stack backtrace:").expect("a backtrace");
        let backtrace = backtrace.split("\nthread ").next().expect("a first part");
        let is_frame = |line: &&str| {
            line.split_once(": ").is_some_and(|(number, _)| number.trim().parse::<u32>().is_ok())
        };
        backtrace.lines().filter(is_frame).map(str::to_owned).collect::<Vec<_>>()
    };
    let short = frames("1");
    assert!(short.iter().any(|frame| frame.contains("passes_a_panic_on")), "{short:#?}");
    assert!(short.len() <= 6, "{short:#?}");
    assert!(!short.iter().any(|frame| frame.contains("timeloop::")), "{short:#?}");
    let full = frames("full");
    assert!(full.iter().any(|frame| frame.contains("run_steps")), "{full:#?}");
}

/// A task that panics does not just end, although its joiner fails the test.
#[test]
fn a7_a_task_that_panics_does_not_just_end() {
    let found = child("faults::replays::passes_a_panic_on", &[]);
    let steps = found.printed().split("\nSteps").nth(1).expect("a table of steps");
    let panics = steps.lines().filter(|line| line.contains("→ panic")).count();
    assert_eq!(panics, 2, "{}", found.printed());
}
