//! Two workers, a lease that says which of them may write, and a pause at the wrong moment: the one that slept writes although
//! its lease is over. Then the same with a store that looks at the lease's number.
//!
//! ```text
//! cargo run --example leases
//! ```
//!
//! Always true: it prints the same in every process and on every machine.
#![expect(clippy::print_stdout, reason = "the example tells a story")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use timeloop::task::yield_now;
use timeloop::time::{Instant, sleep};
use timeloop::world::{Node, World};
use timeloop::{Exploration, Explorer};

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(10);

/// Gives out leases, one at a time, each with a number of its own.
struct Leases {
    newest: Cell<(u64, Instant)>,
}

impl Leases {
    /// A lease, if the last one is over: its number, and until when it is good.
    fn acquire(&self) -> Option<(u64, Instant)> {
        let (number, until) = self.newest.get();
        if Instant::now() < until {
            return None;
        }
        self.newest.set((number + 1, Instant::now() + LEASE));
        Some(self.newest.get())
    }
}

/// What the workers write to.
struct Store {
    /// Whether it refuses whoever comes with an older lease than somebody before.
    looks_at_numbers: bool,
    newest: Cell<u64>,
}

impl Store {
    fn write(&self, lease: u64) {
        if self.looks_at_numbers && lease < self.newest.get() {
            return;
        }
        let newest = self.newest.replace(lease);
        assert!(lease >= newest, "lease {lease} has written after lease {newest}");
    }
}

/// Works while it has a lease.
async fn work(leases: Rc<Leases>, store: Rc<Store>) {
    loop {
        if let Some((number, until)) = leases.acquire() {
            while Instant::now() < until {
                yield_now().await; // the write is on its way
                store.write(number);
                sleep(SECOND).await;
            }
        }
        sleep(SECOND).await;
    }
}

/// The test. In a test suite it would have the attribute `#[timeloop::test]`.
async fn only_the_newest_lease_writes(looks_at_numbers: bool) {
    let leases = Rc::new(Leases { newest: Cell::new((0, Instant::now())) });
    let store = Rc::new(Store { looks_at_numbers, newest: Cell::new(0) });
    let worker = |name: &str| -> Node {
        let (leases, store) = (Rc::clone(&leases), Rc::clone(&store));
        World::current().node(name).start(move || work(Rc::clone(&leases), Rc::clone(&store)))
    };
    let workers = [worker("worker-1"), worker("worker-2")];
    for round in 0..5 {
        let unlucky = &workers[round % 2];
        sleep(SECOND * 3).await;
        unlucky.pause(); // its host is moved, say
        sleep(LEASE + SECOND * 2).await;
        unlucky.resume();
    }
}

fn explored(looks_at_numbers: bool) -> Exploration {
    let name = if looks_at_numbers { "leases::numbered" } else { "leases::trusted" };
    Explorer::new(name)
        .command("cargo run --example leases")
        .without_environment()
        .without_regressions()
        .silent()
        .run(|| only_the_newest_lease_writes(looks_at_numbers))
}

fn main() {
    println!("1. The workers look at the clock, and then write:\n");
    let exploration = explored(false);
    print!("{}", exploration.report());
    assert!(exploration.found.is_some(), "a worker may be paused between the two");

    println!("\n2. The store looks at the number of the lease as well:\n");
    let exploration = explored(true);
    print!("{}", exploration.report());
    assert!(exploration.found.is_none(), "whoever comes late is refused");
}
