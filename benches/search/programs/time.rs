//! Bugs that only async code has, where time matters: a cancelled wait, a timeout, a lease.
//!
//! # Invariants
//! - The baseline run passes.
//! - With `fixed`, every run passes, even where time passes while tasks are ready.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use timeloop::sync::{Mutex, Semaphore, mpsc, oneshot};
use timeloop::time::{Duration, Instant, interval, sleep, timeout};
use timeloop::{select, spawn};

use super::shared::{Ended, Shared, join};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A pool of connections: permits count the free ones, and a locked list holds them.
struct Pool {
    permits: Semaphore,
    free: Mutex<Vec<u32>>,
    fixed: bool,
}

impl Pool {
    async fn get(&self) -> u32 {
        let permit = self.permits.acquire().await.expect("never closed");
        if self.fixed {
            let connection = self.free.lock().await.pop();
            permit.forget();
            return connection.expect("a permit stands for a connection");
        }
        permit.forget();
        // A request cancelled here has taken a permit and no connection.
        self.free.lock().await.pop().expect("a permit stands for a connection")
    }

    async fn put(&self, connection: u32) {
        self.free.lock().await.push(connection);
        self.permits.add_permits(1);
    }

    /// Checks the free connections, one by one.
    async fn check(&self) {
        let free = self.free.lock().await;
        for _ in &*free {
            sleep(ms(2)).await;
        }
    }
}

/// A request is cancelled while it takes a connection out of a pool.
pub(super) async fn cancelled_acquire(fixed: bool) -> Ended {
    let pool = Rc::new(Pool { permits: Semaphore::new(2), free: Mutex::new(vec![1, 2]), fixed });
    let mut all = Vec::new();
    for request in 0..3 {
        let pool = Rc::clone(&pool);
        all.push(spawn(async move {
            sleep(ms(10 * request)).await;
            if let Ok(connection) = timeout(ms(3), pool.get()).await {
                sleep(ms(5)).await;
                pool.put(connection).await;
            }
        }));
    }
    let checked = Rc::clone(&pool);
    all.push(spawn(async move {
        sleep(ms(10)).await;
        checked.check().await;
    }));
    join(all).await?;
    assert_eq!(pool.permits.available_permits(), pool.free.lock().await.len(), "a connection is lost");
    Ok(())
}

/// The parts of a frame: a header, and the body that it announces.
enum Part {
    Header(u32),
    Body(u32),
}

/// Reads a frame. Cancelling it between its parts loses the first.
async fn read_frame(parts: &mut mpsc::Receiver<Part>) -> Option<u32> {
    let Part::Header(number) = parts.recv().await? else { panic!("a body without its header") };
    let Part::Body(body) = parts.recv().await? else { panic!("a header without its body") };
    assert_eq!(number, body);
    Some(body)
}

/// As [`read_frame`], but keeps the header where the next call finds it.
async fn read_frame_fixed(parts: &mut mpsc::Receiver<Part>, header: &mut Option<u32>) -> Option<u32> {
    if header.is_none() {
        let Part::Header(number) = parts.recv().await? else { panic!("a body without its header") };
        *header = Some(number);
    }
    let Part::Body(body) = parts.recv().await? else { panic!("a header without its body") };
    assert_eq!(header.take(), Some(body));
    Some(body)
}

/// A loop reads frames and sometimes flushes: `select!` drops the frame that is being read.
pub(super) async fn select_drops(fixed: bool) -> Ended {
    let (sender, mut receiver) = mpsc::channel(4);
    let writer = spawn(async move {
        for number in 0..3 {
            sleep(ms(10)).await;
            for part in [Part::Header(number), Part::Body(number)] {
                if sender.send(part).await.is_err() {
                    return;
                }
            }
        }
    });
    let reader = spawn(async move {
        let mut flush = interval(ms(10));
        let (mut frames, mut header) = (0, None);
        loop {
            let frame = async {
                if fixed {
                    read_frame_fixed(&mut receiver, &mut header).await
                } else {
                    read_frame(&mut receiver).await
                }
            };
            select! {
                frame = frame => match frame {
                    Some(_) => frames += 1,
                    None => break,
                },
                _ = flush.tick() => {}
            }
        }
        assert_eq!(frames, 3);
    });
    join(vec![writer, reader]).await
}

struct Charge {
    key: u32,
    reply: oneshot::Sender<()>,
}

/// A request that takes too long is retried, and the money is taken twice.
pub(super) async fn retry(fixed: bool) -> Ended {
    let (sender, mut receiver) = mpsc::channel::<Charge>(4);
    let charged = Rc::new(Cell::new(0));
    let total = Rc::clone(&charged);
    let server = spawn(async move {
        let mut done = BTreeSet::new();
        while let Some(Charge { key, reply }) = receiver.recv().await {
            sleep(ms(20)).await;
            if done.insert(key) || !fixed {
                total.set(total.get() + 1);
            }
            // The requester may have given up.
            let _ = reply.send(());
        }
    });
    let mut all = Vec::new();
    for key in 0..2 {
        let sender = sender.clone();
        all.push(spawn(async move {
            for _ in 0..3 {
                let (reply, answer) = oneshot::channel();
                let ask = async {
                    sender.send(Charge { key, reply }).await.expect("the server is there");
                    answer.await
                };
                if timeout(ms(45), ask).await.is_ok() {
                    return;
                }
            }
        }));
    }
    drop(sender);
    all.push(server);
    join(all).await?;
    assert!(charged.get() <= 2, "charged {} times", charged.get());
    Ok(())
}

#[derive(Clone, Copy)]
struct Lease {
    holder: u32,
    until: Instant,
}

/// A store with one writer at a time, for the duration of its lease.
struct Store {
    lease: Shared<Option<Lease>>,
    /// The last writer's token; each lease has a higher one.
    written: Shared<u32>,
    fixed: bool,
}

impl Store {
    async fn acquire(&self, holder: u32) -> Option<Lease> {
        let now = Instant::now();
        self.lease
            .update(|lease| {
                if lease.is_some_and(|lease| lease.until > now) {
                    return None;
                }
                *lease = Some(Lease { holder, until: now + ms(100) });
                *lease
            })
            .await
    }

    async fn write(&self, lease: Lease) {
        if self.fixed {
            // The store itself rejects writes under an older lease.
            self.written.update(|written| *written = lease.holder.max(*written)).await;
            return;
        }
        if Instant::now() < lease.until {
            self.written
                .update(|written| {
                    assert!(*written <= lease.holder, "written by one whose lease had ended");
                    *written = lease.holder;
                })
                .await;
        }
    }
}

/// A holder checks the clock, is delayed, and writes when the lease belongs to another.
pub(super) async fn lease(fixed: bool) -> Ended {
    let store =
        Rc::new(Store { lease: Shared::new("lease", None), written: Shared::new("written", 0), fixed });
    let mut all = Vec::new();
    for (holder, work) in [(1, 95), (2, 5)] {
        let store = Rc::clone(&store);
        all.push(spawn(async move {
            sleep(ms(u64::from(holder))).await;
            loop {
                if let Some(lease) = store.acquire(holder).await {
                    sleep(ms(work)).await;
                    store.write(lease).await;
                    return;
                }
                sleep(ms(50)).await;
            }
        }));
    }
    join(all).await
}
