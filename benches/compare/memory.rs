//! Memory per sleeping task.
//!
//! Always true: each side is measured in a process of its own, started for it, so that neither sees what the other, or a
//! workload before it, left behind; what counts is the whole process at its peak.

use std::process::Command;

use crate::workloads;

/// The line's name.
pub(crate) const NAME: &str = "1M sleeping tasks, MB";
/// How many tasks sleep.
pub(crate) const TASKS: u64 = 1_000_000;
/// The argument that makes this program the process that is measured.
pub(crate) const ARGUMENT: &str = "--sleepers-in";
/// The peak that timeloop is to stay below, in MB of a million bytes.
pub(crate) const GOAL_MB: f64 = 300.0;

/// The peak of one side in MB, measured in a process of its own; `None` where the system does not tell.
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

/// The process that is measured: puts the tasks to sleep, prints what the system says of it, and ends.
pub(crate) fn child(side: &str) {
    let look = || {
        print!("{}", std::fs::read_to_string("/proc/self/status").expect("Linux tells a process its memory"));
        // Waking and ending a million tasks is not what is measured.
        std::process::exit(0);
    };
    match side {
        "tokio" => workloads::sleepers_in_tokio(TASKS, look),
        "timeloop" => workloads::sleepers_in_timeloop(TASKS, look),
        _ => panic!("`{side}` is not a side; accepted are `tokio` and `timeloop`"),
    }
}
