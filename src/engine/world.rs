//! The interface of the engine to the network: the [`World`] has events of its own, and tasks wait for it.
//!
//! # Invariants
//! - A run that uses no socket has no world.
//! - User code never runs while the world is borrowed.

use std::cell::RefMut;
use std::fmt;
use std::panic::Location;

use timeloop_sim::{
    Anomaly, DecisionKey, Deviation, Domain, FaultCounts, SocketWait, TaskKey, TaskLabel, TaskPath,
    WorldEffect,
};

use super::nodes::{NodeId, Nodes};
use super::{Engine, WakeTarget};
/// The world of this library's runs. The engine uses it through the trait.
pub(super) use crate::net::driver::Fabric as Surroundings;

/// The events around the tasks: a network.
pub(crate) trait World: Default {
    /// What a task waits for in it.
    type Target: Copy + fmt::Debug + PartialEq;

    /// Returns when the next event is due.
    fn next_ns(&self) -> Option<u64>;

    /// Processes all events that are due.
    fn advance(&mut self, engine: &Engine);

    /// Handles a node that goes down, by a crash or an orderly shutdown.
    fn node_stops(&mut self, engine: &Engine, node: NodeId, crashes: bool);

    /// Handles a node that starts.
    fn node_starts(&mut self, engine: &Engine, node: NodeId);

    /// Returns whether the last call has wake targets to wake or to drop.
    fn has_woken(&self) -> bool;

    /// Returns the wake targets to wake, in order.
    fn woken(&mut self) -> &mut Vec<WakeTarget>;

    /// Returns the wake targets that no longer wait, to be dropped when nothing is borrowed.
    fn released(&mut self) -> &mut Vec<WakeTarget>;

    /// Describes a task's wait for `target`, which was created at `made`. Returns `None` if the wait is over. `waiting` has all
    /// tasks that wait for something in this world.
    fn describe_wait(
        &mut self,
        view: (&Nodes, u64),
        waiting: &[(&TaskLabel, Self::Target)],
        target: Self::Target,
        made: &'static Location<'static>,
    ) -> Option<SocketWait>;

    /// Returns the anomalies of the network.
    fn anomalies(&mut self, nodes: &Nodes, now_ns: u64) -> Box<[Anomaly]>;
}

/// Identifies a decision about the world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorldDecision {
    pub(crate) domain: Domain,
    /// The link, or the fault of a plan.
    pub(crate) path: [u32; 2],
    /// The number of the packet on the link, or of the plan.
    pub(crate) number: u32,
    /// The number of the question about the packet or the fault.
    pub(crate) index: u32,
}

impl Engine {
    /// Draws a value below `arity` for a decision about the world and returns what `effective` makes of it. `effect` describes
    /// a value other than the baseline's for reports.
    pub(crate) fn decide_world(
        &self,
        decision: WorldDecision,
        arity: u32,
        effective: impl FnOnce(u32) -> u32,
        effect: impl FnOnce(u32) -> WorldEffect,
    ) -> u32 {
        let value = effective(self.draw_world(decision, arity));
        self.keep_world(decision, value, || effect(value));
        value
    }

    /// Draws a value below `arity` for a decision about the world, without recording it.
    pub(crate) fn draw_world(&self, decision: WorldDecision, arity: u32) -> u32 {
        let WorldDecision { domain, path, number, index } = decision;
        let subject = TaskKey::ROOT.child(path[0]).child(path[1]).0;
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        if core.ended {
            return 0;
        }
        let value =
            core.scheduler.source.choose(DecisionKey::from_parts(domain, subject, number, index), arity);
        assert!(value < arity, "a source decides within the arity");
        value
    }

    /// Returns a number that changes when a task runs or ends, except for the current one and those on these nodes.
    pub(crate) fn progress_of_others(&self, except: &[NodeId]) -> u64 {
        self.core.borrow().tasks.progress(self.current.get(), except)
    }

    /// Counts faults of a fault plan.
    pub(crate) fn count_faults(&self, count: impl FnOnce(&mut FaultCounts)) {
        count(&mut self.core.borrow_mut().faults);
    }

