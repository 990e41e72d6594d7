//! Runs a test in a process that is started for it and makes no run itself, but a copy of itself for each run.

use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio, exit};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::environment::VERDICT;
use crate::fresh_process::IS_SUPPORTED;
use crate::{Config, Exploration, console};

/// Explores the test in a process that is started for it, with a process for each run, if the settings ask for that. Returns
/// whether it did, and the test has passed. If it has failed, reports that as [`Exploration::check`] does.
///
/// # Panics
/// If the test failed there.
#[must_use]
pub fn in_own_process(config: &Config) -> bool {
    let settings = config.settings().unwrap_or_default();
    let test = config.test.as_str();
    if !settings.single(test).processes || settings.verdict.is_some() {
        return false;
    }
    let note = |why: &str| {
        if !config.silent {
            console::print_note(&format!("`{test}` is not run with a process for each run: {why}"));
        }
        false
    };
    let Some(path) = config.test.path() else {
        return note("it is not a test of its own");
    };
    if !IS_SUPPORTED {
        return note("that needs Linux, and the feature `hermetic`");
    }
    let verdict = verdict_file();
    let output = std::env::current_exe().and_then(|binary| start(&binary, path, &verdict));
    let report = std::fs::read_to_string(&verdict);
    let _ = std::fs::remove_file(&verdict);
    let output = match output {
        Ok(output) => output,
        Err(error) => return note(&format!("the process can't be started: {error}")),
    };
    let is_replay = settings.replay.is_some();
    if is_replay {
        let printed = String::from_utf8_lossy(&output.stdout);
        let printed = printed.lines().filter_map(|line| of_test(line, path));
        printed.for_each(|line| console::print_captured(&format!("{line}\n")));
        console::print_captured(&String::from_utf8_lossy(&output.stderr));
    }
    match report {
        Ok(report) if report.is_empty() => true,
        // It has been printed.
        Ok(report) if is_replay => resume_unwind(Box::new(report)),
        Ok(report) => console::fail_with(report),
        // It has printed why.
        Err(_) => {
            console::print(&String::from_utf8_lossy(&output.stderr));
            exit(output.status.code().filter(|code| *code != 0).unwrap_or(1))
        }
    }
}

/// Runs one test of a binary.
fn start(binary: &Path, test: &str, verdict: &Path) -> io::Result<Output> {
    Command::new(binary)
        .args([test, "--exact", "--include-ignored", "--test-threads=1", "--nocapture"])
        .env(VERDICT, verdict)
        .stdin(Stdio::null())
        .output()
}

/// Returns what the test has printed of a line of the test harness's output.
fn of_test<'a>(line: &'a str, test: &str) -> Option<&'a str> {
    let own = line.strip_prefix("test ").and_then(|line| line.strip_prefix(test)?.strip_prefix(" ... "));
    let line = own.unwrap_or(line);
    let of_harness = ["", "ok", "FAILED", "running 1 test", "failures:"].contains(&line)
        || line.starts_with("test result: ")
        || line.trim_start() == test;
    (!of_harness).then_some(line)
}

/// Returns the path of a file that does not exist.
fn verdict_file() -> PathBuf {
    static LAST: AtomicU64 = AtomicU64::new(0);

    let number = LAST.fetch_add(1, Relaxed);
    std::env::temp_dir().join(format!("timeloop-verdict-{}-{number}", std::process::id()))
}

/// Writes the verdict for the process that has started this one for the test, if one has: an empty file, or the report. There is
/// none if an error has prevented the exploration.
pub fn report_to_parent(config: &Config, exploration: &Exploration) {
    let Some(verdict) = config.settings().unwrap_or_default().verdict else { return };
    let report = match (&exploration.found, &exploration.error) {
        (None, Some(_)) => return,
        (None, None) => String::new(),
        (Some(_), _) => exploration.report(),
    };
    if let Err(error) = std::fs::write(&verdict, report) {
        console::exit_with(&format!("can't write {}: {error}", verdict.display()));
    }
}
