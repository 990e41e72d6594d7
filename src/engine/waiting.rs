//! What a task waits for that is neither a lock, nor a message, nor a task: a socket, or what is to become of a node.
//!
//! Always true: it is noted in runs that are recorded and in no others, and put into words where a failure is; a task's
//! notes are those of its last step, besides what it has left with a waker of somebody else's.

#[cfg(feature = "net")]
use std::panic::Location;
use std::task::Waker;

use super::nodes::{NodeId, NodeState, Nodes};
use super::waker::TaskRef;
use super::{Core, Engine};
#[cfg(feature = "net")]
use super::{Wakee, network};
#[cfg(feature = "net")]
use crate::net::fabric::{Socket, Teller};

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// A node.
    Node(NodeId, Change),
    /// A socket, and where that was made.
    #[cfg(feature = "net")]
    Socket(Socket, &'static Location<'static>),
}

/// What is to become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is down.
    Down,
    /// It has shut down, as it was asked to.
    ShutDown,
    /// It is asked to shut down.
    Asked,
}

/// A note that a task waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) on: On,
    /// With a waker of somebody else's, who may resume the task without polling this again.
    pub(super) aside: bool,
}

impl Engine {
    /// The task that runs waits for this; who is to be woken.
    #[cfg(feature = "net")]
    #[inline]
    pub(crate) fn waits(&self, waker: &Waker, on: impl FnOnce() -> On) -> Wakee {
        self.awaits(waker, on);
        self.wakee(waker)
    }

    /// The task that runs waits for this.
    #[inline]
    pub(crate) fn awaits(&self, waker: &Waker, on: impl FnOnce() -> On) {
        if self.records {
            self.note_wait(waker, on());
        }
    }

    #[cold]
    #[inline(never)]
    fn note_wait(&self, waker: &Waker, on: On) {
        if !self.is_polling() {
            return;
        }
        if let Some(recorder) = &mut self.core.borrow_mut().recorder {
            recorder.waits_on(Noted { on, aside: !TaskRef::is_of_loop(waker) });
        }
    }

    /// What is not as usual in the network; nothing where there is none.
    pub(super) fn network_told(&self, core: &Core) -> Box<[String]> {
        let Some(recorder) = &core.recorder else { return Box::default() };
        if core.ended {
            return recorder.network.clone();
        }
        #[cfg(feature = "net")]
        if let Ok(mut network) = self.network.try_borrow_mut()
            && let Some(fabric) = network.as_deref_mut()
        {
            return self.teller(fabric, &core.nodes, &[]).unusual();
        }
        Box::default()
    }

    /// The run ends: what is to be said of its network, should its output be a failure.
    pub(super) fn keep_network_told(&self) {
        if !self.records {
            return;
        }
        let mut core = self.core.borrow_mut();
        let told = self.network_told(&core);
        if let Some(recorder) = &mut core.recorder {
            recorder.network = told;
        }
    }

    /// What the tasks in these slots wait for, in words, for each of them.
    pub(super) fn waits_told(&self, core: &mut Core, slots: &[u32]) -> Vec<Vec<String>> {
        let Some(recorder) = core.recorder.take() else { return vec![Vec::new(); slots.len()] };
        #[cfg(feature = "net")]
        let everyone: Vec<_> =
            recorder.all_waits().filter_map(|(label, on)| socket(on).map(|on| (label, on))).collect();
        #[cfg(feature = "net")]
        let mut network = self.network.try_borrow_mut().ok();
        let mut told = Vec::new();
        for &slot in slots {
            let id = core.table.at(slot).id;
            let mut words: Vec<String> = Vec::new();
            for on in recorder.waits_of(id) {
                let more = match on {
                    On::Node(node, change) => Some(change.told(node, &core.nodes)),
                    #[cfg(feature = "net")]
                    On::Socket(socket, made) => {
                        let fabric = network.as_mut().and_then(|network| network.as_deref_mut());
                        fabric.and_then(|fabric| {
                            self.teller(fabric, &core.nodes, &everyone).waits(socket, made)
                        })
                    }
                };
                words.extend(more.filter(|more| !words.contains(more)));
            }
            told.push(words);
        }
        core.recorder = Some(recorder);
        told
    }

    #[cfg(feature = "net")]
    fn teller<'a>(
        &self,
        fabric: &'a mut network::Fabric,
        nodes: &'a Nodes,
        everyone: &'a [(&'a timeloop_sim::TaskLabel, Socket)],
    ) -> Teller<'a> {
        Teller { fabric, nodes, now_ns: self.now_ns(), everyone }
    }
}

#[cfg(feature = "net")]
fn socket(on: On) -> Option<Socket> {
    match on {
        On::Socket(socket, _) => Some(socket),
        On::Node(..) => None,
    }
}

impl Change {
    /// What a task does that waits for it.
    fn told(self, node: NodeId, nodes: &Nodes) -> String {
        let name = nodes.name(node);
        let stands = match (nodes.state(node), nodes.tasks(node)) {
            (NodeState::Down, _) => "is down".to_owned(),
            (NodeState::Paused, _) => "is paused".to_owned(),
            (NodeState::Up, 0) => "is up, although no task of it is left".to_owned(),
            (NodeState::Up, 1) => "is up, with 1 task".to_owned(),
            (NodeState::Up, count) => format!("is up, with {count} tasks"),
        };
        match self {
            Self::Down => format!("waits for node `{name}` to go down, which {stands}"),
            Self::ShutDown => format!("waits for node `{name}` to shut down, which {stands}"),
            Self::Asked => "waits for its node to be asked to shut down".to_owned(),
        }
    }
}
