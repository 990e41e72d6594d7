//! Records which branch of a `select!` or of a timeout completes.
//!
//! # Invariants
//! Only recorded runs record anything, and nothing here makes a decision.

use std::panic::Location;

use timeloop_sim::{BranchKind, CompletedBranch};

use super::{Engine, context};

/// Records that the running task completes a `select!` or a timeout that is at this place.
#[inline]
pub(crate) fn completed(kind: BranchKind, branch: u32, branches: u32, at: &'static Location<'static>) {
    context::driving(|engine| {
        if engine.is_recorded() {
            record(engine, kind, branch, branches, at);
        }
    });
}

#[cold]
fn record(engine: &Engine, kind: BranchKind, branch: u32, branches: u32, at: &'static Location<'static>) {
    let Some(site) = super::observer::user_site(at) else { return };
    let completed = CompletedBranch { kind, site, branch, branches };
    engine.core.borrow_mut().observer.record(|recorder| recorder.completed(completed));
}
