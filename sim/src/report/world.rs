//! The world around the tasks in words: nodes, links, sockets, packets and planned faults.

use std::fmt;

use crate::text::{Nanos, counted_with, done_at, grouped, listed};
use crate::{
    Anomaly, BytesPlace, Caused, Causer, Endpoint, FaultAspect, FaultKind, LinkState, LinkTrouble, NodeEvent,
    NodeState, NodeWait, Obstacle, PacketFate, PlannedFault, SocketAction, SocketLabel, SocketWait,
    WorldChange, WorldEffect,
};

/// So many lines at most say what is not as usual in the network.
const NETWORK_LINES_MAX: usize = 8;

/// What a step did to the world, as a sentence without its full stop: `node db-1 crashes`.
impl fmt::Display for WorldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { node, event, incarnation } => {
                let happens = match event {
                    NodeEvent::Starts if *incarnation > 1 => "restarts",
                    NodeEvent::Starts => "starts",
                    NodeEvent::Crashes => "crashes",
                    NodeEvent::Pauses => "is paused",
                    NodeEvent::Resumes => "is resumed",
                    NodeEvent::IsAskedToShutDown => "is asked to shut down",
                    NodeEvent::ShutsDown => "shuts down",
                    NodeEvent::ClockChanges => "has its clock changed",
                };
                write!(f, "node {node} {happens}")
            }
            Self::NotPolled(state) => write!(f, "its node {}", stands(*state)),
        }
    }
}

/// What a decision about the world came to, as a sentence without its full stop.
impl fmt::Display for WorldEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet { from, to, number, fate, at_ns } => {
                let number = grouped(u64::from(*number) + 1);
                write!(f, "packet {number} from `{from}` to `{to}` ")?;
                match fate {
                    PacketFate::Takes(ns) => write!(f, "takes {}", Nanos(*ns))?,
                    PacketFate::Lost => f.write_str("is lost")?,
                    PacketFate::Duplicated => f.write_str("comes twice")?,
                    PacketFate::Reordered => f.write_str("falls behind")?,
                }
                write!(f, " at {}", Nanos(*at_ns))
            }
            Self::Fault { fault, aspect } => fault.write(f, *aspect),
        }
    }
}

impl PlannedFault {
    fn write(&self, f: &mut fmt::Formatter<'_>, aspect: FaultAspect) -> fmt::Result {
        let [one, other] = &self.nodes;
        let (what, breaks) = match self.kind {
            FaultKind::Cut => (format!("the link between `{one}` and `{other}`"), "is cut"),
            FaultKind::OneWayCut => (format!("the link `{one}` -> `{other}`"), "is cut"),
            FaultKind::Isolate => (format!("node `{one}`"), "is cut off from all others"),
            FaultKind::Clog => (format!("the link between `{one}` and `{other}`"), "is clogged"),
            FaultKind::Crash => (format!("node `{one}`"), "crashes"),
            FaultKind::Pause => (format!("node `{one}`"), "is paused"),
        };
        if aspect == FaultAspect::Target {
            return write!(f, "what breaks is {what}");
        }
        let word = if self.kind == FaultKind::Crash { "and is started again after" } else { "for" };
        let (begins, lasts) = (Nanos(self.begins_ns), Nanos(self.lasts_ns));
        write!(f, "{what} {breaks} {begins} into the fault plan, {word} {lasts}")?;
        f.write_str(match aspect {
            FaultAspect::Happens | FaultAspect::Target => "",
            FaultAspect::Begins => ": not at once, but then",
            FaultAspect::Lasts => ": for so long",
        })
    }
}

fn stands(state: NodeState) -> &'static str {
    match state {
        NodeState::Up => "is up",
        NodeState::Paused => "is paused",
        NodeState::Down => "is down",
    }
}

