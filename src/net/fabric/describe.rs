//! Describes the network as data for a report: what keeps a task waiting for a socket, and what is not as usual.
//!
//! Nothing is changed and nothing is decided here.

use std::net::SocketAddr;
use std::panic::Location;
use std::sync::Arc;

use timeloop_sim::{
    Anomaly, BytesPlace, Caused, Causer, Endpoint, LinkState, LinkTrouble, NodeEvent, NodeState, Obstacle,
    Site, SocketAction, SocketLabel, SocketWait, TaskLabel,
};

use super::connection::{End, EndKey, Fin, Phase};
use super::hosts::Protocol;
use super::link::{Link, Touched};
use super::unix::Name;
use super::{Direction, Fabric, Key, Lookup};

/// A socket that a task waits for, and what it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Socket {
    /// One end of a stream, to read or to write.
    Stream(EndKey, Direction),
    /// A listener.
    Listener(Key),
    /// A socket of UDP, to receive.
    Udp(Key),
    /// A socket for datagrams within a host, to receive.
    Datagram(Key),
    /// The other such socket, to which a datagram is to be sent.
    DatagramTo(Key),
}

/// What the network does not know of its hosts itself.
pub(crate) trait Directory {
    fn hosts(&self) -> u32;
    fn name(&self, host: u32) -> Arc<str>;
    fn state(&self, host: u32) -> NodeState;
    /// What happened to it last, when, and where that was called for.
    fn last_event(&self, host: u32) -> Option<(NodeEvent, Touched)>;
    /// The place in the source, unless it tells nobody anything.
    fn site(&self, at: &'static Location<'static>) -> Option<Site>;
}

/// The network at an instant.
pub(crate) struct View<'a, W, R> {
    pub(crate) fabric: &'a mut Fabric<W, R>,
    pub(crate) directory: &'a dyn Directory,
    pub(crate) now_ns: u64,
    /// The tasks that wait for a socket.
    pub(crate) waiting: &'a [(&'a TaskLabel, Socket)],
}

/// One side of a connection.
#[derive(Clone, Copy, Debug)]
struct Side {
    host: u32,
    phase: Phase,
    waits: [bool; 2],
    arrived: u32,
    flying: u32,
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
            flying: out.flying,
            unsent: out.unsent(),
            unreported: out.unreported,
            ends: matches!(out.fin, Fin::Wanted | Fin::Flying),
        }
    }
}

