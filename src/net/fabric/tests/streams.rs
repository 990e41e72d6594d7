//! Tests random programs of connections, writes, reads, shutdowns, faults and crashes against a model of streams.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::rc::Rc;

use proptest::prelude::*;

use super::super::connection::{EndKey, Options, Phase};
use super::super::{CallContext, Delay, Direction, Errno, Event, Key, LinkParams, Reading, WaitSlot};
use super::model::{ByteFlow, CloseState, Conn, Side, byte};
use super::{Fabric, Repeat};

/// The maximum number of connections.
const CONNECTIONS: usize = 3;

/// An end: the number of its connection, and its side.
type At = (u8, u8);

#[derive(Clone, Copy, Debug)]
enum Step {
    Connect,
    Accept,
    Listen,
    Unlisten,
    Write(At, u32),
    Read(At, u32),
    WaitFor(At, Direction),
    Shutdown(At),
    ZeroLinger(At),
    Close(At),
    Cut(u8),
    Heal(u8),
    Hold(u8),
    Release(u8),
    Clog(u8, u32),
    Crash(u8),
    Start(u8),
    /// Advances to just before the next event, to the next event, or that many events further.
    Next(u8),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let at = || (prop_oneof![3 => Just(0_u8), 1 => 0..CONNECTIONS as u8], 0_u8..2);
    let side = || 0_u8..2;
    let len = || prop_oneof![4 => 0_u32..300, 4 => 0_u32..3_000, 1 => 0_u32..200_000];
    let direction = prop_oneof![Just(Direction::Read), Just(Direction::Write)];
    prop_oneof![
        3 => Just(Step::Connect),
        3 => Just(Step::Accept),
        1 => Just(Step::Listen),
        1 => Just(Step::Unlisten),
        16 => (at(), len()).prop_map(|(at, len)| Step::Write(at, len)),
        12 => (at(), len()).prop_map(|(at, len)| Step::Read(at, len)),
        6 => (at(), direction).prop_map(|(at, direction)| Step::WaitFor(at, direction)),
        2 => at().prop_map(Step::Shutdown),
        1 => at().prop_map(Step::ZeroLinger),
        2 => at().prop_map(Step::Close),
        4 => side().prop_map(Step::Cut),
        6 => side().prop_map(Step::Heal),
        1 => side().prop_map(Step::Hold),
        2 => side().prop_map(Step::Release),
        1 => (side(), 0_u32..3_000_000).prop_map(|(side, us)| Step::Clog(side, us)),
        1 => side().prop_map(Step::Crash),
        3 => side().prop_map(Step::Start),
        24 => (0_u8..3).prop_map(Step::Next),
        6 => (0_u64..60_000_000).prop_map(Step::Advance),
        2 => (0_u64..400_000_000_000).prop_map(Step::Advance),
    ]
}

