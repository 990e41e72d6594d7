//! What waits for a deadline: timers are set, moved and taken back.
//!
//! Always true: a timer calls the one waker that was left with it last; one that is set for the same task again keeps its
//! place among those of its instant.

use std::task::Waker;

use super::waker::TaskRef;
use super::{Engine, TimerRef, of_run};

impl Engine {
    /// Whether the deadline has come; if not, `timer` is set and calls `waker` when it has.
    ///
    /// Both are of the run's time; see [`poll_sleep`](Self::poll_sleep) for that of a node.
    pub(crate) fn poll_timer(&self, deadline_ns: u64, timer: &mut Option<TimerRef>, waker: &Waker) -> bool {
        if self.now_ns.get() >= deadline_ns {
            self.cancel_timer(timer);
            return true;
        }
        if let Some(set) = timer {
            if set.run() == self.run
                && self.core.borrow_mut().timers.wakee(*set).is_some_and(|wakee| wakee.is(waker))
            {
                return false;
            }
            if self.explain && self.is_set_for_task_of(*set, waker) {
                let wakee = self.wakee(waker);
                let previous = self.core.borrow_mut().timers.set_wakee(*set, wakee);
                drop(previous);
                return false;
            }
            self.cancel_timer(timer);
        }
        let wakee = self.wakee(waker);
        *timer = Some(self.core.borrow_mut().timers.insert(deadline_ns, wakee));
        false
    }

    /// Whether a timer wakes the very task whose waker this is. In a run that is to be explained wakers differ from poll to
    /// poll; a timer that was set once more for that would lose its place among those of its instant.
    #[cold]
    fn is_set_for_task_of(&self, set: TimerRef, waker: &Waker) -> bool {
        let task = TaskRef::is_of_loop(waker).then(|| TaskRef::of(waker.data()));
        set.run() == self.run
            && task.is_some()
            && self.core.borrow_mut().timers.wakee(set).is_some_and(|wakee| wakee.task() == task)
    }

    /// As `poll_timer`, for a deadline that is of the time of the current task's node.
    #[inline]
    pub(crate) fn poll_sleep(&self, deadline_ns: u64, timer: &mut Option<TimerRef>, waker: &Waker) -> bool {
        if self.has_nodes.get() {
            self.poll_sleep_on_node(deadline_ns, timer, waker)
        } else {
            self.poll_timer(deadline_ns, timer, waker)
        }
    }

    /// Gives a set timer another deadline; `None` when it is not set (any more).
    pub(crate) fn move_timer(&self, timer: TimerRef, deadline_ns: u64) -> Option<TimerRef> {
        let mut core = self.core.borrow_mut();
        let waker = core.timers.cancel(timer)?;
        Some(core.timers.insert(deadline_ns, waker))
    }

    /// Takes a timer back, if it is set.
    #[inline]
    pub(crate) fn cancel_timer(&self, timer: &mut Option<TimerRef>) {
        let Some(timer) = timer.take() else { return };
        let cancel = |engine: &Self| {
            let wakee = engine.core.borrow_mut().timers.cancel(timer);
            drop(wakee);
        };
        if timer.run() == self.run {
            cancel(self);
        } else {
            of_run(timer.run(), cancel);
        }
    }

    /// How many timers are set, and how many entries the queue holds.
    pub(crate) fn timers(&self) -> (usize, usize) {
        let core = self.core.borrow();
        (core.timers.live(), core.timers.entries())
    }
}
