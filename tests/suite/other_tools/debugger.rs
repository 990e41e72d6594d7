//! Replaying in a debugger: the guide's commands.

use std::process::Command;

use crate::support::{package, shell};

const TESTS: &str = r#"
use std::sync::atomic::{AtomicU32, Ordering};

static RUNS: AtomicU32 = AtomicU32::new(0);

async fn books(order: &'static str) {
    timeloop::task::yield_now().await;
    assert!(order != "unknown"); // the breakpoint
}

/// Returns the number of threads that make runs beside the test's own.
fn workers() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap().map(|task| {
        std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()
    });
    names.filter(|name| name.starts_with("timeloop worker")).count()
}

#[timeloop::test]
async fn orders_are_booked() {
    println!("run {} with {} workers", RUNS.fetch_add(1, Ordering::Relaxed), workers());
    let tasks = ["early", "late"].map(|order| timeloop::spawn(books(order)));
    for task in tasks {
        task.await.unwrap();
    }
    panic!("fails in every schedule");
}
"#;

#[cfg(target_os = "linux")]
#[test]
fn a_schedule_is_replayed_in_a_debugger() {
    let folder = package("in-debugger", &[], &[("src/lib.rs", ""), ("tests/orders.rs", TESTS)]);
    let printed = shell(&folder, "cargo test --test orders");
    let (_, replay) =
        printed.split_once("TIMELOOP_REPLAY=").unwrap_or_else(|| panic!("no report in {printed}"));
    let token = replay.split(' ').next().expect("a token");

    // The binary, as cargo prints it.
    let built = shell(&folder, "cargo test --test orders --no-run");
    let (_, path) =
        built.split_once("Executable tests/orders.rs (").unwrap_or_else(|| panic!("no path in {built}"));
    let path = path.split(')').next().expect("a path");
    let arguments = format!("{path} orders_are_booked --exact --nocapture --test-threads=1");

    // The run is the first one, and there are no workers.
    let replayed = shell(&folder, &format!("TIMELOOP_REPLAY={token} {arguments}"));
    assert!(replayed.contains("running 1 test"), "{replayed}");
    assert_eq!(replayed.matches("run 0 with 0 workers").count(), 1, "{replayed}");
    let (first, others) =
        replayed.split_once("the replayed run has ended").expect("the end of the replayed run");
    assert!(first.contains("run 0 with 0 workers") && !first.contains("run 1 with"), "{replayed}");
    assert!(!others.contains(" with 1 workers"), "{replayed}");
    assert_eq!(replayed.matches("panicked at tests/orders.rs").count(), 1, "{replayed}");

    if !Command::new("gdb").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return;
    }
    let line = 1 + TESTS.lines().position(|line| line.ends_with("// the breakpoint")).expect("a breakpoint");
    let gdb = format!(
        "gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'break orders.rs:{line}' -ex run -ex 'info threads' -ex continue \
         -ex continue --args {arguments}"
    );
    let debugged = shell(&folder, &format!("TIMELOOP_REPLAY={token} {gdb}"));
    if debugged.contains("Operation not permitted") {
        // A container without ptrace.
        return;
    }
    // Each task reaches the line once, because there are no other runs.
    assert_eq!(debugged.matches("Breakpoint 1, ").count(), 2, "{debugged}");
    assert!(debugged.contains(" failed under the replayed schedule"), "{debugged}");
}
