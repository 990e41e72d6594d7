//! The text for what a step does with its task: `starts`, `resumes at bank.rs:57`, `is aborted at bank.rs:57`.

use super::operation_text::Form;
use crate::text::line;
use crate::{Site, StepKind};

/// Renders it; the subject is the task. `waited_at` is where the task waited before.
pub(super) fn does(kind: StepKind, starts: bool, waited_at: Option<&Site>, form: Form) -> String {
    let perfect = form == Form::Perfect;
    if kind == StepKind::Polls && starts {
        return (if perfect { "has started" } else { "starts" }).to_owned();
    }
    let verb = match (kind, perfect) {
        (StepKind::Polls, false) => "resumes",
        (StepKind::Polls, true) => "has resumed",
        (StepKind::NodePaused, false) => "is due",
        (StepKind::NodePaused, true) => "has been due",
        // Its future has been dropped before.
        (StepKind::NodeDown, false) => return "ends (its node went down)".to_owned(),
        (StepKind::NodeDown, true) => return "has ended (its node went down)".to_owned(),
        (StepKind::Aborts, false) => "is aborted",
        (StepKind::Aborts, true) => "has been aborted",
    };
    let because = match kind {
        StepKind::NodePaused => " while its node is paused",
        StepKind::NodeDown | StepKind::Polls | StepKind::Aborts => "",
    };
    format!("{verb}{}{because}", at(waited_at))
}

/// ` at bank.rs:57`; empty if the place is not known.
pub(super) fn at(site: Option<&Site>) -> String {
    site.map_or_else(String::new, |site| format!(" at {}", line(site)))
}