/// Several segments in flight, and then a temporary fault of the link or of a host.
fn burst() -> impl Strategy<Value = Vec<Step>> {
    let faults = |side: u8, kind: u8| match kind {
        0..3 => [Step::Cut(side), Step::Heal(side)],
        3 => [Step::Hold(side), Step::Release(side)],
        4 => [Step::Shutdown((0, side)), Step::Heal(side)],
        _ => [Step::Crash(side), Step::Start(side)],
    };
    (0..2_u8, 0..2_u8, 0..6_u8, prop::array::uniform3(0_u32..900), prop::array::uniform3(0_u8..3)).prop_map(
        move |(side, link, kind, [one, two, three], [first, second, third])| {
            let at = (0, side);
            let [fault, repair] = faults(link, kind);
            let writes = [Step::Write(at, one), Step::Write(at, two), Step::Next(0), Step::Write(at, three)];
            let rest = [
                fault,
                Step::Next(first),
                repair,
                Step::Next(second),
                Step::Write(at, one),
                Step::Next(third),
            ];
            writes.into_iter().chain(rest).collect()
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = prop_oneof![20 => step().prop_map(|step| vec![step]), 1 => burst()];
    prop::collection::vec(some, 0..140).prop_map(|steps| steps.concat())
}

struct World {
    fabric: Fabric,
    decider: Repeat,
    now_ns: u64,
    /// Whether the client is on the server's host.
    local: bool,
    least_ns: u64,
    bandwidth: Option<u64>,
    /// The options of the client and of the server.
    options: [Options; 2],
    listener: Option<Key>,
    conns: Vec<Conn>,
    cuts: [u32; 2],
    held: [bool; 2],
    up: [bool; 2],
    /// The number of waiters so far.
    waiters: u32,
    /// Whether reads and writes may move a part of their bytes.
    splits: bool,
}

impl World {
    fn new(model: LinkParams, decider: Vec<u32>, local: bool, buffers: [u32; 4]) -> Self {
        let mut fabric = Fabric::default();
        for ip in ["10.0.0.1", "10.0.0.2"] {
            fabric.add_host(&[ip.parse().unwrap()], true);
        }
        let least_ns = match &model.delay {
            _ if local => 0,
            Delay::Constant(ns) => *ns,
            Delay::Quantiles(table) => table[0],
        };
        let bandwidth = model.bandwidth.filter(|_| !local);
        fabric.links.set_default_params(Rc::new(model));
        let options = [0, 2].map(|of| Options {
            send_buffer: buffers[of],
            recv_buffer: buffers[of + 1],
            ..Options::default()
        });
        let mut world = Self {
            fabric,
            decider: Repeat(decider, 0),
            now_ns: 0,
            local,
            least_ns,
            bandwidth,
            options,
            listener: None,
            conns: Vec::new(),
            cuts: [0; 2],
            held: [false; 2],
            up: [true; 2],
            waiters: 0,
            splits: false,
        };
        for step in [Step::Listen, Step::Connect, Step::Advance(10_000_000_000), Step::Accept] {
            world.step(step);
        }
        world
    }

    fn call<R>(&mut self, f: impl FnOnce(&mut Fabric, &mut CallContext<'_>) -> R) -> R {
        f(
            &mut self.fabric,
            &mut CallContext { now_ns: self.now_ns, varies_io: self.splits, decider: &mut self.decider },
        )
    }

    fn host(&self, side: usize) -> usize {
        if self.local { 1 } else { side }
    }

    /// Returns whether nothing passes from this side to the other.
    fn is_blocked(&self, from: usize) -> bool {
        !self.local && (self.cuts[from] > 0 || self.held[from] || !self.up[1 - from])
    }

    fn advance(&mut self, until_ns: u64) {
        let mut events = 0;
        while let Some(next_ns) = self.fabric.next_ns().filter(|next_ns| *next_ns <= until_ns) {
            assert!(next_ns >= self.now_ns, "time runs backwards");
            events += 1;
            assert!(events < 100_000, "too many events");
            self.now_ns = next_ns;
            self.call(|fabric, ctx| fabric.advance(ctx));
            self.check();
        }
        self.now_ns = until_ns;
    }

    fn end_key(&self, (conn, side): At) -> Option<(usize, usize, EndKey)> {
        let (index, side_index) = (conn as usize, side as usize);
        let conn = self.conns.get(index)?;
        conn.sides[side_index].held.then_some((index, side_index, EndKey { connection: conn.key, side }))
    }

    fn connect(&mut self) {
        let host = self.host(0);
        if self.conns.len() == CONNECTIONS || !self.up[host] {
            return;
        }
        let socket = self.fabric.new_listener(host as u32, "0.0.0.0:0".parse().unwrap(), ());
        self.fabric.listener(socket).unwrap().options = self.options[0];
        let address: SocketAddr = "10.0.0.2:80".parse().unwrap();
        let key = self.call(|fabric, ctx| {
            let key = fabric.connect(ctx, socket, address).unwrap();
            fabric.remove_socket(socket);
            key
        });
        let [client, server] = self.options;
        let flow = |sends: Options, receives: Options| ByteFlow {
            capacity: u64::from(sends.send_buffer + receives.recv_buffer),
            ..ByteFlow::default()
        };
        self.conns.push(Conn {
            key: key.connection,
            connect_ns: self.now_ns,
            sides: [Side { connecting: true, ..Side::default() }, Side::default()],
            flows: [flow(client, server), flow(server, client)],
            first_block_ns: None,
            listener_missing: self.listener.is_none(),
        });
    }

    fn accept(&mut self) {
        let Some(listener) = self.listener else { return };
        match self.fabric.accept(listener) {
            Ok((key, ..)) => {
                let conn = self.conns.iter_mut().find(|conn| conn.key == key.connection);
                let conn = conn.expect("an accepted connection was requested");
                assert_eq!(key.side, 1);
                assert!(
                    !conn.sides[1].held && conn.sides[1].left.is_none(),
                    "a connection is accepted twice"
                );
                conn.sides[1].held = true;
            }
            Err(errno) => assert_eq!(errno, Errno::WouldBlock),
        }
    }

    fn write(&mut self, at: At, len: u32) {
        let Some((index, side, key)) = self.end_key(at) else { return };
        let start = self.conns[index].flows[side].written;
        let bytes: Vec<u8> = (start..start + u64::from(len)).map(|position| byte(side, position)).collect();
        let (now_ns, least_ns, bandwidth) = (self.now_ns, self.least_ns, self.bandwidth);
        // The bytes may arrive before the call returns.
        let (one, other) = bytes.split_at(bytes.len() / 3);
        let result = self.call(|fabric, ctx| fabric.write(ctx, key, &[one, other].map(IoSlice::new)));
        let conn = &mut self.conns[index];
        let other = &conn.sides[1 - side];
        // Bytes lost to an absent peer take no capacity until its reset arrives.
        let dropped = side == 0 && conn.listener_missing && !other.held;
        let gone = dropped || other.crashed || other.failed.is_some() || other.left.is_some();
        let (end, flow) = (&mut conn.sides[side], &mut conn.flows[side]);
        match result {
            Ok(count) => {
                let (count, len) = (count as u64, u64::from(len));
                assert!(!end.shut && end.failed.is_none());
                flow.blocked = false;
                assert!(count <= len && (count > 0 || len == 0));
                assert!(
                    gone || flow.written + count - flow.read <= flow.capacity,
                    "the window is exceeded: {flow:?}"
                );
                assert!(
                    self.splits || count == len || flow.written + len > flow.capacity,
                    "a write was cut short: {flow:?}"
                );
                flow.record_write(count, now_ns, least_ns, bandwidth);
            }
            Err(Errno::WouldBlock) => {
                assert!(flow.written >= flow.capacity, "a write waits although the window is open: {flow:?}");
                // Once a write has blocked, the end is ready again when a third of the window is open.
                let free = flow.capacity.saturating_sub(flow.written - flow.read);
                let is_closed = if flow.blocked { free < flow.capacity / 3 } else { free == 0 && len > 0 };
                assert!(is_closed || !self.local, "within a host, the window is exact");
                flow.blocked = true;
            }
            Err(Errno::BrokenPipe) if end.shut || end.error_returned => {}
            Err(errno) => {
                assert_eq!(Some(errno), end.failed);
                assert!(!std::mem::replace(&mut end.error_returned, true), "the error is returned twice");
            }
        }
    }

    fn read(&mut self, at: At, len: u32) {
        let Some((index, side, key)) = self.end_key(at) else { return };
        let mut bytes = Vec::new();
        let result = self.call(|fabric, ctx| {
            fabric.read(ctx, key, len as usize, Reading::Try, |piece| bytes.extend_from_slice(piece))
        });
        let conn = &mut self.conns[index];
        let from = 1 - side;
        let has_ended = conn.sides[from].shut || conn.sides[from].left.is_some();
        let (end, flow) = (&mut conn.sides[side], &mut conn.flows[from]);
        match result {
            Ok(0) if len == 0 && flow.seen > flow.read => {}
            Ok(0) => {
                let all = has_ended && flow.read == flow.written;
                assert!(all || end.error_returned, "an early end of the stream: {end:?} {flow:?}");
                end.ended = true;
            }
            Ok(count) => {
                assert!(!end.ended, "bytes after the end of the stream");
                assert!(count == bytes.len() && count <= len as usize);
                let expected = (flow.read..).map(|position| byte(from, position)).take(count);
                assert!(bytes.into_iter().eq(expected), "the bytes read differ from the bytes written");
                flow.read += count as u64;
                assert!(flow.read <= flow.seen);
            }
            Err(Errno::WouldBlock) => {
                assert!(flow.read == flow.seen && end.failed.is_none() && !end.ended);
            }
            Err(errno) => {
                assert_eq!(Some(errno), end.failed);
                assert!(!std::mem::replace(&mut end.error_returned, true), "the error is returned twice");
            }
        }
    }

    fn wait_for(&mut self, at: At, direction: Direction) {
        let Some((index, side, key)) = self.end_key(at) else { return };
        let is_ready = self.is_ready(key, direction);
        if is_ready || self.conns[index].sides[side].waits[direction as usize].is_some() {
            return;
        }
        self.waiters += 1;
        let waiter = self.waiters;
        self.conns[index].sides[side].waits[direction as usize] = Some(waiter);
        self.call(|fabric, _| fabric.wait(key, direction, waiter, WaitSlot::Poll));
    }

    fn is_ready(&mut self, key: EndKey, direction: Direction) -> bool {
        let ready = self.fabric.readiness(key);
        match direction {
            Direction::Read => ready.readable,
            Direction::Write => ready.writable,
        }
    }

    fn close(&mut self, at: At) {
        let (index, side) = (usize::from(at.0), usize::from(at.1));
        let Some(conn) = self.conns.get_mut(index) else { return };
        let key = EndKey { connection: conn.key, side: at.1 };
        let (own, flow) = (&mut conn.sides[side], &conn.flows[1 - side]);
        if !own.held && !own.connecting {
            return;
        }
        let abruptly = flow.seen > flow.read || own.zero_linger || own.connecting;
        own.left = Some(CloseState { seen: flow.seen, abruptly });
        (own.held, own.connecting) = (false, false);
        own.waits = [None, None];
        self.call(|fabric, ctx| fabric.close(ctx, key));
    }

    fn crash(&mut self, host: usize) {
        self.up[host] = false;
        if host == 1 {
            self.listener = None;
        }
        for side in 0..2 {
            if self.host(side) != host {
                continue;
            }
            for conn in &mut self.conns {
                let there = self.fabric.connections.get(conn.key);
                // The host has no state yet for an end whose handshake is incomplete.
                let has_state = |phase| !matches!(phase, Phase::Absent | Phase::HalfOpen);
                conn.sides[side].crashed |= there.is_some_and(|there| has_state(there.ends[side].phase));
                (conn.sides[side].held, conn.sides[side].connecting) = (false, false);
                conn.sides[side].waits = [None, None];
            }
        }
        self.call(|fabric, ctx| fabric.crash(ctx, host as u32));
    }

    fn listen(&mut self) {
        if self.listener.is_some() || !self.up[1] {
            return;
        }
        let key = self.fabric.new_listener(1, "0.0.0.0:0".parse().unwrap(), ());
        self.fabric.listener(key).unwrap().options = self.options[1];
        self.fabric.bind_listener(key, "0.0.0.0:80".parse().unwrap()).unwrap();
        self.fabric.listen(key, 1).unwrap();
        self.listener = Some(key);
    }

    fn link(&mut self, side: usize) -> &mut super::super::link::Link {
        self.fabric.links.get(side as u32, 1 - side as u32)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Connect => self.connect(),
            Step::Accept => self.accept(),
            Step::Listen => self.listen(),
            Step::Unlisten => {
                if let Some(listener) = self.listener.take() {
                    self.conns.iter_mut().for_each(|conn| conn.listener_missing = true);
                    self.call(|fabric, ctx| fabric.close_listener(ctx, listener));
                }
            }
            Step::Write(at, len) => self.write(at, len),
            Step::Read(at, len) => self.read(at, len),
            Step::WaitFor(at, direction) => self.wait_for(at, direction),
            Step::Shutdown(at) => {
                if let Some((index, side, key)) = self.end_key(at) {
                    let result = self.call(|fabric, ctx| fabric.shutdown_write(ctx, key));
                    let side = &mut self.conns[index].sides[side];
                    assert_eq!(result.is_ok(), side.failed.is_none());
                    side.shut |= result.is_ok();
                }
            }
            Step::ZeroLinger(at) => {
                if let Some((index, side, key)) = self.end_key(at) {
                    self.fabric.end(key).unwrap().options.linger_s = Some(0);
                    self.conns[index].sides[side].zero_linger = true;
                }
            }
            Step::Close(at) => self.close(at),
            Step::Cut(side) => {
                self.cuts[side as usize] += 1;
                self.link(side.into()).cuts += 1;
            }
            Step::Heal(side) => {
                self.cuts[side as usize] = 0;
                self.link(side.into()).cuts = 0;
            }
            Step::Hold(side) => {
                self.held[side as usize] = true;
                self.link(side.into()).held = true;
            }
            Step::Release(side) => {
                self.held[side as usize] = false;
                self.link(side.into()).held = false;
                let link = self.fabric.links.between(side.into(), 1 - u32::from(side));
                self.call(|fabric, ctx| fabric.release(ctx, link));
            }
            Step::Clog(side, us) => {
                let until_ns = self.now_ns + u64::from(us) * 1_000;
                self.link(side.into()).clogged_until_ns = until_ns;
            }
            Step::Crash(host) => self.crash(host.into()),
            Step::Start(host) => {
                self.up[host as usize] = true;
                self.fabric.start(host.into());
            }
            Step::Next(more) => {
                for _ in 0..=more {
                    if let Some(next_ns) = self.fabric.next_ns() {
                        self.advance(if more == 0 {
                            self.now_ns.max(next_ns.saturating_sub(1))
                        } else {
                            next_ns
                        });
                    }
                }
            }
            Step::Advance(by_ns) => self.advance(self.now_ns + by_ns),
        }
        self.check();
    }

    /// Checks that everything that has happened is allowed.
    fn check(&mut self) {
        let woken = std::mem::take(&mut self.fabric.woken);
        self.fabric.released.clear();
        self.fabric.check();
        let blocked = [self.is_blocked(0), self.is_blocked(1)];
        let timeouts = self.fabric.timeouts;
        for index in 0..self.conns.len() {
            let conn = &mut self.conns[index];
            let key = conn.key;
            conn.listener_missing |= self.listener.is_none();
            let stopped = blocked[0] || blocked[1] || !self.up[0] || !self.up[1];
            if stopped && conn.first_block_ns.is_none() {
                conn.first_block_ns = Some(self.now_ns);
            }
            let Some(connection) = self.fabric.connections.get(key) else {
                let held = conn.sides.iter().any(|side| side.held || side.connecting);
                assert!(!held, "a held connection is missing");
                continue;
            };
            let arrived = [0, 1].map(|from| u64::from(connection.ends[from].out.arrived));
            let phases = [0, 1].map(|side: usize| connection.ends[side].phase);
            let dead = [0, 1].map(|side: usize| {
                let end = &connection.ends[side];
                // An end without state on its crashed host has not failed.
                let has_failed = end.error.is_some() || end.phase != Phase::Absent;
                (end.dead && has_failed && !conn.sides[side].crashed, end.error)
            });
            for side in 0..2 {
                if dead[side].0 && conn.sides[side].failed.is_none() {
                    let errno = dead[side].1.expect("a failed end has an error");
                    conn.record_failure(side, errno, self.now_ns, timeouts);
                }
                let reader = &conn.sides[1 - side];
                if reader.held || (reader.left.is_none() && phases[1 - side] == Phase::Queued) {
                    conn.flows[side].record_arrived(arrived[side], self.now_ns, blocked[side]);
                }
            }
            // The client holds the connection as soon as it is established.
            let client_end = EndKey { connection: key, side: 0 };
            let client = &mut conn.sides[0];
            if client.connecting && !dead[0].0 && self.fabric.connected(client_end).is_ok() {
                (client.held, client.connecting) = (true, false);
            }
            for side in 0..2_u8 {
                for direction in [Direction::Read, Direction::Write] {
                    let waits = &self.conns[index].sides[side as usize].waits[direction as usize];
                    let Some(waiter) = waits else { continue };
                    if woken.contains(waiter) {
                        self.conns[index].sides[side as usize].waits[direction as usize] = None;
                    } else {
                        let end = EndKey { connection: key, side };
                        let ready = self.is_ready(end, direction);
                        // A task need not be woken while a reset is in flight to it, or while a retransmission will
                        // cause one.
                        let is_reset = |event: &Event| matches!(event, Event::Reset { key } if *key == end);
                        let will_be_woken = self.fabric.queue.events().any(is_reset)
                            || (direction == Direction::Write
                                && self.fabric.end(end).is_some_and(|end| end.out.retry_scheduled));
                        assert!(!ready || will_be_woken, "a ready waiter is not woken: {side} {direction:?}");
                    }
                }
            }
        }
    }

    fn all_ends(&self) -> impl Iterator<Item = At> + use<> {
        (0..self.conns.len() as u8).flat_map(|conn| [(conn, 0), (conn, 1)])
    }

    /// Ends all faults, and advances until no event is left.
    fn settle(&mut self) {
        self.splits = false;
        for side in 0..2 {
            for step in [Step::Heal(side), Step::Release(side), Step::Start(side), Step::Clog(side, 0)] {
                self.step(step);
            }
        }
        self.step(Step::Listen);
        let mut events = 0;
        while let Some(next_ns) = self.fabric.next_ns() {
            events += 1;
            assert!(events < 10_000, "events never stop");
            self.advance(next_ns);
            self.step(Step::Accept);
            for at in self.all_ends() {
                self.step(Step::Read(at, u32::MAX));
            }
        }
    }

    /// Checks that everything that must arrive has arrived.
    fn check_settled(&mut self) {
        for at in self.all_ends().chain(self.all_ends()) {
            self.step(Step::Read(at, 1 << 20));
        }
        for conn in &self.conns {
            for from in 0..2 {
                let flow = &conn.flows[from];
                let has_ended = conn.sides[from].shut || conn.sides[from].left.is_some();
                if conn.must_deliver_all(from) {
                    assert_eq!(flow.read, flow.written, "bytes are missing: {conn:#?}");
                    assert_eq!(
                        conn.sides[1 - from].ended,
                        has_ended,
                        "the end of the stream is missing: {conn:#?}"
                    );
                }
            }
        }
        // The send window opens again, and writing to an absent peer fails.
        for (conn, side) in self.all_ends() {
            let sides = &self.conns[conn as usize].sides;
            let (own, other) = (&sides[side as usize], &sides[1 - side as usize]);
            if !own.held || own.shut || own.failed.is_some() {
                continue;
            }
            let gone = other.crashed || other.failed.is_some() || other.left.is_some();
            let before = self.conns[conn as usize].flows[side as usize].written;
            // The first write may trigger the window update.
            for _ in 0..2 {
                if self.conns[conn as usize].flows[side as usize].written == before {
                    self.step(Step::Write((conn, side), 1));
                    self.step(Step::Advance(1_000_000_000_000));
                }
            }
            let flow = &self.conns[conn as usize].flows[side as usize];
            assert!(gone || flow.read < before || flow.written == before + 1, "the window stays closed");
            if gone {
                let failed = self.conns[conn as usize].sides[side as usize].failed;
                let key = self.conns[conn as usize].key;
                let ends = self.fabric.connections.get(key).map(|connection| &connection.ends);
                let phases = ends.map(|ends| (ends[0].phase, ends[1].phase));
                assert!(failed.is_some(), "no error from an absent peer at {conn} {side}: {phases:?}");
            }
        }
    }
}

fn model() -> impl Strategy<Value = LinkParams> {
    let delay = prop_oneof![
        Just(Delay::Constant(0)),
        (1_u64..200_000_000).prop_map(Delay::Constant),
        (0_u64..1_000, 1_u64..100_000_000)
            .prop_map(|(least, max)| Delay::Quantiles([least, least + max / 10, least + max].into())),
    ];
    let loss = prop_oneof![Just(0), 1_u32..400_000];
    let bandwidth = prop_oneof![3 => Just(None), 1 => (10_000_u64..1_000_000).prop_map(Some)];
    (delay, loss, bandwidth).prop_map(|(delay, loss, bandwidth)| LinkParams {
        delay,
        loss,
        bandwidth,
        ..LinkParams::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Random writes, cuts, holds, shutdowns, closes and crashes in any order.
    #[test]
    fn streams_behave_like_the_model(
        model in model(),
        decider in prop::collection::vec(any::<u32>(), 1..40),
        local in prop::bool::weighted(0.15),
        splits in prop::bool::weighted(0.3),
        buffers in prop_oneof![Just([65_536; 4]), prop::array::uniform4(1_u32..4_000)],
        // Leaving out some kinds of steps makes rare combinations of the others likely.
        left_out in any::<u32>(),
        steps in steps(),
    ) {
        let mut world = World::new(model, decider, local, buffers);
        world.splits = splits;
        for step in steps {
            let kind = match step {
                Step::Cut(side) => side,
                Step::Hold(side) => 2 + side,
                Step::Crash(host) => 4 + host,
                Step::Unlisten => 6,
                Step::ZeroLinger(_) => 7,
                Step::Close(_) => 8,
                Step::Shutdown(_) => 9,
                Step::Clog(side, _) => 10 + side,
                Step::Advance(by_ns) if by_ns > 60_000_000 => 12,
                _ => 31,
            };
            if kind == 31 || left_out >> kind & 1 == 0 {
                world.step(step);
            }
        }
        world.settle();
        world.check_settled();
        for at in world.all_ends() {
            world.step(Step::Close(at));
        }
        world.step(Step::Unlisten);
        world.settle();
        world.step(Step::Unlisten);
        world.step(Step::Advance(2_000_000_000_000));
        world.fabric.check_empty();
    }
}

/// The peer is absent without a reset: it has timed out, and was then closed.
#[test]
fn a_waiting_writer_learns_that_its_peer_has_failed_and_closed() {
    let params = LinkParams { delay: Delay::Constant(0), ..LinkParams::default() };
    let mut world = World::new(params, vec![0], false, [1; 4]);
    let (one, other) = ((0, 0), (0, 1));
    world.step(Step::Write(other, 2));
    world.step(Step::Write(other, 1));
    world.step(Step::Hold(0));
    world.step(Step::Write(one, 1));
    world.step(Step::Advance(2_000_000_000_000));
    world.step(Step::Close(one));
    world.settle();
    world.check_settled();
}

/// The listener drops a connection that it has not accepted.
#[test]
fn bytes_to_a_connection_that_its_listener_dropped_take_no_capacity() {
    let params = LinkParams { delay: Delay::Constant(0), ..LinkParams::default() };
    let mut world = World::new(params, vec![0], false, [65_536; 4]);
    let unaccepted = (2, 0);
    for step in [Step::Connect, Step::Connect, Step::Next(0), Step::Unlisten] {
        world.step(step);
    }
    world.step(Step::Write(unaccepted, 1));
    world.step(Step::Write(unaccepted, 131_072));
    world.settle();
    world.check_settled();
}
