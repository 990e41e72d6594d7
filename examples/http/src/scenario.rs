//! Clients that put and get documents while links are cut and the server crashes: whoever asks again is answered in the end,
//! and no byte is another.

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
use crate::client::{Answer, Ask, Client, Corrupt};
use crate::depot::Depot;
use crate::layers::Backoff;
use crate::server::Server;

/// How long things break, before it is calm for good.
pub const FAULTS_LAST: Duration = Duration::from_secs(20);

/// What is known of a run in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Requests that were answered.
    pub answers: u32,
    /// Attempts that came to nothing before.
    pub failed: u32,
    /// Connections that the clients have made, or tried to make.
    pub connections: u32,
    /// Requests that have come to the service.
    pub begun: u32,
    /// How often the server crashed.
    pub crashes: u32,
    /// Over everything that any client has received.
    pub sum: Checksum,
}

/// What the clients of a run have in common.
#[derive(Clone, Debug)]
struct Tally(Rc<(Cell<u32>, Cell<u32>, Cell<Checksum>)>);

impl Tally {
    fn answered(&self, answer: &Answer) {
        let (answers, _, sum) = &*self.0;
        answers.set(answers.get() + 1);
        sum.set(sum.get().and(&answer.status.as_u16().to_le_bytes()).and(&answer.body));
    }
}

/// Asks until it is answered.
async fn ask(client: &Client, tally: &Tally, ask: Ask) -> Answer {
    let mut backoff =
        Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1), attempts: 1_000 };
    loop {
        let answer = timeout(Duration::from_secs(2), client.ask(ask.clone())).await;
        match answer {
            Ok(Ok(answer)) if !answer.status.is_server_error() => {
                tally.answered(&answer);
                return answer;
            }
            Ok(Err(error)) if error.is::<Corrupt>() => {
                panic!("a body of {} {}: {error}", ask.method, ask.path)
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

/// Puts documents of its own and gets them back, now and then, for as long as there are faults.
async fn work(name: &'static str, number: u32, client: Client, tally: Tally) {
    let begin = Instant::now();
    let mut round = 0;
    while begin.elapsed() < FAULTS_LAST {
        let (path, seed) = (format!("/documents/{number}"), u64::from(number * 1_000 + round));
        let length = timeloop::rng().random_range(0..8_000_usize);
        let document = bytes_of(seed, length);
        let put = ask(&client, &tally, Ask::put(&path, document.clone())).await;
        assert_eq!(put.status, StatusCode::CREATED, "{name}");
        let got = ask(&client, &tally, Ask::get(&path)).await;
        assert!(got.status == StatusCode::OK && got.body == document, "{name} gets what it has put");
        let blob = ask(&client, &tally, Ask::get(format!("/blob/{seed}/{length}"))).await;
        assert!(blob.body == document, "{name}");
        round += 1;
        sleep(Duration::from_millis(timeloop::rng().random_range(0..5_000))).await;
    }
}

/// Two clients with two tasks each, a server, and what may happen to them.
///
/// # Panics
/// If something is lost, corrupt, or not answered in time.
pub async fn depot_under_faults(protocol: Protocol) -> Told {
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
    let calm = Instant::now() + FAULTS_LAST;
    links.await.unwrap();
    server.await.unwrap();
    sleep_until(calm).await;
    // Everybody comes to an end soon, and is answered at once from then on.
    for task in tasks {
        timeout(Duration::from_secs(60), task).await.expect("all comes to an end once it is calm").unwrap();
    }
    Network::current().set_all(&LinkModel::new());
    for client in &clients {
        for _ in 0..3 {
            let answer = timeout(Duration::from_secs(10), ask(client, &tally, Ask::get("/nothing"))).await;
            assert_eq!(answer.expect("it is calm").status, StatusCode::NOT_FOUND);
        }
    }
    let (answers, failed, sum) = &*tally.0;
    Told {
        answers: answers.get(),
        failed: failed.get(),
        connections: clients.iter().map(Client::connections).sum(),
        begun: depot.begun(),
        crashes: node.incarnation() - 1,
        sum: sum.get(),
    }
}