/// What a task does that waits for what becomes of a node, as what follows `it`.
pub(super) fn node_wait(node: &str, state: NodeState, tasks: u32, wait: NodeWait) -> String {
    let change = match wait {
        NodeWait::Down => "go down",
        NodeWait::ShutDown => "shut down",
        NodeWait::ShutdownRequest => return "waits for its node to be asked to shut down".to_owned(),
    };
    let tasks = match (state, tasks) {
        (NodeState::Up, 0) => ", although no task of it is left".to_owned(),
        (NodeState::Up, tasks) => format!(", with {tasks} {}", if tasks == 1 { "task" } else { "tasks" }),
        _ => String::new(),
    };
    format!("waits for node `{node}` to {change}, which {}{tasks}", stands(state))
}

/// `` `10.0.0.2:80` (server) ``.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.address)?;
        self.node.as_ref().map_or(Ok(()), |node| write!(f, " ({node})"))
    }
}

/// What a task does to a socket, and what keeps it from that, as what follows `it`.
impl fmt::Display for SocketWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, socket, node, made, obstacles } = self;
        let obstacles: Vec<_> = obstacles.iter().map(|obstacle| obstacle.words(*action)).collect();
        let obstacles = listed(&obstacles);
        if let (SocketAction::Connect, SocketLabel::TcpStream { from, to }) = (action, socket) {
            return write!(f, "connects to {to} from {from}: {obstacles}");
        }
        let verb = match action {
            SocketAction::Connect => "connects",
            SocketAction::Read => "reads from",
            SocketAction::Write => "writes to",
            SocketAction::Accept => "accepts at",
            SocketAction::Receive => "receives at",
            SocketAction::Send => "sends to",
        };
        write!(f, "{verb} the {socket}")?;
        if let Some(node) = node {
            write!(f, " of node `{node}`")?;
        }
        let done = match socket {
            SocketLabel::TcpStream { .. } | SocketLabel::UnixStream(_) => "opened",
            SocketLabel::TcpListener(_) | SocketLabel::UnixListener(_) | SocketLabel::Udp { .. } => "bound",
            SocketLabel::UnixDatagram(_) => "made",
        };
        f.write_str(&done_at(done, made.as_ref()))?;
        if let SocketLabel::Udp { peer: Some(peer), .. } = socket {
            write!(f, ", connected to {peer}")?;
        }
        write!(f, ": {obstacles}")
    }
}

impl fmt::Display for SocketLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TcpStream { from, to } => write!(f, "tcp connection {from} -> {to}"),
            Self::TcpListener(address) => write!(f, "tcp listener `{address}`"),
            Self::Udp { local, .. } => write!(f, "udp socket `{local}`"),
            Self::UnixStream(None) => f.write_str("unix stream of a pair"),
            Self::UnixStream(Some(name)) => write!(f, "unix stream `{name}`"),
            Self::UnixListener(name) => write!(f, "unix listener `{name}`"),
            Self::UnixDatagram(None) => f.write_str("unix datagram socket"),
            Self::UnixDatagram(Some(name)) => write!(f, "unix datagram socket `{name}`"),
        }
    }
}

