//! The text for cancellations: what drops a future before its end.

use std::fmt;

use crate::text::Nth;
use crate::{Cancellation, Canceller, Site};

impl Cancellation {
    /// Renders the cancellation as a clause: `the timeout at bank.rs:147 expires and drops the future waiting at bank.rs:144`.
    /// The subject of an abort is the task. Places in `file` have only their line.
    pub(super) fn clause(&self, file: Option<&str>) -> String {
        let Self { by, site, dropped_at, .. } = self;
        let place = |site: &Site| {
            let path = if file == Some(&*site.file) { "" } else { &*site.file };
            format!("{path}:{}", site.line)
        };
        let at = site.as_ref().map_or_else(String::new, |site| format!(" at {}", place(site)));
        let dropped = match dropped_at {
            Some(site) => format!("drops the future waiting at {}", place(site)),
            None => "drops its future".to_owned(),
        };
        match by {
            Canceller::Timeout => format!("the timeout{at} expires and {dropped}"),
            Canceller::Select { branch } => {
                format!("`select!`{at} completes its {} branch and drops the others", Nth(*branch))
            }
            Canceller::Abort => format!("is aborted and {dropped}"),
        }
    }
}

impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.clause(None))
    }
}
