//! The world around a run's tasks, as the engine knows it: something in which things happen of themselves, and that tasks
//! wait for.
//!
//! # Invariants
//! A run that uses no socket has no world. No code of the user's runs while the world is borrowed.

use std::cell::RefMut;
use std::fmt;
use std::panic::Location;

use timeloop_sim::{
    Anomaly, DecisionKey, Deviation, Domain, SocketWait, TaskKey, TaskLabel, TaskPath, WorldEffect,
};

use super::nodes::{NodeId, Nodes};
use super::{Engine, WakeTarget};
/// The world of this library's runs; the engine uses it by its trait.
pub(super) use crate::net::driver::Fabric as Surroundings;

/// What happens around the tasks: a network.
pub(crate) trait World: Default {
    /// What a task waits for in it.
    type Target: Copy + fmt::Debug + PartialEq;

    /// When the next thing happens of itself.
    fn next_ns(&self) -> Option<u64>;

    /// Everything that is due happens.
    fn advance(&mut self, engine: &Engine);

    /// A node goes down: in a crash, or in good order.
    fn node_stops(&mut self, engine: &Engine, node: NodeId, crashes: bool);

    /// A node starts.
    fn node_starts(&mut self, engine: &Engine, node: NodeId);

    /// Whether the last call has left tasks to be woken, or let go of.
    fn has_woken(&self) -> bool;

    /// The tasks to be woken, in this order.
    fn woken(&mut self) -> &mut Vec<WakeTarget>;

    /// The tasks that wait no more, to be dropped where nothing is borrowed.
    fn released(&mut self) -> &mut Vec<WakeTarget>;

    /// A task's wait for something that was made at `made`; `None` where it waits for it no more. `waiting` has all tasks
    /// that wait for something in this world.
    fn describe_wait(
        &mut self,
        view: (&Nodes, u64),
        waiting: &[(&TaskLabel, Self::Target)],
        target: Self::Target,
        made: &'static Location<'static>,
    ) -> Option<SocketWait>;

    /// What is not as usual.
    fn anomalies(&mut self, nodes: &Nodes, now_ns: u64) -> Box<[Anomaly]>;
}

/// A decision about the world around the tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorldDecision {
    pub(crate) domain: Domain,
    /// What it is about.
    pub(crate) path: [u32; 2],
    /// The n-th time.
    pub(crate) number: u32,
    /// Which question.
    pub(crate) index: u32,
}

impl Engine {
    /// Decides something about the world: a value below `arity`, of which `effective` says what it comes to, and `effect`
    /// for a report where that is not quiet.
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

    /// Decides something about the world, and keeps nothing of it.
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

    /// Keeps what has come of a decision, and its effect where it is not the quiet one.
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
        // Whoever describes the effect may look at the nodes.
        drop(core);
        let effect = effect();
        if let Some(recorder) = &mut self.core.borrow_mut().observer.recorder {
            let task = TaskPath::from_iter(path);
            recorder.world_deviates(Deviation { task, resume: number, domain, index, value }, effect);
        }
    }

    /// Calls `f` with the world, which is made where there is none yet, then wakes the tasks that this concerns.
    #[inline]
    pub(crate) fn world<R>(&self, f: impl FnOnce(&mut Surroundings) -> R) -> R {
        let mut guard = self.world.borrow_mut();
        let world = guard.get_or_insert_default();
        let result = f(world);
        if world.has_woken() {
            self.wake_concerned(guard);
        }
        result
    }

    // Apart: the above is compiled once for each operation.
    fn wake_concerned(&self, guard: RefMut<'_, Option<Box<Surroundings>>>) {
        let world = RefMut::map(guard, |world| &mut **world.as_mut().expect("it is there"));
        let mut foreign = Vec::new();
        let released = self.settle(world, &mut foreign);
        foreign.into_iter().for_each(WakeTarget::wake);
        drop(released);
    }

    /// Calls `f` with the world where there is one.
    pub(crate) fn existing_world<R>(&self, f: impl FnOnce(&Surroundings) -> R) -> Option<R> {
        self.world.borrow().as_deref().map(f)
    }

    /// Wakes the loop's own tasks. Others go to `foreign`, to be woken when nothing is borrowed; what is given back is to be
    /// dropped then.
    #[inline]
    fn settle(&self, mut world: RefMut<'_, Surroundings>, foreign: &mut Vec<WakeTarget>) -> Vec<WakeTarget> {
        for wake_target in world.woken().drain(..) {
            match wake_target {
                // Once one needs a call, those behind it wait for their turn.
                WakeTarget::Task(task) if foreign.is_empty() => self.wake(task),
                other => foreign.push(other),
            }
        }
        let released = world.released();
        released.retain(|wake_target| matches!(wake_target, WakeTarget::Other(_)));
        std::mem::take(released)
    }

    /// A node goes down, and with it what it has in the world.
    pub(super) fn world_node_stops(&self, node: NodeId, crashes: bool) {
        if self.world.borrow().is_some() {
            self.world(|world| world.node_stops(self, node, crashes));
        }
    }

    /// A node starts.
    pub(super) fn world_node_starts(&self, node: NodeId) {
        if self.world.borrow().is_some() {
            self.world(|world| world.node_starts(self, node));
        }
    }

    /// When the next thing happens: the next timer's deadline, or in the world.
    #[inline]
    pub(super) fn next_ns_with_world(&self, timer_ns: Option<u64>) -> Option<u64> {
        let world_ns = self.world.borrow().as_ref().and_then(|world| World::next_ns(&**world));
        match (timer_ns, world_ns) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// What is due in the world happens.
    #[inline]
    pub(super) fn advance_world(&self, foreign: &mut Vec<WakeTarget>) {
        let guard = self.world.borrow_mut();
        if guard.is_none() {
            return;
        }
        let mut world = RefMut::map(guard, |world| &mut **world.as_mut().expect("it is there"));
        World::advance(&mut *world, self);
        drop(self.settle(world, foreign));
    }

    /// The run is over, and so is its world.
    pub(super) fn end_world(&self) {
        drop(self.world.take());
    }
}
