//! The text for nodes, links, sockets, packets and faults.

use std::fmt;
use std::sync::Arc;

use super::since;
use super::task_names::TaskNames;
use crate::sorting::insert_sorted;
use crate::text::{Nanos, counted, counted_with, done_at, grouped, listed, wrap};
use crate::{
    Anomaly, BytesPlace, Caused, Causer, Endpoint, Failure, FaultAspect, FaultKind, LinkChange, LinkState,
    LinkTrouble, NodeEvent, NodeState, NodeWait, Obstacle, PacketFate, PlannedFault, SocketAction,
    SocketLabel, SocketWait, WorldChange, WorldEffect,
};

/// The maximum number of lines about the network.
const NETWORK_LINES_MAX: usize = 8;

/// Lists the anomalies of the network when the run failed, if there are any.
pub(super) fn write(text: &mut String, failure: &Failure) {
    if !failure.network.is_empty() {
        text.push_str("\nNetwork when the run failed\n");
        network_lines(&failure.network).iter().for_each(|line| wrap(text, "  - ", "    ", line));
    }
}

/// Renders a change as a clause: `node db-1 crashes`, or `cuts link a → b`, of which the subject is the task.
impl fmt::Display for WorldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { node, event, incarnation } => {
                let happens = match event {
                    NodeEvent::IsSignaled(number) => {
                        return write!(f, "node {node} gets {}", signal(*number));
                    }
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
            Self::Links { change, links } => write!(f, "{} {}", change.verb(), listed_links(links)),
            // It may have been started again since then.
            Self::NotPolled(NodeState::Down) => f.write_str("its node went down"),
            Self::NotPolled(state) => write!(f, "its node {}", is_in_state(*state)),
        }
    }
}

impl LinkChange {
    fn verb(self) -> &'static str {
        match self {
            Self::Cut => "cuts",
            Self::Healed => "heals",
            Self::Held => "holds",
            Self::Released => "releases",
            Self::Clogged => "clogs",
            Self::MadeFlaky => "makes flaky",
            Self::MadeStable => "makes stable",
        }
    }
}

/// Renders links: `link a → b`, `link a ↔ b`, `all links of a`, `4 links`.
fn listed_links(links: &[(Arc<str>, Arc<str>)]) -> String {
    let (from, to) = match links {
        [] => return "all links".to_owned(),
        [(from, to)] => return format!("link {from} → {to}"),
        [(from, to), ..] => (from, to),
    };
    let is_two_way =
        || links.iter().all(|(from, to)| links.iter().any(|(other, back)| (other, back) == (to, from)));
    let all_have = |node: &Arc<str>| links.iter().all(|(from, to)| from == node || to == node);
    match [from, to].into_iter().find(|node| all_have(node)) {
        Some(_) if is_two_way() && links.len() == 2 => format!("link {from} ↔ {to}"),
        Some(node) if is_two_way() => {
            format!("links of {node} with {}", counted(links.len() as u64 / 2, "node"))
        }
        _ => counted(links.len() as u64, "link"),
    }
}

/// Renders the effect of a decision as a clause: `` packet 3 from `a` to `b`, sent at 5 ms, is lost ``.
impl fmt::Display for WorldEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&TaskNames::plain()))
    }
}

impl WorldEffect {
    pub(super) fn text(&self, names: &TaskNames) -> String {
        match self {
            Self::Packet { from, to, number, fate, at_ns } => {
                let (number, at) = (grouped(u64::from(*number) + 1), Nanos(*at_ns));
                let fate = match fate {
                    PacketFate::Takes(ns) => format!("takes {}", Nanos(*ns)),
                    PacketFate::Lost => "is lost".to_owned(),
                    PacketFate::Duplicated => "is duplicated".to_owned(),
                    PacketFate::Reordered => "is overtaken by later packets".to_owned(),
                };
                format!("packet {number} from `{from}` to `{to}`, sent at {at}, {fate}")
            }
            Self::Fault { fault, aspect } => fault.text(*aspect),
            Self::Transfer { task, stream, reads, bytes, of } => {
                let (task, bytes, of) = (names.mention(task), grouped(*bytes), counted(*of, "byte"));
                let [does, from] = if *reads { ["reads", "from"] } else { ["writes", "to"] };
                format!("{task} {does} only {bytes} of {of} {from} a {stream}")
            }
            Self::Lookup { task, name, takes_ns } => {
                format!("{} looks up `{name}`, which takes {}", names.mention(task), Nanos(*takes_ns))
            }
        }
    }
}

