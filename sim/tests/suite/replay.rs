//! Replay: a token or a regression file repeats the failure exactly.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use timeloop_sim::{
    Config, Detail, Exploration, FailureKind, FoundBy, RegressionsIn, ReplaySetting, Request, Schedule, Seed,
    SeedSetting, Settings, Simulation, StrategySpec, explore,
};

use crate::exploring::{Counted, config};
use crate::regressions::Folder;
use crate::toy::{self, Op, Toy};

fn replay(config: Config, replay: ReplaySetting, simulation: &dyn Simulation) -> Exploration {
    explore(
        &Config { environment: Some(Settings { replay: Some(replay), ..Settings::default() }), ..config },
        simulation,
    )
}

fn token(token: &str) -> ReplaySetting {
    ReplaySetting::Token(token.to_owned())
}

#[test]
fn the_printed_token_repeats_the_failure() {
    for (name, toy) in
        [("lost_update", toy::lost_update()), ("lost_wake", toy::lost_wake()), ("select", toy::select())]
    {
        let found = explore(&config(name), &toy).found.unwrap();
        let line = found.report.lines().last().unwrap();
        let printed = line.strip_prefix("replay     TIMELOOP_REPLAY=").unwrap().split(' ').next().unwrap();
        let again = replay(config(name), token(printed), &toy).found.unwrap();
        assert_eq!(again.by, FoundBy::Replay);
        assert_eq!(again.fingerprint, found.fingerprint);
        assert_eq!(again.trace_hash, found.trace_hash);
        assert_eq!(again.failure, found.failure);
        assert_eq!(again.shrunk, found.shrunk);
    }
}

/// A replay of a shrunk schedule finds the critical decision again, unless shrinking is switched off.
#[test]
fn d12_a_replay_keeps_the_critical_decision() {
    for (name, toy) in [
        ("lost_update", toy::lost_update()),
        ("lost_wake", toy::lost_wake()),
        ("select", toy::select()),
        ("races", toy::races(2)),
        ("lost_access", toy::lost_access()),
    ] {
        let found = explore(&config(name), &toy).found.unwrap();
        assert!(found.critical.is_some() || found.rescue.is_some(), "{}", found.report);
        let counted = Counted(toy, AtomicU64::new(0));
        let again = replay(config(name), token(&found.token), &counted).found.unwrap();
        let runs = counted.1.swap(0, Relaxed);
        assert_eq!((&again.critical, &again.rescue), (&found.critical, &found.rescue), "{}", again.report);
        // The counts differ in how often it fails.
        let part = |report: &str| {
            let start = ["\nCritical ", " schedules. It passes "].iter().find_map(|start| report.find(start));
            report[start.expect(report)..].split("\n\n").next().unwrap().to_owned()
        };
        assert_eq!(part(&again.report), part(&found.report));
        assert!((24..700).contains(&runs), "both sides are checked, within the bounds: {runs}");

        let off = Config { shrink_runs: 0, ..config(name) };
        let again = replay(off, token(&found.token), &counted).found.unwrap();
        assert_eq!(counted.1.swap(0, Relaxed), 1, "a replay is one run");
        assert_eq!((again.critical, again.rescue), (None, None));
        let seeded = found.schedule.to_token(&format!("toys::{name}"));
        if matches!(found.schedule, Schedule::Seeded { .. }) {
            let again = replay(config(name), token(&seeded), &counted).found.unwrap();
            assert_eq!(counted.1.load(Relaxed), 1, "a schedule that was not shrunk");
            assert_eq!(again.critical, None);
        }
    }
}

/// Code that tosses a coin is not explained by a critical order of its replay.
#[test]
fn d12_a_replay_notices_nondeterminism() {
    /// Fails in every third run.
    struct Chance(AtomicU64);
    impl Simulation for Chance {
        fn run(&self, request: Request<'_>) -> timeloop_sim::Ended {
            let fails = self.0.fetch_add(1, Relaxed).is_multiple_of(3);
            Toy::new([Op::Store(0, i64::from(!fails)), Op::Expect(0, 1)]).run(request)
        }
    }
    let baseline = token(&Schedule::baseline().to_token("toys::chance"));
    let found = replay(config("chance"), baseline, &Chance(AtomicU64::new(0))).found.unwrap();
    assert_eq!(found.failure.kind, FailureKind::Nondeterminism, "{}", found.report);
}

#[test]
fn a_seed_is_replayed_as_it_was_explored() {
    let found = explore(&config("lost_update"), &toy::lost_update()).found.unwrap();
    let Schedule::Seeded { seed, strategy, .. } = found.schedule else {
        panic!("found by {:?}", found.schedule)
    };
    let settings = Settings {
        seed: Some(SeedSetting::Number(seed)),
        runs: Some(1),
        strategy: Some(strategy),
        ..Settings::default()
    };
    let again =
        explore(&Config { environment: Some(settings), ..config("lost_update") }, &toy::lost_update());
    assert_eq!(again.runs, 1);
    assert_eq!(again.found.unwrap().trace_hash, found.trace_hash);
}

