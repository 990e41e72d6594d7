//! Two workers write under a lease. A worker that is paused between checking its lease and writing writes after the lease has
//! expired. A store that checks the number of the lease prevents that.
//!
//! ```text
//! cargo run --example leases
//! ```
//!
//! The output is the same in every process and on every machine.
#![expect(clippy::print_stdout, reason = "the example prints its results")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use timeloop::task::yield_now;
use timeloop::time::{Instant, sleep};
use timeloop::world::{Node, World};
use timeloop::{Exploration, Explorer};

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(10);

/// Grants leases, one at a time, with increasing numbers.
struct Leases {
    newest: Cell<(u64, Instant)>,
}

impl Leases {
    /// Grants a lease if the last one has expired; returns its number and its expiry.
    fn acquire(&self) -> Option<(u64, Instant)> {
        let (number, until) = self.newest.get();
        if Instant::now() < until {
            return None;
        }
        self.newest.set((number + 1, Instant::now() + LEASE));
        Some(self.newest.get())
    }
}

/// The store that the workers write to.
struct Store {
    /// Whether the store rejects writes with an older lease than an earlier write.
    checks_lease: bool,
    newest: Cell<u64>,
}

impl Store {
    fn write(&self, lease: u64) {
        if self.checks_lease && lease < self.newest.get() {
            return;
        }
        let newest = self.newest.replace(lease);
        assert!(lease >= newest, "lease {lease} has written after lease {newest}");
    }
}

/// Acquires leases, and writes while it holds one.
async fn work(leases: Rc<Leases>, store: Rc<Store>) {
    loop {
        if let Some((number, until)) = leases.acquire() {
            while Instant::now() < until {
                yield_now().await; // the write is in flight
                store.write(number);
                sleep(SECOND).await;
            }
        }
        sleep(SECOND).await;
    }
}

/// The test. In a test suite it would have the attribute `#[timeloop::test]`.
async fn only_the_newest_lease_writes(checks_lease: bool) {
    let leases = Rc::new(Leases { newest: Cell::new((0, Instant::now())) });
    let store = Rc::new(Store { checks_lease, newest: Cell::new(0) });
    let worker = |name: &str| -> Node {
        let (leases, store) = (Rc::clone(&leases), Rc::clone(&store));
        World::current().node(name).start(move || work(Rc::clone(&leases), Rc::clone(&store)))
    };
    let workers = [worker("worker-1"), worker("worker-2")];
    for round in 0..5 {
        let unlucky = &workers[round % 2];
        sleep(SECOND * 3).await;
        unlucky.pause(); // for example, its virtual machine is migrated
        sleep(LEASE + SECOND * 2).await;
        unlucky.resume();
    }
}

fn explored(checks_lease: bool) -> Exploration {
    let name = if checks_lease { "leases::numbered" } else { "leases::trusted" };
    Explorer::new(name)
        .command("cargo run --example leases")
        .without_environment()
        .without_regressions()
        .silent()
        // Pauses alone make a worker late here.
        .stalls(false)
        .run(|| only_the_newest_lease_writes(checks_lease))
}

fn main() {
    println!("1. The workers check the clock, and then write:\n");
    let exploration = explored(false);
    print!("{}", exploration.report());
    assert!(exploration.found.is_some(), "a worker may be paused between the check and the write");

    println!("\n2. The store checks the number of the lease too:\n");
    let exploration = explored(true);
    print!("{}", exploration.report());
    assert!(exploration.found.is_none(), "late writes are rejected");
}
