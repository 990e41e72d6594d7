//! An order in a shop: sixteen services report on it, and each report moves it to another desk.
//!
//! It has a planted bug: orders for one product end at a desk that nobody looks at, if six of the services report
//! first, in one particular order.

#[cfg(feature = "timeloop")]
extern crate timeloop as tokio;

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;

/// The number of services, each of which reports once on an order.
pub const SERVICES: usize = 16;

/// Products are numbered from 0.
pub const PRODUCTS: u32 = 10_000;

/// The product whose orders follow [`ROUTES`]. All others are done at once.
const BULKY: u32 = 7_531;

/// Desks: where an order starts, five for bulky goods, the one that nobody looks at, and the one for all others.
const DESKS: usize = 8;
const FORGOTTEN: usize = 6;
const DONE: usize = 7;

/// Where a report moves an order, by its current desk and by the service.
static ROUTES: [[usize; SERVICES]; DESKS] = routes();

const fn routes() -> [[usize; SERVICES]; DESKS] {
    let mut routes = [[DONE; SERVICES]; DESKS];
    let way = [11, 3, 14, 7, 0, 9];
    let mut desk = 0;
    while desk < way.len() {
        routes[desk][way[desk]] = desk + 1;
        desk += 1;
    }
    routes[FORGOTTEN] = [FORGOTTEN; SERVICES];
    routes
}

/// An order.
#[derive(Debug)]
pub struct Order {
    product: u32,
    desk: AtomicUsize,
    /// The number of reports that each desk has seen.
    desks: [Mutex<u32>; DESKS],
}

impl Order {
    /// Creates a new order.
    #[must_use]
    pub fn new(product: u32) -> Self {
        Self { product, desk: AtomicUsize::new(0), desks: std::array::from_fn(|_| Mutex::new(0)) }
    }

    /// Records the report of a service.
    pub async fn report(&self, service: usize) {
        let desk = self.desk.load(Ordering::Relaxed);
        let mut reports = self.desks[desk].lock().await;
        *reports += 1;
        let next = if self.product == BULKY { ROUTES[desk][service] } else { DONE };
        self.desk.store(next, Ordering::Relaxed);
    }

    /// Returns whether the order is at a desk that is looked at.
    #[must_use]
    pub fn is_seen_to(&self) -> bool {
        self.desk.load(Ordering::Relaxed) != FORGOTTEN
    }
}
