//! The network fabric: hosts, links, sockets, connections and packets in flight.
//!
//! [`Fabric`] is a sans-I/O state machine. A caller passes it socket calls with the current virtual time. The fabric
//! returns their results, collects the waiters to wake, and reports when its next event is due. It knows no futures
//! and no wakers: a waiter is an opaque value of type `W`, and a connection carries an opaque tag of type `R`. Only
//! [`View`], which describes the network for reports, knows the labels of tasks.
//!
//! # Invariants
//! State changes only within a call. When a call returns, all waiters to wake are in `Fabric::woken`. All random
//! choices go through [`PacketDecider`].

mod address;
mod connection;
mod describe;
mod errno;
mod event_queue;
mod flow_control;
mod handshake;
mod hosts;
mod link;
mod link_defaults;
mod listening;
mod pipe;
mod ring_buffer;
mod slab;
mod sorted_map;
mod stream;
mod teardown;
#[cfg(test)]
mod tests;
mod udp;
mod unix;
mod waiters;

use std::net::IpAddr;

pub(crate) use connection::{EndKey, Options};
pub(crate) use describe::{Directory, View, WaitedSocket};
pub(crate) use errno::Errno;
pub(crate) use hosts::{Hosts, Reuse};
pub(crate) use link::{
    Change, Delay, LATENCY_QUANTILES, LinkParams, Links, PROBABILITY_STEPS, Packet, PacketDecision,
};
pub(crate) use listening::Listener;
pub(crate) use pipe::FileId;
pub(crate) use slab::Key;
pub(crate) use stream::{Direction, Readiness, Reading};
#[cfg(feature = "quinn")]
pub(crate) use udp::RecvMeta;
pub(crate) use udp::{Transmit, UdpSocket};
pub(crate) use unix::{Name, UnixDatagram};
pub(crate) use waiters::WaitSlot;

use connection::{Connection, LOCAL};
use event_queue::EventQueue;
use pipe::{Pipe, PipeEnd};
use ring_buffer::BufferPool;
use slab::Slab;
use sorted_map::SortedMap;
use udp::InFlight;
use unix::NameOwner;

/// Makes the random choices of the network.
pub(crate) trait PacketDecider {
    /// Picks the latency of a packet: an index into `latencies_ns`, which is sorted.
    fn quantile(&mut self, packet: Packet, count: u32, latencies_ns: &[u64]) -> u32;

    /// Decides how many of the bytes that a read or a write could move it moves. Called only if
    /// [`CallContext::varies_io`] is set.
    fn transfer(&mut self, transfer: Transfer, whole: usize) -> usize;

    /// Decides whether an effect with a probability of `millionths` in a million applies to a packet.
    fn happens(&mut self, packet: Packet, question: PacketDecision, millionths: u32) -> bool;
}

/// A read or a write of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) reads: bool,
    /// Whether the stream stays within its host.
    pub(crate) is_unix: bool,
}

/// The current time and the source of random choices, passed to each call.
pub(crate) struct CallContext<'a> {
    pub(crate) now_ns: u64,
    /// Whether reads and writes may move a part of their bytes.
    pub(crate) varies_io: bool,
    pub(crate) decider: &'a mut dyn PacketDecider,
}

/// An event that the fabric has scheduled for itself.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A segment arrives at the other end.
    Segment { key: EndKey, epoch: u16, len: u32, fin: bool },
    /// Unacknowledged data is sent again.
    Retransmit { key: EndKey },
    /// The sender at this end learns how much the receiver has read.
    WindowUpdate { key: EndKey },
    /// A reset arrives at this end.
    Reset { key: EndKey },
    /// A SYN arrives at the server's host.
    Syn { connection: Key, attempt: u8 },
    /// The SYN is sent again, because no answer has arrived.
    SynRetransmit { connection: Key, attempt: u8 },
    /// A SYN-ACK arrives at the client's host.
    SynAck { connection: Key, attempt: u8 },
    /// Connecting fails with this error.
    ConnectFailed { connection: Key, errno: Errno },
    /// A datagram arrives.
    Datagram { datagram: Key },
    /// A connected UDP socket learns that its peer's port is unreachable.
    PortUnreachable { socket: Key },
}

/// The result of looking up a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// These addresses. An empty list means that the name is unknown.
    Addresses(Vec<IpAddr>),
    /// A temporary failure.
    Fails,
}

/// How long a peer may be silent before an operation fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) connect_ns: u64,
    pub(crate) silence_ns: u64,
}

impl Default for Timeouts {
    /// Linux's defaults: those of the handshake, and 15 retransmissions of data.
    fn default() -> Self {
        Self { connect_ns: handshake::CONNECT_NS, silence_ns: 924_600_000_000 }
    }
}