impl<W: PartialEq, R: Copy> View<'_, W, R> {
    /// A task's wait for this socket, which was made at `made`; `None` where nobody waits for it any more.
    pub(crate) fn wait(mut self, socket: Socket, made: &'static Location<'static>) -> Option<SocketWait> {
        let made = self.directory.site(made);
        match socket {
            Socket::Stream(key, direction) => self.stream(key, direction, made),
            Socket::Listener(key) => self.listener(key, made),
            Socket::Udp(key) => self.udp(key, made),
            Socket::Datagram(key) => {
                let socket = self.fabric.unix(key).filter(|socket| !socket.readers.is_empty())?;
                let (label, host) = (SocketLabel::UnixDatagram(text(&socket.name)), socket.host);
                let why = vec![Obstacle::NothingQueued];
                Some(self.at_node(SocketAction::Receive, label, host, made, why))
            }
            Socket::DatagramTo(key) => {
                let socket = self.fabric.unix(key).filter(|socket| !socket.senders.is_empty())?;
                let (label, host) = (SocketLabel::UnixDatagram(text(&socket.name)), socket.host);
                let why = vec![Obstacle::QueueFull(socket.queue.len() as u32)];
                Some(self.at_node(SocketAction::Send, label, host, made, why))
            }
        }
    }

    /// A wait for a socket that has one side only; the test's own node goes without saying.
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
        let [from, to] = [0, 1].map(|side| Endpoint {
            address: addresses[side],
            node: (!local).then(|| self.directory.name(sides[side].host)),
        });
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

    /// Why an end can't be read from or written to.
    fn no_progress(&self, key: EndKey, direction: Direction, own: Side, other: Side) -> Vec<Obstacle> {
        let mut why = Vec::new();
        let bytes = |count, place| Obstacle::Bytes { count, place };
        if direction == Direction::Write {
            why.push(Obstacle::BuffersFull);
        }
        let trouble = self.other_side(own, other);
        let is_gone = trouble.is_some() && other.phase == Phase::Nothing;
        why.extend(trouble);
        if direction == Direction::Read && !is_gone {
            why.push(match (other.flying, other.unsent) {
                (0, 0) if other.ends => Obstacle::EndInFlight,
                (0, 0) => Obstacle::NothingInFlight,
                (0, unsent) => bytes(unsent, BytesPlace::PeerUnsent),
                (flying, _) => bytes(flying, BytesPlace::Incoming),
            });
        }
        let unreported = if direction == Direction::Write { own.unreported } else { 0 };
        let of_own = [
            (own.arrived, BytesPlace::Unread),
            (own.flying, BytesPlace::Outgoing),
            (own.unsent, BytesPlace::Unsent),
            (unreported, BytesPlace::Unacknowledged),
        ];
        why.extend(of_own.into_iter().filter(|(count, _)| *count > 0).map(|(count, at)| bytes(count, at)));
        why.extend(self.links(own.host, other.host));
        why.extend(self.at_other_end(key));
        why
    }

    /// What is the matter with the other side of a connection.
    fn other_side(&self, own: Side, other: Side) -> Option<Obstacle> {
        let node = if own.host == other.host { None } else { self.node(other.host) };
        node.or(match other.phase {
            Phase::Nothing => Some(Obstacle::PeerGone),
            Phase::Queued => Some(Obstacle::NotAccepted),
            _ => None,
        })
    }

    /// The task that waits at the other end; nobody where tasks wait for both ways.
    fn at_other_end(&self, key: EndKey) -> Option<Obstacle> {
        let at = |wanted| {
            let is_there = move |socket: &Socket| *socket == Socket::Stream(key.other(), wanted);
            self.waiting.iter().find(|(_, socket)| is_there(socket)).map(|(task, _)| (*task).clone())
        };
        match (at(Direction::Read), at(Direction::Write)) {
            (Some(task), None) => Some(Obstacle::PeerReads(task)),
            (None, Some(task)) => Some(Obstacle::PeerWrites(task)),
            _ => None,
        }
    }

    /// Why a connection that was asked for has not come about.
    fn unanswered(&mut self, key: EndKey, sides: [Side; 2], to: SocketAddr) -> Vec<Obstacle> {
        let [asks, asked] = sides.map(|side| side.host);
        if self.fabric.hosts.find(asks, to.ip()).is_none() {
            return vec![Obstacle::NoSuchAddress];
        }
        let mut why = Vec::new();
        if asks != asked {
            why.extend(self.node(asked));
            why.extend(self.links(asks, asked));
        }
        let slot = self.fabric.hosts.socket(asked, Protocol::Tcp, to);
        if let Some(listener) = slot.and_then(|slot| self.fabric.listeners.at(slot)) {
            let full = listener.queue.len() as u32 + listener.pending > listener.backlog;
            if full && sides[usize::from(1 - key.side)].phase == Phase::Nothing {
                why.push(Obstacle::BacklogFull(listener.queue.len() as u32));
            }
        } else if self.directory.state(asked) != NodeState::Down {
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
            let [asks, asked] = &connection.ends;
            let is_for_it = asks.phase == Phase::Connecting
                && (asked.host, asks.peer.port()) == (host, local.port())
                && name.is_none();
            if is_for_it {
                let (from, address) = (asks.host, asks.local);
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
        for flight in self.fabric.flights.keys() {
            let to = self.fabric.flights.get(flight).map(|flight| (flight.host, flight.to));
            in_flight += u32::from(to.is_some_and(|(on, to)| {
                self.fabric.hosts.socket(on, Protocol::Udp, to) == Some(key.slot) && on == host
            }));
        }
        let held = self.fabric.held.iter().filter(|flight| flight.host == host);
        let held = held
            .filter(|flight| self.fabric.hosts.socket(host, Protocol::Udp, flight.to) == Some(key.slot))
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

    /// A node that is not up and running.
    fn node(&self, host: u32) -> Option<Obstacle> {
        let state = self.directory.state(host);
        (state != NodeState::Up).then(|| Obstacle::Node { node: self.directory.name(host), state })
    }

    fn trouble(&self, from: u32, to: u32, both_ways: bool, state: LinkState) -> LinkTrouble {
        let [from, to] = [from, to].map(|host| self.directory.name(host));
        LinkTrouble { from, to, both_ways, state }
    }

    /// What is the matter with the links between two hosts.
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

    // --- all that is not as usual ---

    /// What is not as usual: nodes that are down or paused, links over which nothing passes, names that can't be looked up.
    pub(crate) fn anomalies(self) -> Box<[Anomaly]> {
        let mut anomalies = self.unusual_nodes();
        anomalies.extend(self.unusual_links());
        let fails = self.fabric.names.iter().filter(|(_, lookup)| **lookup == Lookup::Fails);
        anomalies.extend(fails.map(|(name, _)| Anomaly::LookupFails(name.as_str().into())));
        anomalies.into()
    }

    fn unusual_nodes(&self) -> Vec<Anomaly> {
        let unusual = |host| {
            let state = Some(self.directory.state(host)).filter(|state| *state != NodeState::Up)?;
            let (event, touched) = self.directory.last_event(host)?;
            Some(Anomaly::Node {
                node: self.directory.name(host),
                state,
                event,
                caused: self.caused(touched),
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
                    broken.push(Broken { from, to, state, touched: link.touched });
                }
            }
        }
        let mut anomalies = Vec::new();
        for host in 0..hosts {
            let concerns = |broken: &Broken| broken.from == host || broken.to == host;
            let Some(first) = broken.iter().copied().find(concerns) else { continue };
            let alike = |broken: &Broken| {
                concerns(broken) && broken.state == LinkState::Cut && broken.touched == first.touched
            };
            if hosts > 2 && broken.iter().filter(|broken| alike(broken)).count() as u32 == 2 * (hosts - 1) {
                broken.retain(|broken| !alike(broken));
                let caused = first.touched.map(|touched| self.caused(touched));
                anomalies.push(Anomaly::Isolated { node: self.directory.name(host), caused });
            }
        }
        while let Some(one) = broken.first().copied() {
            broken.remove(0);
            let back = broken.iter().position(|other| {
                (other.from, other.to) == (one.to, one.from)
                    && (other.state, other.touched) == (one.state, one.touched)
            });
            if let Some(back) = back {
                broken.remove(back);
            }
            let link = self.trouble(one.from, one.to, back.is_some(), one.state);
            anomalies.push(Anomaly::Link { link, caused: one.touched.map(|touched| self.caused(touched)) });
        }
        anomalies
    }

    fn caused(&self, touched: Touched) -> Caused {
        let code = touched.at.and_then(|at| self.directory.site(at)).map(Causer::Code);
        let by = if touched.planned { Some(Causer::FaultPlan) } else { code };
        Caused { at_ns: touched.at_ns, by }
    }
}

/// Why nothing passes a link, if nothing does.
fn link_state(link: &Link, now_ns: u64) -> Option<LinkState> {
    if link.cuts > 0 {
        Some(LinkState::Cut)
    } else if link.held {
        Some(LinkState::Held)
    } else {
        (link.clogged_until_ns > now_ns).then_some(LinkState::Clogged(link.clogged_until_ns))
    }
}

/// A link that lets nothing pass.
#[derive(Clone, Copy, Debug)]
struct Broken {
    from: u32,
    to: u32,
    state: LinkState,
    touched: Option<Touched>,
}

fn text(name: &Name) -> Option<Box<str>> {
    match name {
        Name::Unnamed => None,
        Name::Path(path) => Some(path.display().to_string().into()),
        Name::Abstract(name) => Some(name.escape_ascii().to_string().into()),
    }
}
