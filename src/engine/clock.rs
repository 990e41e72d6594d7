//! The clock: virtual time, the timers that wait for it, and the clocks of nodes, which may be wrong.
//!
//! # Invariants
//! - A timer calls the waker that was stored last. Polling a sleep again from the same task keeps the timer's place among
//!   those of its instant.
//! - A task's instants and deadlines are those of its node's monotonic clock, which never runs backwards.
//! - The timer queue uses the run's time, and is updated when a node's clock changes its rate.
//! - A deadline on a node is due at the first instant of the run at which the node's clock shows it or a later time.

use std::task::Waker;
use std::time::Duration;

use timeloop_sim::DEADLINE_NS_MAX;

use super::nodes::NodeId;
use super::observer::Level;
use super::timers::TimerQueue;
use super::waker::{TaskRef, WakeTarget};
use super::{Core, Engine, TimerRef, of_run};

/// Virtual time and the timers.
pub(super) struct Clock {
    /// Nanoseconds since the run's start.
    pub(super) now_ns: u64,
    pub(super) timers: TimerQueue,
    /// Whether the code under test has paused the clock. Then time passes only when no task is ready.
    pub(super) paused: bool,
    /// The longest time for which a timer was set, up to [`DEADLINE_NS_MAX`].
    pub(super) longest_ns: u64,
}

impl Clock {
    /// Creates the clock at the start of a run whose timers are numbered from `first_timer`.
    #[inline(always)]
    pub(super) fn new(first_timer: u64, paused: bool) -> Self {
        Self { now_ns: 0, timers: TimerQueue::new(first_timer), paused, longest_ns: 0 }
    }

    /// Returns the longest time for which the run set a timer, or the time of the whole run if that is longer: what the code
    /// compares with the clock has no timer. Times above [`DEADLINE_NS_MAX`] do not count.
    pub(super) fn longest_wait_ns(&self) -> u64 {
        if self.now_ns > DEADLINE_NS_MAX { self.longest_ns } else { self.longest_ns.max(self.now_ns) }
    }
}

/// The parts in a million.
const WHOLE: i64 = 1_000_000;

/// How much too fast or too slow a clock may run, in parts in a million.
pub(crate) const DRIFT_MAX_PPM: u32 = 500_000;

/// The clock of a node, with its drift and its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeClock {
    /// When the rate was set last, in the run's time and in the node's.
    since_ns: u64,
    since_local_ns: u64,
    /// How much too fast the clock runs.
    drift_ppm: i32,
    /// How far the wall clock is ahead of the monotonic clock.
    offset_ns: i128,
}

impl NodeClock {
    /// A clock that shows the run's time.
    pub(crate) const TRUE: Self = Self { since_ns: 0, since_local_ns: 0, drift_ppm: 0, offset_ns: 0 };

    fn rate(self) -> u128 {
        (WHOLE + i64::from(self.drift_ppm)).unsigned_abs().into()
    }

    /// Returns the time of the node's monotonic clock at an instant of the run, which is not before the rate was set.
    pub(crate) fn local_ns(self, ns: u64) -> u64 {
        let passed = u128::from(ns.saturating_sub(self.since_ns)) * self.rate() / WHOLE as u128;
        u64::try_from(passed + u128::from(self.since_local_ns)).unwrap_or(u64::MAX)
    }

    /// Returns the first instant of the run at which the node's monotonic clock shows this time or a later one.
    pub(crate) fn run_ns(self, local_ns: u64) -> u64 {
        let to_pass = u128::from(local_ns.saturating_sub(self.since_local_ns));
        let passes = (to_pass * WHOLE as u128).div_ceil(self.rate());
        u64::try_from(passes + u128::from(self.since_ns)).unwrap_or(u64::MAX)
    }

    /// Returns the clock with another rate from now on. The drift is at most [`DRIFT_MAX_PPM`] in either direction.
    pub(crate) fn drifting(self, drift_ppm: i32, now_ns: u64) -> Self {
        assert!(drift_ppm.unsigned_abs() <= DRIFT_MAX_PPM, "the caller checks the drift");
        Self { since_ns: now_ns, since_local_ns: self.local_ns(now_ns), drift_ppm, ..self }
    }

    /// Returns how much too fast the monotonic clock runs.
    pub(crate) fn drift_ppm(self) -> i32 {
        self.drift_ppm
    }

    /// Returns how far the wall clock is ahead of the monotonic one.
    pub(crate) fn offset_ns(self) -> i128 {
        self.offset_ns
    }

    /// Returns the clock with the wall clock this far ahead.
    pub(crate) fn with_offset(self, offset_ns: i128) -> Self {
        Self { offset_ns, ..self }
    }
}

impl Core {
    /// Returns the time on the node of the task in slot `current`.
    #[inline]
    pub(super) fn local_ns(&mut self, current: u32) -> u64 {
        if self.nodes.are_declared() { self.node_ns(current) } else { self.clock.now_ns }
    }

