//! An order on its way through a shop: sixteen services report on it, and each report moves it on to another desk.
//!
//! It has a bug, which was planted: orders for one product end on a desk that nobody looks at, if six of the services report
//! first, in one particular order.

#[cfg(feature = "timeloop")]
extern crate timeloop as tokio;

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;

/// How many services report on an order, each once.
pub const SERVICES: usize = 16;

/// Products are numbered from 0.
pub const PRODUCTS: u32 = 10_000;

/// The product whose orders go by [`ROUTES`]; all others are done with at once.
const BULKY: u32 = 7_531;

/// Desks: where an order is when it comes in, five on the way of bulky goods, the one that nobody looks at, and the one that
/// all others go to.
const DESKS: usize = 8;
const FORGOTTEN: usize = 6;
const DONE: usize = 7;

/// Where a report takes an order: by the desk that it is on, and by the service.
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
    /// How many reports each desk has seen.
    desks: [Mutex<u32>; DESKS],
}

impl Order {
    /// An order that has just come in.
    #[must_use]
    pub fn new(product: u32) -> Self {
        Self { product, desk: AtomicUsize::new(0), desks: std::array::from_fn(|_| Mutex::new(0)) }
    }

    /// A service reports.
    pub async fn report(&self, service: usize) {
        let desk = self.desk.load(Ordering::Relaxed);
        let mut reports = self.desks[desk].lock().await;
        *reports += 1;
        let next = if self.product == BULKY { ROUTES[desk][service] } else { DONE };
        self.desk.store(next, Ordering::Relaxed);
    }

    /// Whether somebody sees to the order.
    #[must_use]
    pub fn is_seen_to(&self) -> bool {
        self.desk.load(Ordering::Relaxed) != FORGOTTEN
    }
}
