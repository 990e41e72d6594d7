//! Signals of nodes: which ones a node handles, how often each was raised, and the default actions.
//!
//! # Invariants
//! What a node handles is forgotten when it goes down.

use timeloop_sim::{Access, NodeEvent, NodeState, Operation};

use super::Engine;
use super::nodes::NodeId;
use super::tasks::NO_SLOT;

/// A signal that a node handles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handled {
    number: i32,
    raised: u64,
}

/// The signal that resumes a paused node.
pub(crate) const SIGCONT: i32 = 18;

/// What a signal does that a node does not handle.
pub(crate) enum DefaultAction {
    /// It has no effect.
    None,
    /// The node is paused.
    Pause,
    /// The node crashes.
    Crash,
}

/// Returns the default action of the signal with this number on Linux.
pub(crate) fn default_action(number: i32) -> DefaultAction {
    const SIGCHLD: i32 = 17;
    const SIGSTOP: i32 = 19;
    const SIGTTOU: i32 = 22;
    const SIGURG: i32 = 23;
    const SIGWINCH: i32 = 28;
    match number {
        SIGCHLD | SIGCONT | SIGURG | SIGWINCH => DefaultAction::None,
        SIGSTOP..=SIGTTOU => DefaultAction::Pause,
        _ => DefaultAction::Crash,
    }
}

impl Engine {
    /// Makes a node handle a signal. Returns the node's incarnation, and how often the signal was raised there since it is
    /// handled.
    pub(crate) fn handle_signal(&self, node: NodeId, number: i32) -> (u32, u64) {
        self.report_signal_access(node, Access::Write);
        let is_left_over = self.current_is_stopped();
        let mut core = self.core.borrow_mut();
        core.nodes.ensure();
        let record = core.nodes.at_mut(node);
        let known = record.signals.iter().find(|handled| handled.number == number);
        let raised = known.map_or(0, |handled| handled.raised);
        if known.is_none() && !is_left_over {
            record.signals.push(Handled { number, raised });
        }
        (record.incarnation, raised)
    }

    /// Returns how often a signal was raised on this incarnation of a node since it is handled there.
    pub(crate) fn signals_raised(&self, node: NodeId, incarnation: u32, number: i32) -> u64 {
        let core = self.core.borrow();
        let record = core.nodes.at(node);
        let handled = record.signals.iter().find(|handled| handled.number == number);
        handled.filter(|_| record.incarnation == incarnation).map_or(0, |handled| handled.raised)
    }

    /// Raises a signal on a node that is up or paused. Returns whether the node handles it.
    pub(crate) fn raise_signal(&self, node: NodeId, number: i32) -> bool {
        self.report_signal_access(node, Access::Write);
        {
            let mut core = self.core.borrow_mut();
            core.nodes.ensure();
            let ended = core.ended;
            let record = core.nodes.at_mut(node);
            if ended || record.state == NodeState::Down {
                return true;
            }
            let Some(handled) = record.signals.iter_mut().find(|handled| handled.number == number) else {
                return false;
            };
            handled.raised += 1;
        }
        self.record_node_event(node, NodeEvent::IsSignaled(number));
        self.wake_watchers(node);
        true
    }

    /// Reports to the source that the current task reads or changes the signals of a node. Unlike its state, those of the test's
    /// node change too.
    pub(crate) fn report_signal_access(&self, node: NodeId, access: Access) {
        let current = self.current.get();
        if current == NO_SLOT {
            return;
        }
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        if core.ended || !core.scheduler.source.wants_nodes() {
            return;
        }
        let operation = Operation { resource: node.resource(), access };
        core.scheduler.source.performed(core.tasks.at(current).key, operation);
    }
}
