//! Decodes bytes into operations on the nodes' sockets, and runs them one after the other.
//!
//! # Invariants
//! Any bytes are a program. Every program ends, with all faults healed.

use std::rc::Rc;
use std::time::Duration;

use timeloop::net::{FaultPlan, LinkModel, Network};
use timeloop::time::{sleep, timeout};
use timeloop::world::Node;
use timeloop_fuzz::Reader;

use crate::nodes::{self, GROUP, NAMES, Shared};

/// The largest number of operations of a run.
const STEPS_MAX: u64 = 400;

pub(crate) async fn root(program: &[u8]) -> u64 {
    let shared = Shared::default();
    let nodes = nodes::start(&shared);
    sleep(Duration::from_millis(1)).await;
    let mut reader = Reader::new(program);
    let mut steps = 0;
    while !reader.is_empty() && steps < STEPS_MAX {
        step(&mut reader, &nodes, &shared).await;
        steps += 1;
    }
    heal(&nodes, &shared).await;
    steps
}

/// Takes a stream out, so that nothing is borrowed across an await.
macro_rules! with_stream {
    ($shared:expr, $index:expr, |$stream:ident| $what:expr) => {{
        let taken = {
            let mut sockets = $shared.borrow_mut();
            let count = sockets.streams.len();
            (count > 0).then(|| sockets.streams.swap_remove($index % count))
        };
        if let Some(mut $stream) = taken {
            {
                let $stream = &mut $stream;
                $what;
            }
            nodes::add($shared, $stream);
        }
    }};
}

async fn step(reader: &mut Reader<'_>, nodes: &[Node; 3], shared: &Shared) {
    let network = Network::current();
    let op = reader.below(32);
    let (one, other) = {
        let byte = reader.below(9);
        (byte / 3, byte % 3)
    };
    let far = (one != other).then_some((NAMES[one], NAMES[other]));
    match op {
        0..4 if nodes[one].is_up() => {
            drop(nodes[one].spawn(nodes::connect(one, NAMES[other], Rc::clone(shared))));
        }
        4 if nodes[one].is_up() => drop(nodes[one].spawn(nodes::pair(one, Rc::clone(shared)))),
        5..9 => {
            let len = length(reader);
            with_stream!(shared, one * 3 + other, |stream| stream.write(len));
        }
        9..13 => {
            let len = length(reader);
            with_stream!(shared, one * 3 + other, |stream| _ = stream.read(len));
        }
        13 => {
            let (len, wait) = (length(reader), duration(reader));
            with_stream!(shared, one * 3 + other, |stream| {
                let _ = timeout(wait, stream.read_waiting(len)).await;
            });
        }
        14 => {
            let (len, wait) = (length(reader), duration(reader));
            with_stream!(shared, one * 3 + other, |stream| {
                let _ = timeout(wait, stream.write_waiting(len)).await;
            });
        }
        15 => {
            let (kind, wait) = (reader.below(3), duration(reader));
            with_stream!(shared, one * 3 + other, |stream| {
                let _ = match kind {
                    0 => timeout(wait, stream.peek(100)).await,
                    1 => timeout(wait, stream.ready(true)).await,
                    _ => timeout(wait, stream.ready(false)).await,
                };
            });
        }
        16 => with_stream!(shared, one * 3 + other, |stream| stream.shut_down().await),
        17 => {
            let mut sockets = shared.borrow_mut();
            let count = sockets.streams.len();
            if count > 0 {
                let gone = sockets.streams.swap_remove((one * 3 + other) % count);
                drop(sockets);
                drop(gone);
            }
        }
        18 => {
            if let Some((one, other)) = far {
                drop(network.cut(one, other));
            }
        }
        19 => drop(network.isolate(NAMES[one])),
        20 => network.heal(),
        21 => {
            if let Some((one, other)) = far {
                network.hold(one, other);
            }
        }
        22 => {
            if let Some((one, other)) = far {
                network.release(one, other);
            }
        }
        23 => network.clog_node(NAMES[one], duration(reader)),
        24 => {
            nodes[one].crash();
            nodes::gone(one, shared);
        }
        25 => {
            nodes::gone(one, shared);
            nodes[one].restart();
        }
        26 if nodes[one].is_up() && !nodes[one].is_paused() => nodes[one].pause(),
        27 => nodes[one].resume(),
        28 => network.set_all(&model(reader)),
        29 => datagram(reader, [one, other], shared),
        30 if other == 2 => {
            let plan =
                FaultPlan::over(Duration::from_secs(5)).partitions(2).one_way_cuts(1).clogs(1).pauses(1);
            plan.flaky_links(1).holds(1).splits(1).swizzles(1).run().await;
        }
        _ => sleep(duration(reader)).await,
    }
}

