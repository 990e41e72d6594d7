//! Bugs that only async code has, in the form in which they occur in practice, without time.
//!
//! # Invariants
//! - The baseline run passes.
//! - With `fixed`, every run passes.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::sync::broadcast::error::RecvError;
use timeloop::sync::{Mutex, Notify, Semaphore, broadcast, mpsc};
use timeloop::task::{JoinHandle, yield_now};
use timeloop::{spawn, sync};

use super::shared::{Ended, Shared, join};

/// A queue that is checked under its lock, and waited for without it.
#[derive(Default)]
struct Inbox {
    items: Mutex<Vec<u32>>,
    arrived: Notify,
}

impl Inbox {
    async fn put(&self, item: u32) {
        self.items.lock().await.push(item);
        self.arrived.notify_one();
    }

    async fn take(&self, fixed: bool) -> u32 {
        loop {
            let (item, others) = {
                let mut items = self.items.lock().await;
                (items.pop(), !items.is_empty())
            };
            if let Some(item) = item {
                if fixed && others {
                    // Two notifications may have been merged into one, so it is passed on.
                    self.arrived.notify_one();
                }
                return item;
            }
            self.arrived.notified().await;
        }
    }
}

/// Two items arrive between the check and the wait of two tasks. No task waits for the second notification, so it is
/// merged with the first.
pub(super) async fn lost_notify(fixed: bool) -> Ended {
    let inbox = Rc::new(Inbox::default());
    let mut all: Vec<JoinHandle<()>> = Vec::new();
    for _ in 0..2 {
        let inbox = Rc::clone(&inbox);
        all.push(spawn(async move {
            inbox.take(fixed).await;
        }));
    }
    all.push(spawn(async move {
        inbox.put(1).await;
        inbox.put(2).await;
    }));
    join(all).await
}

/// Three accounts and three transfers, each from one account to the next. Each transfer locks the payer first.
pub(super) async fn lock_order(fixed: bool) -> Ended {
    let accounts = Rc::new([100, 100, 100].map(Mutex::new));
    let mut all = Vec::new();
    for from in 0..3 {
        let accounts = Rc::clone(&accounts);
        all.push(spawn(async move {
            let to = (from + 1) % 3;
            let (mut payer, mut payee);
            if fixed && to < from {
                payee = accounts[to].lock().await;
                payer = accounts[from].lock().await;
            } else {
                payer = accounts[from].lock().await;
                payee = accounts[to].lock().await;
            }
            *payer -= 10;
            *payee += 10;
        }));
    }
    join(all).await
}

struct Shop {
    stock: Shared<u32>,
    orders: Shared<Vec<usize>>,
}

impl Shop {
    async fn buy(&self, customer: usize) {
        if self.stock.get().await == 0 {
            return;
        }
        self.orders.update(|orders| orders.push(customer)).await;
        self.stock.update(|stock| *stock = stock.saturating_sub(1)).await;
    }

    async fn buy_fixed(&self, customer: usize) {
        if self.stock.update(|stock| stock.checked_sub(1).map(|left| *stock = left)).await.is_some() {
            self.orders.update(|orders| orders.push(customer)).await;
        }
    }
}

/// The last two pieces are sold three times: the stock is checked before the order is placed and decremented only
/// afterwards.
pub(super) async fn check_then_await(fixed: bool) -> Ended {
    let shop = Rc::new(Shop { stock: Shared::new("stock", 2), orders: Shared::new("orders", Vec::new()) });
    let mut all = Vec::new();
    for customer in 0..4 {
        let shop = Rc::clone(&shop);
        all.push(spawn(async move {
            if fixed {
                shop.buy_fixed(customer).await;
            } else {
                shop.buy(customer).await;
            }
        }));
    }
    join(all).await?;
    assert!(shop.orders.get().await.len() <= 2, "sold what is not there");
    Ok(())
}

struct Row {
    version: u32,
    text: &'static str,
}

/// The cached text of a row and its version; the text is removed once the row has changed.
#[derive(Clone, Copy)]
struct Entry {
    version: u32,
    text: Option<&'static str>,
}

struct Cached {
    row: Shared<Row>,
    cache: Shared<Entry>,
}

impl Cached {
    async fn load(&self, fixed: bool) -> &'static str {
        if let Some(text) = self.cache.get().await.text {
            return text;
        }
        let (version, text) = self.row.look(|row| (row.version, row.text)).await;
        let fill = |entry: &mut Entry| {
            if !fixed || version >= entry.version {
                *entry = Entry { version, text: Some(text) };
            }
        };
        self.cache.update(fill).await;
        text
    }

    async fn store(&self, version: u32, text: &'static str) {
        self.row.set(Row { version, text }).await;
        self.cache.set(Entry { version, text: None }).await;
    }
}

/// After a cache miss, a reader stores the value that it has read, although a writer has invalidated the entry since.
pub(super) async fn stale_cache(fixed: bool) -> Ended {
    let cached = Rc::new(Cached {
        row: Shared::new("row", Row { version: 0, text: "old" }),
        cache: Shared::new("cache", Entry { version: 0, text: None }),
    });
    let mut all = Vec::new();
    for _ in 0..2 {
        let cached = Rc::clone(&cached);
        all.push(spawn(async move {
            cached.load(fixed).await;
        }));
    }
    let writer = Rc::clone(&cached);
    all.push(spawn(async move { writer.store(1, "new").await }));
    join(all).await?;
    assert_eq!(cached.load(fixed).await, "new", "the cache is stale");
    Ok(())
}

