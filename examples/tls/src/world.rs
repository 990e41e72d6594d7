//! The store and its clients on the nodes of a world, with faults.
//!
//! Always true: what the store has acknowledged outlives its crashes; all else that it knows, keys of tickets included, does
//! not.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use timeloop::net::{FaultPlan, LinkModel, Network, TcpListener, TcpStream};
use timeloop::time::{Instant, sleep, timeout};
use timeloop::world::{Node, World};
use tokio_rustls::{TlsAcceptor, TlsConnector, server};

use crate::client::{Client, Told};
use crate::store::{Request, Store};
use crate::tls::{self, run_provider};
use crate::wire::{Seen, Tapped, Wire};

/// Where the store listens.
pub const ADDRESS: &str = "store:443";

/// How the store's connections have ended, in order.
pub type Endings = Rc<RefCell<Vec<Result<u32, io::ErrorKind>>>>;

/// Starts the store on a node called `store`, and again after each crash.
pub fn start_store(how: tls::Server, store: Store, wire: Wire) -> (Node, Endings) {
    let endings = Endings::default();
    let theirs = endings.clone();
    let node = World::current().node("store").start(move || {
        let (store, wire, endings) = (store.clone(), wire.clone(), theirs.clone());
        async move {
            let config = how.config(run_provider()).map_err(io::Error::other)?;
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
) -> io::Result<server::TlsStream<Tapped<TcpStream>>> {
    stream.set_nodelay(true)?;
    // A client that is cut off in the middle of it will never end it.
    timeout(Duration::from_secs(10), acceptor.accept(wire.tap(stream))).await?
}

/// A client of the store at an address, of the node that it is made on.
///
/// # Panics
/// Outside of a run.
#[must_use]
pub fn client(how: tls::Client, address: &str, wire: &Wire) -> Client {
    let config = how.config(run_provider()).expect("the configuration is good");
    Client::new(TlsConnector::from(Arc::new(config)), address, wire.clone())
}

/// The value that a client puts as its so-many-th: from a few bytes to a few records of TLS.
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

/// How long things break in [`bad_day`].
pub const FAULTS_LAST: Duration = Duration::from_secs(20);
/// Within what time of the end of all faults all is to be done.
pub const CALM_WITHIN: Duration = Duration::from_secs(30);

/// What has come of a bad day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// What was on the wire.
    pub wire: Seen,
    /// What the clients have been through.
    pub told: Vec<Told>,
    /// How many times the store was started.
    pub incarnations: u32,
    /// How the connections have ended that the store saw the end of.
    pub endings: Vec<Result<u32, io::ErrorKind>>,
}

/// Three clients put and get their values while links are bad, cut and clogged and nodes crash and pause; then it is calm, and all
/// get what they want.
///
/// # Panics
/// If a byte is not what it was, or if something is not done in time.
pub async fn bad_day(versions: tls::Versions) -> Day {
    let network = Network::current();
    let bad =
        LinkModel::new().latency_between(Duration::from_millis(1), Duration::from_millis(30)).loss(0.05);
    network.set_all(&bad);
    let (store, wire) = (Store::default(), Wire::default());
    let how = tls::Server { versions, asks_clients: true, ..tls::Server::default() };
    let (node, endings) = start_store(how, store.clone(), wire.clone());
    let clients: Vec<Rc<Diary>> = (1..=CLIENTS).map(|number| start_client(number, versions, &wire)).collect();
    let faults = FaultPlan::over(FAULTS_LAST).partitions(4).one_way_cuts(4).clogs(4).crashes(6).pauses(4);
    faults.lasting(Duration::from_millis(200), Duration::from_secs(6)).run().await;

    let calm = Instant::now();
    // Whoever comes now is served at once.
    let mut late = client(tls::Client { identity: Some(tls::CLIENT), versions }, ADDRESS, &wire);
    let put = Request::Put(CLIENTS + 1, 0, value(9, 3));
    let answer = timeout(Duration::from_secs(10), late.ask(&put)).await.expect("it is calm");
    assert!(answer == value(9, 3), "the late one is answered what it has put");
    late.end().await.expect("the store says goodbye");
    while clients.iter().any(|diary| diary.next.get() <= LAST) {
        assert!(calm.elapsed() < CALM_WITHIN, "the clients are done in time");
        sleep(Duration::from_millis(100)).await;
    }
    for client in 1..=CLIENTS {
        assert!(store.get(client) == value(client, LAST), "the last value of client {client} is kept");
    }
    let mut told: Vec<Told> = clients.iter().map(|diary| diary.told.get()).collect();
    told.push(late.told());
    let endings = endings.borrow().clone();
    Day { wire: wire.seen(), told, incarnations: node.incarnation(), endings }
}

const CLIENTS: u32 = 3;
/// The number of the last value that each client puts.
const LAST: u32 = 9;

/// What a client keeps on its disk.
#[derive(Debug, Default)]
struct Diary {
    next: Cell<u32>,
    told: Cell<Told>,
}

/// Starts a client on a node of its own: it puts a value, gets it, waits a little, and so on, from where it was when it crashed.
fn start_client(number: u32, versions: tls::Versions, wire: &Wire) -> Rc<Diary> {
    let diary = Rc::new(Diary::default());
    let (theirs, wire) = (diary.clone(), wire.clone());
    World::current().node(format!("client-{number}")).start(move || {
        let (diary, wire) = (theirs.clone(), wire.clone());
        async move {
            let mut client = client(tls::Client { identity: Some(tls::CLIENT), versions }, ADDRESS, &wire);
            client.goes_on_from(diary.told.get());
            while diary.next.get() <= LAST {
                let round = diary.next.get();
                let value = value(number, round);
                let answer = client.ask(&Request::Put(number, round, value.clone())).await;
                assert!(answer == value, "what is put is answered");
                let answer = client.ask(&Request::Get(number)).await;
                assert!(answer == value, "what was put is there");
                diary.told.set(client.told());
                diary.next.set(round + 1);
                sleep(Duration::from_secs(1)).await;
            }
            // Whether that is heard does not matter any more.
            let _ = timeout(Duration::from_secs(3), client.end()).await;
        }
    });
    diary
}
