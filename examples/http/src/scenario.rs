//! Clients put and get documents while links are cut and the server crashes. Retried requests succeed in the end, and no
//! body is corrupt.

use std::cell::Cell;
use std::rc::Rc;

use hyper::StatusCode;
use rand::RngExt as _;
use timeloop::net::{FaultPlan, LinkModel, Network};
use timeloop::time::{Duration, Instant, sleep, sleep_until, timeout};
use timeloop::world::World;
use tokio_util::sync::CancellationToken;

use crate::Protocol;
use crate::body::{Checksum, bytes_of};
use crate::client::{Answer, Client, Corrupt, Query};
use crate::depot::Depot;
use crate::layers::Backoff;
use crate::server::Server;

/// How long faults are injected.
pub const FAULTS_LAST: Duration = Duration::from_secs(20);

/// The summary of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The number of successful requests.
    pub answers: u32,
    /// The number of failed attempts.
    pub failed: u32,
    /// The number of connections that the clients have tried to open.
    pub connections: u32,
    /// The number of requests received by the service.
    pub received: u32,
    /// The number of crashes of the server.
    pub crashes: u32,
    /// The checksum of everything that the clients have received.
    pub sum: Checksum,
}

/// The counters that the clients of a run share.
#[derive(Clone, Debug)]
struct Tally(Rc<(Cell<u32>, Cell<u32>, Cell<Checksum>)>);

impl Tally {
    fn answered(&self, answer: &Answer) {
        let (answers, _, sum) = &*self.0;
        answers.set(answers.get() + 1);
        sum.set(sum.get().and(&answer.status.as_u16().to_le_bytes()).and(&answer.body));
    }
}

/// Sends a request until it succeeds.
async fn send_until_answered(client: &Client, tally: &Tally, query: Query) -> Answer {
    let mut backoff =
        Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1), attempts: 1_000 };
    loop {
        let answer = timeout(Duration::from_secs(2), client.query(query.clone())).await;
        match answer {
            Ok(Ok(answer)) if !answer.status.is_server_error() => {
                tally.answered(&answer);
                return answer;
            }
            Ok(Err(error)) if error.is::<Corrupt>() => {
                panic!("the body of {} {}: {error}", query.method, query.path)
            }
            _ => {}
        }
        let failed = &tally.0.1;
        failed.set(failed.get() + 1);
        let wait = backoff.first.mul_f64(timeloop::rng().random_range(0.5..1.0));
        backoff.first = backoff.longest.min(backoff.first * 2);
        sleep(wait).await;
    }
}

/// Repeatedly puts a document and gets it back, while there are faults.
async fn work(name: &'static str, number: u32, client: Client, tally: Tally) {
    let begin = Instant::now();
    let mut round = 0;
    while begin.elapsed() < FAULTS_LAST {
        let (path, seed) = (format!("/documents/{number}"), u64::from(number * 1_000 + round));
        let length = timeloop::rng().random_range(0..8_000_usize);
        let document = bytes_of(seed, length);
        let put = send_until_answered(&client, &tally, Query::put(&path, document.clone())).await;
        assert_eq!(put.status, StatusCode::CREATED, "{name}");
        let got = send_until_answered(&client, &tally, Query::get(&path)).await;
        assert!(
            got.status == StatusCode::OK && got.body == document,
            "{name} gets the document that it has put"
        );
        let blob = send_until_answered(&client, &tally, Query::get(format!("/blob/{seed}/{length}"))).await;
        assert!(blob.body == document, "{name}");
        round += 1;
        sleep(Duration::from_millis(timeloop::rng().random_range(0..5_000))).await;
    }
}

/// Runs two clients with two tasks each, a server and a fault plan.
///
/// # Panics
/// If a document is lost or corrupt, or a request takes too long.
pub async fn depot_under_faults(protocol: Protocol) -> Summary {
    let far =
        LinkModel::new().latency_with_tail(Duration::from_millis(5), Duration::from_millis(200)).loss(0.02);
    Network::current().set_all(&far);
    let depot = Depot::new();
    let kept = depot.clone();
    let node = World::current()
        .node("depot")
        .start(move || Server::new(protocol).run(kept.clone(), CancellationToken::new()));
    let tally = Tally(Rc::new((Cell::new(0), Cell::new(0), Cell::new(Checksum::EMPTY))));
    let mut tasks = Vec::new();
    let mut clients = Vec::new();
    for (number, name) in (1..).zip(["one", "two"]) {
        let node = World::current().node(name).build();
        let client = Client::new(protocol, "depot:80");
        for task in 0..2 {
            tasks.push(node.spawn(work(name, number * 10 + task, client.clone(), tally.clone())));
        }
        clients.push(client);
    }
    let plan = || FaultPlan::over(FAULTS_LAST).lasting(Duration::from_millis(50), Duration::from_secs(4));
    let links = timeloop::spawn(plan().partitions(2).one_way_cuts(2).clogs(1).run());
    let server = timeloop::spawn(plan().nodes(["depot"]).crashes(2).pauses(1).run());
    let faults_end = Instant::now() + FAULTS_LAST;
    links.await.unwrap();
    server.await.unwrap();
    sleep_until(faults_end).await;
    // All tasks end soon, and new requests succeed at once.
    for task in tasks {
        timeout(Duration::from_secs(60), task).await.expect("the task ends after the faults").unwrap();
    }
    Network::current().set_all(&LinkModel::new());
    for client in &clients {
        for _ in 0..3 {
            let answer =
                timeout(Duration::from_secs(10), send_until_answered(client, &tally, Query::get("/nothing")))
                    .await;
            assert_eq!(answer.expect("the request succeeds without faults").status, StatusCode::NOT_FOUND);
        }
    }
    let (answers, failed, sum) = &*tally.0;
    Summary {
        answers: answers.get(),
        failed: failed.get(),
        connections: clients.iter().map(Client::connections).sum(),
        received: depot.received(),
        crashes: node.incarnation() - 1,
        sum: sum.get(),
    }
}
