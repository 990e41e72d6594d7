//! Measures the memory per sleeping task.
//!
//! # Invariants
//! - Each side is measured in a process of its own, so that neither is affected by the other or by an earlier workload.
//! - The number is the peak of the whole process.

use std::process::Command;

use crate::workloads;

/// The line's name.
pub(crate) const NAME: &str = "1M sleeping tasks, MB";
/// The number of sleeping tasks.
pub(crate) const TASKS: u64 = 1_000_000;
/// The argument with which this program runs as the measured process.
pub(crate) const ARGUMENT: &str = "--sleepers-in";
/// The goal for timeloop's peak, in MB of a million bytes.
pub(crate) const GOAL_MB: f64 = 300.0;

/// Returns the peak of one side in MB, measured in a process of its own; `None` where the system does not report it.
pub(crate) fn peak_mb(side: &str) -> Option<f64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args([ARGUMENT, side]).output().ok()?;
    assert!(
        output.status.success(),
        "the process that measures {side} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = kib.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}

/// Runs the measured process: starts the sleeping tasks, prints the system's report on the process, and exits.
pub(crate) fn child(side: &str) {
    let look = || {
        print!("{}", std::fs::read_to_string("/proc/self/status").expect("Linux reports a process's memory"));
        // Waking and ending a million tasks is not measured.
        std::process::exit(0);
    };
    match side {
        "tokio" => workloads::sleepers_in_tokio(TASKS, look),
        "timeloop" => workloads::sleepers_in_timeloop(TASKS, look),
        _ => panic!("`{side}` is not a side; accepted are `tokio` and `timeloop`"),
    }
}
