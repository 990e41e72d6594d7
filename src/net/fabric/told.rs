//! The network in words, for whoever has to find out why a run failed.
//!
//! Always true: nothing is changed, nothing is decided; what is told is what the network knows at that instant, by the
//! names of nodes and by addresses; what is as usual is not told.

use std::panic::Location;

use timeloop_sim::{Nanos, TaskLabel, grouped};

use super::connection::{End, EndKey, Fin, Phase};
use super::hosts::Protocol;
use super::link::Link;
use super::unix::Name;
use super::{Direction, Fabric, Key, Lookup};
use crate::engine::node_life::NodeEvent;
use crate::engine::nodes::{NodeId, NodeState, Nodes};
use crate::engine::users;

/// Who is waited for: a socket, and what with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Socket {
    /// One end of a stream, to read or to write.
    Stream(EndKey, Direction),
    /// One that listens.
    Listener(Key),
    /// One of UDP, to receive.
    Udp(Key),
    /// One for datagrams within a host, to receive.
    Datagram(Key),
    /// The other one, to which a datagram is to be sent.
    DatagramTo(Key),
}

/// So many lines are told at most of what is not as usual.
const LINES_MAX: usize = 8;

/// Tells of a network.
#[derive(Debug)]
pub(crate) struct Teller<'a> {
    pub(crate) fabric: &'a mut Fabric,
    pub(crate) nodes: &'a Nodes,
    pub(crate) now_ns: u64,
    /// Who waits for what.
    pub(crate) everyone: &'a [(&'a TaskLabel, Socket)],
}

