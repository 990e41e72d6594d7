//! The examples: each prints what its first lines promise, the same in every run.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn bank_is_found_reported_and_replayed() {
    let printed = run("bank", &[]);
    for line in [
        "timeloop: `bank::money_is_neither_made_nor_lost` passed in 1 schedule\n",
        "  assertion `left == right` failed: money was made or lost\n",
        "\nCritical order (checked): if these two swap, the test passes\n",
        "  `audit` (root.1) acquires `mutex` (created at examples/bank.rs:",
        "the same failure, trace hash ",
    ] {
        assert!(printed.contains(line), "{line:?} is not in:\n{printed}");
    }
    assert_eq!(printed, run("bank", &[]), "another process prints something else");

    let (_, replay) = printed.split_once("TIMELOOP_REPLAY=").expect("a line to copy");
    let (token, command) =
        replay.lines().next().expect("a line").split_once(' ').expect("a token and a command");
    assert_eq!(command, "cargo run --example bank");
    let replayed = run("bank", &[("TIMELOOP_REPLAY", token)]);
    assert!(replayed.contains("failed under the replayed schedule"), "{replayed}");
    assert_eq!(printed.lines().last(), replayed.lines().last(), "the trace hash");
}

#[test]
fn the_expired_lease_is_found_and_reported() {
    let printed = run("leases", &[]);
    for line in [
        "unobserved panic at examples/leases.rs:53:9\n",
        "\nCritical order (checked): if these two swap, the test passes\n",
        "  `work` on worker-2 (root.2) resumes at examples/leases.rs:64\n",
        "  node worker-2 is paused\n",
        " deviations to 1 in ",
        "\ntimeloop: `leases::numbered` passed in 1,001 schedules\n",
    ] {
        assert!(printed.contains(line), "{line:?} is not in:\n{printed}");
    }
    assert_eq!(printed, run("leases", &[]), "another process prints something else");
}

#[test]
fn a_year_passes() {
    let printed = run("virtual_year", &[]);
    assert!(printed.starts_with("after 365 days it is 1798761600 s since 1970\n"), "{printed}");
    assert!(printed.contains(" heartbeats were answered, "), "{printed}");
    assert_eq!(printed, run("virtual_year", &[]), "another process prints something else");
}

/// Every example is run by a test above, and by CI.
#[test]
fn every_example_is_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let (tests, ci) = (read("tests/suite/examples.rs"), read(".ci/run"));
    for entry in std::fs::read_dir(root.join("examples")).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            assert!(tests.contains(&format!("run(\"{name}\"")), "no test runs the example {name}");
            assert!(ci.contains(&format!("--example {name}")), "CI does not run the example {name}");
        }
    }
}

/// Returns what an example prints. The example must succeed.
fn run(example: &str, vars: &[(&str, &str)]) -> String {
    let binary = std::env::current_exe().expect("a test knows its binary");
    // `target/debug/deps/suite-…`
    let target: PathBuf = binary.ancestors().nth(3).expect("a target folder").to_owned();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--offline", "--example", example, "--target-dir"]).arg(target);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIMELOOP_") {
            command.env_remove(name);
        }
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("RUST_BACKTRACE", "0").envs(vars.iter().copied());
    let output = command.output().expect("cargo runs");
    let printed = String::from_utf8(output.stdout).expect("examples print UTF-8");
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}