    /// Records the value of a decision, and its effect if the value is not the baseline's.
    pub(crate) fn keep_world(
        &self,
        decision: WorldDecision,
        value: u32,
        effect: impl FnOnce() -> WorldEffect,
    ) {
        let WorldDecision { domain, path, number, index } = decision;
        let mut core = self.core.borrow_mut();
        core.scheduler.mix(u64::from(value) << 32 | u64::from(index));
        if value == 0 || core.observer.recorder.is_none() {
            return;
        }
        // `effect` may borrow the nodes.
        drop(core);
        let effect = effect();
        if let Some(recorder) = &mut self.core.borrow_mut().observer.recorder {
            let task = TaskPath::from_iter(path);
            recorder.world_deviates(Deviation { task, resume: number, domain, index, value }, effect);
        }
    }

    /// Borrows the world, creating it if needed. To be followed by [`return_world`](Self::return_world).
    #[inline]
    pub(crate) fn borrow_world(&self) -> RefMut<'_, Surroundings> {
        RefMut::map(self.world.borrow_mut(), |world| &mut **world.get_or_insert_default())
    }

    /// Ends a use of the world, then wakes the tasks that became ready.
    #[inline]
    pub(crate) fn return_world(&self, world: RefMut<'_, Surroundings>) {
        if world.has_woken() {
            self.wake_concerned(world);
        }
    }

    fn wake_concerned(&self, world: RefMut<'_, Surroundings>) {
        let mut foreign = Vec::new();
        let released = self.settle(world, &mut foreign);
        foreign.into_iter().for_each(WakeTarget::wake);
        drop(released);
    }

    /// Calls `f` with the world if there is one.
    pub(crate) fn existing_world<R>(&self, f: impl FnOnce(&Surroundings) -> R) -> Option<R> {
        self.world.borrow().as_deref().map(f)
    }

    /// Wakes the loop's own tasks. Moves other wake targets to `foreign`, to be woken when nothing is borrowed. Returns those to
    /// be dropped then.
    #[inline]
    fn settle(&self, mut world: RefMut<'_, Surroundings>, foreign: &mut Vec<WakeTarget>) -> Vec<WakeTarget> {
        for wake_target in world.woken().drain(..) {
            match wake_target {
                // Behind a foreign waker, the loop's own tasks wait for their turn.
                WakeTarget::Task(task) if foreign.is_empty() => self.wake(task),
                other => foreign.push(other),
            }
        }
        let released = world.released();
        released.retain(|wake_target| matches!(wake_target, WakeTarget::Other(_)));
        std::mem::take(released)
    }

    /// Passes on that a node goes down.
    pub(super) fn world_node_stops(&self, node: NodeId, crashes: bool) {
        if self.world.borrow().is_some() {
            let mut world = self.borrow_world();
            world.node_stops(self, node, crashes);
            self.return_world(world);
        }
    }

    /// Passes on that a node starts.
    pub(super) fn world_node_starts(&self, node: NodeId) {
        if self.world.borrow().is_some() {
            let mut world = self.borrow_world();
            world.node_starts(self, node);
            self.return_world(world);
        }
    }

    /// Returns the next deadline, of a timer or of the world.
    #[inline]
    pub(super) fn next_ns_with_world(&self, timer_ns: Option<u64>) -> Option<u64> {
        let world_ns = self.world.borrow().as_ref().and_then(|world| World::next_ns(&**world));
        match (timer_ns, world_ns) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Processes the events of the world that are due.
    #[inline(always)]
    pub(super) fn advance_world(&self, foreign: &mut Vec<WakeTarget>) {
        let guard = self.world.borrow_mut();
        if guard.is_none() {
            return;
        }
        let mut world = RefMut::map(guard, |world| &mut **world.as_mut().expect("it is there"));
        World::advance(&mut *world, self);
        drop(self.settle(world, foreign));
    }

    /// Drops the world at the end of the run.
    pub(super) fn end_world(&self) {
        drop(self.world.take());
    }
}