impl PlannedFault {
    fn text(&self, aspect: FaultAspect) -> String {
        let name = |index: usize| self.nodes.get(index).map_or("", |name| name);
        let (one, other) = (name(0), name(1));
        let all = || {
            let names: Vec<_> = self.nodes.iter().map(|name| format!("`{name}`")).collect();
            if let [name] = &names[..] {
                format!("node {name}")
            } else {
                format!("nodes {}", names.join(", "))
            }
        };
        let between = || format!("the link between `{one}` and `{other}`");
        let (target, breaks) = match self.kind {
            FaultKind::Cut => (between(), "is cut"),
            FaultKind::OneWayCut => (format!("the link `{one}` → `{other}`"), "is cut"),
            FaultKind::Isolate => (format!("node `{one}`"), "is cut off from all other nodes"),
            FaultKind::Clog => (between(), "is clogged"),
            FaultKind::Crash => (format!("node `{one}`"), "crashes"),
            FaultKind::Pause => (format!("node `{one}`"), "is paused"),
            FaultKind::Flaky => (between(), "is flaky"),
            FaultKind::Hold => (format!("the link `{one}` → `{other}`"), "holds its packets"),
            FaultKind::Split => ("the network".to_owned(), "is split into groups"),
            FaultKind::Swizzle if self.nodes.len() == 1 => (all(), "is cut off from all other nodes"),
            FaultKind::Swizzle => (all(), "are cut off one after the other"),
            FaultKind::LookupFailure => (format!("lookups of `{one}`"), "fail"),
            FaultKind::ClockJump => (format!("the wall clock of node `{one}`"), "jumps"),
        };
        let breaks = match self.kind {
            FaultKind::Split => format!("{breaks} ({})", self.listed_groups()),
            FaultKind::ClockJump => {
                let by = Nanos(self.jump_ns.unsigned_abs());
                if self.jump_ns < 0 { format!("jumps back by {by}") } else { format!("jumps ahead by {by}") }
            }
            _ => breaks.to_owned(),
        };
        let lasts = Nanos(self.lasts_ns);
        let lasts = match self.kind {
            FaultKind::Crash => format!("and restarts after {lasts}"),
            FaultKind::ClockJump => format!("and back after {lasts}"),
            _ => format!("for {lasts}"),
        };
        let begins = Nanos(self.begins_ns);
        let fault = match self.kind {
            FaultKind::Crash => "crash",
            FaultKind::Pause => "pause",
            FaultKind::Clog => "clog",
            FaultKind::Cut | FaultKind::OneWayCut | FaultKind::Isolate => "cut",
            FaultKind::Flaky => "flaky link",
            FaultKind::Hold => "hold",
            FaultKind::Split => "split",
            FaultKind::Swizzle => "swizzle",
            FaultKind::LookupFailure => "failing lookup",
            FaultKind::ClockJump => "clock jump",
        };
        match aspect {
            FaultAspect::Happens => {
                format!("{target} {breaks} {begins} after the fault plan starts, {lasts}")
            }
            FaultAspect::Target if self.kind == FaultKind::Split => {
                let groups = self.groups.iter().max().map_or(1, |last| last + 1);
                format!("the split has {groups} groups")
            }
            FaultAspect::Target => format!("the target of the {fault} is {target}"),
            FaultAspect::Begins => {
                format!("{target} {breaks} only {begins} after the fault plan starts")
            }
            FaultAspect::Lasts => format!("{target} {breaks} {lasts}"),
            FaultAspect::Detail => format!("{target} {breaks} in the {fault}"),
        }
    }

