//! Unsupported projects are refused, with a message that says what to do.

use std::fs;
use std::path::Path;

use crate::project::{DEPENDENCIES, Project, manifest};

const SOURCE: &str = "#[tokio::test]\nasync fn nothing() {}\n";

/// Runs `cargo timeloop doctor` in a project with this manifest.
#[track_caller]
fn refused(name: &str, manifest: &str, messages: &[&str]) {
    let project = Project::new(name, &[("Cargo.toml", manifest), ("src/lib.rs", SOURCE)]);
    let ended = project.timeloop(&["doctor"]);
    ended.assert_code(1);
    messages.iter().for_each(|message| ended.assert_printed(message));
}

#[test]
fn unsupported_graphs() {
    refused(
        "old",
        &manifest("old", "tokio = '=1.40.0'\n"),
        &["timeloop needs tokio 1.47.0 or later: `cargo update -p tokio --recursive`"],
    );
    refused(
        "none",
        &manifest("none", "bytes = '1'\n"),
        &["no package of this workspace depends on tokio 1.x"],
    );
    let rust_version = manifest("msrv", DEPENDENCIES).replace("edition", "rust-version = '1.70'\nedition");
    let message = "`msrv` has the rust-version 1.70.0, and timeloop needs 1.88.0";
    refused("msrv", &rust_version, &[message, "pass --ignore-rust-version"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository");
    let both = format!("{DEPENDENCIES}timeloop = {{ path = '{}' }}\n", root.display());
    refused("both", &manifest("both", &both), &["`cargo timeloop` brings its own timeloop"]);
    let unlocked = Project::new(
        "unlocked-too",
        &[("Cargo.toml", &manifest("unlocked", DEPENDENCIES)), ("src/lib.rs", SOURCE)],
    );
    let ended = unlocked.timeloop(&["doctor", "--locked"]);
    ended.assert_code(1);
    ended.assert_printed("--locked: there is no ");
    refused("wrong", "[package]\n", &["cargo can't resolve the dependencies: see above"]);
}

#[test]
fn wrong_arguments_and_settings() {
    let project = Project::library("settings", SOURCE);
    let ended = project.timeloop(&["test", "--no-such-option"]);
    ended.assert_code(2);
    ended.assert_printed("--no-such-option");
    fs::write(project.folder.join("timeloop.toml"), "run = 50\n").expect("it is writable");
    let ended = project.timeloop(&["test"]);
    ended.assert_code(2);
    ended.assert_printed(
        "timeloop.toml: `run = 50`: accepted are `runs = 1000` (schedules per test), `stalls = true`, \
         `hermetic = true`, `skip",
    );
}

#[test]
fn what_does_not_compile_is_no_bug() {
    let project =
        Project::library("broken", "#[tokio::test]\nasync fn broken() { let number: u32 = \"\"; }\n");
    let ended = project.timeloop(&["test"]);
    ended.assert_code(1);
    ended.assert_printed("the tests do not compile: see above");
}

/// A test binary that ends without a result is neither a pass nor a bug.
#[test]
fn a_process_that_dies_is_an_error() {
    let project = Project::library("dies", "#[tokio::test]\nasync fn dies() { std::process::abort(); }\n");
    let ended = project.timeloop(&["test"]);
    ended.assert_code(1);
    ended.assert_printed("a test process has ended without a result");
    // The watchdog has described the run, which waits for that in real time.
    ended.assert_printed("the process is aborted during a run");
}

#[test]
fn what_is_not_simulated_is_listed() {
    let dependencies = format!(
        "{DEPENDENCIES}fastrand = '2'\nold = {{ package = 'tokio', version = '=0.2.3' }}\n[build-dependencies]\ntokio = '1.47'\n"
    );
    let files = [
        ("Cargo.toml", &*manifest("doctor", &dependencies)),
        ("src/lib.rs", SOURCE),
        ("build.rs", "fn main() {}\n"),
    ];
    let project = Project::new("doctor", &files);
    let ended = project.timeloop(&["doctor"]);
    ended.assert_code(0);
    ended.assert_printed("`tokio::process` starts nothing");
    ended.assert_printed("fastrand: random numbers that no seed decides; a dependency of doctor");
    ended.assert_printed("warning: tokio 0.2.3, used by doctor; it stays real");
    ended.assert_printed("  `tokio`, which `doctor` needs while compiling: tokio is real there");
}
