//! Nodes, links, sockets and faults as data. A simulation reports these values; [`report`](crate::report) renders them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::{Site, TaskLabel};

/// The state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Its tasks run.
    Up,
    /// Its tasks are not polled; their wake-ups are kept.
    Paused,
    /// It has no tasks: it has crashed, was shut down, or was never started.
    Down,
}

/// An event of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeEvent {
    /// It starts, or starts again.
    Starts,
    /// It crashes: its tasks are dropped at once.
    Crashes,
    /// It is paused: its tasks are no longer polled.
    Pauses,
    /// It is resumed: its tasks are polled again.
    Resumes,
    /// It is asked to shut down.
    IsAskedToShutDown,
    /// It shuts down.
    ShutsDown,
    /// Its clock is set, or its rate is changed.
    ClockChanges,
    /// A signal with this number is raised, which it handles.
    IsSignaled(i32),
}

impl NodeEvent {
    /// Returns the event's number in the trace hash, below 2^32. It never changes.
    #[must_use]
    pub fn number(self) -> u64 {
        match self {
            Self::Starts => 1,
            Self::Crashes => 2,
            Self::Pauses => 3,
            Self::Resumes => 4,
            Self::IsAskedToShutDown => 5,
            Self::ShutsDown => 6,
            Self::ClockChanges => 7,
            Self::IsSignaled(signal) => u64::from(signal as u32 & 0xff_ffff) << 8 | 8,
        }
    }
}

/// A change of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkChange {
    /// Nothing passes any more.
    Cut,
    /// Cuts end. A link that was cut twice still passes nothing.
    Healed,
    /// Packets are kept.
    Held,
    /// The kept packets continue.
    Released,
    /// Packets are delayed for some time.
    Clogged,
    /// Packets are late, lost, duplicated and reordered.
    MadeFlaky,
    /// The links are no longer flaky.
    MadeStable,
}

/// What a task waits for at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeWait {
    /// The node goes down.
    Down,
    /// The node shuts down after a request.
    ShutDown,
    /// The task's own node is asked to shut down.
    ShutdownRequest,
    /// A signal with this number is raised on the task's own node.
    Signal(i32),
}

/// A change that a step made to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorldChange {
    /// An event of a node.
    Node {
        /// The node's name.
        node: Arc<str>,
        /// The event.
        event: NodeEvent,
        /// The number of times that the node has been started.
        incarnation: u32,
    },
    /// Links between nodes change.
    Links {
        /// How they change.
        change: LinkChange,
        /// The names of the two nodes of each link: packets pass from the first to the second one. Empty if all links
        /// change.
        links: Box<[(Arc<str>, Arc<str>)]>,
    },
    /// The step did not poll its task because the node is in this state.
    NotPolled(NodeState),
}

/// The effect of a decision about the world that differs from the baseline run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorldEffect {
    /// A packet is lost, duplicated, reordered or delayed.
    Packet {
        /// The name of the node that sends it.
        from: Arc<str>,
        /// The name of the node that receives it.
        to: Arc<str>,
        /// Its number on this link, from 0.
        number: u32,
        /// What happens to it.
        fate: PacketFate,
        /// When it is sent, in nanoseconds since the start of the run.
        at_ns: u64,
    },
    /// A fault of a fault plan.
    Fault {
        /// The fault.
        fault: PlannedFault,
        /// Which of the decisions about the fault this is.
        aspect: FaultAspect,
    },
    /// A read or a write moves a part of the bytes that it could move.
    Transfer {
        /// The task that reads or writes.
        task: TaskLabel,
        /// What it reads from or writes to: `tcp connection`, for example.
        stream: &'static str,
        /// Whether it reads.
        reads: bool,
        /// The number of bytes that it moves.
        bytes: u64,
        /// The number of bytes that it could move.
        of: u64,
    },
    /// The lookup of a name takes time.
    Lookup {
        /// The task that looks it up.
        task: TaskLabel,
        /// The name.
        name: Arc<str>,
        /// How long it takes, in nanoseconds.
        takes_ns: u64,
    },
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketFate {
    /// It takes longer than the minimum latency: this many nanoseconds.
    Takes(u64),
    /// It is lost.
    Lost,
    /// It arrives twice.
    Duplicated,
    /// Later packets overtake it.
    Reordered,
}

/// A kind of fault that a fault plan draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A link is cut in both directions.
    Cut,
    /// A link is cut in one direction.
    OneWayCut,
    /// A node is cut off from all other nodes.
    Isolate,
    /// A link is clogged in both directions.
    Clog,
    /// A node crashes and is restarted.
    Crash,
    /// A node is paused.
    Pause,
    /// A link becomes flaky in both directions: packets are late, lost, duplicated and reordered.
    Flaky,
    /// A link holds its packets, in one direction.
    Hold,
    /// The nodes are split into groups without links between them.
    Split,
    /// Nodes are cut off from all others one after the other, and come back in another order.
    Swizzle,
    /// Lookups of a node's name fail.
    LookupFailure,
    /// The wall clock of a node jumps.
    ClockJump,
}

/// One fault of a fault plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The node, or the ends of the link; for a split or a swizzle, all nodes concerned.
    pub nodes: Box<[Arc<str>]>,
    /// For a split, the number of each node's group. Otherwise empty.
    pub groups: Box<[u32]>,
    /// For a clock jump, how far the clock is set ahead, in nanoseconds; negative if it is set back. Otherwise 0.
    pub jump_ns: i64,
    /// When it begins, in nanoseconds since the start of the plan.
    pub begins_ns: u64,
    /// How long it lasts, in nanoseconds.
    pub lasts_ns: u64,
}

