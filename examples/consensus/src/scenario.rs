//! The scenario: five nodes and three clients, with faults for a while, and the checks.
//!
//! # Invariants
//! A majority of the nodes is up at any time. The run fails if a client or a node does not recover after the faults.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use timeloop::history::models::KeyValue;
use timeloop::net::{FaultPlan, LinkModel, Network};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::world::World;

use crate::client::{Client, History};
use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::{Bug, name_of, node};

/// The number of nodes.
pub const NODES: u64 = 5;
/// The number of clients.
const CLIENTS: u32 = 3;
/// The duration of a sync.
const SYNC: Duration = Duration::from_millis(5);
/// How long faults are injected.
pub const FAULTS: Duration = Duration::from_secs(10);
/// The maximum time until clients are served and nodes have caught up after the faults.
const RECOVERY: Duration = Duration::from_secs(10);

/// Runs the scenario, with or without a planted bug.
///
/// # Panics
/// If a check fails.
pub async fn run(bug: Option<Bug>) {
    let (ledger, history) = (Ledger::new(), History::new());
    let mut steps = pin!(run_steps(bug, &ledger, &history));
    let mut watch = pin!(ledger.until_violation());
    let violation = poll_fn(|context| match watch.as_mut().poll(context) {
        Poll::Ready(violation) => Poll::Ready(Some(violation)),
        Poll::Pending => steps.as_mut().poll(context).map(|()| None),
    });
    if let Some(violation) = violation.await {
        panic!("{violation}");
    }
    if let Err(violation) = history.check(&KeyValue::new()) {
        panic!("{violation}{}", ledger.losses());
    }
}

async fn run_steps(bug: Option<Bug>, ledger: &Ledger, history: &History) {
    let world = World::current();
    let latency = LinkModel::new().latency_with_tail(Duration::from_millis(1), Duration::from_millis(20));
    Network::current().set_all(&latency);

    let config = node::config();
    for number in 1..=NODES {
        let (disk, config, ledger) = (Disk::new(SYNC), config.clone(), ledger.clone());
        world
            .node(name_of(number))
            .start(move || node::serve(number, NODES, disk.clone(), config.clone(), ledger.clone(), bug));
    }
    let done: Vec<Rc<Cell<u32>>> = (1..=CLIENTS)
        .map(|number| {
            let done = Rc::new(Cell::new(0));
            let (history, count) = (history.clone(), Rc::clone(&done));
            let client = world.node(format!("client-{number}"));
            client.start(move || Client::new(number, NODES, history.clone(), Rc::clone(&count)).run());
            done
        })
        .collect();
    served(&done, "at the beginning").await;

    let nodes: Vec<String> = (1..=NODES).map(name_of).collect();
    let faults = FaultPlan::over(FAULTS)
        .nodes(nodes.iter().map(String::as_str))
        .lasting(Duration::from_millis(300), Duration::from_secs(3))
        .partitions(2)
        .one_way_cuts(2)
        .clogs(1)
        .crashes(4)
        .pauses(1)
        .keep_up(3);
    faults.run().await;

    served(&done, "after the faults").await;
    for number in 1..=CLIENTS {
        if let Some(client) = world.get(&format!("client-{number}")) {
            client.crash();
        }
    }
    let caught_up = async {
        while ledger.behind(NODES).is_some() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    if timeout(RECOVERY, caught_up).await.is_err()
        && let Some(behind) = ledger.behind(NODES)
    {
        panic!("{behind}, {RECOVERY:?} after the faults{}", ledger.losses());
    }
}

/// Waits until each client has completed two operations. The second one started after this call.
async fn served(done: &[Rc<Cell<u32>>], when: &str) {
    let before: Vec<u32> = done.iter().map(|done| done.get()).collect();
    let unserved = || (0..done.len()).find(|&client| done[client].get() < before[client] + 2);
    let all = async {
        while unserved().is_some() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    if timeout(RECOVERY, all).await.is_err()
        && let Some(client) = unserved()
    {
        panic!("client-{} has not been served within {RECOVERY:?} {when}", client + 1);
    }
}
