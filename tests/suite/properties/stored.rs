//! The stored form of a failing case, and the effect of edits of the code or the strategy.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use timeloop::proptest::prelude::*;
use timeloop::proptest::{Checked, Property, Regressions};

use super::inputs::sales;
use crate::support::child;

/// Returns an empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("timeloop-properties-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn property(folder: &PathBuf) -> Property {
    Property::new("shop::sells").regressions(folder).without_environment()
}

fn sell(property: &Property, stock: impl Strategy<Value = u32>, fixed: bool) -> Checked<(u32, u32)> {
    property.run((stock, 0..10_u32), |(stock, buyers)| async move {
        if fixed { Ok(()) } else { sales(stock, buyers).await }
    })
}

#[test]
fn a_failing_case_is_stored_and_tried_first() {
    let folder = folder("kept");
    let property = property(&folder);
    let first = sell(&property, 1..5_u32, false);
    let file = folder.join("shop.sells.proptest.txt");
    let text = fs::read_to_string(&file).unwrap();
    let found = first.failed.unwrap().found;
    assert!(found.report.contains(
        "shop.sells.proptest.txt, replayed first from now on; commit it\nreplay     TIMELOOP_REPLAY="
    ));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "timeloop properties, version 1",
            "test shop::sells",
            "",
            "# Inputs and schedules with which this test has failed. timeloop tries them first, so commit this file.",
            "# To remove a case, delete the line `case` and the indented lines below it.",
            "",
        ]
    );
    assert_eq!(lines[6], "case");
    assert!(lines[7].starts_with("  # error at tests/suite/properties/inputs.rs:"), "{text}");
    assert!(lines[8].starts_with("  # pause root."), "{text}");
    assert_eq!(lines[9], "  input (1, 2)");
    assert!(lines[10].starts_with("  seed ") && lines[11].starts_with("  way s"), "{text}");
    assert_eq!(lines[12], format!("  schedule {}", found.token));
    assert_eq!(lines.len(), 13);

    // Found at once, and not stored twice.
    let again = sell(&property, 1..5_u32, false);
    let failed = again.failed.unwrap();
    assert_eq!((again.cases, failed.input), (0, (1, 2)));
    assert!(failed.found.report.contains("shop.sells.proptest.txt:7\n"), "{}", failed.found.report);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    // After the code is fixed, the only note is that the schedule is no longer reached.
    let mended = sell(&property, 1..5_u32, true);
    assert!(mended.failed.is_none() && mended.error.is_none(), "{mended:?}");
    let [note] = &mended.notes[..] else { panic!("{:?}", mended.notes) };
    assert!(
        note.ends_with(
            "shop.sells.proptest.txt:7: the schedule no longer applies: 1 of its decisions was not reached, and the test \
             passes with the stored input; delete the case if the code has changed permanently"
        ),
        "{note}"
    );
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_edited_strategy_is_distinguished_from_a_passing_case() {
    let folder = folder("edited");
    let property = property(&folder);
    assert!(sell(&property, 1..5_u32, false).failed.is_some());

    // Now the stock always suffices.
    let edited = sell(&property, 10..15_u32, false);
    assert!(edited.failed.is_none(), "{edited:?}");
    let [note] = &edited.notes[..] else { panic!("{:?}", edited.notes) };
    assert!(
        note.ends_with(
            "shop.sells.proptest.txt:7: the proptest strategy no longer generates the stored input `(1, 2)`; \
             timeloop tries the stored schedule with other inputs. If the change was intended, delete the case"
        ),
        "{note}"
    );

    // Its schedule fails with the input of one case of the edited strategy, which the seed's own schedules do not find.
    let narrow = property.clone().cases(1).schedules(schedules().strategy("fifo").runs(1));
    let edited = narrow.run(Just((1_u32, 2_u32)), |(stock, buyers)| sales(stock, buyers));
    assert_eq!(edited.failed.expect("the stored schedule fails").input, (1, 2));
    assert_eq!(edited.cases, 0);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_unreadable_file_is_reported() {
    let folder = folder("damaged");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("shop.sells.proptest.txt");
    let property = property(&folder).cases(3);
    let problems = |text: &str| {
        fs::write(&file, text).unwrap();
        let error = sell(&property, 10..15_u32, false).error.unwrap();
        error.replace(&format!("{}:", file.display()), "")
    };
    let header = "timeloop properties, version 1\n";
    assert_eq!(
        problems("cases\n"),
        "1: found `cases`, expected `timeloop properties, version 1`; correct the line, or delete its whole block"
    );
    assert_eq!(
        problems(&format!("{header}test other\n")),
        "2: found `test other`, expected `test shop::sells`; correct the line, or delete its whole block"
    );
    assert_eq!(
        problems(&format!("{header}case\n input 7\n")),
        "2: found `case`, expected `case` with a line `input …` and a line `seed …` below it; correct the line, or \
         delete its whole block"
    );
    assert_eq!(
        problems(&format!("{header}case\n input 7\n seed x\n")),
        "4: found `seed x`, expected a line such as `seed 17`; correct the line, or delete its whole block"
    );
    assert_eq!(
        problems(&format!("{header}case\n input 7\n seed 7\n schedule TL1X\n")),
        "5: found `schedule TL1X`, expected `schedule TL1…` with the whole token of a schedule of this test; correct \
         the line, or delete its whole block"
    );
    assert_eq!(
        problems("timeloop properties, version 2\n"),
        "1: found `timeloop properties, version 2`, so a later version of timeloop made the file; this version reads and writes \
         version 1: update timeloop"
    );
    fs::remove_dir_all(folder).unwrap();
}

/// Like a property, proptest's own runner ends the process because of a damaged file.
#[test]
fn a_damaged_file_is_not_ignored() {
    if let Some(folder) = std::env::var_os("PROPERTIES_FOLDER").map(PathBuf::from) {
        run(&folder, 1, 10..15_u32);
        return;
    }
    let folder = folder("passed-over");
    let file = folder.join("properties.stored.a_damaged_file_is_not_ignored.proptest.txt");
    fs::create_dir_all(&folder).unwrap();
    fs::write(&file, "cases\n").unwrap();
    let test = "properties::stored::a_damaged_file_is_not_ignored";
    let ended = child(test, &[("PROPERTIES_FOLDER", folder.to_str().unwrap())]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(
        ended.stderr,
        format!(
            "\ntimeloop: `properties::stored::a_damaged_file_is_not_ignored`: {}:1: found `cases`, expected `timeloop \
             properties, version 1`; correct the line, or delete its whole block\n",
            file.display()
        )
    );
    fs::remove_dir_all(folder).unwrap();
}

/// A regression file of a test that receives its schedules is replayed like a token.
#[test]
fn a_regression_file_is_replayed() {
    let test = "a_regression_file_is_replayed";
    let order = || async {
        let log = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let tasks = [1, 2].map(|number| {
            let log = log.clone();
            timeloop::task::spawn(async move { log.borrow_mut().push(number) })
        });
        for task in tasks {
            task.await.unwrap();
        }
        log.take()
    };
    if std::env::var_os("PROPERTIES_FOLDER").is_some() {
        assert_eq!(Schedule::baseline().output(order).unwrap(), [2, 1]);
        return;
    }
    let folder = folder("regressions");
    let found = timeloop::Explorer::new(format!("properties::stored::{test}"))
        .regressions(&folder)
        .without_environment()
        .silent()
        .run(|| async move { assert_eq!(order().await, [1, 2]) })
        .found
        .expect("either may be first");
    assert!(found.stored.is_some());
    let file = folder.join(format!("properties.stored.{test}.txt"));
    elsewhere(test, &folder, &[("TIMELOOP_REPLAY", file.to_str().unwrap())]);
    fs::remove_dir_all(folder).unwrap();
}

/// Returns what proptest's own runner finds with our regression file.
fn run(folder: &PathBuf, seed: u8, stock: impl Strategy<Value = u32>) -> Option<(u32, u32)> {
    let config = ProptestConfig {
        failure_persistence: Some(Box::new(Regressions::in_folder(folder))),
        ..timeloop::proptest::config()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    match runner.run(&(stock, 0..10_u32, schedules()), |(stock, buyers, schedule)| {
        Ok(schedule.run(|| sales(stock, buyers))?)
    }) {
        Ok(()) => None,
        Err(TestError::Fail(_, (stock, buyers, _))) => Some((stock, buyers)),
        Err(error) => panic!("{error}"),
    }
}

/// Runs `test` of this module in a separate process, with a folder of regression files. Returns its standard error.
fn elsewhere(test: &str, folder: &PathBuf, variables: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("properties::stored::{test}"), "--exact"])
        .env("PROPERTIES_FOLDER", folder)
        .env_remove("CI")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn proptest_stores_input_and_schedule_too() {
    let Some(folder) = std::env::var_os("PROPERTIES_FOLDER").map(PathBuf::from) else {
        let folder = folder("persistence");
        let test = "proptest_stores_input_and_schedule_too";
        let file = folder.join(format!("properties.stored.{test}.proptest.txt"));
        let said = elsewhere(test, &folder, &[("PROPERTIES_CI", "1"), ("CI", "true")]);
        let expected = format!(
            "timeloop: the failing case is not stored, because `CI` is set; to keep it, add this to {}:\n\
             timeloop properties, version 1\ntest properties::stored::{test}\n\ncase\n  # error at tests",
            file.display()
        );
        assert!(said.starts_with(&expected), "{said}");
        assert!(!file.exists());
        let said = elsewhere(test, &folder, &[]);
        let file = file.display();
        let expected = format!(
            "timeloop: the failing case is stored in {file}, replayed first from now on; commit it\n\
             timeloop: {file}:7: the proptest strategy no longer generates the stored input `(1, 2, Schedule("
        );
        assert!(said.starts_with(&expected), "{said}");
        assert!(
            said.ends_with(
                "timeloop tries the stored schedule with other inputs. If the change was intended, delete the case\n"
            ),
            "{said}"
        );
        fs::remove_dir_all(folder).unwrap();
        return;
    };
    assert_eq!(run(&folder, 1, 1..5_u32), Some((1, 2)));
    if std::env::var_os("PROPERTIES_CI").is_some() {
        return;
    }
    let file = folder.join("properties.stored.proptest_stores_input_and_schedule_too.proptest.txt");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert!(lines[9].starts_with("input (1, 2, Schedule(pause root."), "{text}");
    assert!(lines[10].starts_with("seed cc ") && lines[11].starts_with("generated ("), "{text}");
    assert!(lines[12].starts_with("schedule TL1"), "{text}");
    // Another seed of the runner, but the same case.
    assert_eq!(run(&folder, 2, 1..5_u32), Some((1, 2)));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    // The strategy was edited.
    assert_eq!(run(&folder, 3, 10..15_u32), None);
}

#[test]
fn a_replay_stores_no_case() {
    let test = "a_replay_stores_no_case";
    let Some(folder) = std::env::var_os("PROPERTIES_FOLDER").map(PathBuf::from) else {
        let folder = folder("replay");
        elsewhere(test, &folder, &[]);
        let path = folder.join(format!("properties.stored.{test}.proptest.txt"));
        let text = fs::read_to_string(&path).unwrap();
        let (_, token) = text.rsplit_once("schedule ").unwrap();
        // The stored case was deleted, so the failure is found again.
        fs::remove_file(&path).unwrap();
        elsewhere(test, &folder, &[("TIMELOOP_REPLAY", token.trim())]);
        assert!(!path.exists());
        fs::remove_dir_all(folder).unwrap();
        return;
    };
    assert!(run(&folder, 1, 1..5_u32).is_some());
}

/// A property that stores nothing cannot replay. That is an error, not a passing property.
#[test]
fn a_schedule_without_a_stored_case_is_an_error() {
    let token = timeloop::StoredSchedule::baseline().to_token("shop::sells");
    if std::env::var_os("PROPERTIES_FOLDER").is_some() {
        let checked = Property::new("shop::sells").without_regressions().run(1..5_u32, |_| async {});
        assert_eq!(
            checked.error.as_deref(),
            Some(
                "TIMELOOP_REPLAY: no case with this schedule is stored, and a schedule does not contain the input; to \
                 find both again, set `TIMELOOP_SEED` to the seed in the report's `found by` line"
            )
        );
        return;
    }
    let test = "a_schedule_without_a_stored_case_is_an_error";
    elsewhere(test, &folder("not-stored"), &[("TIMELOOP_REPLAY", &token)]);
}

#[test]
fn an_invalid_token_is_an_error() {
    if let Ok(expected) = std::env::var("PROPERTIES_EXPECTED") {
        let checked = Property::new("shop::sells").run(1..5_u32, |_| async {});
        assert_eq!((checked.cases, checked.error), (0, Some(expected)));
        // Each of these ends the process.
        match std::env::var("PROPERTIES_CALL").unwrap().as_str() {
            "schedule" => drop(Schedule::baseline().run(|| async {})),
            "strategy" => drop(TestRunner::deterministic().run(&schedules(), |_| panic!("no case is made"))),
            _ => Property::new("shop::sells").check(1..5_u32, |_| async {}),
        }
        panic!("the process has not ended");
    }
    let test = "properties::stored::an_invalid_token_is_an_error";
    let cases = [
        (
            "nonsense",
            "TIMELOOP_REPLAY=`nonsense` is neither a token (which starts with `TL1`) nor the path of a regression \
             file that exists and contains a schedule",
        ),
        (
            "TL1XXXX",
            "TIMELOOP_REPLAY: the token is incomplete; copy the whole word, from `TL1` to its last character",
        ),
    ];
    for (given, expected) in cases {
        for (call, name) in [
            ("schedule", format!("`{test}`: ")),
            ("strategy", String::new()),
            ("property", "`shop::sells`: ".into()),
        ] {
            let variables =
                [("TIMELOOP_REPLAY", given), ("PROPERTIES_EXPECTED", expected), ("PROPERTIES_CALL", call)];
            let ended = child(test, &variables);
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert_eq!(ended.stderr, format!("\ntimeloop: {name}{expected}\n"));
        }
    }
}

#[test]
fn a_run_inside_of_a_run_fails_at_the_callers_line() {
    let failed =
        Schedule::baseline().run(|| async { Schedule::baseline().run(|| async {}).unwrap() }).unwrap_err();
    let site = failed.found().unwrap().failure.site.clone().unwrap();
    assert_eq!((site.file.as_ref(), site.line), (file!(), line!() - 2));
}