#[test]
fn only_a_replay_prints_panics() {
    struct CountLoud(Toy, AtomicU64);
    impl Simulation for CountLoud {
        fn run(&self, request: Request<'_>) -> timeloop_sim::Ended {
            if request.loud {
                self.1.fetch_add(1, Relaxed);
                assert_eq!(request.detail, Detail::Explain);
            }
            self.0.run(Request { loud: false, ..request })
        }
    }
    let counts = CountLoud(toy::lost_update(), AtomicU64::new(0));
    let found = explore(&config("lost_update"), &counts).found.unwrap();
    assert_eq!(counts.1.load(Relaxed), 0);
    let _ = replay(config("lost_update"), token(&found.token), &counts);
    assert_eq!(counts.1.load(Relaxed), 1);
}

#[test]
fn a_replay_that_passes_adds_a_note() {
    let schedule = Schedule::seeded(Seed(0), StrategySpec::Fifo);
    let exploration =
        replay(config("lost_update"), token(&schedule.to_token("toys::lost_update")), &toy::lost_update());
    assert!(exploration.passed());
    assert_eq!(exploration.runs, 0);
    assert_eq!(exploration.notes, ["`toys::lost_update` passed under the replayed schedule"]);

    let found = explore(&config("lost_update"), &toy::lost_update()).found.unwrap();
    let exploration = replay(config("lost_update"), token(&found.token), &Toy::new([Op::Yield]));
    assert_eq!(
        exploration.notes,
        [
            "`toys::lost_update` passed under the replayed schedule; it no longer applies: one of its decisions is not reached \
          any more"
        ]
    );
}

#[test]
fn a_bad_token_is_an_error_and_nothing_is_run() {
    let toy = Counted(toy::lost_update(), AtomicU64::new(0));
    let error = |text: &str| {
        let exploration = replay(config("lost_update"), token(text), &toy);
        assert!(!exploration.passed());
        let error = exploration.error.as_ref().unwrap().to_string();
        assert_eq!(exploration.report(), format!("timeloop: `toys::lost_update`: {error}\n"));
        error
    };
    assert_eq!(
        error("TL1ABC"),
        "TIMELOOP_REPLAY: the token is incomplete; copy the whole word, from `TL1` to its last character"
    );
    assert_eq!(
        error(&Schedule::baseline().to_token("toys::races")),
        "TIMELOOP_REPLAY: the token is not one of `toys::lost_update`, or that test had another name when the token was printed; run the \
         test whose report printed it, or explore again"
    );
    assert_eq!(toy.1.load(Relaxed), 0);
}

#[test]
fn a_regression_file_is_replayed_by_its_path() {
    let folder = Folder::new();
    let config = || Config {
        strategy: StrategySpec::Random,
        environment: Some(Settings::default()),
        regressions: RegressionsIn::Folder(folder.0.clone()),
        silent: true,
        jobs: Some(1),
        ..Config::new("toys::lost_update")
    };
    let found = explore(&config(), &toy::lost_update()).found.unwrap();
    let file = folder.0.join("toys.lost_update.txt");
    let again = replay(config(), ReplaySetting::File(file.clone()), &toy::lost_update()).found.unwrap();
    assert_eq!(again.trace_hash, found.trace_hash);

    // The path relative to the folder of the workspace, or of the package.
    let settings = Settings {
        replay: Some(ReplaySetting::File(PathBuf::from("toys.lost_update.txt"))),
        package_folder: Some(folder.0.clone()),
        ..Settings::default()
    };
    let again =
        explore(&Config { environment: Some(settings), ..config() }, &toy::lost_update()).found.unwrap();
    assert_eq!(again.trace_hash, found.trace_hash);

    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("after 3", "after three")).unwrap();
    let error = replay(config(), ReplaySetting::File(file), &toy::lost_update()).error.unwrap().to_string();
    assert!(error.contains(":9: found `run root.1 resume 1 after three other steps`, expected "), "{error}");
}

#[test]
fn a_missing_file_is_an_error_with_the_accepted_values() {
    let error =
        replay(config("lost_update"), ReplaySetting::File("no/such.txt".into()), &toy::lost_update()).error;
    assert_eq!(
        error.unwrap().to_string(),
        "TIMELOOP_REPLAY=`no/such.txt` is neither a token (which starts with `TL1`) nor the path of a regression file \
         that exists and contains a schedule"
    );
}
