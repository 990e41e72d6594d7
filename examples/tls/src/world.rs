//! Runs the store and its clients on simulated nodes, with faults.
//!
//! # Invariants
//! Acknowledged values survive a crash of the store. The rest of its state does not, including the keys of its tickets.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use timeloop::net::{FaultPlan, LinkModel, Network, TcpListener, TcpStream};
use timeloop::time::{Instant, sleep, timeout};
use timeloop::world::{Node, World};
use tokio_rustls::{TlsAcceptor, TlsConnector, server};

use crate::client::{Client, Counters};
use crate::store::{Request, Store};
use crate::tls::{self, run_provider};
use crate::wire::{Recorded, Seen, Wire};

/// The address of the store.
pub const ADDRESS: &str = "store:443";

/// The results of the store's connections, in order.
pub type Endings = Rc<RefCell<Vec<Result<u32, io::ErrorKind>>>>;

/// Starts the store on a node called `store`. It also starts after each restart.
pub fn start_store(settings: tls::Server, store: Store, wire: Wire) -> (Node, Endings) {
    let endings = Endings::default();
    let theirs = endings.clone();
    let node = World::current().node("store").start(move || {
        let (store, wire, endings) = (store.clone(), wire.clone(), theirs.clone());
        async move {
            let config = settings.config(run_provider()).map_err(io::Error::other)?;
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let listener = TcpListener::bind("0.0.0.0:443").await?;
            loop {
                let (stream, _) = listener.accept().await?;
                let (acceptor, wire) = (acceptor.clone(), wire.clone());
                let (store, endings) = (store.clone(), endings.clone());
                timeloop::spawn(async move {
                    let ending = match accept(&acceptor, stream, &wire).await {
                        Ok(mut connection) => store.serve(&mut connection).await,
                        Err(error) => Err(error),
                    };
                    endings.borrow_mut().push(ending.map_err(|error| error.kind()));
                });
            }
            #[expect(unreachable_code, reason = "the type of the closure's future")]
            io::Result::Ok(())
        }
    });
    (node, endings)
}

async fn accept(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    wire: &Wire,
) -> io::Result<server::TlsStream<Recorded<TcpStream>>> {
    stream.set_nodelay(true)?;
    // A handshake with a disconnected client never ends.
    timeout(Duration::from_secs(10), acceptor.accept(wire.record(stream))).await?
}

/// Creates a client of the store at an address, on the calling task's node.
///
/// # Panics
/// Outside of a run.
#[must_use]
pub fn client(settings: tls::Client, address: &str, wire: &Wire) -> Client {
    let config = settings.config(run_provider()).expect("the configuration is valid");
    Client::new(TlsConnector::from(Arc::new(config)), address, wire.clone())
}

/// Returns the n-th value that a client puts. Its size varies from a few bytes to a few TLS records.
#[must_use]
pub fn value(client: u32, number: u32) -> Vec<u8> {
    let length = [7, 300, 5_000, 40_000][number as usize % 4];
    let mut state = u64::from(client) << 32 | u64::from(number) | 1 << 63;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(length)
    .collect()
}

/// How long faults are injected in [`store_under_faults`].
pub const FAULTS_LAST: Duration = Duration::from_secs(20);
/// The maximum time until the clients finish after the last fault.
pub const RECOVERY_MAX: Duration = Duration::from_secs(30);

/// The summary of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The bytes on the wire.
    pub wire: Seen,
    /// The counters of the clients.
    pub counters: Vec<Counters>,
    /// The number of starts of the store.
    pub incarnations: u32,
    /// The results of the store's connections.
    pub endings: Vec<Result<u32, io::ErrorKind>>,
}

/// Runs three clients that put and get values while links lose packets, are cut and clogged, and nodes crash and pause. All
/// clients finish after the faults.
///
/// # Panics
/// If a byte is wrong, or a client does not finish in time.
pub async fn store_under_faults(versions: tls::Versions) -> Summary {
    let network = Network::current();
    let bad =
        LinkModel::new().latency_between(Duration::from_millis(1), Duration::from_millis(30)).loss(0.05);
    network.set_all(&bad);
    let (store, wire) = (Store::default(), Wire::default());
    let settings = tls::Server { versions, requires_client_certificate: true, ..tls::Server::default() };
    let (node, endings) = start_store(settings, store.clone(), wire.clone());
    let clients: Vec<Rc<Progress>> =
        (1..=CLIENTS).map(|number| start_client(number, versions, &wire)).collect();
    let faults = FaultPlan::over(FAULTS_LAST).partitions(4).one_way_cuts(4).clogs(4).crashes(6).pauses(4);
    faults.lasting(Duration::from_millis(200), Duration::from_secs(6)).run().await;

    let faults_end = Instant::now();
    // A new client is served at once.
    let mut late = client(tls::Client { identity: Some(tls::CLIENT), versions }, ADDRESS, &wire);
    let put = Request::Put(CLIENTS + 1, 0, value(9, 3));
    let answer = timeout(Duration::from_secs(10), late.request(&put))
        .await
        .expect("the request succeeds without faults");
    assert!(answer == value(9, 3), "the new client gets the value that it has put");
    late.close().await.expect("the store closes the connection");
    while clients.iter().any(|progress| progress.next.get() <= LAST) {
        assert!(faults_end.elapsed() < RECOVERY_MAX, "the clients finish too late");
        sleep(Duration::from_millis(100)).await;
    }
    for client in 1..=CLIENTS {
        assert!(store.get(client) == value(client, LAST), "the last value of client {client} is lost");
    }
    let mut counters: Vec<Counters> = clients.iter().map(|progress| progress.counters.get()).collect();
    counters.push(late.counters());
    let endings = endings.borrow().clone();
    Summary { wire: wire.seen(), counters, incarnations: node.incarnation(), endings }
}

const CLIENTS: u32 = 3;
/// The number of the last value that each client puts.
const LAST: u32 = 9;

/// The persistent state of a client.
#[derive(Debug, Default)]
struct Progress {
    next: Cell<u32>,
    counters: Cell<Counters>,
}

/// Starts a client on a separate node. It repeatedly puts a value, gets it and waits. After a crash it continues.
fn start_client(number: u32, versions: tls::Versions, wire: &Wire) -> Rc<Progress> {
    let progress = Rc::new(Progress::default());
    let (theirs, wire) = (progress.clone(), wire.clone());
    World::current().node(format!("client-{number}")).start(move || {
        let (progress, wire) = (theirs.clone(), wire.clone());
        async move {
            let mut client = client(tls::Client { identity: Some(tls::CLIENT), versions }, ADDRESS, &wire);
            client.set_counters(progress.counters.get());
            while progress.next.get() <= LAST {
                let round = progress.next.get();
                let value = value(number, round);
                let answer = client.request(&Request::Put(number, round, value.clone())).await;
                assert!(answer == value, "the response to a put is the value");
                let answer = client.request(&Request::Get(number)).await;
                assert!(answer == value, "the stored value is returned");
                progress.counters.set(client.counters());
                progress.next.set(round + 1);
                sleep(Duration::from_secs(1)).await;
            }
            // The result does not matter any more.
            let _ = timeout(Duration::from_secs(3), client.close()).await;
        }
    });
    progress
}
