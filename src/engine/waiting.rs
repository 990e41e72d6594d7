//! What a task waits for that is neither a lock, nor a message, nor a task: a socket, or what is to become of a node.
//!
//! # Invariants
//! It is noted in runs that are recorded and in no others; a task's notes are those of its last step, besides what it has left
//! with a waker of somebody else's.

#[cfg(feature = "net")]
use std::panic::Location;
use std::task::Waker;

use timeloop_sim::{Anomaly, Awaited, NodeWait};

use super::nodes::NodeId;
use super::waker::TaskRef;
use super::{Core, Engine};
#[cfg(feature = "net")]
use super::{
    Wakee,
    world::{Surroundings, World},
};

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// A node.
    Node(NodeId, NodeWait),
    /// A socket, and where that was made.
    #[cfg(feature = "net")]
    Socket(<Surroundings as World>::Target, &'static Location<'static>),
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
        if self.is_recorded() {
            self.note_wait(waker, on());
        }
    }

    #[cold]
    #[inline(never)]
    fn note_wait(&self, waker: &Waker, on: On) {
        if !self.is_polling() {
            return;
        }
        if let Some(recorder) = &mut self.core.borrow_mut().observer.recorder {
            recorder.waits_on(Noted { on, aside: !TaskRef::is_of_loop(waker) });
        }
    }

    /// What is not as usual in the network; nothing where there is none.
    pub(super) fn anomalies(&self, core: &Core) -> Box<[Anomaly]> {
        let Some(recorder) = &core.observer.recorder else { return Box::default() };
        if core.ended {
            return recorder.network.clone();
        }
        #[cfg(feature = "net")]
        if let Ok(mut world) = self.world.try_borrow_mut()
            && let Some(world) = world.as_deref_mut()
        {
            return world.anomalies(&core.nodes, core.clock.now_ns);
        }
        Box::default()
    }

    /// The run ends: what is to be said of its network, should its output be a failure.
    pub(super) fn keep_anomalies(&self) {
        if !self.is_recorded() {
            return;
        }
        let mut core = self.core.borrow_mut();
        let anomalies = self.anomalies(&core);
        if let Some(recorder) = &mut core.observer.recorder {
            recorder.network = anomalies;
        }
    }

    /// What the tasks in these slots wait for among sockets and nodes, for each of them.
    pub(super) fn waits_of(&self, core: &mut Core, slots: &[u32]) -> Vec<Vec<Awaited>> {
        let Some(recorder) = core.observer.recorder.take() else { return vec![Vec::new(); slots.len()] };
        #[cfg(feature = "net")]
        let everyone: Vec<_> = recorder
            .all_waits()
            .filter_map(|(label, on)| match on {
                On::Socket(socket, _) => Some((label, socket)),
                On::Node(..) => None,
            })
            .collect();
        #[cfg(feature = "net")]
        let mut world = self.world.try_borrow_mut().ok();
        let mut all = Vec::new();
        for &slot in slots {
            let id = core.tasks.at(slot).id;
            let mut waits: Vec<Awaited> = Vec::new();
            for on in recorder.waits_of(id) {
                let awaited = match on {
                    On::Node(node, wait) => {
                        let (state, tasks) = (core.nodes.state(node), core.nodes.tasks(node));
                        Some(Awaited::Node { node: core.nodes.name(node), state, tasks, wait })
                    }
                    #[cfg(feature = "net")]
                    On::Socket(socket, made) => {
                        let world = world.as_mut().and_then(|world| world.as_deref_mut());
                        let view = (&core.nodes, core.clock.now_ns);
                        world
                            .and_then(|world| world.describe_wait(view, &everyone, socket, made))
                            .map(Awaited::Socket)
                    }
                };
                waits.extend(awaited.filter(|awaited| !waits.contains(awaited)));
            }
            all.push(waits);
        }
        core.observer.recorder = Some(recorder);
        all
    }
}
