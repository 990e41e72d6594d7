//! The fabric: hosts, the links between them, sockets, connections, and what is under way.
//!
//! It is a state machine: told what a program does to its sockets, at which instant, it says what comes of it, whom to
//! wake, and when something happens of itself. It knows no futures, and nothing of the loop but how a task is named.
//!
//! Always true: nothing happens but in a call; whoever is to be woken stands in `woken` when the call returns; what is
//! decided by chance is asked of [`Dice`], and of nobody else.

mod connection;
mod datagram;
mod describe;
mod error;
mod handshake;
mod hosts;
mod link;
mod queue;
mod ring;
mod slab;
mod stream;
#[cfg(test)]
mod tests;
mod unix;
mod waiters;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub(crate) use connection::{EndKey, Options};
#[cfg(feature = "quinn")]
pub(crate) use datagram::About;
pub(crate) use datagram::{Manner, UdpSocket};
pub(crate) use describe::{Directory, Socket, View};
pub(crate) use error::Errno;
pub(crate) use handshake::Listener;
pub(crate) use hosts::Hosts;
pub(crate) use link::{CHANCES, Delay, Links, Model, Packet, QUANTILES, Question, Touched};
pub(crate) use slab::Key;
pub(crate) use stream::{Direction, Readiness};
pub(crate) use unix::{Name, UnixDatagram};
pub(crate) use waiters::As;

use connection::{Connection, LOCAL};
use datagram::Flight;
use queue::Queue;
use ring::Pool;
use slab::Slab;
use unix::Named;

/// Who decides what happens by chance.
pub(crate) trait Dice {
    /// Which quantile of its latencies, given from the least on, a packet has.
    fn quantile(&mut self, packet: Packet, count: u32, latencies_ns: &[u64]) -> u32;

    /// Whether something happens to a packet that happens to so many in a million.
    fn happens(&mut self, packet: Packet, question: Question, millionths: u32) -> bool;
}

/// The instant of a call, and who decides.
pub(crate) struct Turn<'a> {
    pub(crate) now_ns: u64,
    pub(crate) dice: &'a mut dyn Dice,
}

/// What happens of itself.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A segment comes to the other end.
    Segment { key: EndKey, epoch: u16, len: u32, fin: bool },
    /// It is time to try again.
    Retry { key: EndKey },
    /// The writer at this end hears how much has been read.
    Room { key: EndKey },
    /// This end hears that the other one is gone.
    Reset { key: EndKey },
    /// The first packet of a connection comes.
    Asked { connection: Key, attempt: u8 },
    /// Nobody has answered the first packet.
    AskAgain { connection: Key, attempt: u8 },
    /// The answer to the first packet comes.
    Agreed { connection: Key, attempt: u8 },
    /// Who asks learns that it is in vain.
    Fail { connection: Key, errno: Errno },
    /// A datagram comes.
    Datagram { flight: Key },
    /// A socket learns that nobody is at its peer's address.
    Refused { socket: Key },
}

/// What looking up a name comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// These addresses; none is as good as no such name.
    Addresses(Vec<IpAddr>),
    /// Nothing, for the time being.
    Fails,
}

/// How long silence lasts before it counts as the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) connect_ns: u64,
    pub(crate) silence_ns: u64,
}

impl Default for Times {
    /// What Linux does: six more tries to connect, fifteen to get anything acknowledged.
    fn default() -> Self {
        Self { connect_ns: 127_000_000_000, silence_ns: 924_600_000_000 }
    }
}

/// The network of a run. `W` is whoever may wait for a socket, and `R` a tag that a listener gives to its connections.
#[derive(Debug)]
pub(crate) struct Fabric<W, R> {
    pub(crate) hosts: Hosts,
    pub(crate) links: Links,
    pub(crate) times: Times,
    /// Names that stand for something else than the node's addresses.
    pub(crate) names: BTreeMap<String, Lookup>,
    /// How many fault plans have been drawn: each has decisions of its own.
    pub(crate) plans: u32,
    queue: Queue<Event>,
    connections: Slab<Connection<W, R>>,
    listeners: Slab<Listener<W, R>>,
    udp: Slab<UdpSocket<W>>,
    flights: Slab<Flight>,
    unix: Slab<UnixDatagram<W>>,
    unix_names: BTreeMap<(u32, Name), Named>,
    /// Datagrams that are held on their link.
    held: Vec<Flight>,
    pool: Pool,
    /// Who is to be woken, in this order.
    pub(crate) woken: Vec<W>,
    /// Who is to be let go of: not here, since that may call code of the user's.
    pub(crate) garbage: Vec<W>,
}