struct Service {
    jobs: Mutex<Option<mpsc::Sender<u32>>>,
    pending: Shared<i32>,
    idle: Notify,
    closed: Shared<bool>,
}

impl Service {
    /// Submits a job; returns whether it has been accepted.
    async fn submit(&self, job: u32, fixed: bool) -> bool {
        if fixed {
            let jobs = self.jobs.lock().await;
            let Some(sender) = &*jobs else { return false };
            self.pending.update(|pending| *pending += 1).await;
            return sender.send(job).await.is_ok();
        }
        let Some(sender) = self.jobs.lock().await.clone() else { return false };
        self.pending.update(|pending| *pending += 1).await;
        sender.send(job).await.is_ok()
    }

    async fn work(&self, mut jobs: mpsc::Receiver<u32>) {
        while jobs.recv().await.is_some() {
            assert!(!self.closed.get().await, "a job after the database was closed");
            let left = self.pending.update(|pending| {
                *pending -= 1;
                *pending
            });
            if left.await == 0 {
                self.idle.notify_one();
            }
        }
    }

    async fn shut_down(&self) {
        drop(self.jobs.lock().await.take());
        while self.pending.get().await > 0 {
            self.idle.notified().await;
        }
        self.closed.set(true).await;
    }
}

/// A job has been accepted but not counted when the service checks whether there are any.
pub(super) async fn shutdown_race(fixed: bool) -> Ended {
    let (sender, receiver) = mpsc::channel(4);
    let service = Rc::new(Service {
        jobs: Mutex::new(Some(sender)),
        pending: Shared::new("pending", 0),
        idle: Notify::new(),
        closed: Shared::new("closed", false),
    });
    let [worker, client, stopper] = [(); 3].map(|()| Rc::clone(&service));
    let worker = spawn(async move { worker.work(receiver).await });
    let client = spawn(async move {
        for job in 0..3 {
            if !client.submit(job, fixed).await {
                return;
            }
        }
    });
    let stopper = spawn(async move { stopper.shut_down().await });
    join(vec![client, stopper, worker]).await
}

/// A barrier made of a semaphore, as in textbooks, without the second turnstile.
struct Rendezvous {
    size: usize,
    arrived: Mutex<usize>,
    turnstile: Semaphore,
}

impl Rendezvous {
    async fn wait(&self) {
        let mut arrived = self.arrived.lock().await;
        *arrived += 1;
        if *arrived == self.size {
            *arrived = 0;
            self.turnstile.add_permits(self.size);
        }
        drop(arrived);
        // A fast task takes the permit of a slow one, and is a round ahead.
        self.turnstile.acquire().await.expect("never closed").forget();
    }
}

enum Meeting {
    Reused(Rendezvous),
    Right(sync::Barrier),
}

/// Tasks work in rounds, with a barrier after each.
pub(super) async fn barrier_reuse(fixed: bool) -> Ended {
    const TASKS: usize = 3;
    const ROUNDS: u32 = 3;

    let meeting = if fixed {
        Meeting::Right(sync::Barrier::new(TASKS))
    } else {
        Meeting::Reused(Rendezvous { size: TASKS, arrived: Mutex::new(0), turnstile: Semaphore::new(0) })
    };
    let shared = Rc::new((meeting, [(); TASKS].map(|()| Cell::new(0))));
    let mut all = Vec::new();
    for number in 0..TASKS {
        let shared = Rc::clone(&shared);
        all.push(spawn(async move {
            let (meeting, rounds) = &*shared;
            for round in 1..=ROUNDS {
                rounds[number].set(round);
                match meeting {
                    Meeting::Reused(barrier) => barrier.wait().await,
                    Meeting::Right(barrier) => {
                        barrier.wait().await;
                    }
                }
                assert!(rounds.iter().all(|other| other.get() >= round), "a task is left behind");
            }
        }));
    }
    join(all).await
}

/// A subscriber that is delayed loses messages, and takes that for the end of the stream.
pub(super) async fn broadcast_lag(fixed: bool) -> Ended {
    const MESSAGES: u32 = 8;
    const CAPACITY: usize = 4;

    let (sender, mut receiver) = broadcast::channel(CAPACITY);
    let last = Rc::new(Cell::new(0));
    let seen = Rc::clone(&last);
    let subscriber = spawn(async move {
        loop {
            match receiver.recv().await {
                Ok(message) => seen.set(message),
                Err(RecvError::Lagged(_)) if fixed => {}
                Err(_) => return,
            }
        }
    });
    let published = Rc::new(Shared::new("published", 0));
    let publisher = spawn(async move {
        for message in 1..=MESSAGES {
            published.set(message).await;
            // Without a subscriber, sending fails.
            let _ = sender.send(message);
            yield_now().await;
        }
    });
    join(vec![publisher, subscriber]).await?;
    assert_eq!(last.get(), MESSAGES, "the subscriber has not seen the last message");
    Ok(())
}
