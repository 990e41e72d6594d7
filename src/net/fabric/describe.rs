//! Describes the network as data for reports: why a task waits for a socket, and which nodes, links and names are in
//! trouble.
//!
//! [`View`] only reads the fabric and makes no decisions.

use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;

use timeloop_sim::{
    Anomaly, BytesPlace, Caused, Causer, Endpoint, LinkState, LinkTrouble, NodeEvent, NodeState, Obstacle,
    Site, SocketAction, SocketLabel, SocketWait, TaskLabel,
};

use super::connection::{End, EndKey, Fin, Phase};
use super::hosts::Protocol;
use super::link::{Change, Link};
use super::unix::Name;
use super::{Direction, Fabric, Key, Lookup};

/// A socket and the operation that a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitedSocket {
    /// A read from or a write to one end of a stream.
    Stream(EndKey, Direction),
    /// An accept.
    Listener(Key),
    /// A receive on a UDP socket.
    Udp(Key),
    /// A receive on a Unix datagram socket.
    Datagram(Key),
    /// A send from one Unix datagram socket to another.
    DatagramTo { from: Key, to: Key },
    /// A read from or a write to an end of a pipe.
    Pipe(Key, Direction),
}

/// What the fabric does not know of its hosts.
pub(crate) trait Directory {
    fn hosts(&self) -> u32;
    fn name(&self, host: u32) -> Arc<str>;
    fn state(&self, host: u32) -> NodeState;
    /// Returns the last event of a host, when it happened and where it was called for.
    fn last_event(&self, host: u32) -> Option<(NodeEvent, Change)>;
    /// Returns the source location as the report shows it; `None` for locations outside the user's code.
    fn site(&self, at: &'static Location<'static>) -> Option<Site>;
}

/// The network at an instant.
pub(crate) struct View<'a, W, R> {
    pub(crate) fabric: &'a mut Fabric<W, R>,
    pub(crate) directory: &'a dyn Directory,
    pub(crate) now_ns: u64,
    /// The tasks that wait for a socket.
    pub(crate) waiting: &'a [(&'a TaskLabel, WaitedSocket)],
}

/// A copy of the state of one end of a connection.
#[derive(Clone, Copy, Debug)]
struct Side {
    host: u32,
    phase: Phase,
    waits: [bool; 2],
    arrived: u32,
    in_flight: u32,
    unsent: u32,
    unreported: u32,
    ends: bool,
}

impl Side {
    fn of<W>(end: &End<W>) -> Self {
        let out = &end.out;
        Self {
            host: end.host,
            phase: end.phase,
            waits: [!end.readers.is_empty(), !end.writers.is_empty()],
            arrived: out.arrived,
            in_flight: out.in_flight,
            unsent: out.unsent(),
            unreported: out.unreported,
            ends: matches!(out.fin, Fin::Pending | Fin::InFlight),
        }
    }
}