/// What is to be known of one side of a connection.
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
    fn of(end: &End) -> Self {
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

impl Teller<'_> {
    /// What a task does that waits for this socket, made at `made`, and what is known to keep it from it; `None` where nobody
    /// waits there any more.
    pub(crate) fn waits(mut self, socket: Socket, made: &'static Location<'static>) -> Option<String> {
        let (what, why) = match socket {
            Socket::Stream(key, direction) => self.stream(key, direction, made)?,
            Socket::Listener(key) => self.listener(key, made)?,
            Socket::Udp(key) => self.udp(key, made)?,
            Socket::Datagram(key) => {
                let socket = self.fabric.unix(key).filter(|socket| !socket.readers.is_empty())?;
                let (name, host) = (socket.name.clone(), socket.host);
                let what = format!("receives at the {}", self.datagrams(&name, host, made));
                (what, vec!["nothing waits to be received".to_owned()])
            }
            Socket::DatagramTo(key) => {
                let socket = self.fabric.unix(key).filter(|socket| !socket.senders.is_empty())?;
                let (name, host, queued) = (socket.name.clone(), socket.host, socket.queue.len());
                let what = format!("sends to the {}", self.datagrams(&name, host, made));
                let wait = counted(queued, "datagram", ["waits", "wait"]);
                let full = format!("there is no room: {wait} to be received there");
                (what, vec![full])
            }
        };
        Some(format!("{what}: {}", listed(&why)))
    }

    // --- streams ---

    fn stream(
        &mut self,
        key: EndKey,
        direction: Direction,
        made: &'static Location<'static>,
    ) -> Option<(String, Vec<String>)> {
        let connection = self.fabric.connections.get(key.connection)?;
        let names = connection.names.clone();
        let addresses = [connection.ends[0].local, connection.ends[0].peer];
        let sides = [Side::of(&connection.ends[0]), Side::of(&connection.ends[1])];
        let (own, other) = (sides[usize::from(key.side)], sides[1 - usize::from(key.side)]);
        if !own.waits[direction as usize] {
            return None;
        }
        let [from, to] = if sides[0].host == sides[1].host {
            addresses.map(|address| format!("`{address}`"))
        } else {
            [0, 1].map(|side| format!("`{}` ({})", addresses[side], self.name(sides[side].host)))
        };
        if own.phase == Phase::Connecting {
            return Some((
                format!("connects to {to} from {from}"),
                self.unanswered(key, sides, addresses[1]),
            ));
        }
        let named = match names.as_deref() {
            None => format!("tcp connection {from} -> {to}"),
            Some([_, Name::Unnamed]) => "unix stream of a pair".to_owned(),
            Some([_, name]) => format!("unix stream `{}`", path(name)),
        };
        let does = if direction == Direction::Read { "reads from" } else { "writes to" };
        let what = format!("{does} the {named}{}", place("opened", made));
        let mut why = Vec::new();
        let gone = self.other_side(own, other);
        let is_gone = gone.is_some() && other.phase == Phase::Nothing;
        if direction == Direction::Write {
            why.push("there is no room".to_owned());
        }
        why.extend(gone);
        if direction == Direction::Read && !is_gone {
            why.push(match (other.flying, other.unsent) {
                (0, 0) if other.ends => "the end of the stream is under way".to_owned(),
                (0, 0) => "nothing is under way".to_owned(),
                (0, unsent) => bytes(unsent, ["has not left the other end", "have not left the other end"]),
                (flying, _) => bytes(flying, ["is under way", "are under way"]),
            });
        }
        let of_own = [
            (own.arrived, ["from here waits to be read", "from here wait to be read"]),
            (own.flying, ["from here is under way", "from here are under way"]),
            (own.unsent, ["from here has not left", "from here have not left"]),
        ];
        why.extend(of_own.into_iter().filter(|(count, _)| *count > 0).map(|(count, how)| bytes(count, how)));
        if direction == Direction::Write && own.unreported > 0 {
            let read = [
                "was read there, of which this end has not heard",
                "were read there, of which this end has not heard",
            ];
            why.push(bytes(own.unreported, read));
        }
        why.extend(self.links_told(own.host, other.host));
        why.extend(self.at_other_end(key, direction));
        Some((what, why))
    }

    /// How the other side of a connection stands, if that is not as it should be.
    fn other_side(&self, own: Side, other: Side) -> Option<String> {
        let node = if own.host == other.host { None } else { self.node_told(other.host) };
        node.or_else(|| match other.phase {
            Phase::Nothing => Some("the other end is gone, which only a write would find out".to_owned()),
            Phase::Queued => Some("nobody has accepted it".to_owned()),
            _ => None,
        })
    }

    /// Who waits at the other end, and for what.
    fn at_other_end(&self, key: EndKey, direction: Direction) -> Option<String> {
        let at = |wanted| {
            let is_there = move |socket: &Socket| *socket == Socket::Stream(key.other(), wanted);
            self.everyone.iter().find(|(_, socket)| is_there(socket)).map(|(task, _)| task)
        };
        match (at(Direction::Read), at(Direction::Write), direction) {
            (Some(task), None, Direction::Read) => Some(format!("at the other end {task} reads, too")),
            (Some(task), None, Direction::Write) => Some(format!("at the other end {task} reads")),
            (None, Some(task), Direction::Write) => Some(format!("at the other end {task} writes, too")),
            (None, Some(task), Direction::Read) => Some(format!("at the other end {task} writes")),
            _ => None,
        }
    }

    /// Why a connection that was asked for has not come about.
    fn unanswered(&mut self, key: EndKey, sides: [Side; 2], to: std::net::SocketAddr) -> Vec<String> {
        let [asks, asked] = sides.map(|side| side.host);
        if self.fabric.hosts.find(asks, to.ip()).is_none() {
            return vec!["no node has that address".to_owned()];
        }
        let mut why: Vec<String> = Vec::new();
        if asks != asked {
            why.extend(self.node_told(asked));
            why.extend(self.links_told(asks, asked));
        }
        let slot = self.fabric.hosts.socket(asked, Protocol::Tcp, to);
        if let Some(listener) = slot.and_then(|slot| self.fabric.listeners.at(slot)) {
            let full = listener.queue.len() as u32 + listener.pending > listener.backlog;
            if full && sides[usize::from(1 - key.side)].phase == Phase::Nothing {
                let wait = counted(listener.queue.len(), "connection", ["waits", "wait"]);
                why.push(format!("its listener's queue is full: {wait} to be accepted"));
            }
        } else if self.nodes.state(NodeId(asked)) != NodeState::Down {
            why.push("nobody listens there".to_owned());
        }
        if why.is_empty() {
            why.push("no answer has come yet".to_owned());
        }
        why
    }

    fn listener(&mut self, key: Key, made: &'static Location<'static>) -> Option<(String, Vec<String>)> {
        let listener = self.fabric.listeners.get(key).filter(|listener| !listener.acceptors.is_empty())?;
        let (host, local, name) = (listener.host, listener.local, listener.name.clone());
        let named = match &name {
            None => format!("tcp listener `{local}`"),
            Some(name) => format!("unix listener `{}`", path(name)),
        };
        let what = format!("accepts at the {named}{}{}", self.of_node(host), place("bound", made));
        let mut why = Vec::new();
        for connection in self.fabric.connections.keys() {
            let Some(connection) = self.fabric.connections.get(connection) else { continue };
            let [asks, asked] = &connection.ends;
            let is_for_it = asks.phase == Phase::Connecting
                && (asked.host, asks.peer.port()) == (host, local.port())
                && name.is_none();
            if !is_for_it {
                continue;
            }
            let (from, address) = (asks.host, asks.local);
            let links = if from == host { Vec::new() } else { self.links_told(from, host) };
            why.push(format!("`{address}` ({}) asks for a connection", self.name(from)));
            why.extend(links);
            break;
        }
        if why.is_empty() {
            why.push("nobody asks for a connection".to_owned());
        }
        Some((what, why))
    }

    // --- datagrams ---

    fn udp(&mut self, key: Key, made: &'static Location<'static>) -> Option<(String, Vec<String>)> {
        let socket = self.fabric.udp.get(key).filter(|socket| !socket.readers.is_empty())?;
        let (host, local, peer) = (socket.host, socket.local, socket.peer);
        let mut what =
            format!("receives at the udp socket `{local}`{}{}", self.of_node(host), place("bound", made));
        let peers_host = peer.and_then(|peer| self.fabric.hosts.find(host, peer.ip()));
        if let Some(peer) = peer {
            let node =
                peers_host.filter(|other| *other != host).map(|other| format!(" ({})", self.name(other)));
            what.push_str(&format!(", connected to `{peer}`{}", node.unwrap_or_default()));
        }
        let mut why = Vec::new();
        let flights = self.fabric.flights.keys();
        let mut flying = 0;
        for flight in flights {
            let to = self.fabric.flights.get(flight).map(|flight| (flight.host, flight.to));
            flying += usize::from(to.is_some_and(|(on, to)| {
                self.fabric.hosts.socket(on, Protocol::Udp, to) == Some(key.slot) && on == host
            }));
        }
        let held = self.fabric.held.iter().filter(|flight| flight.host == host);
        let held = held
            .filter(|flight| self.fabric.hosts.socket(host, Protocol::Udp, flight.to) == Some(key.slot))
            .count();
        if held > 0 {
            why.push(counted(held, "datagram", ["is held on the way", "are held on the way"]));
        }
        if flying > 0 {
            why.push(counted(flying, "datagram", ["is under way", "are under way"]));
        }
        if why.is_empty() {
            why.push("nothing is under way".to_owned());
        }
        if let Some(other) = peers_host.filter(|other| *other != host) {
            why.extend(self.node_told(other));
            why.extend(self.links_told(host, other));
        }
        Some((what, why))
    }

    fn datagrams(&self, name: &Name, host: u32, made: &'static Location<'static>) -> String {
        let named = match name {
            Name::Unnamed => String::new(),
            name => format!(" `{}`", path(name)),
        };
        format!("unix datagram socket{named}{}{}", self.of_node(host), place("made", made))
    }

    // --- hosts and links ---

    fn name(&self, host: u32) -> String {
        self.nodes.name(NodeId(host)).to_string()
    }

    /// Where a socket is that has one side only; the test's own node goes without saying.
    fn of_node(&self, host: u32) -> String {
        if NodeId(host) == NodeId::TEST { String::new() } else { format!(" of node `{}`", self.name(host)) }
    }

    /// How a node stands, if it is not up and running.
    fn node_told(&self, host: u32) -> Option<String> {
        let stands = match self.nodes.state(NodeId(host)) {
            NodeState::Up => return None,
            NodeState::Paused => "paused",
            NodeState::Down => "down",
        };
        Some(format!("node `{}` is {stands}", self.name(host)))
    }

    /// What is the matter with the links between two hosts.
    fn links_told(&self, one: u32, other: u32) -> Vec<String> {
        if one == other {
            return Vec::new();
        }
        let [goes, comes] = [(one, other), (other, one)].map(|(from, to)| {
            self.fabric.links.known(from, to).and_then(|link| Trouble::of(link, self.now_ns))
        });
        let between = |[from, to]: [u32; 2], trouble: Trouble| {
            format!("the link `{}` -> `{}` is {}", self.name(from), self.name(to), trouble.told())
        };
        match (goes, comes) {
            (Some(goes), Some(comes)) if goes == comes => {
                vec![format!(
                    "the link between `{}` and `{}` is {}",
                    self.name(one),
                    self.name(other),
                    goes.told()
                )]
            }
            (goes, comes) => {
                let goes = goes.map(|trouble| between([one, other], trouble));
                goes.into_iter().chain(comes.map(|trouble| between([other, one], trouble))).collect()
            }
        }
    }

    // --- all that is not as usual ---

    /// What is not as usual: nodes that are down or paused, links over which nothing passes, names that can't be looked up.
    pub(crate) fn unusual(self) -> Box<[String]> {
        let mut lines = self.unusual_nodes();
        lines.extend(self.unusual_links());
        let fails = self.fabric.names.iter().filter(|(_, lookup)| **lookup == Lookup::Fails);
        lines.extend(fails.map(|(name, _)| format!("looking up `{name}` fails")));
        if lines.len() > LINES_MAX {
            let more = lines.len() - (LINES_MAX - 1);
            lines.truncate(LINES_MAX - 1);
            lines.push(format!("and {more} more"));
        }
        lines.into()
    }

    fn unusual_nodes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for node in self.nodes.ids() {
            let Some(stands) = self.node_told(node.0) else { continue };
            let Some(last) = self.nodes.last_change(node) else { continue };
            let at = Nanos(last.at_ns);
            let how = match last.event {
                NodeEvent::Crashes => format!(": it crashed at {at}"),
                NodeEvent::ShutsDown => format!(": it shut down at {at}"),
                _ => format!(" since {at}"),
            };
            lines.push(format!("{stands}{how}{}", last.called_at.map(by).unwrap_or_default()));
        }
        lines
    }

    fn unusual_links(&self) -> Vec<String> {
        let hosts = self.nodes.ids().count() as u32;
        let mut broken: Vec<Broken> = Vec::new();
        for from in 0..hosts {
            for to in 0..hosts {
                let link = self.fabric.links.known(from, to);
                if let Some((link, trouble)) =
                    link.and_then(|link| Some((link, Trouble::of(link, self.now_ns)?)))
                {
                    broken.push(Broken { from, to, trouble, touched: link.touched });
                }
            }
        }
        let mut lines = Vec::new();
        for host in 0..hosts {
            let concerns = |broken: &Broken| broken.from == host || broken.to == host;
            let Some(first) = broken.iter().copied().find(concerns) else { continue };
            let alike = |broken: &Broken| {
                concerns(broken) && broken.trouble == Trouble::Cut && broken.touched == first.touched
            };
            if hosts > 2 && broken.iter().filter(|broken| alike(broken)).count() as u32 == 2 * (hosts - 1) {
                broken.retain(|broken| !alike(broken));
                lines.push(format!("node `{}` is cut off from all others{}", self.name(host), first.told()));
            }
        }
        while let Some(one) = broken.first().copied() {
            broken.remove(0);
            let back = broken.iter().position(|other| {
                (other.from, other.to) == (one.to, one.from)
                    && (other.trouble, other.touched) == (one.trouble, one.touched)
            });
            let [from, to] = [one.from, one.to].map(|host| self.name(host));
            let link = match back {
                Some(back) => {
                    broken.remove(back);
                    format!("the link between `{from}` and `{to}`")
                }
                None => format!("the link `{from}` -> `{to}`"),
            };
            lines.push(format!("{link} is {}{}", one.trouble.told(), one.told()));
        }
        lines
    }
}

