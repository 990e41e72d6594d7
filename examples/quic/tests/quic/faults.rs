//! Faults: no byte changes, no client hangs, and a seed always gives the same run.

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

use crate::wire::{self, Recorded, record};

/// The number of seeds, each run twice.
const SEEDS: u64 = 1_000;

/// The maximum time until the clients finish after the last fault.
///
/// A connection times out after 5 s of silence or three times the probe timeout, whichever is longer. The probe timeout is
/// three times the first round trip. A clog makes that up to 7 s, which gives 63 s.
const RECOVERY_MAX: Duration = Duration::from_secs(70);

/// The counters of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    exchanges: u64,
    retries: u64,
    connections: u64,
    migrations: u64,
    datagrams: u64,
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.retries += other.retries;
        self.connections += other.connections;
        self.migrations += other.migrations;
        self.datagrams += other.datagrams;
    }
}

fn draw(below: u64) -> u64 {
    // Unbiased, because the bounds are powers of two.
    timeloop::rng().next_u64() % below
}

/// Exchanges messages until the faults have ended, and a few more.
async fn run_client(
    endpoint: Endpoint,
    server: std::net::SocketAddr,
    faults_ended: Rc<Cell<bool>>,
) -> Totals {
    let mut client = Client::new(endpoint.clone(), server);
    let mut totals = Totals::default();
    let mut number = draw(1 << 40) << 8;
    let mut left = 3;
    while left > 0 {
        left -= u64::from(faults_ended.get());
        number += 1;
        let length = 1 << draw(16);
        client.exchange(number, length).await;
        totals.exchanges += 1;
        sleep(Duration::from_millis(draw(1 << 10))).await;
        if draw(8) == 0 {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            endpoint.rebind_abstract(record(quic::socket(socket))).unwrap();
            totals.migrations += 1;
        }
        if let Ok(connection) = client.connection().await {
            let _lost = connection.send_datagram(message(number, 100).into());
            if let Ok(Ok(datagram)) = timeout(Duration::from_millis(50), connection.read_datagram()).await {
                let number = u64::from_le_bytes(datagram[..8].try_into().unwrap());
                assert_eq!(datagram, message(number, 100), "datagram {number} has changed");
                totals.datagrams += 1;
            }
        }
    }
    totals.retries = client.retries.into();
    totals.connections = client.connections.into();
    totals
}

async fn scenario() -> Totals {
    let network = Network::current();
    network.set_all(&LinkModel::flaky());
    let server = start_server(record);
    let address = address_of(&server);
    let faults_ended = Rc::new(Cell::new(false));
    let mut clients = task::JoinSet::new();
    for name in ["client-1", "client-2"] {
        let node = World::current().node(name).build();
        let faults_ended = Rc::clone(&faults_ended);
        let client_task = node.spawn(async move {
            let endpoint = client_endpoint(transport(), record).await;
            let one = task::spawn(run_client(endpoint.clone(), address, Rc::clone(&faults_ended)));
            let mut totals = run_client(endpoint.clone(), address, faults_ended).await;
            totals.add(one.await.unwrap());
            endpoint.close(0_u32.into(), b"done");
            endpoint.wait_idle().await;
            totals
        });
        clients.spawn(async move { client_task.await.unwrap() });
    }
    // Some faults last longer than the idle timeout.
    let plan =
        FaultPlan::over(Duration::from_secs(15)).lasting(Duration::from_millis(10), Duration::from_secs(7));
    let crashes = task::spawn(plan.clone().nodes(["server"]).crashes(3).run());
    plan.partitions(2).one_way_cuts(2).clogs(2).pauses(2).run().await;
    crashes.await.unwrap();
    network.set_all(&LinkModel::new());
    faults_ended.set(true);
    let mut totals = Totals::default();
    let rest = async {
        while let Some(client_totals) = clients.join_next().await {
            totals.add(client_totals.unwrap());
        }
    };
    timeout(RECOVERY_MAX, rest).await.expect("the clients finish after the faults");
    totals
}

fn run(seed: u64) -> (Totals, u64, Recorded, Duration) {
    wire::start();
    let outcome = run_from(StrategySpec::Random.source(seed.into()), &Limits::default(), scenario);
    match outcome.result {
        Ok(totals) => (totals, outcome.trace_hash, wire::recorded(), outcome.elapsed),
        Err(failure) => panic!("seed {seed}: {failure}"),
    }
}

#[test]
fn a_thousand_seeds_with_loss_partitions_crashes_and_migrations() {
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
                    assert_eq!(one.1, again.1, "seed {seed} takes different steps in the second run");
                    assert_eq!(
                        one.2.shape, again.2.shape,
                        "seed {seed} sends different datagrams in the second run"
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
    assert!(totals.retries > SEEDS, "too few faults: {totals:?}");
    assert!(
        totals.migrations > SEEDS && totals.datagrams > SEEDS && totals.connections > 5 * SEEDS,
        "{totals:?}"
    );
}
