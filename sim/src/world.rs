//! The world around the tasks, as data: nodes, links, sockets, fault plans, and what becomes of them.
//!
//! A simulation hands these values over; [`report`](crate::report) has the words for them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::{Site, TaskLabel};

/// The state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Its tasks run.
    Up,
    /// Its tasks are not polled; what wakes them is kept.
    Paused,
    /// It has no tasks: it has crashed, was shut down, or was never started.
    Down,
}

/// What happens to a node; the numbers are part of the trace hash and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeEvent {
    /// It starts, or starts again.
    Starts = 1,
    /// It goes down at once.
    Crashes = 2,
    /// Its tasks are kept from being polled.
    Pauses = 3,
    /// Its tasks are polled again.
    Resumes = 4,
    /// It is asked to shut down.
    IsAskedToShutDown = 5,
    /// It goes down in good order.
    ShutsDown = 6,
    /// Its clock is set, or runs at another rate.
    ClockChanges = 7,
}

/// What a task waits for that waits for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeWait {
    /// That the node is down.
    Down,
    /// That it has shut down, as it was asked to.
    ShutDown,
    /// That the task's own node is asked to shut down.
    ShutdownRequest,
}

/// What a step did to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorldChange {
    /// Something happens to a node.
    Node {
        /// The node's name.
        node: Arc<str>,
        /// What happens.
        event: NodeEvent,
        /// How many times the node has been started.
        incarnation: u32,
    },
    /// The step did not poll its task, whose node is not up.
    NotPolled(NodeState),
}

/// What a decision about the world came to that is not the quiet one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorldEffect {
    /// Something happens to a packet.
    Packet {
        /// The name of the node that sends it.
        from: Arc<str>,
        /// The name of the node that it is sent to.
        to: Arc<str>,
        /// Its number on this link, from 0.
        number: u32,
        /// What happens.
        fate: PacketFate,
        /// When it leaves, nanoseconds since the run's start.
        at_ns: u64,
    },
    /// A fault plan breaks something.
    Fault {
        /// What it breaks.
        fault: PlannedFault,
        /// Which of the decisions about the fault this is.
        aspect: FaultAspect,
    },
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketFate {
    /// It takes longer than the least time: so many nanoseconds.
    Takes(u64),
    /// It is lost.
    Lost,
    /// It arrives twice.
    Duplicated,
    /// Later ones overtake it.
    Reordered,
}

/// A kind of fault that a fault plan draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A link is cut, both ways.
    Cut,
    /// A link is cut, one way.
    OneWayCut,
    /// A node is cut off from all others.
    Isolate,
    /// A link is clogged, both ways.
    Clog,
    /// A node crashes, and is started again.
    Crash,
    /// A node is paused.
    Pause,
}

/// One fault of a fault plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// What kind of fault.
    pub kind: FaultKind,
    /// The ends of the link that breaks; the node, twice, where it is one.
    pub nodes: [Arc<str>; 2],
    /// When it begins, nanoseconds since the plan's start.
    pub begins_ns: u64,
    /// How long it lasts, in nanoseconds.
    pub lasts_ns: u64,
}

/// Which of the decisions about a planned fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAspect {
    /// Whether it happens.
    Happens,
    /// To which node or link.
    Target,
    /// When it begins.
    Begins,
    /// How long it lasts.
    Lasts,
}

/// An address, and the node that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: SocketAddr,
    /// The node's name, unless it goes without saying.
    pub node: Option<Arc<str>>,
}

/// A task's wait for a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketWait {
    /// What the task does.
    pub action: SocketAction,
    /// To which socket.
    pub socket: SocketLabel,
    /// The name of the node that has the socket; `None` for the test's own, and for streams.
    pub node: Option<Arc<str>>,
    /// Where the socket was made.
    pub made: Option<Site>,
    /// What is known to keep the task waiting, at least one.
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

/// Which socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SocketLabel {
    /// A connection of TCP.
    TcpStream {
        /// The end that has connected.
        from: Endpoint,
        /// The end that was connected to.
        to: Endpoint,
    },
    /// A listener of TCP.
    TcpListener(SocketAddr),
    /// A socket of UDP.
    Udp {
        /// Its own address.
        local: SocketAddr,
        /// The address that it is connected to.
        peer: Option<Endpoint>,
    },
    /// A stream within a host, by its listener's name; `None` for one of a pair.
    UnixStream(Option<Box<str>>),
    /// A listener within a host, by its name.
    UnixListener(Box<str>),
    /// A socket for datagrams within a host, by its name if it has one.
    UnixDatagram(Option<Box<str>>),
}

/// What is known to keep a task waiting for a socket.
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
    /// A link does not let packets pass.
    Link(LinkTrouble),
    /// Bytes of a stream are on their way.
    Bytes {
        /// How many.
        count: u32,
        /// Where they are.
        place: BytesPlace,
    },
    /// Nothing that the task waits for is under way.
    NothingInFlight,
    /// The end of the stream is under way.
    EndInFlight,
    /// The other end of the stream is gone, and nobody has told this one.
    PeerGone,
    /// Nobody has accepted the connection at the other end.
    NotAccepted,
    /// A task reads at the other end.
    PeerReads(TaskLabel),
    /// A task writes at the other end.
    PeerWrites(TaskLabel),
    /// The stream's buffers are full.
    BuffersFull,
    /// So many datagrams wait at the other socket, which takes no more.
    QueueFull(u32),
    /// So many connections wait to be accepted by the listener, which takes no more.
    BacklogFull(u32),
    /// No node has the address.
    NoSuchAddress,
    /// No socket listens at the address.
    NobodyListens,
    /// The peer has not answered.
    NoAnswer,
    /// A connection has been asked for, from there.
    Connecting(Endpoint),
    /// No connection is asked for.
    NobodyConnects,
    /// No datagram waits to be received.
    NothingQueued,
    /// So many datagrams are held on their link.
    DatagramsHeld(u32),
    /// So many datagrams are under way.
    DatagramsInFlight(u32),
}

/// Where bytes of a stream are that have not been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytesPlace {
    /// On their way to the task that waits.
    Incoming,
    /// At the other end, which has not sent them.
    PeerUnsent,
    /// Sent by this end, they wait at the other one to be read.
    Unread,
    /// Sent by this end, they are under way.
    Outgoing,
    /// They have not left this end.
    Unsent,
    /// They were read at the other end, and this end has not heard of it.
    Unacknowledged,
}

/// A link that lets no packets pass.
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

/// Why nothing passes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It is cut.
    Cut,
    /// What is sent over it is held.
    Held,
    /// Nothing arrives before this instant, nanoseconds since the run's start.
    Clogged(u64),
}

/// Something in the network that is not as usual.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// A node is not up.
    Node {
        /// The node's name.
        node: Arc<str>,
        /// Its state.
        state: NodeState,
        /// What happened to it last.
        event: NodeEvent,
        /// When, and by whom.
        caused: Caused,
    },
    /// All links from and to a node are cut.
    Isolated {
        /// The node's name.
        node: Arc<str>,
        /// When, and by whom.
        caused: Option<Caused>,
    },
    /// A link lets no packets pass.
    Link {
        /// Which, and why.
        link: LinkTrouble,
        /// When, and by whom.
        caused: Option<Caused>,
    },
    /// This name can't be looked up.
    LookupFails(Box<str>),
}

/// When something was done to the world, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caused {
    /// Nanoseconds since the run's start.
    pub at_ns: u64,
    /// By whom, where that is known.
    pub by: Option<Causer>,
}

/// Who does something to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Causer {
    /// The code at this place.
    Code(Site),
    /// A fault plan.
    FaultPlan,
}
