//! Time as the nodes see it: their clocks, and the timers that follow them.
//!
//! Always true: a task's instants and deadlines are those of its node's monotonic clock; the queue of timers knows the run's
//! time alone, and is put right when a clock changes its rate.

use std::task::Waker;
use std::time::Duration;

use super::Engine;
use super::node_clock::NodeClock;
use super::nodes::NodeId;
use super::timers::TimerRef;

impl Engine {
    /// The clock of the current task's node.
    pub(super) fn node_clock(&self) -> NodeClock {
        let node = self.current_node();
        self.core.borrow().nodes.clock(node)
    }

    /// As `poll_timer`, for a deadline that is of the time of the current task's node.
    pub(super) fn poll_sleep_on_node(
        &self,
        deadline_ns: u64,
        timer: &mut Option<TimerRef>,
        waker: &Waker,
    ) -> bool {
        let is_due = self.poll_timer(self.node_clock().run_ns(deadline_ns), timer, waker);
        self.follow_clock(*timer, deadline_ns);
        is_due
    }

    /// Gives a sleep's timer another deadline, of the time of the current task's node; `None` when it is not set (any more).
    pub(crate) fn move_sleep(&self, timer: TimerRef, deadline_ns: u64) -> Option<TimerRef> {
        if !self.has_nodes.get() {
            // Not before now: a deadline that has passed is due at once, and time does not run backwards for it.
            return self.move_timer(timer, deadline_ns.max(self.now_ns()));
        }
        let moved = self.move_timer(timer, self.node_clock().run_ns(deadline_ns).max(self.now_ns()));
        self.follow_clock(moved, deadline_ns);
        moved
    }

    /// The timer follows the clock of the current task's node, and is due when that shows this.
    fn follow_clock(&self, timer: Option<TimerRef>, deadline_ns: u64) {
        let node = self.current_node();
        if let Some(timer) = timer
            && node != NodeId::TEST
        {
            self.core.borrow_mut().timers.belongs_to(timer, node.number(), deadline_ns);
        }
    }

    /// What the wall clock of a node shows, as time since the Unix epoch, before it if negative: nanoseconds.
    pub(crate) fn wall_clock_ns(&self, node: NodeId) -> i128 {
        let core = self.core.borrow();
        let clock = core.nodes.clock(node);
        i128::from(clock.local_ns(self.now_ns())) + clock.offset_ns() + nanos(core.limits.epoch)
    }
}

/// A duration in nanoseconds, the longest that there can be all the same.
fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 4)
}
