//! Schedules among the other inputs of a property, with every way to combine strategies.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use timeloop::proptest::prelude::*;
use timeloop::proptest::{Property, Schedules};
use timeloop::task::spawn;
use timeloop::{FailedRun, FailureKind, Limits, Resource};

/// Buyers check the stock, and then take from it. With more buyers than stock, one more is sold than there is.
pub(super) async fn sales(stock: u32, buyers: u32) -> Result<(), TestCaseError> {
    let (row, left) = (Rc::new(Resource::new("row")), Rc::new(Cell::new(i64::from(stock))));
    let buyers: Vec<_> = (0..buyers)
        .map(|_| {
            let (row, left) = (Rc::clone(&row), Rc::clone(&left));
            spawn(async move {
                row.read().await;
                if left.get() > 0 {
                    row.write().await;
                    left.set(left.get() - 1);
                }
            })
        })
        .collect();
    for buyer in buyers {
        buyer.await.unwrap();
    }
    prop_assert!(left.get() >= 0, "{} left", left.get());
    Ok(())
}

fn runner(seed: u8) -> TestRunner {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

/// Returns the input that proptest shrinks to, and its message.
fn shrunk<S: Strategy>(strategy: S, test: impl Fn(&S::Value) -> Result<(), FailedRun>) -> (S::Value, String) {
    match runner(1).run(&strategy, |input| Ok(test(&input)?)) {
        Err(TestError::Fail(why, value)) => (value, why.message().to_owned()),
        other => panic!("{other:?}"),
    }
}

fn count(schedule: &Schedule) -> usize {
    schedule.deviations().expect("it has failed").len()
}

prop_compose! {
    fn shop()(stock in 1..4_u32)(
        buyers in stock..10,
        schedule in schedules(),
        stock in Just(stock),
    ) -> (Schedule, u32, u32) {
        (schedule, stock, buyers)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_property_that_holds_passes(schedule in schedules(), stock in 3..5_u32, buyers in 0..4_u32) {
        schedule.run(|| sales(stock, buyers))?;
    }

    #[test]
    fn a_schedule_has_a_strategy_of_its_own(schedule: Schedule, stock in 3..5_u32) {
        schedule.run(|| sales(stock, 3))?;
    }

    #[test]
    #[should_panic = "with the message of `prop_assert!` and the input"]
    fn a_property_that_does_not_hold_fails(schedule in schedules(), buyers in 0..4_u32) {
        if let Err(failed) = schedule.run(|| sales(1, buyers)) {
            let report = failed.to_string();
            assert!(report.contains("failed: error at "), "{report}");
            assert!(report.contains("tests/suite/properties/inputs.rs:"), "{report}");
            assert!(report.contains("-1 left"), "{report}");
            panic!("with the message of `prop_assert!` and the input");
        }
    }
}

#[test]
fn the_error_contains_the_report() {
    let ((schedule, buyers), message) =
        shrunk((schedules(), 0..8_u32), |(schedule, buyers)| schedule.run(|| sales(1, *buyers)));
    assert_eq!((buyers, count(&schedule)), (2, 1));
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[..2], ["", ""]);
    assert!(
        lines[2]
            .starts_with("timeloop: `properties::inputs::the_error_contains_the_report` failed: error at")
    );
    assert!(message.contains("\nCritical order "), "{message}");
    let replay = lines.last().unwrap();
    let command = "--features proptest,arbitrary,hyper,rustls --test features \
                   properties::inputs::the_error_contains_the_report -- --exact";
    assert!(replay.starts_with("replay     TIMELOOP_REPLAY=TL1") && replay.ends_with(command), "{replay}");
    assert!(message.ends_with('\n'), "proptest puts a full stop behind it");

    let debug = format!("{schedule:?}");
    assert!(debug.starts_with("Schedule(pause root."), "{debug}");
    let token = debug.rsplit_once("; ").unwrap().1.trim_end_matches(')');
    assert!(replay.contains(token), "{debug}");
    // The token is that of the schedule.
    let read: Schedule = token.parse().unwrap();
    assert_eq!(read.deviations(), schedule.deviations());
    assert!(read.run(|| sales(1, 2)).is_err() && read.run(|| sales(1, 1)).is_ok());
}

#[test]
fn the_order_of_inputs_does_not_matter() {
    let ((stock, buyers, schedule), _) =
        shrunk((1..5_u32, 0..10_u32, schedules()), |(stock, buyers, schedule)| {
            schedule.run(|| sales(*stock, *buyers))
        });
    assert_eq!((stock, buyers, count(&schedule)), (1, 2, 1));
    let nested = (1..5_u32, (schedules(), 0..10_u32));
    let ((stock, (schedule, buyers)), _) =
        shrunk(nested, |(stock, (schedule, buyers))| schedule.run(|| sales(*stock, *buyers)));
    assert_eq!((stock, buyers, count(&schedule)), (1, 2, 1));
}

#[test]
fn schedules_shrink_within_composed_strategies() {
    let ((schedule, stock, buyers), _) =
        shrunk(shop(), |(schedule, stock, buyers)| schedule.run(|| sales(*stock, *buyers)));
    assert_eq!((stock, buyers, count(&schedule)), (1, 2, 1));
}

#[test]
fn schedules_shrink_within_a_flat_map() {
    let strategy = (1..10_u32).prop_flat_map(|buyers| (Just(buyers), schedules(), 1..=buyers));
    let ((buyers, schedule, stock), _) =
        shrunk(strategy, |(buyers, schedule, stock)| schedule.run(|| sales(*stock, *buyers)));
    assert_eq!((stock, buyers, count(&schedule)), (1, 2, 1));
}

#[test]
fn of_several_schedules_the_one_that_fails_shrinks() {
    let strategy = (prop::collection::vec(schedules(), 3), 0..8_u32);
    let ((schedules, buyers), _) = shrunk(strategy, |(schedules, buyers)| {
        schedules[0].run(|| sales(8, *buyers))?;
        schedules[1].run(|| sales(1, *buyers))?;
        schedules[2].run(|| sales(8, *buyers))
    });
    assert_eq!((buyers, count(&schedules[1])), (2, 1));
    assert!(format!("{:?}", schedules[0]).contains("seed"), "{schedules:?}");
}

#[test]
fn of_several_runs_the_one_that_fails_shrinks() {
    let ((schedule, stock), _) = shrunk((schedules(), 0..8_u32), |(schedule, stock)| {
        schedule.run(|| sales(9, 4))?;
        schedule.run(|| sales(*stock, 4))
    });
    assert_eq!((stock, count(&schedule)), (1, 1));
}

#[test]
fn failures_at_another_location_do_not_count() {
    // With 5 buyers or more there is another failure, under every schedule.
    let ((schedule, buyers), message) = shrunk((schedules(), 2..20_u32), |(schedule, buyers)| {
        schedule.run(|| async {
            sales(1, *buyers).await?;
            prop_assert!(*buyers < 5, "too many");
            Ok(())
        })
    });
    match buyers {
        2 => assert!(count(&schedule) == 1 && message.contains("-1 left"), "{message}"),
        5 => assert!(count(&schedule) == 0 && message.contains("too many"), "{message}"),
        _ => panic!("{buyers}: {message}"),
    }
}

#[test]
fn an_input_can_be_rejected_inside_a_run() {
    let ((schedule, buyers), _) = shrunk((schedules(), 0..8_u32), |(schedule, buyers)| {
        schedule.run(|| async {
            prop_assume!(*buyers > 3, "few");
            sales(1, *buyers).await
        })
    });
    assert_eq!((buyers, count(&schedule)), (4, 1));

    let result = runner(1).run(&schedules(), |schedule| {
        schedule.run(|| async {
            prop_assume!(false);
            Ok(())
        })?;
        Ok(())
    });
    assert!(matches!(result, Err(TestError::Abort(ref why)) if why.message() == "Too many global rejects"));
}

#[test]
fn runs_can_be_limited() {
    let schedules = schedules().with("random", Limits { max_steps: 10, ..Limits::default() }).runs(1);
    let ((schedule, tasks), message) = shrunk((schedules, 0..50_u32), |(schedule, tasks)| {
        schedule.run(|| async {
            for _ in 0..*tasks {
                timeloop::task::yield_now().await;
            }
        })
    });
    assert!(tasks == 10 && count(&schedule) == 0, "{tasks}, {schedule:?}");
    assert!(message.contains("step limit"), "{message}");
}

#[test]
fn times_are_exact_on_request() {
    let exact = |schedule: &Schedule| {
        schedule.run(|| async {
            let start = timeloop::time::Instant::now();
            let other = timeloop::spawn(timeloop::time::sleep(Duration::from_millis(1_500)));
            timeloop::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(start.elapsed(), Duration::from_secs(1));
            other.await.unwrap();
        })
    };
    let (schedule, _) = shrunk(schedules(), exact);
    assert_eq!(count(&schedule), 1, "{schedule:?}");
    runner(1).run(&schedules().stalls(false), |schedule| Ok(exact(&schedule)?)).unwrap();
    runner(1).run(&schedules().stalls(false).strategy("stall"), |schedule| Ok(exact(&schedule)?)).unwrap();
}

#[test]
fn outputs_are_returned() {
    let result = runner(1).run(&(schedules(), 0..9_u64), |(schedule, number)| {
        let output = schedule.output(|| async {
            timeloop::time::sleep(Duration::from_secs(number)).await;
            Err::<u64, u64>(number)
        })?;
        prop_assert_eq!(output, Err(number));
        Ok(())
    });
    result.unwrap();
}

#[test]
#[should_panic = "`pcd` is not a strategy; accepted are `portfolio`"]
fn a_strategy_has_to_exist() {
    let _ = schedules().strategy("pcd");
}

#[test]
#[should_panic = "`exhaustive` explores all schedules of one input and uses no seeds, so it can't generate a schedule"]
fn an_exhaustive_search_is_no_strategy_for_a_property() {
    let _: Schedules = schedules().strategy("exhaustive");
}

#[test]
fn a_function_behaves_like_the_macro() {
    let property = Property::new("inputs::function").without_regressions().without_environment();
    let checked = property.run((1..5_u32, 0..10_u32), |(stock, buyers)| sales(stock, buyers));
    let failed = checked.failed.expect("it does not hold");
    assert_eq!(failed.input, (1, 2));
    assert_eq!(failed.found.deviations_after(), Some(1));
    assert_eq!(failed.found.failure.kind, FailureKind::Error);
    let report = &failed.found.report;
    assert!(report.starts_with("timeloop: `inputs::function` failed: error at"), "{report}");
    assert!(report.contains("\nInput\n  (1, 2)\n"), "{report}");
    let again = format!(
        "found by   seed {0} (case {1}); TIMELOOP_SEED={0} tries it first",
        checked.cases - 1,
        checked.cases
    );
    assert!(report.contains(&again), "{report}");
    let replay = format!("replay     TIMELOOP_SEED={} cargo test function -- --exact\n", checked.cases - 1);
    assert!(report.ends_with(&replay), "{report}");

    // The seed finds it at once.
    let checked =
        property.seed(checked.cases - 1).run((1..5_u32, 0..10_u32), |(stock, buyers)| sales(stock, buyers));
    assert_eq!((checked.cases, checked.failed.expect("as before").input), (1, (1, 2)));
}

#[test]
fn a_function_counts_rejected_inputs() {
    let property = Property::new("inputs::rejects").cases(10).without_regressions().without_environment();
    let checked = property.run(0..10_u32, |number| async move {
        prop_assume!(number % 2 == 0);
        Ok(())
    });
    assert!(checked.failed.is_none() && checked.error.is_none() && checked.cases == 10, "{checked:?}");
    let checked = property.run(0..10_u32, |_| async {
        prop_assume!(false);
        Ok(())
    });
    assert_eq!(
        checked.error.unwrap(),
        "too many rejected inputs: 1025 (limit 1024) after 0 accepted; generate fewer of them, or raise \
         `max_global_rejects` of proptest's `Config`"
    );
}
