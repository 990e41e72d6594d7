//! Progress on a terminal while tests run. Elsewhere there is none: libtest prints a line for each test.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::results;

/// How often the results are counted, and the line is drawn.
const INTERVAL: Duration = Duration::from_millis(200);

/// A line at the bottom of the terminal: how many tests were explored so far, and how many schedules.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    results: PathBuf,
    /// When the results are counted next.
    next: Mutex<Duration>,
}

impl Progress {
    /// Starts to show the results in a file.
    pub(crate) fn start(results: PathBuf) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let style =
                ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("the template is valid");
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(INTERVAL);
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { bar, results, next: Mutex::default() }
    }

    /// Writes to the standard output or error, above the line of the progress.
    pub(crate) fn print(&self, bytes: &[u8], is_error: bool) {
        self.bar.suspend(|| {
            // The reader of a pipe may have ended.
            let _ = if is_error {
                std::io::stderr().write_all(bytes)
            } else {
                std::io::stdout().write_all(bytes)
            };
        });
        self.count();
    }

    fn count(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.bar.is_hidden() && self.bar.elapsed() >= *next {
            let results = results::read(&self.results);
            let schedules: u64 = results.iter().map(|result| result.schedules).sum();
            self.bar.set_message(format!("{} tests explored, {schedules} schedules", results.len()));
            *next = self.bar.elapsed() + INTERVAL;
        }
    }

    /// Removes the line.
    pub(crate) fn end(self) {
        self.bar.finish_and_clear();
    }
}