/// The network of a run. `W` is a waiter for a socket. `R` is a tag that a listener passes on to its connections.
#[derive(Debug)]
pub(crate) struct Fabric<W, R> {
    pub(crate) hosts: Hosts,
    pub(crate) links: Links,
    pub(crate) timeouts: Timeouts,
    /// Names whose lookup the test has overridden.
    pub(crate) names: SortedMap<String, Lookup>,
    /// The number of fault plans drawn so far. It keys the decisions of the next plan.
    pub(crate) plan_count: u32,
    queue: EventQueue<Event>,
    connections: Slab<Connection<W, R>>,
    listeners: Slab<Listener<W, R>>,
    udp: Slab<UdpSocket<W>>,
    in_flight: Slab<InFlight>,
    unix: Slab<UnixDatagram<W>>,
    unix_names: SortedMap<(u32, Name), NameOwner>,
    pipes: Slab<Pipe>,
    pipe_ends: Slab<PipeEnd<W>>,
    /// The open pipes that have a file, by their hosts and files.
    pipe_files: SortedMap<(u32, FileId), Key>,
    /// Datagrams held on their links.
    held: Vec<InFlight>,
    pool: BufferPool,
    /// The waiters to wake, in this order.
    pub(crate) woken: Vec<W>,
    /// Waiters to drop. The caller drops them, because dropping a waker may run user code.
    pub(crate) released: Vec<W>,
}

impl<W, R> Default for Fabric<W, R> {
    fn default() -> Self {
        Self {
            hosts: Hosts::default(),
            links: Links::default(),
            timeouts: Timeouts::default(),
            names: SortedMap::default(),
            plan_count: 0,
            queue: EventQueue::default(),
            connections: Slab::default(),
            listeners: Slab::default(),
            udp: Slab::default(),
            in_flight: Slab::default(),
            unix: Slab::default(),
            unix_names: SortedMap::default(),
            pipes: Slab::default(),
            pipe_ends: Slab::default(),
            pipe_files: SortedMap::default(),
            held: Vec::new(),
            pool: BufferPool::default(),
            woken: Vec::new(),
            released: Vec::new(),
        }
    }
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Adds a host. Hosts are numbered from 0.
    pub(crate) fn add_host(&mut self, addresses: &[IpAddr], up: bool) {
        self.hosts.add(addresses, up);
    }

    /// Returns when the next event is due.
    #[inline]
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.queue.next_ns()
    }

    /// Processes all events that are due.
    pub(crate) fn advance(&mut self, ctx: &mut CallContext<'_>) {
        while let Some(event) = self.queue.take_due(ctx.now_ns) {
            match event {
                Event::Segment { key, epoch, len, fin } => self.segment_arrives(ctx, key, epoch, len, fin),
                Event::Retransmit { key } => self.retransmit(ctx, key),
                Event::WindowUpdate { key } => self.window_update_arrives(ctx, key),
                Event::Reset { key } => self.reset_arrives(ctx, key),
                Event::Syn { connection, attempt } => self.syn_arrives(ctx, connection, attempt),
                Event::SynRetransmit { connection, attempt } => self.send_syn(ctx, connection, attempt),
                Event::SynAck { connection, attempt } => self.syn_ack_arrives(ctx, connection, attempt),
                Event::ConnectFailed { connection, errno } => {
                    self.fail(EndKey { connection, side: 0 }, errno)
                }
                Event::Datagram { datagram } => self.datagram_arrives(ctx, datagram),
                Event::PortUnreachable { socket } => self.port_unreachable_arrives(socket),
            }
        }
    }

    /// Returns whether a packet can pass from one host to another now.
    #[inline]
    fn passes(&mut self, link: u32, from: u32, to: u32) -> bool {
        link == LOCAL || (self.hosts.is_up(from) && self.hosts.is_up(to) && self.links.at(link).passes())
    }

    fn ends(&mut self, connection: Key) -> Option<&mut [connection::End<W>; 2]> {
        self.connections.get(connection).map(|connection| &mut connection.ends)
    }

    /// Returns one end of a connection.
    pub(crate) fn end(&mut self, key: EndKey) -> Option<&mut connection::End<W>> {
        self.ends(key.connection).map(|ends| &mut ends[key.side as usize])
    }

    /// Crashes a host: removes its sockets and lets no packet in or out until [`start`](Self::start).
    pub(crate) fn crash(&mut self, ctx: &mut CallContext<'_>, host: u32) {
        self.hosts.hosts[host as usize].up = false;
        self.crash_connections(ctx, host);
        self.crash_udp(host);
        self.crash_unix(host);
        self.crash_pipes(host);
        for key in self.listeners.keys() {
            if self.listeners.get(key).is_some_and(|listener| listener.host == host)
                && let Some(mut listener) = self.listeners.remove(key)
            {
                listener.acceptors.wake(&mut self.released);
            }
        }
        self.hosts.clear(host);
    }

    /// Lets a host send and receive packets again.
    pub(crate) fn start(&mut self, host: u32) {
        self.hosts.hosts[host as usize].up = true;
    }

    /// Releases a link that was held: sends its held datagrams, and retransmits on its blocked streams.
    pub(crate) fn release(&mut self, ctx: &mut CallContext<'_>, link: u32) {
        self.release_datagrams(ctx, link);
        for connection in self.connections.keys() {
            for side in 0..2 {
                let key = EndKey { connection, side };
                let blocked = self.end(key).is_some_and(|end| end.out.link == link && end.out.blocked);
                if blocked {
                    self.retransmit(ctx, key);
                }
            }
        }
    }
}
