//! The cooperative budget: how many operations a task may perform each time it is resumed, as in tokio.
//!
//! Every operation that is counted spends a unit ([`StepState::spend`]). Once all are spent, the next one is refused, and the task
//! returns to the scheduler.

use std::task::Waker;

use super::Engine;
use super::preemption::StepState;

/// The budget of a resumption, as in tokio. Without one, a task that never has to wait would never end its step.
pub(crate) const UNITS: u8 = 128;

/// What a resumption without a budget has spent.
pub(crate) const UNLIMITED: u8 = u8::MAX;

impl StepState {
    /// Spends a unit of the budget. The last unit that can be spent is one too many, which refuses the operation.
    #[inline(always)]
    pub(super) fn spend(&self) {
        let spent = self.spent.get();
        if spent <= UNITS {
            self.spent.set(spent + 1);
        }
    }

    /// Undoes [`spend`](Self::spend), for an operation that has to wait or was refused.
    #[inline(always)]
    pub(super) fn restore(&self) {
        let spent = self.spent.get();
        if spent != UNLIMITED && spent > 0 {
            self.spent.set(spent - 1);
        }
    }

    /// Returns whether the unit that was spent last was one too many.
    #[inline(always)]
    pub(super) fn is_overspent(&self) -> bool {
        let spent = self.spent.get();
        spent > UNITS && spent != UNLIMITED
    }
}

impl Engine {
    /// Returns whether the task that is being polled has budget left, in units spent by other means than operations.
    #[inline]
    pub(crate) fn has_budget(&self) -> bool {
        !self.is_polling() || self.step.spent.get() != UNITS
    }

    /// Does the same as [`has_budget`](Self::has_budget), and wakes `waker` if there is none.
    #[inline]
    pub(crate) fn proceed(&self, waker: &Waker) -> bool {
        let proceeds = self.has_budget();
        if !proceeds {
            waker.wake_by_ref();
        }
        proceeds
    }

    /// Spends a unit of the budget.
    #[inline]
    pub(crate) fn spend(&self) {
        self.step.spend();
    }

    /// Returns how many units of the budget are spent, as far as there is a budget: while a task is being polled.
    pub(crate) fn spent(&self) -> Option<u8> {
        (self.is_polling() && self.step.spent.get() != UNLIMITED).then(|| self.step.spent.get())
    }

    /// Sets how many units of the budget are spent; returns what was set before.
    pub(crate) fn set_spent(&self, spent: u8) -> u8 {
        self.step.spent.replace(spent)
    }
}