impl<W: PartialEq, R: Copy> View<'_, W, R> {
    /// Describes a task's wait for a socket created at `made`. Returns `None` if no task waits for it any more.
    pub(crate) fn wait(
        mut self,
        socket: WaitedSocket,
        made: &'static Location<'static>,
    ) -> Option<SocketWait> {
        let made = self.directory.site(made);
        match socket {
            WaitedSocket::Stream(key, direction) => self.stream(key, direction, made),
            WaitedSocket::Listener(key) => self.listener(key, made),
            WaitedSocket::Udp(key) => self.udp(key, made),
            WaitedSocket::Datagram(key) => {
                let socket = self.fabric.unix(key).filter(|socket| !socket.readers.is_empty())?;
                let (label, host) = (SocketLabel::UnixDatagram(text(&socket.name)), socket.host);
                let why = vec![Obstacle::NothingQueued];
                Some(self.at_node(SocketAction::Receive, label, host, made, why))
            }
            WaitedSocket::Pipe(key, direction) => {
                let (host, bytes, waits) = self.fabric.waits_at_pipe(key, direction)?;
                let (action, why) = match direction {
                    Direction::Read if bytes == 0 => (SocketAction::Read, Obstacle::NothingInFlight),
                    Direction::Read => {
                        let (count, place) = (bytes as u32, BytesPlace::Incoming);
                        (SocketAction::Read, Obstacle::Bytes { count, place })
                    }
                    Direction::Write => (SocketAction::Write, Obstacle::BuffersFull),
                };
                waits.then(|| self.at_node(action, SocketLabel::Pipe, host, made, vec![why]))
            }
            WaitedSocket::DatagramTo { from, to } => {
                self.fabric.unix(from).filter(|socket| !socket.writers.is_empty())?;
                let socket = self.fabric.unix(to)?;
                let (label, host) = (SocketLabel::UnixDatagram(text(&socket.name)), socket.host);
                let why = vec![Obstacle::QueueFull(socket.queue.len() as u32)];
                Some(self.at_node(SocketAction::Send, label, host, made, why))
            }
        }
    }

    /// Describes a wait for a socket on `host`. The test's own node is not named.
    fn at_node(
        &self,
        action: SocketAction,
        socket: SocketLabel,
        host: u32,
        made: Option<Site>,
        why: Vec<Obstacle>,
    ) -> SocketWait {
        let node = (host != 0).then(|| self.directory.name(host));
        SocketWait { action, socket, node, made, obstacles: why.into() }
    }

    fn endpoint(&self, address: SocketAddr, host: u32) -> Endpoint {
        Endpoint { address, node: Some(self.directory.name(host)) }
    }

    // --- streams ---

    fn stream(&mut self, key: EndKey, direction: Direction, made: Option<Site>) -> Option<SocketWait> {
        let connection = self.fabric.connections.get(key.connection)?;
        let names = connection.names.clone();
        let addresses = [connection.ends[0].local, connection.ends[0].peer];
        let sides = [Side::of(&connection.ends[0]), Side::of(&connection.ends[1])];
        let (own, other) = (sides[usize::from(key.side)], sides[1 - usize::from(key.side)]);
        if !own.waits[direction as usize] {
            return None;
        }
        let local = sides[0].host == sides[1].host;
        let endpoint = |side: usize| Endpoint {
            address: addresses[side],
            node: (!local).then(|| self.directory.name(sides[side].host)),
        };
        let (from, to) = (endpoint(0), endpoint(1));
        let (socket, action) = match names.as_deref() {
            None => (SocketLabel::TcpStream { from, to }, own.phase == Phase::Connecting),
            Some([_, name]) => (SocketLabel::UnixStream(text(name)), false),
        };
        let (action, obstacles) = match (action, direction) {
            (true, _) => (SocketAction::Connect, self.unanswered(key, sides, addresses[1])),
            (false, Direction::Read) => (SocketAction::Read, self.no_progress(key, direction, own, other)),
            (false, Direction::Write) => (SocketAction::Write, self.no_progress(key, direction, own, other)),
        };
        Some(SocketWait { action, socket, node: None, made, obstacles: obstacles.into() })
    }

    /// Lists why an end makes no progress.
    fn no_progress(&self, key: EndKey, direction: Direction, own: Side, other: Side) -> Vec<Obstacle> {
        let mut why = Vec::new();
        let bytes = |count, place| Obstacle::Bytes { count, place };
        if direction == Direction::Write {
            why.push(Obstacle::BuffersFull);
        }
        let trouble = self.other_side(own, other);
        let is_gone = trouble.is_some() && other.phase == Phase::Absent;
        why.extend(trouble);
        if direction == Direction::Read && !is_gone {
            why.push(match (other.in_flight, other.unsent) {
                (0, 0) if other.ends => Obstacle::EndInFlight,
                (0, 0) => Obstacle::NothingInFlight,
                (0, unsent) => bytes(unsent, BytesPlace::PeerUnsent),
                (in_flight, _) => bytes(in_flight, BytesPlace::Incoming),
            });
        }
        let unreported = if direction == Direction::Write { own.unreported } else { 0 };
        let of_own = [
            (own.arrived, BytesPlace::Unread),
            (own.in_flight, BytesPlace::Outgoing),
            (own.unsent, BytesPlace::Unsent),
            (unreported, BytesPlace::Unacknowledged),
        ];
        why.extend(of_own.into_iter().filter(|(count, _)| *count > 0).map(|(count, at)| bytes(count, at)));
        why.extend(self.links(own.host, other.host));
        why.extend(self.at_other_end(key));
        why
    }

    /// Returns the problem at the other end of a connection.
    fn other_side(&self, own: Side, other: Side) -> Option<Obstacle> {
        let node = if own.host == other.host { None } else { self.node(other.host) };
        node.or(match other.phase {
            Phase::Absent => Some(Obstacle::PeerGone),
            Phase::Queued => Some(Obstacle::NotAccepted),
            _ => None,
        })
    }

    /// Returns the task that waits at the other end; `None` if tasks wait there in both directions.
    fn at_other_end(&self, key: EndKey) -> Option<Obstacle> {
        let at = |wanted| {
            let is_there = move |socket: &WaitedSocket| *socket == WaitedSocket::Stream(key.other(), wanted);
            self.waiting.iter().find(|(_, socket)| is_there(socket)).map(|(task, _)| (*task).clone())
        };
        match (at(Direction::Read), at(Direction::Write)) {
            (Some(task), None) => Some(Obstacle::PeerReads(task)),
            (None, Some(task)) => Some(Obstacle::PeerWrites(task)),
            _ => None,
        }
    }

    /// Lists why a connection attempt is unanswered.
    fn unanswered(&mut self, key: EndKey, sides: [Side; 2], to: SocketAddr) -> Vec<Obstacle> {
        let (client, server) = (sides[0].host, sides[1].host);
        if self.fabric.hosts.find(client, to.ip()).is_none() {
            return vec![Obstacle::NoSuchAddress];
        }
        let mut why = Vec::new();
        if client != server {
            why.extend(self.node(server));
            why.extend(self.links(client, server));
        }
        let slot = self.fabric.hosts.socket(server, Protocol::Tcp, to);
        if let Some(listener) = slot.and_then(|slot| self.fabric.listeners.at(slot)) {
            let full = listener.queue.len() as u32 + listener.pending > listener.backlog;
            if full && sides[usize::from(1 - key.side)].phase == Phase::Absent {
                why.push(Obstacle::BacklogFull(listener.queue.len() as u32));
            }
        } else if self.directory.state(server) != NodeState::Down {
            why.push(Obstacle::NobodyListens);
        }
        if why.is_empty() {
            why.push(Obstacle::NoAnswer);
        }
        why
    }

    fn listener(&mut self, key: Key, made: Option<Site>) -> Option<SocketWait> {
        let listener = self.fabric.listeners.get(key).filter(|listener| !listener.acceptors.is_empty())?;
        let (host, local, name) = (listener.host, listener.local, listener.name.clone());
        let mut why = Vec::new();
        for connection in self.fabric.connections.keys() {
            let Some(connection) = self.fabric.connections.get(connection) else { continue };
            let [client, server] = &connection.ends;
            let is_for_it = client.phase == Phase::Connecting
                && (server.host, client.peer.port()) == (host, local.port())
                && name.is_none();
            if is_for_it {
                let (from, address) = (client.host, client.local);
                why.push(Obstacle::Connecting(self.endpoint(address, from)));
                why.extend(self.links(from, host));
                break;
            }
        }
        if why.is_empty() {
            why.push(Obstacle::NobodyConnects);
        }
        let label = match name {
            None => SocketLabel::TcpListener(local),
            Some(name) => SocketLabel::UnixListener(text(&name).unwrap_or_default()),
        };
        Some(self.at_node(SocketAction::Accept, label, host, made, why))
    }

    // --- datagrams ---

    fn udp(&mut self, key: Key, made: Option<Site>) -> Option<SocketWait> {
        let socket = self.fabric.udp.get(key).filter(|socket| !socket.readers.is_empty())?;
        let (host, local, peer) = (socket.host, socket.local, socket.peer);
        let peers_host = peer.and_then(|peer| self.fabric.hosts.find(host, peer.ip()));
        let elsewhere = peers_host.filter(|other| *other != host);
        let mut in_flight = 0;
        for datagram in self.fabric.in_flight.keys() {
            let to = self.fabric.in_flight.get(datagram).map(|datagram| (datagram.host, datagram.to));
            in_flight += u32::from(to.is_some_and(|(on, to)| {
                self.fabric.hosts.socket(on, Protocol::Udp, to) == Some(key.slot) && on == host
            }));
        }
        let held = self.fabric.held.iter().filter(|datagram| datagram.host == host);
        let held = held
            .filter(|datagram| self.fabric.hosts.socket(host, Protocol::Udp, datagram.to) == Some(key.slot))
            .count() as u32;
        let mut why = Vec::new();
        if held > 0 {
            why.push(Obstacle::DatagramsHeld(held));
        }
        if in_flight > 0 {
            why.push(Obstacle::DatagramsInFlight(in_flight));
        }
        if why.is_empty() {
            why.push(Obstacle::NothingInFlight);
        }
        if let Some(other) = elsewhere {
            why.extend(self.node(other));
            why.extend(self.links(host, other));
        }
        let node = elsewhere.map(|other| self.directory.name(other));
        let label = SocketLabel::Udp { local, peer: peer.map(|address| Endpoint { address, node }) };
        Some(self.at_node(SocketAction::Receive, label, host, made, why))
    }

    // --- hosts and links ---

    /// Returns the state of a node that is down or paused.
    fn node(&self, host: u32) -> Option<Obstacle> {
        let state = self.directory.state(host);
        (state != NodeState::Up).then(|| Obstacle::Node { node: self.directory.name(host), state })
    }

    fn trouble(&self, from: u32, to: u32, both_ways: bool, state: LinkState) -> LinkTrouble {
        LinkTrouble { from: self.directory.name(from), to: self.directory.name(to), both_ways, state }
    }

    /// Lists the problems of the links between two hosts.
    fn links(&self, one: u32, other: u32) -> Vec<Obstacle> {
        if one == other {
            return Vec::new();
        }
        let state =
            |from, to| self.fabric.links.known(from, to).and_then(|link| link_state(link, self.now_ns));
        let link =
            |from, to, both_ways| move |state| Obstacle::Link(self.trouble(from, to, both_ways, state));
        match (state(one, other), state(other, one)) {
            (Some(goes), Some(comes)) if goes == comes => vec![link(one, other, true)(goes)],
            (goes, comes) => {
                let goes = goes.map(link(one, other, false));
                goes.into_iter().chain(comes.map(link(other, one, false))).collect()
            }
        }
    }

    // --- anomalies ---

    /// Lists the nodes that are down or paused, the links that pass nothing, and the names whose lookup fails.
    pub(crate) fn anomalies(self) -> Box<[Anomaly]> {
        let mut anomalies = self.unusual_nodes();
        anomalies.extend(self.unusual_links());
        let fails = self.fabric.names.iter().filter(|(_, lookup)| *lookup == Lookup::Fails);
        anomalies.extend(fails.map(|(name, _)| Anomaly::LookupFails(name.as_str().into())));
        anomalies.into()
    }

    fn unusual_nodes(&self) -> Vec<Anomaly> {
        let unusual = |host| {
            let state = Some(self.directory.state(host)).filter(|state| *state != NodeState::Up)?;
            let (event, last_change) = self.directory.last_event(host)?;
            Some(Anomaly::Node {
                node: self.directory.name(host),
                state,
                event,
                caused: self.caused(last_change),
            })
        };
        (0..self.directory.hosts()).filter_map(unusual).collect()
    }

    fn unusual_links(&self) -> Vec<Anomaly> {
        let hosts = self.directory.hosts();
        let mut broken: Vec<Broken> = Vec::new();
        for from in 0..hosts {
            for to in 0..hosts {
                if let Some(link) = self.fabric.links.known(from, to)
                    && let Some(state) = link_state(link, self.now_ns)
                {
                    broken.push(Broken { from, to, state, last_change: link.last_change });
                }
            }
        }
        let mut anomalies = Vec::new();
        for host in 0..hosts {
            let concerns = |broken: &Broken| broken.from == host || broken.to == host;
            let Some(first) = broken.iter().copied().find(concerns) else { continue };
            let alike = |broken: &Broken| {
                concerns(broken) && broken.state == LinkState::Cut && broken.last_change == first.last_change
            };
            if hosts > 2 && broken.iter().filter(|broken| alike(broken)).count() as u32 == 2 * (hosts - 1) {
                broken.retain(|broken| !alike(broken));
                let caused = first.last_change.map(|last_change| self.caused(last_change));
                anomalies.push(Anomaly::Isolated { node: self.directory.name(host), caused });
            }
        }
        while let Some(one) = broken.first().copied() {
            broken.remove(0);
            let back = broken.iter().position(|other| {
                (other.from, other.to) == (one.to, one.from)
                    && (other.state, other.last_change) == (one.state, one.last_change)
            });
            if let Some(back) = back {
                broken.remove(back);
            }
            let link = self.trouble(one.from, one.to, back.is_some(), one.state);
            anomalies.push(Anomaly::Link {
                link,
                caused: one.last_change.map(|last_change| self.caused(last_change)),
            });
        }
        anomalies
    }

    fn caused(&self, last_change: Change) -> Caused {
        let code = last_change.at.and_then(|at| self.directory.site(at)).map(Causer::Code);
        let by = if last_change.planned { Some(Causer::FaultPlan) } else { code };
        Caused { at_ns: last_change.at_ns, by }
    }
}

/// Returns why nothing passes the link; `None` if packets pass.
fn link_state(link: &Link, now_ns: u64) -> Option<LinkState> {
    if link.cuts > 0 {
        Some(LinkState::Cut)
    } else if link.held {
        Some(LinkState::Held)
    } else if link.loses_all() {
        Some(LinkState::LosesAll)
    } else {
        (link.clogged_until_ns > now_ns).then_some(LinkState::Clogged(link.clogged_until_ns))
    }
}

/// A link over which nothing passes.
#[derive(Clone, Copy, Debug)]
struct Broken {
    from: u32,
    to: u32,
    state: LinkState,
    last_change: Option<Change>,
}

fn text(name: &Name) -> Option<Box<str>> {
    match name {
        Name::Unnamed => None,
        Name::Path(path) => Some(path.display().to_string().into()),
        Name::Abstract(name) => Some(name.escape_ascii().to_string().into()),
    }
}
