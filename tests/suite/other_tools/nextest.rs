//! nextest starts a process per core, so each process makes its runs in one thread.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use timeloop::Explorer;

use crate::support::{child, is_child, package, shell};

/// Makes 100 runs, each long enough for all threads to take part. Returns the names of the threads that made runs.
fn threads(explorer: Explorer) -> BTreeSet<String> {
    let threads = Mutex::new(BTreeSet::new());
    explorer.runs(100).without_regressions().check(|| async {
        std::thread::sleep(Duration::from_millis(1));
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        threads.lock().unwrap().insert(name);
    });
    threads.into_inner().unwrap()
}

/// Run by the test below.
#[test]
fn counts_threads() {
    if is_child() {
        let explorer = Explorer::new("suite::nextest");
        for (what, explorer) in [("default", explorer.clone()), ("three", explorer.jobs(3))] {
            eprintln!("{what}: {}", threads(explorer).len());
        }
        panic!("shows what it has printed");
    }
}

#[test]
fn runs_have_one_thread_by_default_under_nextest() {
    let printed =
        |vars: &[(&str, &str)]| child("other_tools::nextest::counts_threads", vars).printed().to_owned();
    let cores = std::thread::available_parallelism().unwrap().get();
    // Other tests may keep all other cores busy, but not for all runs.
    let default = printed(&[]);
    assert_eq!(default.contains("default: 1\n"), cores == 1, "{default}");
    let under = printed(&[("NEXTEST", "1")]);
    assert!(under.contains("default: 1\n") && under.contains("three: 3\n"), "{under}");
    let set = printed(&[("NEXTEST", "1"), ("TIMELOOP_JOBS", "2")]);
    assert!(set.contains("default: 2\n") && set.contains("three: 2\n"), "{set}");
}

const TESTS: &str = r#"
use std::sync::Mutex;
use std::thread::{ThreadId, current};

static THREADS: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());

#[timeloop::test(runs = 100)]
async fn has_one_thread() {
    std::thread::sleep(std::time::Duration::from_millis(1));
    let mut threads = THREADS.lock().unwrap();
    threads.push(current().id());
    assert!(threads.iter().all(|id| *id == current().id()), "several threads");
}

#[timeloop::test]
async fn fails() {
    let task = timeloop::spawn(async { panic!("the order matters") });
    task.await.unwrap();
}
"#;

/// The guide's commands, with nextest itself where it is installed.
#[cfg(unix)]
#[test]
fn nextest_runs_and_replays() {
    let installed = Command::new("cargo").args(["nextest", "--version"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return;
    }
    let folder = package("under-nextest", &[], &[("src/lib.rs", ""), ("tests/orders.rs", TESTS)]);
    let printed = shell(&folder, "cargo nextest run --no-fail-fast");
    assert!(printed.contains("2 tests run: 1 passed, 1 failed"), "{printed}");
    let (_, replay) =
        printed.split_once("TIMELOOP_REPLAY=").unwrap_or_else(|| panic!("no report in {printed}"));
    let token = replay.split(' ').next().expect("a token");
    let replayed = shell(&folder, &format!("TIMELOOP_REPLAY={token} cargo nextest run -E 'test(=fails)'"));
    assert!(replayed.contains("1 test run: 0 passed, 1 failed"), "{replayed}");
    assert!(replayed.contains(" failed under the replayed schedule"), "{replayed}");
}