    /// Lets time pass within a poll, until the clock of the node of the task in slot `current` shows `local_ns`. Timers and
    /// packets that are due by then take effect after the poll.
    #[cfg(feature = "hermetic")]
    pub(super) fn pass_until(&mut self, current: u32, local_ns: u64) {
        let now_ns = self.run_ns(current, local_ns).max(self.clock.now_ns);
        if now_ns == self.clock.now_ns {
            return;
        }
        // Without fuel, the run is about to end.
        if !self.scheduler.is_spent() {
            self.scheduler.refuel();
        }
        self.advance_to(now_ns);
    }

    /// Moves virtual time to a later instant.
    #[inline(always)]
    pub(super) fn advance_to(&mut self, now_ns: u64) {
        self.clock.now_ns = now_ns;
        self.scheduler.preempted_last = (super::NO_SLOT, 0);
        self.observer.record(|recorder| recorder.advanced(now_ns));
        self.scheduler.source.time_passed();
    }

    /// Returns the time on the node of the task in slot `current`, which may have a clock of its own.
    #[cold]
    fn node_ns(&mut self, current: u32) -> u64 {
        let node = self.node_of(current);
        self.nodes.clock(node).local_ns(self.clock.now_ns)
    }

    /// Converts a deadline on the node of the task in slot `current` to the run's time.
    #[inline]
    fn run_ns(&mut self, current: u32, deadline_ns: u64) -> u64 {
        if !self.nodes.are_declared() {
            return deadline_ns;
        }
        let node = self.node_of(current);
        self.nodes.clock(node).run_ns(deadline_ns)
    }

    /// Sets a timer that follows the clock of the node of the task in slot `current`; returns it.
    #[inline]
    fn set_timer(
        &mut self,
        current: u32,
        run_ns: u64,
        deadline_ns: u64,
        wake_target: WakeTarget,
    ) -> TimerRef {
        let by_ns = run_ns.saturating_sub(self.clock.now_ns);
        if by_ns <= DEADLINE_NS_MAX {
            self.clock.longest_ns = self.clock.longest_ns.max(by_ns);
        }
        let timer = self.clock.timers.insert(run_ns, wake_target);
        self.follow_clock(current, timer, deadline_ns);
        timer
    }

    /// Makes a timer follow the clock of the node of the task in slot `current`, unless it is the test's node.
    #[inline]
    fn follow_clock(&mut self, current: u32, timer: TimerRef, deadline_ns: u64) {
        if !self.nodes.are_declared() {
            return;
        }
        let node = self.node_of(current);
        if node != NodeId::TEST {
            self.clock.timers.belongs_to(timer, node.number(), deadline_ns);
        }
    }
}

impl Engine {
    /// Returns the virtual time in nanoseconds since the run's start.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        self.core.borrow().clock.now_ns
    }

    /// Pauses or resumes the clock.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.core.borrow_mut().clock.paused = paused;
    }

    /// Returns the time on the current task's node in nanoseconds since the run's start.
    #[inline]
    pub(crate) fn local_now_ns(&self) -> u64 {
        self.core.borrow_mut().local_ns(self.current.get())
    }

    /// Returns the wall clock time of a node in nanoseconds since the Unix epoch. Negative before it.
    pub(crate) fn wall_clock_ns(&self, node: NodeId) -> i128 {
        let core = self.core.borrow();
        let clock = core.nodes.clock(node);
        i128::from(clock.local_ns(core.clock.now_ns)) + clock.offset_ns() + nanos(core.scheduler.limits.epoch)
    }

    /// Returns whether a deadline on the current task's node is due. If not, sets `timer` to call `waker` when it is.
    pub(crate) fn poll_sleep(
        &self,
        deadline_ns: u64,
        timer: &mut Option<TimerRef>,
        waker: &Waker,
        needs_budget: bool,
    ) -> bool {
        if needs_budget && !self.proceed(waker) {
            return false;
        }
        let current = self.current.get();
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        if core.shut_down {
            drop(guard);
            timer_after_shutdown();
        }
        let run_ns = core.run_ns(current, deadline_ns);
        let is_due = core.clock.now_ns >= run_ns;
        if !is_due
            && let Some(set) = *timer
            && set.run() == self.run
            && let Some(wake_target) = core.clock.timers.wake_target(set)
        {
            if wake_target.is(waker) {
                core.follow_clock(current, set, deadline_ns);
                return false;
            }
            // In an explained run the wakers differ from poll to poll. Setting the timer again for that would lose its place
            // among those of its instant.
            if self.level >= Level::Blocked
                && TaskRef::is_of_loop(waker)
                && wake_target.task() == Some(TaskRef::of(waker.data()))
            {
                core.follow_clock(current, set, deadline_ns);
                drop(guard);
                let wake_target = self.wake_target(waker);
                let previous = self.core.borrow_mut().clock.timers.set_wake_target(set, wake_target);
                drop(previous);
                return false;
            }
        }
        // The usual case runs no user code, so the state can stay borrowed.
        if !is_due
            && timer.is_none()
            && let Some(wake_target) = self.own(waker)
        {
            *timer = Some(core.set_timer(current, run_ns, deadline_ns, wake_target));
            return false;
        }
        drop(guard);
        self.cancel_timer(timer);
        if is_due {
            if needs_budget || self.has_budget() {
                self.spend();
            }
            return true;
        }
        let wake_target = self.wake_target(waker);
        *timer = Some(self.core.borrow_mut().set_timer(current, run_ns, deadline_ns, wake_target));
        false
    }

    /// Moves a sleep's timer to another deadline on the current task's node. A deadline that is due wakes the task at once, as
    /// in tokio. Returns `None` if the timer is not set.
    pub(crate) fn move_sleep(&self, timer: TimerRef, deadline_ns: u64) -> Option<TimerRef> {
        let current = self.current.get();
        let mut core = self.core.borrow_mut();
        let run_ns = core.run_ns(current, deadline_ns);
        let is_due = core.clock.now_ns >= run_ns;
        let wake_target = core.clock.timers.cancel(timer)?;
        if is_due {
            drop(core);
            wake_target.wake();
            return None;
        }
        Some(core.set_timer(current, run_ns, deadline_ns, wake_target))
    }

    /// Cancels a timer, if it is set.
    #[inline]
    pub(crate) fn cancel_timer(&self, timer: &mut Option<TimerRef>) {
        let Some(timer) = timer.take() else { return };
        let cancel = |engine: &Self| {
            let wake_target = engine.core.borrow_mut().clock.timers.cancel(timer);
            drop(wake_target);
        };
        if timer.run() == self.run {
            cancel(self);
        } else {
            of_run(timer.run(), cancel);
        }
    }

    /// Returns how many timers are set, and how many entries the queue holds.
    pub(crate) fn timers(&self) -> (usize, usize) {
        let core = self.core.borrow();
        (core.clock.timers.live(), core.clock.timers.entries())
    }
}

