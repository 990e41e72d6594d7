//! Progress output: on a terminal a line that changes, and a line for each completed step.
//!
//! # Invariants
//! It is written to standard error. Standard output is for the results.

use std::io::{IsTerminal as _, Write as _};

/// Prints the progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    terminal: bool,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal() }
    }

    /// Prints the current activity. Prints nothing if lines cannot be rewritten.
    pub(crate) fn now(self, text: &str) {
        if self.terminal {
            write(&format!("\r\x1b[2K{text}"));
        }
    }

    /// Prints an activity that takes a while, on its own line if lines cannot be rewritten.
    pub(crate) fn wait(self, text: &str) {
        if self.terminal { self.now(text) } else { write(&format!("{text}\n")) }
    }

    /// Prints a completed step.
    pub(crate) fn done(self, text: &str) {
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        write(&format!("{clear}{text}\n"));
    }
}

fn write(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
