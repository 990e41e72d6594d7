//! The scenario: five nodes, three clients, faults for a while, and then calm; and what must hold.
//!
//! Always true: a majority of nodes is up at any time; in the end everything works again, or the run fails.

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

/// How many nodes there are.
pub const NODES: u64 = 5;
/// How many clients.
const CLIENTS: u32 = 3;
/// How long a sync takes.
const SYNC: Duration = Duration::from_millis(5);
/// For so long there are faults.
pub const FAULTS: Duration = Duration::from_secs(10);
/// Once there are none any more, each client is served within so long, and each node has caught up.
const RECOVERY: Duration = Duration::from_secs(10);

/// One run, with or without something wrong in our glue.
///
/// # Panics
/// When something does not hold.
pub async fn run(bug: Option<Bug>) {
    let (ledger, history) = (Ledger::new(), History::new());
    let mut life = pin!(live(bug, &ledger, &history));
    let mut watch = pin!(ledger.until_wrong());
    let wrong = poll_fn(|context| match watch.as_mut().poll(context) {
        Poll::Ready(wrong) => Poll::Ready(Some(wrong)),
        Poll::Pending => life.as_mut().poll(context).map(|()| None),
    });
    if let Some(wrong) = wrong.await {
        panic!("{wrong}");
    }
    if let Err(violation) = history.check(&KeyValue::new()) {
        panic!("{violation}{}", ledger.losses());
    }
}

async fn live(bug: Option<Bug>, ledger: &Ledger, history: &History) {
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
            let (history, told) = (history.clone(), Rc::clone(&done));
            let client = world.node(format!("client-{number}"));
            client.start(move || Client::new(number, NODES, history.clone(), Rc::clone(&told)).run());
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

    served(&done, "in the calm after the faults").await;
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
        panic!("{behind} after {RECOVERY:?} of calm{}", ledger.losses());
    }
}

/// Waits until each client has been answered twice: the second time it has asked from now on.
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