    /// Lists the groups of a split: `` `a`, `b` | `c` ``.
    fn listed_groups(&self) -> String {
        let mut numbers = Vec::new();
        self.groups.iter().for_each(|&number| insert_sorted(&mut numbers, number));
        let group = |number: u32| {
            let members = self.nodes.iter().zip(&self.groups).filter(|(_, group)| **group == number);
            members.map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        numbers.into_iter().map(group).collect::<Vec<_>>().join(" | ")
    }
}

fn is_in_state(state: NodeState) -> &'static str {
    match state {
        NodeState::Up => "is up",
        NodeState::Paused => "is paused",
        NodeState::Down => "is down",
    }
}

/// `SIGTERM`, or `signal 34`. The numbers are those of Linux.
fn signal(number: i32) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        10 => "SIGUSR1",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        17 => "SIGCHLD",
        18 => "SIGCONT",
        20 => "SIGTSTP",
        28 => "SIGWINCH",
        29 => "SIGIO",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}

/// Renders what a task waits for at a node; the subject is `it`.
pub(super) fn node_wait(node: &str, state: NodeState, tasks: u32, wait: NodeWait) -> String {
    let change = match wait {
        NodeWait::Down => "go down",
        NodeWait::ShutDown => "shut down",
        NodeWait::Signal(number) => return format!("waits for {} to its node", signal(number)),
        NodeWait::ShutdownRequest => return "waits for its node to be asked to shut down".to_owned(),
    };
    let tasks = match (state, tasks) {
        (NodeState::Up, 0) => " and has no tasks left".to_owned(),
        (NodeState::Up, tasks) => format!(" and has {}", counted(u64::from(tasks), "task")),
        _ => String::new(),
    };
    format!("waits for node `{node}` to {change}; the node {}{tasks}", is_in_state(state))
}

/// `` `10.0.0.2:80` (server) ``.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.address)?;
        self.node.as_ref().map_or(Ok(()), |node| write!(f, " ({node})"))
    }
}

/// Renders what a task does at a socket and why it waits; the subject is `it`.
impl fmt::Display for SocketWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, socket, node, made, obstacles } = self;
        let obstacles: Vec<_> = obstacles.iter().map(|obstacle| obstacle.text(*action)).collect();
        let obstacles = listed(&obstacles);
        if let (SocketAction::Connect, SocketLabel::TcpStream { from, to }) = (action, socket) {
            return write!(f, "is connecting from {from} to {to}: {obstacles}");
        }
        let verb = match action {
            SocketAction::Connect => "is connecting with",
            SocketAction::Read => "is reading from",
            SocketAction::Write => "is writing to",
            SocketAction::Accept => "is accepting on",
            SocketAction::Receive => "is receiving on",
            SocketAction::Send => "is sending on",
        };
        write!(f, "{verb} the {socket}")?;
        if let Some(node) = node {
            write!(f, " of node `{node}`")?;
        }
        let done = match socket {
            SocketLabel::TcpStream { .. } | SocketLabel::UnixStream(_) => "opened",
            SocketLabel::TcpListener(_) | SocketLabel::UnixListener(_) | SocketLabel::Udp { .. } => "bound",
            SocketLabel::UnixDatagram(_) | SocketLabel::Pipe => "created",
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
            Self::TcpStream { from, to } => write!(f, "TCP connection {from} → {to}"),
            Self::TcpListener(address) => write!(f, "TCP listener `{address}`"),
            Self::Udp { local, .. } => write!(f, "UDP socket `{local}`"),
            Self::UnixStream(None) => f.write_str("Unix stream of a pair"),
            Self::UnixStream(Some(name)) => write!(f, "Unix stream `{name}`"),
            Self::UnixListener(name) => write!(f, "Unix listener `{name}`"),
            Self::Pipe => f.write_str("pipe"),
            Self::UnixDatagram(None) => f.write_str("Unix datagram socket"),
            Self::UnixDatagram(Some(name)) => write!(f, "Unix datagram socket `{name}`"),
        }
    }
}

