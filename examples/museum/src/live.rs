//! What a person sees while the museum works: on a terminal a line that changes, and a line for each thing that is done.
//!
//! Always true: it goes to standard error; standard output is for what was found.

use std::io::{IsTerminal as _, Write as _};

/// Tells how the work goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    terminal: bool,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal() }
    }

    /// What is being done; nothing where lines can't be taken back.
    pub(crate) fn now(self, text: &str) {
        if self.terminal {
            write(&format!("\r\x1b[2K{text}"));
        }
    }

    /// What will take a while; a line of its own where lines can't be taken back.
    pub(crate) fn wait(self, text: &str) {
        if self.terminal { self.now(text) } else { write(&format!("{text}\n")) }
    }

    /// What is done.
    pub(crate) fn done(self, text: &str) {
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        write(&format!("{clear}{text}\n"));
    }
}

fn write(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