fn length(reader: &mut Reader<'_>) -> usize {
    match reader.byte() {
        small @ 0..200 => small.into(),
        large => (usize::from(large) - 199) * 4_000,
    }
}

fn duration(reader: &mut Reader<'_>) -> Duration {
    match reader.byte() {
        small @ 0..100 => Duration::from_micros(u64::from(small) * 10),
        middle @ 100..240 => Duration::from_millis(u64::from(middle - 99) * 10),
        large => Duration::from_secs(u64::from(large - 239) * 70),
    }
}

fn model(reader: &mut Reader<'_>) -> LinkModel {
    let model = match reader.below(4) {
        0 => LinkModel::new(),
        1 => LinkModel::flaky(),
        2 => LinkModel::new().latency(Duration::ZERO),
        _ => LinkModel::new().latency_between(Duration::ZERO, Duration::from_millis(200)),
    };
    let model = if reader.flag() { model.loss(0.2).duplicates(0.2).reorders(0.2) } else { model };
    if reader.flag() { model.bandwidth(100_000) } else { model }
}

/// Sends datagrams that contain their sender.
fn datagram(reader: &mut Reader<'_>, [one, other]: [usize; 2], shared: &Shared) {
    let sockets = shared.borrow();
    let mut bytes = [0; 1_024];
    let Some((_, udp)) = sockets.udp.iter().find(|(node, _)| *node == one) else { return };
    let Some((_, unix)) = sockets.datagrams.iter().find(|(node, _)| *node == one) else { return };
    let what = reader.below(8);
    let len = usize::from(reader.byte()) + 1;
    let said = vec![one as u8; len];
    match what {
        0..2 => _ = udp.try_send_to(&said, ([10, 0, 0, 2 + other as u8], 9).into()),
        2 => _ = udp.try_send_to(&said, (GROUP, 9).into()),
        3 => _ = unix.try_send_to(&said, "/datagrams"),
        4 => {
            if let Ok((count, _)) = unix.try_recv_from(&mut bytes) {
                assert!(count > 0 && bytes[..count].iter().all(|byte| usize::from(*byte) == one));
            }
        }
        5 => _ = udp.leave_multicast_v4(GROUP, std::net::Ipv4Addr::UNSPECIFIED),
        _ => {
            if let Ok((count, from)) = udp.try_recv_from(&mut bytes) {
                let from_node = usize::from(bytes[0]);
                assert!(count > 0 && bytes[..count].iter().all(|byte| usize::from(*byte) == from_node));
                let loops = from.ip().is_loopback() && from_node == one;
                assert!(
                    loops || from == ([10, 0, 0, 2 + from_node as u8], 9).into(),
                    "{from} is not {from_node}"
                );
            }
        }
    }
}

/// Heals all faults, and waits until all packets in flight have arrived.
async fn heal(nodes: &[Node; 3], shared: &Shared) {
    let network = Network::current();
    network.heal();
    network.set_all(&LinkModel::new());
    for (number, node) in nodes.iter().enumerate() {
        if node.is_paused() {
            node.resume();
        }
        if !node.is_up() {
            nodes::gone(number, shared);
            node.restart();
        }
    }
    // Longer than the longest retransmission timeout of a stream.
    for _ in 0..30 {
        sleep(Duration::from_secs(130)).await;
        for stream in &mut shared.borrow_mut().streams {
            while stream.read(1 << 16) {}
        }
    }
    shared.borrow_mut().streams.iter_mut().for_each(crate::stream::Stream::settle);
    let sockets = shared.borrow();
    for stream in sockets.streams.iter().filter(|stream| !stream.failed) {
        let other = sockets.streams.iter().find(|other| other.sends == stream.receives());
        if other.is_some_and(|other| !other.failed) {
            stream.check_all();
        }
    }
}
