//! Strategies: the default, selection by name, and their tokens.
//!
//! # Invariants
//! A failing run can be repeated from its own token, including estimates, by any process.

use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;

use timeloop::time::sleep;
use timeloop::{FoundBy, Resource, Settings, StoredSchedule, StrategySpec, spawn};

use crate::support::{Folder, child, is_child};

const NAME: &str = "suite::strategies::replays";

/// Fails if an update is lost, or if work that takes no time is late.
async fn fragile() {
    let balance = Rc::new((Resource::new("balance"), std::cell::Cell::new(0)));
    let late = Rc::new(std::cell::Cell::new(true));
    let updates = [1, 2, 3].map(|amount| {
        let balance = Rc::clone(&balance);
        spawn(async move {
            balance.0.read().await;
            let before = balance.1.get();
            balance.0.write().await;
            balance.1.set(before + amount);
        })
    });
    let work = spawn({
        let late = Rc::clone(&late);
        async move {
            timeloop::task::yield_now().await;
            late.set(false);
        }
    });
    sleep(Duration::from_millis(10)).await;
    assert!(!late.get(), "the work is late");
    work.await.unwrap();
    for update in updates {
        update.await.unwrap();
    }
    assert_eq!(balance.1.get(), 6, "an update is lost");
}

fn explorer() -> timeloop::Explorer {
    timeloop::Explorer::new(NAME).without_regressions().shrink_runs(200).jobs(1).silent()
}

/// The strategies whose single runs differ from the baseline run.
fn strategies() -> impl Iterator<Item = StrategySpec> {
    let singular =
        |strategy: &StrategySpec| !matches!(strategy, StrategySpec::Fifo | StrategySpec::Exhaustive { .. });
    StrategySpec::ALL.into_iter().filter(singular)
}

/// Run by the test below: prints what each strategy finds, or replays what it is given.
#[test]
fn replays() {
    if !is_child() {
        return;
    }
    let print = |found: &timeloop::Found| {
        let token = found.schedule.to_token(NAME);
        let line = format!("{} {:016x} {token}\n", found.fingerprint, found.trace_hash);
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    };
    if std::env::var_os("TIMELOOP_REPLAY").is_some() {
        print(&explorer().run(fragile).found.expect("a token that was printed fails again"));
        return;
    }
    for strategy in strategies() {
        let found = explorer().strategy(strategy).run(fragile).found;
        let found = found.unwrap_or_else(|| panic!("{strategy} does not find it"));
        // The run as it was found, not as it was shrunk.
        let token = found.schedule.to_token(NAME);
        let settings = Settings::from_vars([("TIMELOOP_REPLAY".to_owned(), token)]).unwrap();
        print(&explorer().environment(settings).run(fragile).found.expect("the token fails here too"));
    }
}

#[test]
fn a_failing_run_of_any_strategy_is_repeated_from_its_token_in_another_process() {
    let found = child("strategies::replays", &[]);
    assert!(found.passed(), "{found:?}");
    let lines: Vec<&str> = found.stderr.lines().collect();
    assert_eq!(lines.len(), strategies().count(), "{found:?}");
    for (strategy, line) in strategies().zip(lines) {
        let token = line.rsplit_once(' ').unwrap().1;
        let StoredSchedule::Seeded { strategy: made_by, estimates, .. } =
            StoredSchedule::from_token(token, NAME).unwrap()
        else {
            panic!("{token} is no seed's");
        };
        match strategy {
            StrategySpec::Portfolio => assert_ne!(made_by, strategy),
            StrategySpec::Random | StrategySpec::Pos | StrategySpec::Lockstep => {
                let mut estimates = estimates;
                estimates.varied_io = false;
                assert!(estimates.is_empty(), "{strategy}");
            }
            _ => assert!(made_by == strategy && !estimates.is_empty(), "{strategy}: {estimates:?}"),
        }
        let again = child("strategies::replays", &[("TIMELOOP_REPLAY", token)]);
        assert!(again.passed(), "{strategy}: {again:?}");
        assert_eq!(again.stderr, format!("{line}\n"), "{strategy}");
    }
}

/// A schedule that could not be shrunk is stored as its seed, with all estimates of the strategy.
#[test]
fn regression_files_contain_estimates() {
    let folder = Folder::new();
    let regressions = timeloop_sim::Regressions::new(&folder.0, NAME);
    let mut stored = Vec::new();
    for strategy in strategies() {
        let found = explorer().without_environment().strategy(strategy).run(fragile).found.unwrap();
        assert!(matches!(found.by, FoundBy::Seed { .. }));
        regressions.append(&found.schedule, "").unwrap();
        stored.push(found.schedule);
    }
    stored.dedup();
    let loaded = regressions.load().unwrap();
    assert_eq!(loaded.problems, []);
    for schedule in &stored {
        assert!(loaded.schedules.iter().any(|other| other.schedule == *schedule), "{schedule:?}");
    }
    let text = std::fs::read_to_string(regressions.path()).unwrap();
    let line = text.lines().find(|line| line.contains("strategy surw ")).unwrap();
    let (_, counts) = line.split_once(" counts ").unwrap();
    assert_eq!(counts, "root=6 root.1=2 root.2=2 root.3=2", "{line}");
}

#[timeloop::test(strategy = "pct(depth = 2)", runs = 3)]
async fn the_attribute_takes_a_strategy_with_parameters() {}

#[timeloop::test(strategy = timeloop::StrategySpec::Surw, runs = 3)]
async fn the_attribute_takes_a_strategy_by_its_value() {}
