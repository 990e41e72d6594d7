//! Printing notes, progress and reports.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Prints to standard error, bypassing the capture of test output, which hides the output of passing tests.
pub(crate) fn print(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints to standard output, between the lines that the test itself prints.
#[expect(clippy::print_stdout, reason = "the test harness captures this together with the test's output")]
pub(crate) fn print_captured(text: &str) {
    print!("{text}");
}

/// Prints a note, bypassing the capture of test output, unless this process has printed it before.
pub fn print_note(note: &str) {
    static PRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

    let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !printed.iter().any(|earlier| earlier == note) {
        printed.push(note.to_owned());
        drop(printed);
        print(&format!("timeloop: {note}\n"));
    }
}

/// Prints a report to standard error and panics with it. The panic hook is not called, so that it adds nothing to the
/// report.
///
/// # Panics
/// Always. The panic's payload is the report, as a `String`.
#[expect(clippy::print_stderr, reason = "the report of a failing test")]
pub fn fail_with(report: String) -> ! {
    eprint!("\n{report}");
    std::panic::resume_unwind(Box::new(report))
}

/// Prints an error of the configuration, bypassing the capture of test output, and ends the process with exit code 2.
///
/// A panic would make a test pass that expects one (`#[should_panic]`).
pub fn exit_with(error: &str) -> ! {
    static ENDING: Mutex<()> = Mutex::new(());

    // Held to the end: the first error is the only one that is printed.
    let _ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    print(&format!("\n{}\n", error.trim_end()));
    std::process::exit(2)
}

/// Returns `path` relative to the current folder if it is inside it, and unchanged otherwise.
#[must_use]
pub fn shown(path: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned))
        .unwrap_or_else(|| path.to_owned())
}
