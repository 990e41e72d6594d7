//! Whatever breaks for a while: no byte changes, nobody hangs, and every seed means one run.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use quic_mirror::world::{address_of, client_endpoint, start_server, transport};
use quic_mirror::{Client, message};
use quinn::Endpoint;
use rand::Rng;
use timeloop::adapters::quinn as quic;
use timeloop::net::{FaultPlan, LinkModel, Network, UdpSocket};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::world::World;
use timeloop::{Limits, StrategySpec, run_from, task};

use crate::wire::{self, Heard, tap};

/// How many runs, each of them made twice.
const SEEDS: u64 = 1_000;

/// How long a calm world takes at most to put all in order.
///
/// A connection is given up after 5 s of silence, or three times as long as quinn waits for an answer before it asks again,
/// whichever is longer; and that is three times as long as its first answer took. A clog makes that up to 7 s: 63 s.
const CALM: Duration = Duration::from_secs(70);

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    exchanges: u64,
    retries: u64,
    connections: u64,
    moves: u64,
    datagrams: u64,
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.retries += other.retries;
        self.connections += other.connections;
        self.moves += other.moves;
        self.datagrams += other.datagrams;
    }
}

fn draw(below: u64) -> u64 {
    // Even enough, as the bounds are powers of two.
    timeloop::rng().next_u64() % below
}

/// Some of a client's life: exchanges until the world has become calm, and a few more.
async fn live(endpoint: Endpoint, server: std::net::SocketAddr, is_calm: Rc<Cell<bool>>) -> Totals {
    let mut client = Client::new(endpoint.clone(), server);
    let mut totals = Totals::default();
    let mut number = draw(1 << 40) << 8;
    let mut left = 3;
    while left > 0 {
        left -= u64::from(is_calm.get());
        number += 1;
        let length = 1 << draw(16);
        client.exchange(number, length).await;
        totals.exchanges += 1;
        sleep(Duration::from_millis(draw(1 << 10))).await;
        if draw(8) == 0 {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            endpoint.rebind_abstract(tap(quic::socket(socket))).unwrap();
            totals.moves += 1;
        }
        if let Ok(connection) = client.connection().await {
            let _lost = connection.send_datagram(message(number, 100).into());
            if let Ok(Ok(datagram)) = timeout(Duration::from_millis(50), connection.read_datagram()).await {
                let number = u64::from_le_bytes(datagram[..8].try_into().unwrap());
                assert_eq!(datagram, message(number, 100), "datagram {number} changed on its way");
                totals.datagrams += 1;
            }
        }
    }
    totals.retries = client.retries.into();
    totals.connections = client.connections.into();
    totals
}

async fn story() -> Totals {
    let network = Network::current();
    network.set_all(&LinkModel::flaky());
    let server = start_server(tap);
    let address = address_of(&server);
    let is_calm = Rc::new(Cell::new(false));
    let mut clients = task::JoinSet::new();
    for name in ["client-1", "client-2"] {
        let node = World::current().node(name).build();
        let is_calm = Rc::clone(&is_calm);
        let lives = node.spawn(async move {
            let endpoint = client_endpoint(transport(), tap).await;
            let one = task::spawn_local(live(endpoint.clone(), address, Rc::clone(&is_calm)));
            let mut totals = live(endpoint.clone(), address, is_calm).await;
            totals.add(one.await.unwrap());
            endpoint.close(0_u32.into(), b"done");
            endpoint.wait_idle().await;
            totals
        });
        clients.spawn_local(async move { lives.await.unwrap() });
    }
    // Some last for longer than the silence after which a connection is given up.
    let plan =
        FaultPlan::over(Duration::from_secs(15)).lasting(Duration::from_millis(10), Duration::from_secs(7));
    let crashes = task::spawn_local(plan.clone().nodes(["server"]).crashes(3).run());
    plan.partitions(2).one_way_cuts(2).clogs(2).pauses(2).run().await;
    crashes.await.unwrap();
    network.set_all(&LinkModel::new());
    is_calm.set(true);
    let mut totals = Totals::default();
    let rest = async {
        while let Some(lived) = clients.join_next().await {
            totals.add(lived.unwrap());
        }
    };
    timeout(CALM, rest).await.expect("all ends well once the world is calm");
    totals
}

fn run(seed: u64) -> (Totals, u64, Heard, Duration) {
    wire::start();
    let outcome = run_from(StrategySpec::Random.source(seed.into()), &Limits::default(), story);
    match outcome.result {
        Ok(totals) => (totals, outcome.trace_hash, wire::heard(), outcome.elapsed),
        Err(failure) => panic!("seed {seed}: {failure}"),
    }
}

#[test]
fn a_thousand_seeds_with_loss_partitions_crashes_and_moves() {
    let next = AtomicU64::new(0);
    let all = Mutex::new((Totals::default(), 0_u64, Duration::ZERO));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        break;
                    }
                    let (one, again) = (run(seed), run(seed));
                    assert_eq!(one.1, again.1, "seed {seed} takes other steps the second time");
                    assert_eq!(
                        one.2.shape, again.2.shape,
                        "seed {seed} sends other datagrams the second time"
                    );
                    assert_eq!(one.0, again.0, "seed {seed}");
                    let mut all = all.lock().unwrap();
                    all.0.add(one.0);
                    all.1 += one.2.bytes;
                    all.2 += one.3;
                }
            });
        }
    });
    let (totals, bytes, elapsed) = all.into_inner().unwrap();
    println!("{totals:?}; {bytes} bytes sent in {elapsed:?}");
    assert!(totals.retries > SEEDS, "hardly anything breaks: {totals:?}");
    assert!(totals.moves > SEEDS && totals.datagrams > SEEDS && totals.connections > 5 * SEEDS, "{totals:?}");
}