impl Obstacle {
    /// Renders why a task waits for this action, as a clause.
    fn text(&self, action: SocketAction) -> String {
        let too = |own| if action == own { ", too" } else { "" };
        let counted_with = |count: &u32, what, verbs| counted_with(u64::from(*count), what, verbs);
        match self {
            Self::Node { node, state } => format!("node `{node}` {}", is_in_state(*state)),
            Self::Link(link) => link.to_string(),
            Self::Bytes { count, place } => {
                let verbs = match place {
                    BytesPlace::Incoming => ["is in flight", "are in flight"],
                    BytesPlace::PeerUnsent => {
                        ["written by the peer is unsent", "written by the peer are unsent"]
                    }
                    BytesPlace::Unread => ["sent has not been read", "sent have not been read"],
                    BytesPlace::Outgoing => ["sent is in flight", "sent are in flight"],
                    BytesPlace::Unsent => ["written is unsent", "written are unsent"],
                    BytesPlace::Unacknowledged => [
                        "read by the peer is not acknowledged yet",
                        "read by the peer are not acknowledged yet",
                    ],
                };
                counted_with(count, "byte", verbs)
            }
            Self::NothingInFlight => "nothing is in flight".to_owned(),
            Self::EndInFlight => "the end of the stream is in flight".to_owned(),
            Self::PeerGone => {
                "the other end no longer exists; a write would fail, but a read waits".to_owned()
            }
            Self::NotAccepted => "the connection is not accepted yet".to_owned(),
            Self::PeerReads(task) => format!("{task} at the other end is reading{}", too(SocketAction::Read)),
            Self::PeerWrites(task) => {
                format!("{task} at the other end is writing{}", too(SocketAction::Write))
            }
            Self::BuffersFull => "the buffers are full".to_owned(),
            Self::QueueFull(count) => {
                format!("the receiver's queue is full ({})", counted(u64::from(*count), "datagram"))
            }
            Self::BacklogFull(count) => {
                let connections = counted(u64::from(*count), "connection");
                format!("the listener's queue is full ({connections} not accepted)")
            }
            Self::NoSuchAddress => "no node has this address".to_owned(),
            Self::NobodyListens => "no socket listens at this address".to_owned(),
            Self::NoAnswer => "no answer has arrived".to_owned(),
            Self::Connecting(from) => format!("{from} is connecting"),
            Self::NobodyConnects => "no client is connecting".to_owned(),
            Self::NothingQueued => "no datagram is queued".to_owned(),
            Self::DatagramsHeld(count) => {
                counted_with(count, "datagram", ["is held by a link", "are held by a link"])
            }
            Self::DatagramsInFlight(count) => {
                counted_with(count, "datagram", ["is in flight", "are in flight"])
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
            write!(f, "the link `{from}` → `{to}` is ")?;
        }
        match state {
            LinkState::Cut => f.write_str("cut"),
            LinkState::Held => f.write_str("held"),
            LinkState::Clogged(until_ns) => write!(f, "clogged until time {}", Nanos(*until_ns)),
            LinkState::LosesAll => f.write_str("losing every packet, because its loss is set to 1"),
        }
    }
}

/// Renders the anomalies of the network, a line each.
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
                write!(f, "node `{node}` {}", is_in_state(*state))?;
                match event {
                    NodeEvent::Crashes => write!(f, " (crashed at {at}")?,
                    NodeEvent::ShutsDown => write!(f, " (shut down at {at}")?,
                    _ => write!(f, " ({}", since(caused.at_ns))?,
                }
                caused.write_causer(f)?;
                f.write_str(")")
            }
            Self::Isolated { node, caused } => {
                write!(f, "node `{node}` is cut off from all other nodes")?;
                caused.as_ref().map_or(Ok(()), |caused| caused.write_since(f))
            }
            Self::Link { link, caused } => {
                write!(f, "{link}")?;
                caused.as_ref().map_or(Ok(()), |caused| caused.write_since(f))
            }
            Self::LookupFails(name) => write!(f, "lookups of `{name}` fail"),
        }
    }
}

impl Caused {
    fn write_since(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " ({}", since(self.at_ns))?;
        self.write_causer(f)?;
        f.write_str(")")
    }

    fn write_causer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(Causer::Code(site)) => write!(f, ", by the code at {site}"),
            Some(Causer::FaultPlan) => f.write_str(", by a fault plan"),
            None => Ok(()),
        }
    }
}
