//! Records which branch of a `select!` or of a timeout completes.
//!
//! # Invariants
//! Only recorded runs record anything, and nothing here makes a decision.

use std::panic::Location;

use timeloop_sim::{BranchKind, CompletedBranch};

use super::observer::{Recorder, recording, user_site};

/// Records that the running task completes a `select!` or a timeout that is at this place.
#[cold]
pub(crate) fn completed(kind: BranchKind, branch: u32, branches: u32, at: &'static Location<'static>) {
    recording(move |recorder| record(recorder, kind, branch, branches, at));
}

pub(super) fn record(
    recorder: &mut Recorder,
    kind: BranchKind,
    branch: u32,
    branches: u32,
    at: &'static Location<'static>,
) {
    if let Some(site) = user_site(at) {
        recorder.completed(CompletedBranch { kind, site, branch, branches });
    }
}
