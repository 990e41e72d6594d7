//! Small programs that use everything at once, for tests of properties that every program must have.
//!
//! # Invariants
//! Each scenario passes under every schedule, depends only on its schedule and seed, and makes many decisions. Changing one changes `golden.rs`.

use std::cell::RefCell;
use std::rc::Rc;

use rand::Rng as _;
use timeloop::task::{self, JoinSet, LocalSet, yield_now};
use timeloop::time::{Duration, Instant, interval, sleep, sleep_until, timeout};

/// Calls `$with!` with the names of all scenarios.
#[cfg(feature = "sync")]
macro_rules! all {
    ($with:ident) => {
        $with!(tasks, time, select, join_sets, randomness, local, channels, locks)
    };
}
#[cfg(not(feature = "sync"))]
macro_rules! all {
    ($with:ident) => {
        $with!(tasks, time, select, join_sets, randomness, local)
    };
}
pub(crate) use all;

const MS: Duration = Duration::from_millis(1);

/// Tasks that spawn, yield, are joined, aborted and detached.
pub(crate) async fn tasks() {
    async fn child(depth: u32, yields: u32) -> u32 {
        for _ in 0..yields {
            yield_now().await;
        }
        if depth == 0 {
            return 1;
        }
        let (left, right) = (task::spawn(grandchild(depth, 1)), task::spawn(grandchild(depth, 0)));
        1 + left.await.unwrap() + right.await.unwrap()
    }
    fn grandchild(depth: u32, yields: u32) -> std::pin::Pin<Box<dyn Future<Output = u32>>> {
        Box::pin(child(depth - 1, yields))
    }

    let tree = task::spawn(child(2, 1));
    let doomed = task::spawn(child(0, 100));
    let panics = task::spawn(async {
        yield_now().await;
        panic!("observed below");
    });
    task::spawn(child(0, 1000));
    yield_now().await;
    doomed.abort();
    assert_eq!(tree.await.unwrap(), 7);
    let cancelled = doomed.await;
    assert!(cancelled.is_ok() || cancelled.unwrap_err().is_cancelled());
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(task::spawn_blocking(|| 5).await.unwrap(), 5);
}

/// Timers, several of them due at one instant.
pub(crate) async fn time() {
    let start = Instant::now();
    let log = Rc::new(RefCell::new(Vec::new()));
    let sleepers: Vec<_> = [3, 1, 2, 3, 1, 0, 3]
        .into_iter()
        .enumerate()
        .map(|(number, ms)| {
            let log = Rc::clone(&log);
            task::spawn(async move {
                sleep(ms * MS).await;
                yield_now().await;
                log.borrow_mut().push((ms, number));
            })
        })
        .collect();
    let ticking = task::spawn(async {
        let mut ticks = interval(MS);
        for _ in 0..4 {
            ticks.tick().await;
        }
    });
    assert!(timeout(2 * MS, sleep(3 * MS)).await.is_err());
    assert!(timeout(2 * MS, sleep(MS)).await.is_ok());
    for sleeper in sleepers {
        sleeper.await.unwrap();
    }
    ticking.await.unwrap();
    assert!(log.borrow().is_sorted_by_key(|(ms, _)| *ms));
    sleep_until(start + 10 * MS).await;
    assert_eq!(start.elapsed(), 10 * MS);
}

/// `select!` over several ready branches.
pub(crate) async fn select() {
    let mut counts = [0; 3];
    for round in 0..20 {
        let task = task::spawn(yield_now());
        timeloop::select! {
            () = std::future::ready(()) => counts[0] += 1,
            () = yield_now(), if round % 2 == 0 => counts[1] += 1,
            () = async {} => counts[2] += 1,
        }
        timeloop::select! {
            ended = task => ended.unwrap(),
            () = sleep(MS) => counts[1] += 1,
        }
    }
    assert!(counts[0] + counts[1] + counts[2] >= 20);
}

/// Join sets: joined in the order of ends, shut down half way, dropped.
pub(crate) async fn join_sets() {
    let mut set = JoinSet::new();
    for number in 0..6_u32 {
        set.spawn(async move {
            sleep(number % 2 * MS).await;
            yield_now().await;
            number
        });
    }
    let mut sum = 0;
    for _ in 0..4 {
        sum += set.join_next().await.unwrap().unwrap();
    }
    set.spawn(async { std::future::pending().await });
    yield_now().await;
    while let Some(ended) = set.try_join_next() {
        sum += ended.unwrap();
    }
    set.shutdown().await;
    assert!(sum <= 15 && set.is_empty());
    let mut dropped = JoinSet::new();
    dropped.spawn(async { sleep(MS).await });
    yield_now().await;
}

