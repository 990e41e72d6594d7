//! The variables that `cargo timeloop` sets: where schedules and results are stored.

use std::fs;
use std::path::PathBuf;

use timeloop_sim::{Config, FailureKind, RegressionsIn, Settings, Stalls, StrategySpec, explore};

use crate::exploring::config;
use crate::toy::{self, Op, Toy};

/// Returns an empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("timeloop-results-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the temporary folder is writable");
    folder
}

#[test]
fn every_exploration_appends_a_line() {
    let folder = folder("lines");
    let file = folder.join("results");
    let settings =
        Settings { results: Some(file.clone()), package: Some("bank".into()), ..Settings::default() };
    let explored = |config: Config, toy: &Toy| {
        let _ = explore(&Config { environment: Some(settings.clone()), ..config }, toy);
    };
    explored(Config { runs: Some(5), ..config("calm \"one\"") }, &Toy::new([Op::Yield]));
    explored(config("lost_update"), &toy::lost_update());
    let bad = Settings { replay: timeloop_replay("TL1X"), ..settings.clone() };
    let _ = explore(&Config { environment: Some(bad), ..config("calm") }, &Toy::new([Op::Yield]));
    let text = fs::read_to_string(&file).expect("results were written");
    let lines: Vec<&str> = text.lines().collect();
    let [calm, lost, error] = lines[..] else { panic!("three lines: {text}") };
    assert!(
        calm.starts_with(r#"{"test":"toys::calm \"one\"","path":null,"package":"bank","binary":"/"#),
        "{calm}"
    );
    let result = r#""outcome":"explored","message":null,"token":null,"digest":""#;
    assert!(calm.contains(result) && calm.ends_with('}'), "{calm}");
    assert!(calm.contains(r#"","schedules":6,"millis":"#), "{calm}");
    assert!(lost.contains(r#""outcome":"failed","message":""#) && lost.contains(r#""token":"TL1"#), "{lost}");
    assert!(error.contains(r#""outcome":"error","message":"TIMELOOP_REPLAY"#), "{error}");
    fs::remove_dir_all(&folder).expect("the folder is ours");
}

fn timeloop_replay(token: &str) -> Option<timeloop_sim::ReplaySetting> {
    Some(timeloop_sim::ReplaySetting::Token(token.into()))
}

/// The schedules of two packages are kept apart, since their tests may have the same names.
#[test]
fn schedules_are_stored_in_the_folder_of_the_variable() {
    let folder = folder("stored");
    for package in ["one", "two"] {
        let settings = Settings {
            regressions: Some(folder.clone()),
            package: Some(package.into()),
            ..Settings::default()
        };
        let config = Config {
            environment: Some(settings),
            regressions: RegressionsIn::Package,
            ..config("lost_update")
        };
        let found = explore(&config, &toy::lost_update()).found.expect("an update is lost");
        let file = folder.join(package).join("toys.lost_update.txt");
        assert!(file.is_file(), "{}", file.display());
        assert_eq!(found.stored, Some(format!("{}, replayed first from now on", file.display())));
    }
    fs::remove_dir_all(&folder).expect("the folder is ours");
}

#[test]
fn the_variable_for_stalls_overrides_the_configuration() {
    let strategy = |variable, stalls| {
        let settings =
            Settings { stalls: variable, strategy: Some(StrategySpec::Stall), ..Settings::default() };
        let config = Config { environment: Some(settings), runs: Some(2), stalls, ..config("calm") };
        explore(&config, &Toy::new([Op::Yield])).strategy
    };
    assert_eq!(strategy(None, Stalls::Deadlines), StrategySpec::Stall);
    assert_eq!(strategy(Some(false), Stalls::Deadlines), StrategySpec::Random);
    assert_eq!(strategy(None, Stalls::Never), StrategySpec::Random);
    assert_eq!(strategy(Some(true), Stalls::Never), StrategySpec::Stall);
}

#[test]
fn a_failing_baseline_run_is_distinguished() {
    let folder = folder("baseline");
    let settings = Settings { results: Some(folder.join("results")), ..Settings::default() };
    let config = Config { environment: Some(settings), ..config("deadlock") };
    let found = explore(&config, &Toy::new([Op::Wait(0)])).found.expect("it never ends");
    assert_eq!(found.failure.kind, FailureKind::Deadlock);
    let text = fs::read_to_string(folder.join("results")).expect("a result was written");
    assert!(text.contains(r#""outcome":"failed_in_baseline""#), "{text}");
    fs::remove_dir_all(&folder).expect("the folder is ours");
}
