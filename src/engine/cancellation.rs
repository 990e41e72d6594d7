//! Records which futures are dropped before their end, and where they waited.
//!
//! # Invariants
//! Nothing here makes a decision. Unexplained runs record no places.

use std::panic::Location;
use std::task::Waker;

use timeloop_sim::{BranchKind, Cancellation, Canceller};

use super::observer::recording;
use super::{announce, branches, context, sites};

/// The place where the future in a timeout waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InnerPlace {
    /// The number of the place; 0 if it is not known.
    number: u64,
    /// How many places had been noted before the future was polled.
    noted_before: u64,
}

impl InnerPlace {
    /// Begins a poll of the future. Returns whether the run is recorded, and whether the task has budget left. If the run is not
    /// recorded, the other functions need not be called.
    #[inline]
    pub(crate) fn begin_poll(&mut self) -> (bool, bool) {
        context::driving(|engine| {
            let is_recorded = engine.is_recorded();
            if is_recorded {
                engine.record(|recorder| {
                    self.noted_before = recorder.sites.as_ref().map_or(0, sites::Sites::noted);
                });
            }
            (is_recorded, engine.has_budget())
        })
        .unwrap_or((false, true))
    }

    /// Keeps the place at which the future waits after its poll.
    #[cold]
    pub(crate) fn waits(&mut self) {
        recording(|recorder| {
            if let Some(sites) = &mut recorder.sites {
                // A future that keeps the waker of an earlier poll waits where it did.
                if sites.noted() > self.noted_before {
                    self.number = sites.keep().unwrap_or(0);
                }
            }
        });
    }
}

/// Records that code of the running task at this place drops a future before its end.
#[cold]
pub(crate) fn cancels(by: Canceller, at: &'static Location<'static>, place: InnerPlace) {
    recording(move |recorder| {
        let backtrace = recorder.sites.as_ref().and_then(|sites| sites.kept(place.number));
        let dropped_at = backtrace.and_then(sites::site);
        recorder.cancelled(Cancellation { step: 0, by, site: super::observer::user_site(at), dropped_at });
    });
}

/// Records that a branch of the `select!` at this place waits. Returns whether the task is
/// [suspended](announce::is_suspended).
#[inline]
pub(crate) fn is_branch_suspended(waker: &Waker, at: &'static Location<'static>) -> bool {
    announce::is_suspended_after(waker, move |engine| {
        if engine.is_recorded() {
            engine.record(move |recorder| recorder.branch_waits(at));
        }
    })
}

/// Records that a branch of the `select!` at this place has completed. If the `select!` has waited, this cancels the futures of
/// the other branches, unless `is_alone` returns that they are disabled.
#[inline]
pub(crate) fn select_completed(
    branch: u32,
    branches: u32,
    at: &'static Location<'static>,
    is_alone: impl FnOnce() -> bool,
) {
    recording(move |recorder| {
        branches::record(recorder, BranchKind::Select, branch, branches, at);
        if !is_alone() && recorder.has_waited(at) {
            let (by, site) = (Canceller::Select { branch }, super::observer::user_site(at));
            recorder.cancelled(Cancellation { step: 0, by, site, dropped_at: None });
        }
    });
}