/// Panics because a timer is used after the runtime was shut down.
#[cold]
fn timer_after_shutdown() -> ! {
    panic!(
        "can't use a timer of a runtime that is being shutdown; end the task before the `Runtime` is dropped"
    )
}

/// Converts a duration to nanoseconds, saturating far beyond every date.
fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DRIFT_MAX_PPM, NodeClock};

    #[test]
    fn a_true_clock_shows_the_time_of_the_run() {
        for ns in [0, 1, 999, u64::MAX] {
            assert_eq!((NodeClock::TRUE.local_ns(ns), NodeClock::TRUE.run_ns(ns)), (ns, ns));
        }
    }

    #[test]
    fn a_drifting_clock_deviates_by_its_drift() {
        let fast = NodeClock::TRUE.drifting(100, 1_000_000_000);
        assert_eq!(fast.local_ns(2_000_000_000), 2_000_100_000);
        let slow = fast.drifting(-500_000, 2_000_000_000);
        assert_eq!(slow.local_ns(4_000_000_000), 3_000_100_000);
        assert_eq!(slow.run_ns(3_000_100_000), 4_000_000_000);
        assert_eq!(slow.run_ns(3_000_100_001), 4_000_000_002);
    }

    proptest! {
        #[test]
        fn a_deadline_is_due_at_the_first_instant_that_shows_it(
            rates in prop::collection::vec((-(DRIFT_MAX_PPM as i32)..=DRIFT_MAX_PPM as i32, 0_u64..1 << 40), 1..6),
            wait_ns in 0_u64..1 << 40,
        ) {
            let mut clock = NodeClock::TRUE;
            let (mut now_ns, mut shown_ns) = (0, 0);
            for (drift_ppm, passes_ns) in rates {
                clock = clock.drifting(drift_ppm, now_ns);
                prop_assert!(clock.local_ns(now_ns) == shown_ns, "setting the rate moves nothing");
                now_ns += passes_ns;
                prop_assert!(clock.local_ns(now_ns) >= shown_ns);
                shown_ns = clock.local_ns(now_ns);
            }
            let due_ns = shown_ns + wait_ns;
            let comes_ns = clock.run_ns(due_ns);
            prop_assert!(clock.local_ns(comes_ns) >= due_ns);
            prop_assert!(comes_ns <= now_ns || clock.local_ns(comes_ns - 1) < due_ns);
        }

        #[test]
        fn a_slow_clock_maps_the_end_of_time_to_the_end_of_the_run(drift_ppm in -(DRIFT_MAX_PPM as i32)..=0) {
            let clock = NodeClock::TRUE.drifting(drift_ppm, 1 << 50);
            prop_assert_eq!(clock.run_ns(u64::MAX), u64::MAX);
            prop_assert!(clock.local_ns(u64::MAX) > clock.local_ns(1 << 50));
        }
    }
}
