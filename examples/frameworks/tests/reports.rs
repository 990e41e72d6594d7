//! The cases above as a user runs them: one fails, with a report that names the case, and its replay line runs that case alone.

use std::path::Path;
use std::process::Command;

/// Runs a command of cargo in this folder, with the bug. Returns everything that it prints.
fn cargo(line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(env!("CARGO_MANIFEST_DIR")).env("PWD", env!("CARGO_MANIFEST_DIR"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let is_of_cargo = name.starts_with("CARGO_") && name != "CARGO_HOME" && name != "CARGO_TARGET_DIR";
        if name.starts_with("TIMELOOP_") || is_of_cargo || name == "RUST_BACKTRACE" {
            command.env_remove(&*name);
        }
    }
    // Nothing is stored in the repository.
    let output = command.env("CI", "true").env("SHOW_THE_BUG", "1").output().expect("a shell runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Checks that the case `failing` of `test` fails, the others pass, and the replay line runs that case alone.
#[track_caller]
fn assert_reported(test: &str, counts: &str, failing: &str) {
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases.rs").is_file());
    let printed = cargo(&format!("cargo test --offline --test cases {test}"));
    assert!(printed.contains(&format!("test result: FAILED. {counts};")), "{printed}");
    assert!(printed.contains(&format!("timeloop: `cases::{failing}` failed in ")), "{printed}");
    assert!(printed.contains("money is missing"), "{printed}");
    let line = printed
        .lines()
        .filter_map(|line| line.strip_prefix("replay     "))
        .find(|line| line.contains(failing))
        .unwrap_or_else(|| panic!("no replay line of {failing} in {printed}"));
    let replayed = cargo(line);
    assert!(replayed.contains("test result: FAILED. 0 passed; 1 failed;"), "{line}\n{replayed}");
    assert!(
        replayed.contains(&format!("timeloop: `cases::{failing}` failed under the replayed schedule")),
        "{replayed}"
    );
}

#[test]
fn cases_of_rstest() {
    assert_reported("with_rstest", "1 passed; 1 failed", "with_rstest::case_2_delayed");
}

#[test]
fn values_of_rstest() {
    assert_reported(
        "with_values",
        "2 passed; 2 failed",
        "with_values::amount_1_1::delay_2_Some_Duration__from_millis_5__",
    );
}

#[test]
fn cases_of_test_case() {
    assert_reported("with_test_case", "1 passed; 1 failed", "with_test_case::test_case_2_delayed");
}
