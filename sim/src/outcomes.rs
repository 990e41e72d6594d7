//! [`Outcomes`]: how the runs with the same decisions ended, to detect code that depends on something besides the schedule.
//!
//! # Invariants
//! Two runs with the same decisions, which draw the same random numbers, end in the same way if the code is deterministic.

use crate::sorting::pair;
use crate::{Ended, FailureKind, Fingerprint, IntMap, Seed};

/// The outcomes of the runs that were made so far.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    /// The fingerprint, or `None` if the run passed, by the [`pair`] of decisions and randomness.
    by_decisions: IntMap<Option<Fingerprint>>,
    /// The whole fingerprints of hangs, by the same numbers.
    hangs: IntMap<Option<Fingerprint>>,
    differ: bool,
}

impl Outcomes {
    /// Adds a run whose code draws its random numbers from `randomness`.
    pub(crate) fn add(&mut self, randomness: Seed, ended: &Ended) {
        // A real thread takes part in an escaped run.
        if ended.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Escape) {
            return;
        }
        let outcome = ended.lean_fingerprint();
        let known = self.by_decisions.get_or_insert_with(decisions(randomness, ended), || outcome);
        self.differ |= *known != outcome;
    }

    /// Returns the whole fingerprint of a hang, if a run with the same decisions was [examined](Self::examined).
    pub(crate) fn hang(&self, randomness: Seed, ended: &Ended) -> Option<Option<Fingerprint>> {
        self.hangs.get(decisions(randomness, ended)).copied()
    }

    /// Adds the whole fingerprint of a run that has looked up where its tasks wait.
    pub(crate) fn examined(&mut self, randomness: Seed, ended: &Ended) {
        self.hangs.get_or_insert_with(decisions(randomness, ended), || ended.fingerprint());
    }

    /// Returns whether two runs made the same decisions but ended differently.
    pub(crate) fn differ(&self) -> bool {
        self.differ
    }
}

/// Returns a number for the decisions of a run and the random numbers that its code drew.
fn decisions(randomness: Seed, ended: &Ended) -> u128 {
    pair(ended.decisions_hash, if ended.draws { randomness.0 } else { 0 })
}