/// One of the decisions about a planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAspect {
    /// Whether it happens.
    Happens,
    /// Which node or link it affects; for a split, the number of groups.
    Target,
    /// When it begins.
    Begins,
    /// How long it lasts.
    Lasts,
    /// A further detail: the group of a node in a split, when a node is cut off in a swizzle, or how far a clock jumps.
    Detail,
}

/// An address and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: SocketAddr,
    /// The name of the node; `None` if both ends are on one node, or if no node has the address.
    pub node: Option<Arc<str>>,
}

/// A task's wait for a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketWait {
    /// What the task does to the socket.
    pub action: SocketAction,
    /// The socket.
    pub socket: SocketLabel,
    /// The name of the node that has the socket; `None` for the test's own node, and for streams.
    pub node: Option<Arc<str>>,
    /// Where the socket was created.
    pub made: Option<Site>,
    /// The known reasons why the task waits; at least one.
    pub obstacles: Box<[Obstacle]>,
}

/// What a task does to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAction {
    /// Connects.
    Connect,
    /// Reads from a stream.
    Read,
    /// Writes to a stream.
    Write,
    /// Accepts a connection.
    Accept,
    /// Receives a datagram.
    Receive,
    /// Sends a datagram.
    Send,
}

/// Identifies a socket in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketLabel {
    /// A TCP connection.
    TcpStream {
        /// The end that connected.
        from: Endpoint,
        /// The end that accepted.
        to: Endpoint,
    },
    /// A TCP listener.
    TcpListener(SocketAddr),
    /// A UDP socket.
    Udp {
        /// The local address.
        local: SocketAddr,
        /// The address that it is connected to.
        peer: Option<Endpoint>,
    },
    /// A Unix stream, by the name of its listener; `None` for one of a pair.
    UnixStream(Option<Box<str>>),
    /// A Unix listener, by its name.
    UnixListener(Box<str>),
    /// A Unix datagram socket, by its name if it has one.
    UnixDatagram(Option<Box<str>>),
    /// A pipe.
    Pipe,
}

/// A known reason why a task waits for a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// A node is not up.
    Node {
        /// The node's name.
        node: Arc<str>,
        /// Its state.
        state: NodeState,
    },
    /// A link does not deliver packets.
    Link(LinkTrouble),
    /// Bytes of a stream that are not read or acknowledged yet.
    Bytes {
        /// The number of bytes.
        count: u32,
        /// Where they are.
        place: BytesPlace,
    },
    /// Nothing that the task waits for is in flight.
    NothingInFlight,
    /// The end of the stream is in flight.
    EndInFlight,
    /// The other end of the stream is gone, and this end does not know.
    PeerGone,
    /// The connection is not accepted yet.
    NotAccepted,
    /// A task reads at the other end.
    PeerReads(TaskLabel),
    /// A task writes at the other end.
    PeerWrites(TaskLabel),
    /// The stream's buffers are full.
    BuffersFull,
    /// The queue of the receiving socket is full, with this many datagrams.
    QueueFull(u32),
    /// The queue of the listener is full, with this many connections that are not accepted.
    BacklogFull(u32),
    /// No node has the address.
    NoSuchAddress,
    /// No socket listens at the address.
    NobodyListens,
    /// The peer has not answered yet.
    NoAnswer,
    /// A client is connecting from there.
    Connecting(Endpoint),
    /// No client is connecting.
    NobodyConnects,
    /// No datagram is queued.
    NothingQueued,
    /// This many datagrams are held on their link.
    DatagramsHeld(u32),
    /// This many datagrams are in flight.
    DatagramsInFlight(u32),
}

/// Where bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytesPlace {
    /// In flight to the task that waits.
    Incoming,
    /// Written by the other end, which has not sent them.
    PeerUnsent,
    /// Sent by this end, and not read by the other one.
    Unread,
    /// Sent by this end, and in flight.
    Outgoing,
    /// Written by this end, which has not sent them.
    Unsent,
    /// Read by the other end; the acknowledgement has not arrived.
    Unacknowledged,
}

/// A link that does not deliver packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTrouble {
    /// The node that it leads from.
    pub from: Arc<str>,
    /// The node that it leads to.
    pub to: Arc<str>,
    /// Whether the link back is in the same state.
    pub both_ways: bool,
    /// Its state.
    pub state: LinkState,
}

/// Why a link does not deliver packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It is cut.
    Cut,
    /// It holds what is sent over it.
    Held,
    /// Nothing arrives before this time, in nanoseconds since the start of the run.
    Clogged(u64),
    /// Its model loses every packet.
    LosesAll,
}

/// An anomaly of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// A node is not up.
    Node {
        /// The node's name.
        node: Arc<str>,
        /// Its state.
        state: NodeState,
        /// Its last event.
        event: NodeEvent,
        /// When and by whom this was caused.
        caused: Caused,
    },
    /// All links from and to a node are cut.
    Isolated {
        /// The node's name.
        node: Arc<str>,
        /// When and by whom this was caused, if known.
        caused: Option<Caused>,
    },
    /// A link does not deliver packets.
    Link {
        /// The link, and why.
        link: LinkTrouble,
        /// When and by whom this was caused, if known.
        caused: Option<Caused>,
    },
    /// Lookups of this name fail.
    LookupFails(Box<str>),
}

/// When a change of the world was made, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caused {
    /// When, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// By whom, if known.
    pub by: Option<Causer>,
}

/// Who changes the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Causer {
    /// The code at this place.
    Code(Site),
    /// A fault plan.
    FaultPlan,
}
