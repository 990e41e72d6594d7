//! Records which futures are dropped before their end, and where they waited.
//!
//! # Invariants
//! Nothing here makes a decision. Unexplained runs record no places.

use std::panic::Location;

use timeloop_sim::{Cancellation, Canceller};

use super::observer::Recorder;
use super::{Engine, context, sites};

/// The place where the future in a timeout waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InnerPlace {
    /// The number of the place; 0 if it is not known.
    number: u64,
    /// How many places had been noted before the future was polled.
    noted_before: u64,
}

impl InnerPlace {
    /// Begins a poll of the future.
    #[inline]
    pub(crate) fn begin_poll(&mut self) {
        recording(|recorder| {
            self.noted_before = recorder.sites.as_ref().map_or(0, sites::Sites::noted);
        });
    }

    /// Keeps the place at which the future waits after its poll.
    #[inline]
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
#[inline]
pub(crate) fn cancels(by: Canceller, at: &'static Location<'static>, place: InnerPlace) {
    recording(|recorder| {
        let backtrace = recorder.sites.as_ref().and_then(|sites| sites.kept(place.number));
        let dropped_at = backtrace.and_then(sites::site);
        recorder.cancelled(Cancellation { step: 0, by, site: super::observer::user_site(at), dropped_at });
    });
}

/// Records that a branch of the `select!` at this place waits.
#[inline]
pub(crate) fn branch_waits(at: &'static Location<'static>) {
    recording(|recorder| recorder.branch_waits(at));
}

/// Records that a branch of the `select!` at this place has completed, which cancels the others if the `select!` has waited.
#[inline]
pub(crate) fn select_completed(branch: u32, at: &'static Location<'static>) {
    recording(|recorder| {
        if recorder.has_waited(at) {
            let (by, site) = (Canceller::Select { branch }, super::observer::user_site(at));
            recorder.cancelled(Cancellation { step: 0, by, site, dropped_at: None });
        }
    });
}

/// Calls `f` if the run is recorded.
#[inline]
fn recording(f: impl FnOnce(&mut Recorder)) {
    context::driving(|engine: &Engine| {
        if engine.is_recorded() {
            engine.core.borrow_mut().observer.record(f);
        }
    });
}
