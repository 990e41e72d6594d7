//! Tests random programs of datagrams and faults against a model. A datagram arrives whole, from its true source, at
//! its destination, not too early, and at most as often as the link allows. Without faults it arrives once and in
//! order.

use std::net::SocketAddr;
use std::rc::Rc;

use proptest::prelude::*;

use super::super::udp::{RecvMeta, Transmit};
use super::super::{CallContext, Delay, Errno, Key, LinkParams};
use super::{Fabric, Repeat};

/// Two sockets on each of two hosts.
const SOCKETS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize, usize, usize),
    SendToAll(usize),
    Receive(usize, usize),
    Connect(usize, usize),
    Join(usize),
    Leave(usize),
    Close(usize),
    Bind(usize),
    Cut(u8),
    Heal(u8),
    Hold(u8),
    Release(u8),
    Crash(u8),
    Start(u8),
    Next,
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let socket = || 0..SOCKETS;
    let side = || 0_u8..2;
    prop_oneof![
        20 => (socket(), socket(), 0_usize..3_000).prop_map(|(from, to, len)| Step::Send(from, to, len)),
        3 => socket().prop_map(Step::SendToAll),
        16 => (socket(), 0_usize..4_000).prop_map(|(socket, len)| Step::Receive(socket, len)),
        2 => (socket(), socket()).prop_map(|(socket, peer)| Step::Connect(socket, peer)),
        3 => socket().prop_map(Step::Join),
        1 => socket().prop_map(Step::Leave),
        1 => socket().prop_map(Step::Close),
        2 => socket().prop_map(Step::Bind),
        2 => side().prop_map(Step::Cut),
        4 => side().prop_map(Step::Heal),
        1 => side().prop_map(Step::Hold),
        2 => side().prop_map(Step::Release),
        1 => side().prop_map(Step::Crash),
        3 => side().prop_map(Step::Start),
        16 => Just(Step::Next),
        8 => (0_u64..100_000_000).prop_map(Step::Advance),
    ]
}

/// A datagram that was sent.
#[derive(Debug)]
struct Sent {
    from: usize,
    /// The receiver; `None` for the group.
    to: Option<usize>,
    at_ns: u64,
    len: usize,
    /// How often each socket has received it.
    received: [u32; SOCKETS],
}

fn host(socket: usize) -> u32 {
    socket as u32 / 2
}

fn address(socket: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + host(socket) as u8], 9 + socket as u16 % 2))
}

const GROUP: [u8; 4] = [239, 0, 0, 1];

struct World {
    fabric: Fabric,
    model: LinkParams,
    decider: Repeat,
    now_ns: u64,
    sockets: [Option<Key>; SOCKETS],
    peers: [Option<usize>; SOCKETS],
    members: [bool; SOCKETS],
    sent: Vec<Sent>,
    /// Whether there was a fault, a closed socket, or a full queue.
    disturbed: bool,
    cuts: [u32; 2],
    up: [bool; 2],
    /// The number of the last datagram that each socket has received from each other.
    last: [[usize; SOCKETS]; SOCKETS],
}

impl World {
    fn new(model: LinkParams, decider: Vec<u32>) -> Self {
        let mut fabric = Fabric::default();
        for ip in ["10.0.0.1", "10.0.0.2"] {
            fabric.add_host(&[ip.parse().unwrap()], true);
        }
        fabric.links.set_default_params(Rc::new(model.clone()));
        let mut world = Self {
            fabric,
            model,
            decider: Repeat(decider, 0),
            now_ns: 0,
            sockets: [None; SOCKETS],
            peers: [None; SOCKETS],
            members: [false; SOCKETS],
            sent: Vec::new(),
            disturbed: false,
            cuts: [0; 2],
            up: [true; 2],
            last: [[0; SOCKETS]; SOCKETS],
        };
        (0..SOCKETS).for_each(|socket| world.step(Step::Bind(socket)));
        world
    }

