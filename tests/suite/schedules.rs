//! Schedules as inputs: their text, the result of a run under one, and the report of a failure.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use timeloop::task::{spawn, yield_now};
use timeloop::{FailedRun, FailureKind, FoundBy, Limits, Resource, Schedule, StrategySpec, run_from};

/// Two tasks that add to a number. The second must see the result of the first.
async fn adds() {
    let (row, sum) = (Rc::new(Resource::new("sum")), Rc::new(Cell::new(0)));
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let (row, sum) = (Rc::clone(&row), Rc::clone(&sum));
            spawn(async move {
                row.read().await;
                let before = sum.get();
                row.write().await;
                sum.set(before + 1);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(sum.get(), 2);
}

fn failing() -> FailedRun {
    (0..100).find_map(|seed| Schedule::seeded(seed, StrategySpec::Pos).run(adds).err()).expect("it loses one")
}

#[test]
fn a_schedule_round_trips_through_its_token() {
    for schedule in [Schedule::baseline(), Schedule::seeded(7, StrategySpec::Surw)] {
        assert_eq!(schedule.to_string().parse(), Ok(schedule));
    }
    assert_eq!(
        format!("{:?}", Schedule::baseline()),
        format!("Schedule(the baseline run; {})", Schedule::baseline())
    );
    let seeded = Schedule::seeded(7, StrategySpec::Pct { depth: 3 });
    assert_eq!(
        format!("{seeded:?}"),
        format!("Schedule(seed 7 version 2 strategy pct(depth = 3); {seeded})")
    );
    assert_eq!((Schedule::baseline().deviations(), seeded.deviations()), (Some(vec![]), None));
    assert_eq!(
        "TL2".parse::<Schedule>().unwrap_err().to_string(),
        "the token starts with `TL2`, so a later version of timeloop made it; this version reads `TL1`: update timeloop"
    );
}

#[test]
fn many_deviations_are_counted_and_not_listed() {
    let found = failing();
    let mut deviations = found.found().unwrap().shrunk.deviations().unwrap().to_vec();
    for resume in 1..9 {
        deviations.push(timeloop::Deviation { resume, ..deviations[0].clone() });
    }
    let stored = timeloop::StoredSchedule::Deviations { randomness: 0.into(), deviations };
    assert!(format!("{:?}", Schedule::from(stored)).starts_with("Schedule(9 deviations; TL1"));
}

#[test]
fn a_passing_run_returns_ok() {
    Schedule::baseline().run(adds).unwrap();
    Schedule::baseline().run(|| async { Ok::<_, String>(()) }).unwrap();
    assert_eq!(Schedule::baseline().output(|| async { Err::<u8, _>("as it is") }).unwrap(), Err("as it is"));
}

#[test]
fn a_failing_run_is_shrunk_and_reported() {
    let failed = failing();
    let found = failed.found().expect("it has not rejected anything");
    assert_eq!((found.deviations_after(), &found.by), (Some(1), &FoundBy::Given));
    assert_eq!(found.failure.kind, FailureKind::Panic);
    assert!(found.critical.is_some() && found.replayed);
    let report = failed.to_string();
    assert!(report.starts_with(
        "timeloop: `schedules::a_failing_run_is_shrunk_and_reported` failed: panic at tests/suite/schedules.rs:"
    ));
    assert!(
        report.contains("\n\nfound by   seed ") && report.contains(", strategy `pos`\nshrunk     "),
        "{report}"
    );
    let command = "--test suite schedules::a_failing_run_is_shrunk_and_reported -- --exact";
    assert!(report.ends_with(command), "{report}");
    assert_eq!(format!("{failed:?}"), format!("\n{report}\n"));

    // The found schedule fails again, in a single run too.
    let shrunk: Schedule = found.token.parse().unwrap();
    let again = shrunk.run(adds).unwrap_err();
    assert_eq!(again.found().unwrap().fingerprint, found.fingerprint);
    assert!(run_from(&shrunk, &Limits::default(), adds).result.is_err());
}

#[test]
fn a_returned_error_fails_a_run() {
    let failed = Schedule::baseline().run(|| async { Err::<(), _>("no") }).unwrap_err();
    let found = failed.found().unwrap();
    assert_eq!((found.failure.kind, found.deviations_after()), (FailureKind::Error, Some(0)));
    assert!(failed.to_string().contains("the test returned an error: \"no\""), "{failed}");
}

#[test]
fn runs_are_limited() {
    let limits = Limits { max_virtual_time: Duration::from_secs(1), ..Limits::default() };
    let sleeps = || timeloop::time::sleep(Duration::from_secs(2));
    let failed = Schedule::baseline().run_with(&limits, sleeps).unwrap_err();
    assert_eq!(failed.found().unwrap().failure.kind, FailureKind::TimeLimit);
    Schedule::baseline().run(sleeps).unwrap();
}

#[test]
fn a_run_that_leaves_state_behind_is_distinguished() {
    let runs = AtomicU32::new(0);
    let failed = Schedule::baseline().run(|| async {
        yield_now().await;
        assert!(runs.fetch_add(1, Ordering::Relaxed) > 0, "the first only");
    });
    let failed = failed.unwrap_err();
    let failure = &failed.found().unwrap().failure;
    assert_eq!(failure.kind, FailureKind::Nondeterminism);
    assert!(failure.message().contains("the first only"), "{failure}");
}

#[test]
fn a_failed_run_converts_to_an_error() {
    fn test() -> Result<(), Box<dyn Error>> {
        Schedule::baseline().run(|| async { Err::<(), _>("no") })?;
        Ok(())
    }
    fn threads() -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(Schedule::baseline().run(|| async { Err::<(), _>("no") })?)
    }
    let (one, other) = (test().unwrap_err().to_string(), threads().unwrap_err().to_string());
    assert!(
        one.starts_with("timeloop: `schedules::a_failed_run") && other.starts_with("timeloop: `schedules::"),
        "{one}"
    );
}

#[test]
fn a_run_that_passes_is_one_run() {
    let calls = AtomicU32::new(0);
    Schedule::baseline()
        .run(|| async {
            calls.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    assert_eq!(calls.into_inner(), 1);
}
