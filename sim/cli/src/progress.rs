//! Progress on a terminal while tests run. Elsewhere there is none: libtest prints a line for each test.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::results;

/// A line at the bottom of the terminal: how many tests were explored so far, and how many schedules.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    counting: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts to count the results in a file.
    pub(crate) fn start(file: PathBuf) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), counting: None };
        }
        let style =
            ProgressStyle::with_template("{spinner} {msg} in {elapsed}").expect("the template is valid");
        let bar = ProgressBar::new_spinner().with_style(style);
        let (end, ended) = channel();
        let counted = bar.clone();
        let thread = std::thread::spawn(move || {
            while ended
                .recv_timeout(Duration::from_millis(200))
                .is_err_and(|error| error.to_string().contains("timed out"))
            {
                let results = results::read(&file);
                let schedules: u64 = results.iter().map(|result| result.schedules).sum();
                counted.set_message(format!("{} tests explored, {schedules} schedules", results.len()));
                counted.tick();
            }
        });
        Self { bar, counting: Some((end, thread)) }
    }

    /// Writes to the standard output or error, above the line of the progress.
    pub(crate) fn print(&self, bytes: &[u8], is_error: bool) {
        self.bar.suspend(|| {
            // Whoever reads it may have ended.
            let _ = if is_error {
                std::io::stderr().write_all(bytes)
            } else {
                std::io::stdout().write_all(bytes)
            };
        });
    }

    /// Removes the line.
    pub(crate) fn end(self) {
        if let Some((end, thread)) = self.counting {
            drop(end);
            // It has no result, and its panic is already printed.
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}
