//! The loop's side of the network: when its events come, whom they wake, and who decides what happens by chance.
//!
//! Always true: a run that opens no socket has no network; no code of the user's runs while the network is borrowed.

use std::cell::RefMut;

use timeloop_sim::{DecisionKey, Deviation, Domain, PacketFate, TaskKey, TaskPath, WorldEffect};

use super::nodes::{NodeId, NodeState};
use super::{Engine, Wakee};
pub(super) use crate::net::driver::Fabric;
use crate::net::fabric::{CHANCES, Dice, Lookup, Packet, Question, Turn};

/// Asks the run's source of decisions.
struct Chance<'a>(&'a Engine);

impl Dice for Chance<'_> {
    fn quantile(&mut self, packet: Packet, count: u32, latencies_ns: &[u64]) -> u32 {
        let decision = WorldDecision {
            domain: Domain::Network,
            path: [packet.from + 1, packet.to + 1],
            number: packet.number,
            index: Question::Delay.index(),
        };
        self.0.decide(
            decision,
            count,
            |value| value,
            |value| self.0.packet_effect(packet, PacketFate::Takes(latencies_ns[value as usize])),
        )
    }

    fn happens(&mut self, packet: Packet, question: Question, millionths: u32) -> bool {
        let decision = WorldDecision {
            domain: Domain::Network,
            path: [packet.from + 1, packet.to + 1],
            number: packet.number,
            index: question.index(),
        };
        // 0 is quiet, and so is all that lies beyond the chance: that counts as 0, so that it need not be kept.
        let effective = |value| u32::from(value != 0 && value <= millionths);
        let happens = self.0.decide(decision, CHANCES, effective, |_| {
            let fate = match question {
                Question::Delay => unreachable!("how long a packet takes is no matter of chance alone"),
                Question::Loss => PacketFate::Lost,
                Question::Duplicate => PacketFate::Duplicated,
                Question::Reorder => PacketFate::Reordered,
            };
            self.0.packet_effect(packet, fate)
        });
        happens != 0
    }
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
    fn decide(
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

    /// What happens to a packet, for a report.
    fn packet_effect(&self, packet: Packet, fate: PacketFate) -> WorldEffect {
        let nodes = self.nodes();
        let [from, to] = [packet.from, packet.to].map(|host| nodes.name(NodeId(host)));
        WorldEffect::Packet { from, to, number: packet.number, fate, at_ns: self.now_ns() }
    }

    /// Calls `f` with the network, then wakes whom that concerns.
    #[inline]
    pub(crate) fn network<R>(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>) -> R) -> R {
        let mut guard = self.network.borrow_mut();
        let fabric = guard.get_or_insert_default();
        let result = f(fabric, &mut Turn { now_ns: self.now_ns(), dice: &mut Chance(self) });
        if !(fabric.woken.is_empty() && fabric.garbage.is_empty()) {
            let fabric = RefMut::map(guard, |network| &mut **network.as_mut().expect("it is there"));
            let mut foreign = Vec::new();
            let garbage = self.settle(fabric, &mut foreign);
            foreign.into_iter().for_each(Wakee::wake);
            drop(garbage);
        }
        result
    }

    /// Wakes the loop's own tasks. Others go to `foreign`, to be woken when nothing is borrowed; what is given back is to be
    /// dropped then.
    #[inline]
    fn settle(&self, mut fabric: RefMut<'_, Fabric>, foreign: &mut Vec<Wakee>) -> Vec<Wakee> {
        for wakee in fabric.woken.drain(..) {
            match wakee {
                // Once one needs a call, those behind it wait for their turn.
                Wakee::Task(task) if foreign.is_empty() => self.wake(task),
                other => foreign.push(other),
            }
        }
        fabric.garbage.retain(|wakee| matches!(wakee, Wakee::Other(_)));
        std::mem::take(&mut fabric.garbage)
    }

    /// The network learns of nodes that have been added.
    fn add_hosts(&self, fabric: &mut Fabric) {
        let nodes = self.nodes();
        for node in nodes.ids().skip(fabric.hosts.hosts.len()) {
            fabric.add_host(nodes.addresses(node), nodes.state(node) != NodeState::Down);
        }
    }

    /// Calls `f` with the network and the host that the code that is running belongs to.
    pub(crate) fn network_here<R>(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>, u32) -> R) -> R {
        let host = self.current_node().0;
        self.network(|fabric, turn| {
            self.add_hosts(fabric);
            f(fabric, turn, host)
        })
    }

    /// What looking up a name comes to: a node's, or what the test has made of it.
    pub(crate) fn resolve(&self, name: &str) -> Lookup {
        let network = self.network.borrow();
        let names = network.as_ref().map(|fabric| &fabric.names).filter(|names| !names.is_empty());
        if let Some(lookup) = names.and_then(|names| names.get(&name.to_ascii_lowercase())) {
            return lookup.clone();
        }
        let nodes = self.nodes();
        let node = nodes.by_name(name);
        Lookup::Addresses(node.map_or_else(Vec::new, |node| nodes.addresses(node).to_vec()))
    }

    /// A node crashes, or leaves in good order: its sockets are gone. One that has crashed is silent until it is started.
    pub(super) fn host_goes(&self, node: NodeId, crashes: bool) {
        if self.network.borrow().is_none() {
            return;
        }
        self.network_here(|fabric, turn, _| {
            fabric.crash(turn, node.0);
            if !crashes {
                // The machine is still there, with nobody who listens.
                fabric.start(node.0);
            }
        });
    }

    /// A node is started.
    pub(super) fn host_comes(&self, node: NodeId) {
        if self.network.borrow().is_none() {
            return;
        }
        self.network_here(|fabric, _, _| fabric.start(node.0));
    }

    /// When the next thing happens: the next timer's deadline, or in the network.
    #[inline]
    pub(super) fn next_ns_with_network(&self, timer_ns: Option<u64>) -> Option<u64> {
        let network = self.network.borrow();
        let network_ns = network.as_ref().and_then(|fabric| fabric.next_ns());
        match (timer_ns, network_ns) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// What is due in the network happens.
    #[inline]
    pub(super) fn advance_network(&self, foreign: &mut Vec<Wakee>) {
        let guard = self.network.borrow_mut();
        if guard.is_none() {
            return;
        }
        let mut fabric = RefMut::map(guard, |network| &mut **network.as_mut().expect("it is there"));
        fabric.advance(&mut Turn { now_ns: self.now_ns(), dice: &mut Chance(self) });
        let garbage = self.settle(fabric, foreign);
        drop(garbage);
    }

    /// The run is over, and so is its network.
    pub(super) fn end_network(&self) {
        let network = self.network.take();
        drop(network);
    }
}
