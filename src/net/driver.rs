//! The network of the event loop's runs: the fabric, with the loop's tasks as those who wait, its nodes as hosts, and its
//! source of decisions for what happens by chance.

use std::panic::Location;
use std::sync::Arc;

use timeloop_sim::{
    Anomaly, Domain, NodeEvent, NodeState, PacketFate, Site, SocketWait, TaskLabel, WorldEffect,
};

use super::fabric::{self, CHANCES, Dice, Directory, Lookup, Packet, Question, Socket, Touched, Turn, View};
use crate::engine::announce::ResourceId;
use crate::engine::nodes::{LastChange, NodeId, Nodes};
use crate::engine::world::{World, WorldDecision};
use crate::engine::{Engine, WakeTarget, user_site};

/// The network of a run.
pub(crate) type Fabric = fabric::Fabric<WakeTarget, ResourceId>;
pub(super) type Listener = fabric::Listener<WakeTarget, ResourceId>;
pub(super) type UdpSocket = fabric::UdpSocket<WakeTarget>;

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
        self.0.decide_world(
            decision,
            count,
            |value| value,
            |value| packet_effect(self.0, packet, PacketFate::Takes(latencies_ns[value as usize])),
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
        let happens = self.0.decide_world(decision, CHANCES, effective, |_| {
            let fate = match question {
                Question::Delay => unreachable!("how long a packet takes is no matter of chance alone"),
                Question::Loss => PacketFate::Lost,
                Question::Duplicate => PacketFate::Duplicated,
                Question::Reorder => PacketFate::Reordered,
            };
            packet_effect(self.0, packet, fate)
        });
        happens != 0
    }
}

/// What happens to a packet, for a report.
fn packet_effect(engine: &Engine, packet: Packet, fate: PacketFate) -> WorldEffect {
    let nodes = engine.nodes();
    let [from, to] = [packet.from, packet.to].map(|host| nodes.name(NodeId(host)));
    WorldEffect::Packet { from, to, number: packet.number, fate, at_ns: engine.now_ns() }
}

impl World for Fabric {
    type Target = Socket;

    #[inline]
    fn next_ns(&self) -> Option<u64> {
        self.next_ns()
    }

    #[inline]
    fn advance(&mut self, engine: &Engine) {
        self.advance(&mut Turn { now_ns: engine.now_ns(), dice: &mut Chance(engine) });
    }

    /// Its sockets are gone. A node that has crashed is silent until it is started.
    fn node_stops(&mut self, engine: &Engine, node: NodeId, crashes: bool) {
        add_hosts(self, engine);
        self.crash(&mut Turn { now_ns: engine.now_ns(), dice: &mut Chance(engine) }, node.0);
        if !crashes {
            // The machine is still there, with nobody who listens.
            self.start(node.0);
        }
    }

    fn node_starts(&mut self, engine: &Engine, node: NodeId) {
        add_hosts(self, engine);
        self.start(node.0);
    }

    #[inline]
    fn has_woken(&self) -> bool {
        !(self.woken.is_empty() && self.garbage.is_empty())
    }

    #[inline]
    fn woken(&mut self) -> &mut Vec<WakeTarget> {
        &mut self.woken
    }

    #[inline]
    fn released(&mut self) -> &mut Vec<WakeTarget> {
        &mut self.garbage
    }

    fn describe_wait(
        &mut self,
        (nodes, now_ns): (&Nodes, u64),
        waiting: &[(&TaskLabel, Socket)],
        target: Socket,
        made: &'static Location<'static>,
    ) -> Option<SocketWait> {
        View { fabric: self, directory: nodes, now_ns, waiting }.wait(target, made)
    }

    fn anomalies(&mut self, nodes: &Nodes, now_ns: u64) -> Box<[Anomaly]> {
        View { fabric: self, directory: nodes, now_ns, waiting: &[] }.anomalies()
    }
}

impl Directory for Nodes {
    fn hosts(&self) -> u32 {
        self.ids().count() as u32
    }

    fn name(&self, host: u32) -> Arc<str> {
        Self::name(self, NodeId(host))
    }

    fn state(&self, host: u32) -> NodeState {
        Self::state(self, NodeId(host))
    }

    fn last_event(&self, host: u32) -> Option<(NodeEvent, Touched)> {
        let LastChange { event, at_ns, called_at, planned } = self.last_change(NodeId(host))?;
        Some((event, Touched { at_ns, at: called_at, planned }))
    }

    fn site(&self, at: &'static Location<'static>) -> Option<Site> {
        user_site(at)
    }
}

/// The network learns of nodes that have been added.
fn add_hosts(fabric: &mut Fabric, engine: &Engine) {
    let nodes = engine.nodes();
    for node in nodes.ids().skip(fabric.hosts.hosts.len()) {
        fabric.add_host(nodes.addresses(node), nodes.state(node) != NodeState::Down);
    }
}

impl Engine {
    /// Calls `f` with the network, then wakes the tasks that this concerns.
    #[inline]
    pub(super) fn network<R>(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>) -> R) -> R {
        self.world(|fabric| f(fabric, &mut Turn { now_ns: self.now_ns(), dice: &mut Chance(self) }))
    }

    /// Calls `f` with the network and the host that the code that is running belongs to.
    pub(super) fn network_here<R>(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>, u32) -> R) -> R {
        let host = self.current_node().0;
        self.network(|fabric, turn| {
            add_hosts(fabric, self);
            f(fabric, turn, host)
        })
    }

    /// What looking up a name comes to: a node's, or what the test has made of it.
    pub(super) fn resolve(&self, name: &str) -> Lookup {
        let known = |fabric: &Fabric| match &fabric.names {
            names if names.is_empty() => None,
            names => names.get(&name.to_ascii_lowercase()).cloned(),
        };
        self.existing_world(known).flatten().unwrap_or_else(|| {
            let nodes = self.nodes();
            let node = nodes.by_name(name);
            Lookup::Addresses(node.map_or_else(Vec::new, |node| nodes.addresses(node).to_vec()))
        })
    }
}