    fn call<R>(&mut self, f: impl FnOnce(&mut Fabric, &mut CallContext<'_>) -> R) -> R {
        f(
            &mut self.fabric,
            &mut CallContext { now_ns: self.now_ns, varies_io: false, decider: &mut self.decider },
        )
    }

    fn advance(&mut self, until_ns: u64) {
        while let Some(next_ns) = self.fabric.next_ns().filter(|next_ns| *next_ns <= until_ns) {
            self.now_ns = next_ns;
            self.call(|fabric, ctx| fabric.advance(ctx));
        }
        self.now_ns = self.now_ns.max(until_ns);
    }

    /// Returns the bytes of a datagram: its number, then `len` bytes that follow from it.
    fn bytes(number: usize, len: usize) -> Vec<u8> {
        let rest = (0..len).map(|place| (number.wrapping_mul(31) + place) as u8);
        (number as u32).to_le_bytes().into_iter().chain(rest).collect()
    }

    fn send(&mut self, from: usize, to: Option<usize>, len: usize) {
        let Some(key) = self.sockets[from] else { return };
        let number = self.sent.len();
        let bytes = Self::bytes(number, len);
        let target = to.map_or((GROUP, 9).into(), address);
        let sent = self.call(|fabric, ctx| fabric.send(ctx, key, Some(target), &bytes, Transmit::default()));
        match sent {
            Ok(count) => {
                assert_eq!(count, bytes.len());
                let at_ns = self.now_ns;
                self.sent.push(Sent { from, to, at_ns, len: bytes.len(), received: [0; SOCKETS] });
            }
            Err(errno) => {
                assert_eq!(errno, Errno::ConnectionRefused, "the only possible error is an unreachable port")
            }
        }
    }

    fn receive(&mut self, socket: usize, max: usize) {
        let Some(key) = self.sockets[socket] else { return };
        let max = max.max(4);
        let mut bytes = Vec::new();
        match self.fabric.receive(key, max, false, |piece| bytes.extend_from_slice(piece)) {
            Ok(RecvMeta { bytes: count, from, .. }) => {
                assert_eq!(count, bytes.len());
                let number = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
                let sent = &mut self.sent[number];
                let whole = Self::bytes(number, sent.len - 4);
                assert_eq!(count, whole.len().min(max), "the datagram is not whole");
                assert!(bytes == whole[..count], "the bytes differ");
                assert_eq!(from, address(sent.from), "wrong sender");
                match sent.to {
                    Some(to) => assert_eq!(to, socket, "wrong receiver"),
                    // Only port 9 is sent to.
                    None => assert!(socket.is_multiple_of(2), "wrong port"),
                }
                let local = host(sent.from) == host(socket);
                let least_ns = match &self.model.delay {
                    _ if local => 0,
                    Delay::Constant(ns) => *ns,
                    Delay::Quantiles(table) => table[0],
                };
                assert!(sent.at_ns + least_ns <= self.now_ns, "too early");
                sent.received[socket] += 1;
                let count_max = if self.model.duplicate > 0 && !local { 2 } else { 1 };
                assert!(sent.received[socket] <= count_max, "too often");
                let ordered =
                    local || (self.model.reorder == 0 && matches!(self.model.delay, Delay::Constant(_)));
                let last = &mut self.last[sent.from][socket];
                let in_order = number >= *last || (self.model.duplicate > 0 && !local);
                assert!(!ordered || self.disturbed || in_order, "out of order");
                *last = number;
            }
            Err(errno) => assert!(matches!(errno, Errno::WouldBlock | Errno::ConnectionRefused)),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send(from, to, len) => self.send(from, Some(to), len),
            Step::SendToAll(from) => self.send(from, None, 10),
            Step::Receive(socket, max) => self.receive(socket, max),
            Step::Connect(socket, peer) => {
                if let Some(key) = self.sockets[socket] {
                    self.fabric.connect_udp(key, address(peer)).unwrap();
                    self.peers[socket] = Some(peer);
                    self.disturbed = true;
                }
            }
            Step::Join(socket) | Step::Leave(socket) => {
                let joins = matches!(step, Step::Join(_));
                if let Some(key) = self.sockets[socket] {
                    let result = self.fabric.set_member(key, GROUP.into(), joins);
                    assert_eq!(result.is_ok(), self.members[socket] != joins);
                    self.members[socket] = joins;
                }
            }
            Step::Close(socket) => {
                if let Some(key) = self.sockets[socket].take() {
                    self.fabric.close_udp(key);
                    (self.peers[socket], self.members[socket]) = (None, false);
                    self.disturbed = true;
                }
            }
            Step::Bind(socket) => {
                if self.sockets[socket].is_none() && self.up[host(socket) as usize] {
                    let any = SocketAddr::from(([0; 4], address(socket).port()));
                    self.sockets[socket] = Some(self.fabric.bind_udp(host(socket), any).unwrap());
                }
            }
            Step::Cut(_) | Step::Hold(_) | Step::Crash(_) => {
                self.disturbed = true;
                self.inject(step);
            }
            Step::Heal(side) => {
                self.cuts[side as usize] = 0;
                self.fabric.links.get(side.into(), 1 - u32::from(side)).cuts = 0;
            }
            Step::Release(side) => {
                self.fabric.links.get(side.into(), 1 - u32::from(side)).held = false;
                let link = self.fabric.links.between(side.into(), 1 - u32::from(side));
                self.call(|fabric, ctx| fabric.release(ctx, link));
            }
            Step::Start(side) => {
                self.up[side as usize] = true;
                self.fabric.start(side.into());
            }
            Step::Next => {
                if let Some(next_ns) = self.fabric.next_ns() {
                    self.advance(next_ns);
                }
            }
            Step::Advance(by_ns) => self.advance(self.now_ns + by_ns),
        }
        self.fabric.woken.clear();
        self.fabric.released.clear();
        for socket in 0..SOCKETS {
            if let (Some(key), Some(peer)) = (self.sockets[socket], self.peers[socket]) {
                assert_eq!(self.fabric.udp(key).unwrap().peer, Some(address(peer)));
            }
        }
    }

    fn inject(&mut self, step: Step) {
        match step {
            Step::Cut(side) => {
                self.cuts[side as usize] += 1;
                self.fabric.links.get(side.into(), 1 - u32::from(side)).cuts += 1;
            }
            Step::Hold(side) => self.fabric.links.get(side.into(), 1 - u32::from(side)).held = true,
            Step::Crash(side) => {
                self.up[side as usize] = false;
                for socket in (0..SOCKETS).filter(|socket| host(*socket) == u32::from(side)) {
                    self.sockets[socket] = None;
                    (self.peers[socket], self.members[socket]) = (None, false);
                }
                self.call(|fabric, ctx| fabric.crash(ctx, side.into()));
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn datagrams_behave_like_the_model(
        delay in prop_oneof![
            Just(Delay::Constant(0)),
            (1_u64..50_000_000).prop_map(Delay::Constant),
            Just(Delay::Quantiles([1_000_000, 2_000_000, 30_000_000].into())),
        ],
        chances in prop::array::uniform3(prop_oneof![Just(0), 1_u32..400_000]),
        decider in prop::collection::vec(any::<u32>(), 1..40),
        faults in any::<bool>(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let [loss, duplicate, reorder] = chances;
        let lossless = loss == 0;
        let mut world = World::new(LinkParams { delay, loss, duplicate, reorder, ..LinkParams::default() }, decider);
        for step in steps {
            let fault = matches!(step, Step::Cut(_) | Step::Hold(_) | Step::Crash(_) | Step::Close(_) | Step::Connect(..));
            if faults || !fault {
                world.step(step);
            }
        }
        for side in 0..2 {
            for step in [Step::Heal(side), Step::Release(side), Step::Start(side)] {
                world.step(step);
            }
        }
        world.step(Step::Advance(10_000_000_000));
        for socket in 0..SOCKETS {
            for _ in 0..300 {
                world.step(Step::Receive(socket, 100));
            }
        }
        if lossless && !world.disturbed {
            for sent in world.sent.iter().filter(|sent| sent.to.is_some()) {
                prop_assert!(sent.received[sent.to.unwrap()] >= 1, "lost without a fault: {:?}", sent);
            }
        }
        for socket in 0..SOCKETS {
            world.step(Step::Close(socket));
        }
        world.fabric.check_empty();
    }
}
