//! The observer: how closely a run is watched, and the recorder where it is recorded.
//!
//! # Invariants
//! Observing changes no decision: runs that differ in the level alone have the same trace hash, except that a source that
//! wants to know of operations may preempt tasks before them.

use timeloop_sim::Detail;

use super::Engine;
use super::recorder::Recorder;

/// How closely a run is watched. Each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Operations are not even announced.
    Off,
    /// The source of decisions learns of operations.
    Operations,
    /// The run is recorded.
    Record,
    /// The places in the source where tasks wait are recorded, too.
    Explain,
}

impl Level {
    #[inline(always)]
    pub(super) fn new(detail: Detail, wants_operations: bool) -> Self {
        match detail {
            Detail::Lean if wants_operations => Self::Operations,
            Detail::Lean => Self::Off,
            Detail::Record => Self::Record,
            Detail::Explain => Self::Explain,
        }
    }
}

/// Watches a run.
pub(super) struct Observer {
    pub(super) recorder: Option<Box<Recorder>>,
}

impl Observer {
    #[inline(always)]
    pub(super) fn new(level: Level) -> Self {
        let recorder = (level >= Level::Record).then(|| Box::new(Recorder::new(level == Level::Explain)));
        Self { recorder }
    }

    /// Returns whether the places of the step under way are wanted.
    pub(super) fn is_noting(&self) -> bool {
        self.recorder.as_ref().is_some_and(|recorder| recorder.is_noting())
    }

    /// Calls `f` with the recorder if the run is recorded.
    #[inline(always)]
    pub(super) fn record(&mut self, f: impl FnOnce(&mut Recorder)) {
        if let Some(recorder) = &mut self.recorder {
            f(recorder);
        }
    }
}

impl Engine {
    /// Returns whether anyone wants to know of operations.
    #[inline(always)]
    pub(super) fn is_observed(&self) -> bool {
        self.level != Level::Off
    }

    /// Returns whether the run is recorded.
    #[inline(always)]
    pub(super) fn is_recorded(&self) -> bool {
        self.level >= Level::Record
    }

    /// Notes where tasks wait from this step on, and in the first few thousand, if the run is explained at all.
    pub(crate) fn explain_from(&self, step: u64) {
        self.core.borrow_mut().observer.record(|recorder| recorder.explain_from = step);
    }
}
