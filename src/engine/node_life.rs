//! The events of nodes: they start, crash, pause, resume and shut down.
//!
//! # Invariants
//! - The tasks of a node that goes down are not polled again. Their futures are dropped at once, in order of spawning, in the
//!   context of the loop, each with its task as the current one.
//! - The exception is the task that is being polled: its future is dropped at the end of its poll.
//! - Each of these tasks has a last step, in which it ends as an aborted task does.
//! - Every event is part of the trace hash and of the record.

use std::any::Any;
use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Waker};

#[cfg(feature = "net")]
use timeloop_sim::LinkChange;
use timeloop_sim::{Access, NodeEvent, Operation, TaskLabel, WorldChange};

use super::clock::NodeClock;
use super::nodes::{LastChange, NodeError, NodeId, NodeState, Start};
use super::preemption::Interrupted;
use super::task_cell::{LentTask, Polled, TaskBox};
use super::tasks::{Interrupts, State};
use super::waker::{TaskRef, WakeTarget};
use super::{Core, Engine, Id, NO_SLOT, TooManyTasks, panics};

impl Engine {
    /// Adds a node, which is down.
    pub(crate) fn declare_node(
        &self,
        name: &str,
        addresses: Vec<IpAddr>,
        clock: NodeClock,
        start: Option<Start>,
    ) -> Result<NodeId, NodeError> {
        let mut core = self.core.borrow_mut();
        let node = core.nodes.add(name, addresses)?;
        let record = core.nodes.at_mut(node);
        record.clock = clock;
        record.start = start;
        Ok(node)
    }

    /// Adds a task to a node.
    pub(crate) fn spawn_on(
        &self,
        node: NodeId,
        task: TaskBox,
        name: Option<Cow<'static, str>>,
        spawned: &'static Location<'static>,
    ) -> Result<(TaskRef, Id), TooManyTasks> {
        self.spawn_to(Some(node), task, name, spawned)
    }

    /// Starts a node that is down.
    pub(crate) fn start_node(&self, node: NodeId) -> Result<(), TooManyTasks> {
        let start = {
            let mut core = self.core.borrow_mut();
            if core.ended {
                return Ok(());
            }
            let record = core.nodes.at_mut(node);
            assert!(
                record.state == NodeState::Down && !record.closing,
                "the caller checks that the node is down"
            );
            record.state = NodeState::Up;
            record.incarnation += 1;
            record.start.clone()
        };
        self.record_node_event(node, NodeEvent::Starts);
        #[cfg(feature = "net")]
        self.world_node_starts(node);
        if let Some(Start { make, name, at }) = start {
            let (task, _) = self.spawn_on(node, make(), Some(name), at)?;
            self.core.borrow_mut().nodes.at_mut(node).main = Some(task);
            self.detach(task);
        }
        self.wake_watchers(node);
        Ok(())
    }

    /// Takes a node down by a crash or an orderly shutdown, unless it is down.
    pub(crate) fn take_node_down(&self, node: NodeId, crashes: bool) {
        {
            let mut core = self.core.borrow_mut();
            let core = &mut *core;
            let record = core.nodes.at_mut(node);
            if core.ended || record.state == NodeState::Down {
                return;
            }
            record.state = NodeState::Down;
            record.closing = true;
            record.main = None;
            record.live = 0;
            record.shutting_down = false;
            record.signals.clear();
        }
        self.record_node_event(node, if crashes { NodeEvent::Crashes } else { NodeEvent::ShutsDown });
        #[cfg(feature = "net")]
        if crashes {
            self.world_node_stops(node, true);
        }
        let stopped =
            if crashes { Interrupts::STOPPED.with(Interrupts::CRASHED) } else { Interrupts::STOPPED };
        self.stop_tasks(node, stopped);
        self.drop_locals(node);
        #[cfg(feature = "net")]
        if !crashes {
            self.world_node_stops(node, false);
        }
        self.core.borrow_mut().nodes.at_mut(node).closing = false;
        self.wake_watchers(node);
    }

    /// Sets the place in the source that caused the last event of a node, and whether a fault plan did.
    pub(crate) fn set_change_site(&self, node: NodeId, at: &'static Location<'static>, planned: bool) {
        let now_ns = self.now_ns();
        if let Some(last) = &mut self.core.borrow_mut().nodes.at_mut(node).last_change
            && matches!(last.event, NodeEvent::Crashes | NodeEvent::Pauses)
            && last.at_ns == now_ns
            && last.called_at.is_none()
        {
            (last.called_at, last.planned) = (Some(at), planned);
        }
    }

    /// Returns whether the node is going down, with destructors of its tasks running.
    pub(crate) fn is_closing(&self, node: NodeId) -> bool {
        self.core.borrow().nodes.at(node).closing
    }

