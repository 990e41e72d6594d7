//! Connects the network fabric to the engine: tasks are the fabric's waiters, nodes its hosts, and the run's source
//! of decisions makes its random choices.

use std::panic::Location;
use std::sync::Arc;

use timeloop_sim::{
    Anomaly, Domain, NodeEvent, NodeState, PacketFate, Site, SocketWait, TaskLabel, WorldEffect,
};

use super::fabric::{
    self, CallContext, Change, Directory, Lookup, PROBABILITY_STEPS, Packet, PacketDecider, PacketDecision,
    Transfer, View, WaitedSocket,
};
use super::socket_labels;
use crate::engine::announce::ResourceId;
use crate::engine::nodes::{LastChange, NodeId, Nodes};
use crate::engine::world::{World, WorldDecision};
use crate::engine::{Engine, WakeTarget, user_site};

/// The network of a run.
pub(crate) type Fabric = fabric::Fabric<WakeTarget, ResourceId>;
pub(super) type Listener = fabric::Listener<WakeTarget, ResourceId>;
pub(super) type UdpSocket = fabric::UdpSocket<WakeTarget>;

/// Makes the random choices of the network with the run's source of decisions.
struct Chance<'a>(&'a Engine);

impl PacketDecider for Chance<'_> {
    fn quantile(&mut self, packet: Packet, count: u32, latencies_ns: &[u64]) -> u32 {
        let decision = WorldDecision {
            domain: Domain::Network,
            path: [packet.from + 1, packet.to + 1],
            number: packet.number,
            index: PacketDecision::Delay.index(),
        };
        self.0.decide_world(
            decision,
            count,
            |value| value,
            |value| packet_effect(self.0, packet, PacketFate::Takes(latencies_ns[value as usize])),
        )
    }

    fn transfer(&mut self, transfer: Transfer, whole: usize) -> usize {
        let name = if transfer.is_unix { socket_labels::UNIX_STREAM } else { socket_labels::TCP_STREAM };
        self.0.split_transfer(name, transfer.reads, whole)
    }

    fn happens(&mut self, packet: Packet, question: PacketDecision, millionths: u32) -> bool {
        let decision = WorldDecision {
            domain: Domain::Network,
            path: [packet.from + 1, packet.to + 1],
            number: packet.number,
            index: question.index(),
        };
        // Value 0 means no fault. Values above the probability mean the same, and are recorded as 0.
        let effective = |value| u32::from(value != 0 && value <= millionths);
        let happens = self.0.decide_world(decision, PROBABILITY_STEPS, effective, |_| {
            let fate = match question {
                PacketDecision::Delay => unreachable!("a latency is not a yes-or-no decision"),
                PacketDecision::Loss => PacketFate::Lost,
                PacketDecision::Duplicate => PacketFate::Duplicated,
                PacketDecision::Reorder => PacketFate::Reordered,
            };
            packet_effect(self.0, packet, fate)
        });
        happens != 0
    }
}

/// Returns the context of a call of the network.
#[inline]
fn context<'a>(engine: &Engine, decider: &'a mut Chance<'_>) -> CallContext<'a> {
    CallContext { now_ns: engine.now_ns(), varies_io: engine.varies_io, decider }
}

/// Describes the fate of a packet for reports.
fn packet_effect(engine: &Engine, packet: Packet, fate: PacketFate) -> WorldEffect {
    let nodes = engine.nodes();
    let (from, to) = (nodes.name(NodeId(packet.from)), nodes.name(NodeId(packet.to)));
    WorldEffect::Packet { from, to, number: packet.number, fate, at_ns: engine.now_ns() }
}

impl World for Fabric {
    type Target = WaitedSocket;

    #[inline]
    fn next_ns(&self) -> Option<u64> {
        self.next_ns()
    }

    #[inline]
    fn advance(&mut self, engine: &Engine) {
        self.advance(&mut context(engine, &mut Chance(engine)));
    }

    /// Removes the node's sockets. A crashed node sends nothing until it is started.
    fn node_stops(&mut self, engine: &Engine, node: NodeId, crashes: bool) {
        add_hosts(self, engine);
        self.crash(&mut context(engine, &mut Chance(engine)), node.0);
        if !crashes {
            // After a shutdown the host still answers, with nobody listening.
            self.start(node.0);
        }
    }

    fn node_starts(&mut self, engine: &Engine, node: NodeId) {
        add_hosts(self, engine);
        self.start(node.0);
    }

    #[inline]
    fn has_woken(&self) -> bool {
        !(self.woken.is_empty() && self.released.is_empty())
    }

    #[inline]
    fn woken(&mut self) -> &mut Vec<WakeTarget> {
        &mut self.woken
    }

    #[inline]
    fn released(&mut self) -> &mut Vec<WakeTarget> {
        &mut self.released
    }

    fn describe_wait(
        &mut self,
        (nodes, now_ns): (&Nodes, u64),
        waiting: &[(&TaskLabel, WaitedSocket)],
        target: WaitedSocket,
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

    fn last_event(&self, host: u32) -> Option<(NodeEvent, Change)> {
        let LastChange { event, at_ns, called_at, planned } = self.last_change(NodeId(host))?;
        Some((event, Change { at_ns, at: called_at, planned }))
    }

    fn site(&self, at: &'static Location<'static>) -> Option<Site> {
        user_site(at)
    }
}

/// Adds the nodes that the network does not know yet as hosts.
fn add_hosts(fabric: &mut Fabric, engine: &Engine) {
    let nodes = engine.nodes();
    for node in nodes.ids().skip(fabric.hosts.hosts.len()) {
        fabric.add_host(nodes.addresses(node), nodes.state(node) != NodeState::Down);
    }
}

impl Engine {
    /// Calls `f` with the network, then wakes the tasks that became ready.
    #[inline]
    pub(super) fn network<R>(&self, f: impl FnOnce(&mut Fabric, &mut CallContext<'_>) -> R) -> R {
        let mut fabric = self.borrow_world();
        let result = f(&mut fabric, &mut context(self, &mut Chance(self)));
        self.return_world(fabric);
        result
    }

    /// Calls `f` with the network and the host of the running code.
    pub(super) fn network_here<R>(&self, f: impl FnOnce(&mut Fabric, &mut CallContext<'_>, u32) -> R) -> R {
        let host = self.current_node().0;
        self.network(|fabric, ctx| {
            add_hosts(fabric, self);
            f(fabric, ctx, host)
        })
    }

    /// Looks up a name: an entry that the test has set, or else a node.
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
