//! The environment configures an exploration, and overrides the test's own configuration.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use timeloop_sim::{
    Config, ExploreError, Log, RegressionsIn, Seed, SeedSetting, Settings, StrategySpec, explore,
};

use crate::exploring::{Counted, config};
use crate::toy::{self, Op, Toy};

#[test]
fn environment_overrides_the_configuration() {
    let settings = Settings {
        seed: Some(SeedSetting::Number(Seed(40))),
        runs: Some(7),
        jobs: NonZero::new(2),
        strategy: Some(StrategySpec::Fifo),
        ..Settings::default()
    };
    let toy = Counted(toy::lost_update(), AtomicU64::new(0));
    let exploration = explore(
        &Config { seed: Seed(1), runs: Some(100), environment: Some(settings), ..config("lost_update") },
        &toy,
    );
    assert!(exploration.passed(), "the baseline run finds nothing");
    assert_eq!((exploration.base_seed, exploration.strategy), (Seed(40), StrategySpec::Fifo));
    assert_eq!(toy.1.load(Relaxed), 7);
}

#[test]
fn a_random_seed_differs_each_time() {
    let base = || {
        let settings = Settings { seed: Some(SeedSetting::Random), ..Settings::default() };
        explore(
            &Config { runs: Some(1), environment: Some(settings), ..config("calm") },
            &Toy::new([Op::Yield]),
        )
        .base_seed
    };
    assert_ne!(base(), base());
}

#[test]
fn warnings_are_notes() {
    let settings = Settings::from_vars([("TIMELOOP_SEDE".to_owned(), "1".to_owned())]).unwrap();
    let exploration = explore(
        &Config { environment: Some(settings), runs: Some(1), ..config("calm") },
        &Toy::new([Op::Yield]),
    );
    assert!(exploration.passed());
    assert_eq!(
        exploration.notes,
        ["`TIMELOOP_SEDE` is not a variable of timeloop and has no effect; did you mean `TIMELOOP_SEED`?"]
    );
}

#[test]
fn log_steps_lists_all_steps() {
    let mut ops = vec![Op::Yield; 40];
    ops.push(Op::Expect(0, 1));
    let toy = Toy::new(ops);
    let report = |log| {
        let settings = Settings { log, ..Settings::default() };
        explore(&Config { environment: Some(settings), ..config("long") }, &toy).report()
    };
    assert!(report(None).contains("… 26 earlier steps\n"), "{}", report(None));
    let all = report(Some(Log::Steps));
    assert!(!all.contains("earlier") && all.contains("  1   0 s  root  start → root.toy:1\n"), "{all}");
}

/// Runs the test `test` in a child process with these variables. Returns whether it passed, and its standard error.
pub(crate) fn child(test: &str, vars: &[(&str, &str)]) -> (bool, String) {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env("TOY_CHILD", "1");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIMELOOP_")) {
        command.env_remove(name);
    }
    let output = command.envs(vars.iter().copied()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

pub(crate) fn is_child() -> bool {
    std::env::var_os("TOY_CHILD").is_some()
}

/// The test that the tests below run in a child process.
#[test]
fn explores_in_a_child_process() {
    if is_child() {
        let exploration = explore(
            &Config {
                strategy: StrategySpec::Random,
                regressions: RegressionsIn::Nowhere,
                ..Config::new("toys::lost_update")
            },
            &toy::lost_update(),
        );
        if let Some(error) = &exploration.error {
            assert!(matches!(error, ExploreError::Environment(_)));
            assert_eq!(exploration.runs, 0, "nothing is run under invalid settings");
        }
        exploration.check();
    }
}

#[test]
fn the_former_name_of_silent_is_noted_once() {
    let test = "environment::explores_in_a_child_process";
    for (value, notes) in [("silent", 0), ("quiet", 1)] {
        let (passed, text) = child(test, &[("TIMELOOP_STRATEGY", "fifo"), ("TIMELOOP_LOG", value)]);
        assert!(passed, "{text}");
        let note = "timeloop: `TIMELOOP_LOG=quiet` is now `TIMELOOP_LOG=silent`\n";
        assert_eq!(text.matches(note).count(), notes, "{text}");
        assert!(!text.contains("explored"), "no progress is printed: {text}");
    }
}

#[test]
fn the_process_environment_is_read() {
    let test = "environment::explores_in_a_child_process";
    let (passed, text) = child(test, &[("TIMELOOP_STRATEGY", "fifo"), ("TIMELOOP_SEDE", "1")]);
    assert!(passed, "{text}");
    let warning =
        "`TIMELOOP_SEDE` is not a variable of timeloop and has no effect; did you mean `TIMELOOP_SEED`?";
    assert_eq!(text.matches(warning).count(), 1, "{text}");

    let (passed, text) = child(test, &[("TIMELOOP_RUNS", "abc")]);
    assert!(!passed);
    let error = "timeloop: `toys::lost_update`: TIMELOOP_RUNS=`abc` is not a number of runs; accepted is 1 to \
                 18446744073709551615, as in TIMELOOP_RUNS=5000\n";
    assert!(text.contains(error), "{text}");
}

#[test]
fn a_token_repeats_the_failure_in_another_process() {
    let found = explore(&config("lost_update"), &toy::lost_update()).found.unwrap();
    let test = "environment::explores_in_a_child_process";
    let (passed, text) = child(test, &[("TIMELOOP_REPLAY", &found.token)]);
    assert!(!passed);
    assert!(
        text.contains(
            "timeloop: `toys::lost_update` failed under the replayed schedule: panic at root.toy:5:5"
        ),
        "{text}"
    );
    let schedule = found.report.split_once("Failing schedule").unwrap().1.split_once("\n\n").unwrap().0;
    assert!(text.contains(schedule), "the same schedule: {text}");
    assert!(text.contains("the toy panicked: cell 0 is 1\n"), "a replay is loud: {text}");
}