impl<W, R> Default for Fabric<W, R> {
    fn default() -> Self {
        Self {
            hosts: Hosts::default(),
            links: Links::default(),
            times: Times::default(),
            names: BTreeMap::new(),
            plans: 0,
            queue: Queue::default(),
            connections: Slab::default(),
            listeners: Slab::default(),
            udp: Slab::default(),
            flights: Slab::default(),
            unix: Slab::default(),
            unix_names: BTreeMap::new(),
            held: Vec::new(),
            pool: Pool::default(),
            woken: Vec::new(),
            garbage: Vec::new(),
        }
    }
}

impl<W: PartialEq, R: Copy> Fabric<W, R> {
    /// Adds a host; hosts are numbered from 0.
    pub(crate) fn add_host(&mut self, addresses: &[IpAddr], up: bool) {
        self.hosts.add(addresses, up);
    }

    /// When something happens of itself.
    #[inline]
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.queue.next_ns()
    }

    /// Everything that is due happens.
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        while let Some(event) = self.queue.take_due(turn.now_ns) {
            match event {
                Event::Segment { key, epoch, len, fin } => self.segment(turn, key, epoch, len, fin),
                Event::Retry { key } => self.retry(turn, key),
                Event::Room { key } => self.room(turn, key),
                Event::Reset { key } => self.reset_comes(turn, key),
                Event::Asked { connection, attempt } => self.asked(turn, connection, attempt),
                Event::AskAgain { connection, attempt } => self.ask(turn, connection, attempt),
                Event::Agreed { connection, attempt } => self.agreed(turn, connection, attempt),
                Event::Fail { connection, errno } => self.fail(EndKey { connection, side: 0 }, errno),
                Event::Datagram { flight } => self.datagram(turn, flight),
                Event::Refused { socket } => self.refused(socket),
            }
        }
    }

    /// Whether packets pass from one host to another now.
    #[inline]
    fn passes(&mut self, link: u32, from: u32, to: u32) -> bool {
        link == LOCAL || (self.hosts.is_up(from) && self.hosts.is_up(to) && self.links.at(link).passes())
    }

    fn ends(&mut self, connection: Key) -> Option<&mut [connection::End<W>; 2]> {
        self.connections.get(connection).map(|connection| &mut connection.ends)
    }

    /// One end of a connection.
    pub(crate) fn end(&mut self, key: EndKey) -> Option<&mut connection::End<W>> {
        self.ends(key.connection).map(|ends| &mut ends[key.side as usize])
    }

    /// The host stops where it is: its sockets are gone, and it is silent until it is started.
    pub(crate) fn crash(&mut self, turn: &mut Turn<'_>, host: u32) {
        self.hosts.hosts[host as usize].up = false;
        self.crash_connections(turn, host);
        self.crash_udp(host);
        self.crash_unix(host);
        for key in self.listeners.keys() {
            if self.listeners.get(key).is_some_and(|listener| listener.host == host)
                && let Some(mut listener) = self.listeners.remove(key)
            {
                listener.acceptors.wake(&mut self.garbage);
            }
        }
        self.hosts.clear(host);
    }

    /// The host takes part from now on.
    pub(crate) fn start(&mut self, host: u32) {
        self.hosts.hosts[host as usize].up = true;
    }

    /// What was held on a link goes on: datagrams leave, and what streams could not send is tried again.
    pub(crate) fn release(&mut self, turn: &mut Turn<'_>, link: u32) {
        self.release_datagrams(turn, link);
        for connection in self.connections.keys() {
            for side in 0..2 {
                let key = EndKey { connection, side };
                let stuck = self.end(key).is_some_and(|end| end.out.link == link && end.out.stuck);
                if stuck {
                    self.retry(turn, key);
                }
            }
        }
    }
}