    /// Drops the futures of all tasks of a node.
    fn stop_tasks(&self, node: NodeId, stopped: Interrupts) {
        let tasks: Vec<(u32, u16)> = {
            let mut core = self.core.borrow_mut();
            let slots = core.tasks_of(node);
            slots.into_iter().map(|slot| (slot, core.tasks.at(slot).generation)).collect()
        };
        let polled = TaskRef::of_number(self.polled.get()).map(TaskRef::slot);
        for (slot, generation) in tasks {
            let mut guard = self.core.borrow_mut();
            let core = &mut *guard;
            // The destructor of an earlier task may have removed this one.
            let Some(place) = core.tasks.get(slot, generation) else { continue };
            if place.state == State::Ended || place.interrupts.has(Interrupts::STOPPED) {
                continue;
            }
            place.interrupts.remove(Interrupts::PAUSED);
            place.interrupts.add(stopped);
            if place.state == State::Running {
                // The future is dropped at the end of the poll, when the task next waits, or is being dropped already.
                if polled == Some(slot) {
                    self.interrupt_polled();
                }
                continue;
            }
            let blocked = place.interrupts.has(Interrupts::BLOCKED);
            if matches!(place.state, State::Waiting | State::Parked) {
                core.make_ready(slot);
            }
            drop(guard);
            // The future of a task that blocks is dropped when its frame is unwound.
            if !blocked {
                self.drop_future(slot);
            }
        }
    }

