//! The text for what a step does with its task: `starts`, `resumes at bank.rs:57`, `is aborted at bank.rs:57`.

use super::operation_text::Form;
use crate::text::line;
use crate::{Site, StepKind};

/// Renders it; the subject is the task. `waited_at` is where the task waited before.
pub(super) fn does(kind: StepKind, starts: bool, waited_at: Option<&Site>, form: Form) -> String {
    let ([present, perfect], place, because) = match kind {
        StepKind::Polls if starts => (["starts", "has started"], None, ""),
        StepKind::Polls => (["resumes", "has resumed"], waited_at, ""),
        StepKind::NodePaused => (["is due", "has been due"], waited_at, " while its node is paused"),
        // Its future has been dropped before.
        StepKind::NodeDown => (["ends", "has ended"], None, " (its node went down)"),
        StepKind::Aborts => (["is aborted", "has been aborted"], waited_at, ""),
    };
    let verb = if form == Form::Present { present } else { perfect };
    format!("{verb}{}{because}", at(place))
}

/// ` at bank.rs:57`; empty if the place is not known.
pub(super) fn at(site: Option<&Site>) -> String {
    site.map_or_else(String::new, |site| format!(" at {}", line(site)))
}