impl Obstacle {
    /// What keeps a task from this action.
    fn words(&self, action: SocketAction) -> String {
        let too = |own| if action == own { ", too" } else { "" };
        let counted_with = |count: &u32, what, verbs| counted_with(u64::from(*count), what, verbs);
        match self {
            Self::Node { node, state } => format!("node `{node}` {}", stands(*state)),
            Self::Link(link) => link.to_string(),
            Self::Bytes { count, place } => {
                let verbs = match place {
                    BytesPlace::Incoming => ["is under way", "are under way"],
                    BytesPlace::PeerUnsent => ["has not left the other end", "have not left the other end"],
                    BytesPlace::Unread => ["from here waits to be read", "from here wait to be read"],
                    BytesPlace::Outgoing => ["from here is under way", "from here are under way"],
                    BytesPlace::Unsent => ["from here has not left", "from here have not left"],
                    BytesPlace::Unacknowledged => [
                        "was read there, of which this end has not heard",
                        "were read there, of which this end has not heard",
                    ],
                };
                counted_with(count, "byte", verbs)
            }
            Self::NothingInFlight => "nothing is under way".to_owned(),
            Self::EndInFlight => "the end of the stream is under way".to_owned(),
            Self::PeerGone => "the other end is gone, which only a write would find out".to_owned(),
            Self::NotAccepted => "nobody has accepted it".to_owned(),
            Self::PeerReads(task) => format!("at the other end {task} reads{}", too(SocketAction::Read)),
            Self::PeerWrites(task) => format!("at the other end {task} writes{}", too(SocketAction::Write)),
            Self::BuffersFull => "there is no room".to_owned(),
            Self::QueueFull(count) => {
                let wait = counted_with(count, "datagram", ["waits", "wait"]);
                format!("there is no room: {wait} to be received there")
            }
            Self::BacklogFull(count) => {
                let wait = counted_with(count, "connection", ["waits", "wait"]);
                format!("its listener's queue is full: {wait} to be accepted")
            }
            Self::NoSuchAddress => "no node has that address".to_owned(),
            Self::NobodyListens => "nobody listens there".to_owned(),
            Self::NoAnswer => "no answer has come yet".to_owned(),
            Self::Connecting(from) => format!("{from} asks for a connection"),
            Self::NobodyConnects => "nobody asks for a connection".to_owned(),
            Self::NothingQueued => "nothing waits to be received".to_owned(),
            Self::DatagramsHeld(count) => {
                counted_with(count, "datagram", ["is held on the way", "are held on the way"])
            }
            Self::DatagramsInFlight(count) => {
                counted_with(count, "datagram", ["is under way", "are under way"])
            }
        }
    }
}

impl fmt::Display for LinkTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, both_ways, state } = self;
        if *both_ways {
            write!(f, "the link between `{from}` and `{to}` is ")?;
        } else {
            write!(f, "the link `{from}` -> `{to}` is ")?;
        }
        match state {
            LinkState::Cut => f.write_str("cut"),
            LinkState::Held => f.write_str("held"),
            LinkState::Clogged(until_ns) => write!(f, "clogged until {}", Nanos(*until_ns)),
        }
    }
}

/// What is not as usual in the network, a line each.
pub(super) fn network_lines(anomalies: &[Anomaly]) -> Vec<String> {
    let shown = if anomalies.len() > NETWORK_LINES_MAX { NETWORK_LINES_MAX - 1 } else { anomalies.len() };
    let more = anomalies.len() - shown;
    let lines = anomalies[..shown].iter().map(ToString::to_string);
    lines.chain((more > 0).then(|| format!("and {more} more"))).collect()
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { node, state, event, caused } => {
                let at = Nanos(caused.at_ns);
                write!(f, "node `{node}` {}", stands(*state))?;
                match event {
                    NodeEvent::Crashes => write!(f, ": it crashed at {at}")?,
                    NodeEvent::ShutsDown => write!(f, ": it shut down at {at}")?,
                    _ => write!(f, " since {at}")?,
                }
                caused.write_causer(f)
            }
            Self::Isolated { node, caused } => {
                write!(f, "node `{node}` is cut off from all others")?;
                caused.as_ref().map_or(Ok(()), |caused| caused.write_since(f))
            }
            Self::Link { link, caused } => {
                write!(f, "{link}")?;
                caused.as_ref().map_or(Ok(()), |caused| match link.state {
                    LinkState::Clogged(_) => caused.write_causer(f),
                    LinkState::Cut | LinkState::Held => caused.write_since(f),
                })
            }
            Self::LookupFails(name) => write!(f, "looking up `{name}` fails"),
        }
    }
}

impl Caused {
    fn write_since(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " since {}", Nanos(self.at_ns))?;
        self.write_causer(f)
    }

    fn write_causer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(Causer::Code(site)) => write!(f, ", by {site}"),
            Some(Causer::FaultPlan) => f.write_str(", by a fault plan"),
            None => Ok(()),
        }
    }
}