/// Random numbers decide what is spawned and how long it sleeps. They are used raw, because `rand` may change derived ones.
pub(crate) async fn randomness() {
    async fn walk(steps: u32) -> u32 {
        let mut drawn = 0;
        for _ in 0..steps {
            let number = timeloop::rng().next_u64();
            if number.is_multiple_of(2) {
                yield_now().await;
            } else {
                sleep(Duration::from_nanos(number % 100)).await;
            }
            drawn += timeloop::rng().next_u32() % 10;
        }
        drawn
    }

    let walkers: Vec<_> = (0..4).map(|number| (number, task::spawn(walk(3 + number)))).collect();
    let mut sum = 0;
    for (number, walker) in walkers {
        sum += number * walker.await.unwrap();
        if timeloop::rng().next_u32().is_multiple_of(2) {
            task::spawn(walk(1)).await.unwrap();
        }
    }
    assert!(sum < 1000);
}

timeloop::task_local! {
    static NUMBER: u32;
}

/// A local set, task locals, and futures joined within a task.
pub(crate) async fn local() {
    let set = LocalSet::new();
    let sum = set.run_until(async {
        let number = |number| {
            task::spawn(NUMBER.scope(number, async {
                yield_now().await;
                NUMBER.get()
            }))
        };
        let (one, two, three) = timeloop::join!(number(1), number(2), number(3));
        one.unwrap() + two.unwrap() + three.unwrap()
    });
    assert_eq!(sum.await, 6);
    let tried = timeloop::try_join!(
        async {
            yield_now().await;
            Ok::<_, u32>(())
        },
        async {
            sleep(MS).await;
            Err::<(), _>(5)
        }
    );
    assert_eq!(tried, Err(5));
}

/// Every kind of channel.
#[cfg(feature = "sync")]
pub(crate) async fn channels() {
    use timeloop::sync::{broadcast, mpsc, oneshot, watch};

    let (jobs, mut queue) = mpsc::channel::<(u32, oneshot::Sender<u32>)>(2);
    let (level, mut levels) = watch::channel(0);
    let (news, mut reader) = broadcast::channel(4);
    let mut other_reader = news.subscribe();
    let worker = task::spawn(async move {
        let mut served = 0;
        while let Some((number, answer)) = queue.recv().await {
            served += 1;
            // The requesting task may have given up.
            let _ = answer.send(number * 2);
            let _ = news.send(served);
            yield_now().await;
        }
        level.send(served).unwrap();
    });
    let askers: Vec<_> = (0..4_u32)
        .map(|number| {
            let jobs = jobs.clone();
            task::spawn(async move {
                for _ in 0..3 {
                    let (answer, answered) = oneshot::channel();
                    jobs.send((number, answer)).await.unwrap();
                    if number > 0 {
                        assert_eq!(answered.await.unwrap(), number * 2);
                    }
                }
            })
        })
        .collect();
    drop(jobs);
    let listener = task::spawn(async move {
        let mut count = 0;
        loop {
            match reader.recv().await {
                Ok(_) => count += 1,
                Err(broadcast::error::RecvError::Lagged(missed)) => count += missed,
                Err(broadcast::error::RecvError::Closed) => return count,
            }
        }
    });
    for asker in askers {
        asker.await.unwrap();
    }
    levels.changed().await.unwrap();
    assert_eq!(*levels.borrow(), 12);
    worker.await.unwrap();
    assert_eq!(listener.await.unwrap(), 12);
    assert!(matches!(other_reader.recv().await, Err(broadcast::error::RecvError::Lagged(8))));
}

/// Locks, permits, barriers and signals. Some waiters give up.
#[cfg(feature = "sync")]
pub(crate) async fn locks() {
    use timeloop::sync::{Barrier, Mutex, Notify, RwLock, Semaphore};

    let total = Rc::new(Mutex::new(0));
    let table = Rc::new(RwLock::new(0));
    let permits = Rc::new(Semaphore::new(2));
    let (barrier, done) = (Rc::new(Barrier::new(5)), Rc::new(Notify::new()));
    let tasks: Vec<_> = (0..5)
        .map(|number| {
            let (total, table, permits) = (Rc::clone(&total), Rc::clone(&table), Rc::clone(&permits));
            let (barrier, done) = (Rc::clone(&barrier), Rc::clone(&done));
            task::spawn(async move {
                let permit = permits.acquire().await.unwrap();
                let held = timeout(2 * MS, total.lock()).await;
                if let Ok(mut total) = held {
                    sleep(MS).await;
                    *total += 1;
                }
                drop(permit);
                let leads = barrier.wait().await.is_leader();
                if number % 2 == 0 {
                    *table.write().await += 1;
                } else {
                    let before = *table.read().await;
                    yield_now().await;
                    assert!(before <= *table.read().await);
                }
                if leads {
                    done.notify_one();
                }
            })
        })
        .collect();
    done.notified().await;
    for task in tasks {
        task.await.unwrap();
    }
    assert!((2..=5).contains(&*total.lock().await));
    assert_eq!(*table.read().await, 3);
}