    /// Drops the node-local values, with the node's last task as the current one.
    fn drop_locals(&self, node: NodeId) {
        let (locals, last) = {
            let mut core = self.core.borrow_mut();
            let locals = std::mem::take(&mut core.nodes.at_mut(node).locals);
            let slots = if locals.is_empty() { Vec::new() } else { core.tasks.in_order() };
            (locals, slots.into_iter().rfind(|&slot| core.tasks.at(slot).node == node.number()))
        };
        let current = self.current.get();
        self.current.set(last.unwrap_or(current));
        // The newest first, as with local variables.
        for (_, value) in locals.into_iter().rev() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                let note = panics::take(&*payload);
                panics::discard(payload);
                let mut core = self.core.borrow_mut();
                let node = core.nodes.label(node.number());
                let label =
                    TaskLabel { name: Cow::Borrowed("a node-local value"), node, ..TaskLabel::default() };
                core.unobserved((label, note));
            }
        }
        self.current.set(current);
    }

    /// Suspends the task that is being polled, because it has stopped or paused its own node.
    fn interrupt_polled(&self) {
        self.step.suspended.set(true);
        self.step.interrupted.set(Interrupted::Within);
        // A suspended task has to be polled again.
        self.step.woken.set(true);
    }

    /// Drops the future of the task in this slot, which is not being polled, with the task as the current one.
    fn drop_future(&self, slot: u32) {
        let (id, task) = {
            let mut core = self.core.borrow_mut();
            let place = core.tasks.at(slot);
            place.interrupts.add(Interrupts::FUTURE_DROPPED);
            (place.id, place.task.take())
        };
        let mut task = task.expect("only the root has no future of its own, and it is on no node");
        let current = self.current.replace(slot);
        let switch_to =
            |id| self.core.borrow_mut().observer.recorder.as_mut().map(|recorder| recorder.switch_to(id));
        let recorded = switch_to(id);
        let cancelled = task.cancel(id);
        // The slot still belongs to the task: it has not ended, and its mark keeps it from being polled.
        self.core.borrow_mut().tasks.at(slot).task.put(Some(task));
        if let Err(payload) = cancelled {
            self.task_panicked(slot, payload);
        }
        if let Some(recorded) = recorded
            && let Some(recorder) = &mut self.core.borrow_mut().observer.recorder
        {
            recorder.switch_back(recorded);
        }
        self.current.set(current);
    }

    /// Resumes a task with interrupts, which has been taken out of its slot. Returns whether the task ends.
    #[cold]
    #[inline(never)]
    pub(super) fn resume_interrupted(
        &self,
        slot: u32,
        task: LentTask,
        context: &mut Context<'_>,
    ) -> (bool, Polled) {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        let place = core.tasks.at(slot);
        let (id, interrupts) = (place.id, place.interrupts);
        if interrupts.has(Interrupts::REPORTED) {
            let operation =
                Operation { resource: NodeId(place.node.into()).resource(), access: Access::Read };
            core.scheduler.source.performed(place.key, operation);
        }
        if let Some(recorder) = &mut core.observer.recorder {
            if interrupts.has(Interrupts::STOPPED) {
                recorder.world_changed(WorldChange::NotPolled(NodeState::Down));
            } else if interrupts.has(Interrupts::PAUSED) {
                recorder.world_changed(WorldChange::NotPolled(NodeState::Paused));
            }
        }
        if interrupts.has(Interrupts::FUTURE_DROPPED) {
            return (true, task.unused());
        }
        let stopped = interrupts.has(Interrupts::STOPPED);
        let aborted = interrupts.has(Interrupts::ABORTED) && !interrupts.has(Interrupts::BEGUN);
        if !stopped && aborted {
            core.observer.record(super::observer::Recorder::aborted);
        }
        if !stopped && interrupts.has(Interrupts::PAUSED) {
            self.step.suspended.set(true);
            self.step.interrupted.set(Interrupted::Parked);
            return (false, task.unused());
        }
        drop(guard);
        if stopped || aborted {
            let (cancelled, polled) = task.cancel(id);
            self.panicked.set(cancelled.err());
            (true, polled)
        } else {
            let (poll, polled) = task.poll(context);
            (poll.is_ready(), polled)
        }
    }

    /// Ends an interrupted step of the task in this slot.
    #[cold]
    #[inline(never)]
    pub(super) fn end_interrupted(&self, slot: u32) {
        let mut core = self.core.borrow_mut();
        if self.step.interrupted.get() == Interrupted::Parked {
            if let Some(recorder) = &mut core.observer.recorder {
                recorder.parked();
            }
            core.tasks.at(slot).state = State::Parked;
        } else if core.tasks.at(slot).interrupts.has(Interrupts::STOPPED) {
            drop(core);
            self.drop_future(slot);
            self.end_task(self.core.borrow_mut(), slot);
        } else {
            let Core { tasks, scheduler, observer, .. } = &mut *core;
            scheduler.pending(tasks.at(slot), slot, self.step.woken.get(), observer);
        }
    }

    /// Records that a task ends whose node is not the test's.
    #[cold]
    pub(super) fn node_task_ended(&self, slot: u32) {
        let mut guard = self.core.borrow_mut();
        let core = &mut *guard;
        let place = core.tasks.at(slot);
        if place.interrupts.has(Interrupts::STOPPED) {
            return;
        }
        let task = TaskRef::new(self.run, slot, place.generation);
        let node = NodeId(place.node.into());
        let record = core.nodes.at_mut(node);
        record.live -= 1;
        let was_main = record.main == Some(task);
        if was_main {
            record.main = None;
        }
        let watchers = if was_main || record.live == 0 { record.take_watchers() } else { Vec::new() };
        drop(guard);
        watchers.into_iter().for_each(WakeTarget::wake);
    }

    /// Pauses a node: its tasks are not polled until it resumes.
    pub(crate) fn pause_node(&self, node: NodeId) {
        if !self.change_state(node, NodeState::Up, NodeState::Paused) {
            return;
        }
        self.record_node_event(node, NodeEvent::Pauses);
        let polled = TaskRef::of_number(self.polled.get()).map(TaskRef::slot);
        let mut core = self.core.borrow_mut();
        for slot in core.tasks_of(node) {
            core.tasks.at(slot).interrupts.add(Interrupts::PAUSED);
            if polled == Some(slot) {
                self.interrupt_polled();
            }
        }
        drop(core);
        self.wake_watchers(node);
    }

    /// Resumes a paused node.
    pub(crate) fn resume_node(&self, node: NodeId) {
        if !self.change_state(node, NodeState::Paused, NodeState::Up) {
            return;
        }
        self.record_node_event(node, NodeEvent::Resumes);
        let mut core = self.core.borrow_mut();
        for slot in core.tasks_of(node) {
            let place = core.tasks.at(slot);
            place.interrupts.remove(Interrupts::PAUSED);
            if place.state == State::Parked {
                core.make_ready(slot);
            }
        }
        drop(core);
        self.wake_watchers(node);
    }

    fn change_state(&self, node: NodeId, from: NodeState, to: NodeState) -> bool {
        let mut core = self.core.borrow_mut();
        let changes = !core.ended && core.nodes.state(node) == from;
        if changes {
            core.nodes.at_mut(node).state = to;
        }
        changes
    }

    /// Asks a node to shut down.
    pub(crate) fn request_node_shutdown(&self, node: NodeId) {
        {
            let mut core = self.core.borrow_mut();
            let ended = core.ended;
            let record = core.nodes.at_mut(node);
            if ended || record.shutting_down || record.state == NodeState::Down {
                return;
            }
            record.shutting_down = true;
        }
        self.record_node_event(node, NodeEvent::IsAskedToShutDown);
        self.wake_watchers(node);
    }

    /// Changes the clock of a node and moves its timers.
    pub(crate) fn change_clock(&self, node: NodeId, change: impl FnOnce(NodeClock, u64) -> NodeClock) {
        let now_ns = self.now_ns();
        {
            let mut core = self.core.borrow_mut();
            let core = &mut *core;
            if core.ended {
                return;
            }
            let record = core.nodes.at_mut(node);
            let (before, after) = (record.clock, change(record.clock, now_ns));
            record.clock = after;
            if before.drift_ppm() != after.drift_ppm() {
                core.clock.timers.move_all_of(node.number(), |local_ns| after.run_ns(local_ns).max(now_ns));
            }
        }
        self.record_node_event(node, NodeEvent::ClockChanges);
    }

    /// Registers `waker` to be called at the next change of a node's state.
    pub(crate) fn watch_node(&self, node: NodeId, waker: &Waker) {
        let known = |engine: &Self| {
            let core = engine.core.borrow();
            core.nodes.at(node).watchers.iter().any(|watcher| watcher.is(waker))
        };
        if !known(self) {
            // May run user code: not while anything is borrowed.
            let wake_target = self.wake_target(waker);
            self.core.borrow_mut().nodes.at_mut(node).watchers.push(wake_target);
        }
    }

    pub(super) fn wake_watchers(&self, node: NodeId) {
        let watchers = self.core.borrow_mut().nodes.at_mut(node).take_watchers();
        for watcher in watchers {
            watcher.wake();
        }
    }

    /// Reports to the source that the current task reads the state of a node.
    pub(crate) fn report_node_read(&self, node: NodeId) {
        self.report_node_access(node, Access::Read);
    }

    fn report_node_access(&self, node: NodeId, access: Access) {
        // The state of the test's own node never changes.
        if node != NodeId::TEST {
            self.report_signal_access(node, access);
        }
    }

    /// Records an event of a node.
    pub(super) fn record_node_event(&self, node: NodeId, event: NodeEvent) {
        self.report_node_access(node, Access::Write);
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        core.scheduler.mix(event.number() << 32 | u64::from(node.0));
        let changes_state = !matches!(
            event,
            NodeEvent::IsAskedToShutDown | NodeEvent::ClockChanges | NodeEvent::IsSignaled(_)
        );
        if changes_state {
            let at_ns = core.clock.now_ns;
            core.nodes.at_mut(node).last_change =
                Some(LastChange { event, at_ns, called_at: None, planned: false });
        }
        if let Some(recorder) = &mut core.observer.recorder {
            let incarnation = core.nodes.incarnation(node);
            recorder.world_changed(WorldChange::Node { node: core.nodes.name(node), event, incarnation });
        }
    }

    /// Records a change of the links between these nodes; of all links, if there are none.
    #[cfg(feature = "net")]
    pub(crate) fn record_links(&self, change: LinkChange, links: &[(u32, u32)]) {
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        if let Some(recorder) = &mut core.observer.recorder {
            let name = |node: u32| core.nodes.name(NodeId(node));
            let links = links.iter().map(|&(from, to)| (name(from), name(to))).collect();
            recorder.world_changed(WorldChange::Links { change, links });
        }
    }

    // --- node-local values ---

    /// Returns the value with this key on the current task's node.
    pub(crate) fn node_local(&self, key: usize) -> Option<Rc<dyn Any>> {
        let node = self.current_node();
        let mut core = self.core.borrow_mut();
        core.nodes.ensure();
        let locals = &core.nodes.at(node).locals;
        locals.iter().find(|(known, _)| *known == key).map(|(_, value)| Rc::clone(value))
    }

    /// Stores a value for the current task's node, unless the task is left over from a node that is down. Returns the stored
    /// value, which is an earlier one if there is one.
    pub(crate) fn insert_node_local(&self, key: usize, value: Rc<dyn Any>) -> Rc<dyn Any> {
        if let Some(known) = self.node_local(key) {
            return known;
        }
        let node = self.current_node();
        let is_left_over = self.current_is_stopped();
        let mut core = self.core.borrow_mut();
        let record = core.nodes.at_mut(node);
        if !is_left_over || record.closing {
            record.locals.push((key, Rc::clone(&value)));
        }
        value
    }

    /// Returns whether the current task's incarnation of its node is down.
    pub(crate) fn current_is_stopped(&self) -> bool {
        self.current_is(Interrupts::STOPPED)
    }

    /// Returns whether the current task has this interrupt.
    pub(super) fn current_is(&self, interrupt: Interrupts) -> bool {
        match self.current.get() {
            NO_SLOT => false,
            slot => self.core.borrow_mut().tasks.at(slot).interrupts.has(interrupt),
        }
    }
}

impl Core {
    /// Returns the live tasks of a node in order of spawning.
    fn tasks_of(&mut self, node: NodeId) -> Vec<u32> {
        let mut slots = self.tasks.in_order();
        slots.retain(|&slot| {
            let place = self.tasks.at(slot);
            place.node == node.number()
                && place.state != State::Ended
                && !place.interrupts.has(Interrupts::STOPPED)
        });
        slots
    }
}