/// Why nothing passes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Cut,
    Held,
    /// Nothing arrives before.
    Clogged(u64),
}

impl Trouble {
    fn of(link: &Link, now_ns: u64) -> Option<Self> {
        if link.cuts > 0 {
            Some(Self::Cut)
        } else if link.held {
            Some(Self::Held)
        } else if link.clogged_until_ns > now_ns {
            Some(Self::Clogged(link.clogged_until_ns))
        } else {
            None
        }
    }

    fn told(self) -> String {
        match self {
            Self::Cut => "cut".to_owned(),
            Self::Held => "held".to_owned(),
            Self::Clogged(until_ns) => format!("clogged until {}", Nanos(until_ns)),
        }
    }
}

/// A link that is in trouble.
#[derive(Clone, Copy, Debug)]
struct Broken {
    from: u32,
    to: u32,
    trouble: Trouble,
    touched: Option<(u64, &'static Location<'static>)>,
}

impl Broken {
    /// Since when, and by whom.
    fn told(&self) -> String {
        let Some((at_ns, at)) = self.touched else { return String::new() };
        let since = match self.trouble {
            Trouble::Clogged(_) => String::new(),
            Trouble::Cut | Trouble::Held => format!(" since {}", Nanos(at_ns)),
        };
        format!("{since}{}", by(at))
    }
}

/// Who has called for something.
fn by(at: &'static Location<'static>) -> String {
    match users(at) {
        Some(site) => format!(", by {site}"),
        None if at.file().replace('\\', "/").contains("src/net/plan") => ", by a fault plan".to_owned(),
        None => String::new(),
    }
}

/// Where something was made, after what it is.
fn place(made: &str, at: &'static Location<'static>) -> String {
    users(at).map_or_else(String::new, |site| format!(", {made} at {site}"))
}

fn path(name: &Name) -> String {
    match name {
        Name::Unnamed => String::new(),
        Name::Path(path) => path.display().to_string(),
        Name::Abstract(name) => name.escape_ascii().to_string(),
    }
}

/// So many of something, and what is to be said of one or of several.
fn counted(number: usize, what: &str, says: [&str; 2]) -> String {
    let (plural, says) = if number == 1 { ("", says[0]) } else { ("s", says[1]) };
    format!("{} {what}{plural} {says}", grouped(number as u64))
}

fn bytes(number: u32, says: [&str; 2]) -> String {
    counted(number as usize, "byte", says)
}

/// `a`, `a, and b`, `a, b, and c`.
fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    }
}
