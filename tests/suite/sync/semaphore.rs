//! The semaphore: permits are granted in the order of requests, and none is lost or invented.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use timeloop::spawn;
use timeloop::sync::{Semaphore, TryAcquireError};
use timeloop::task::yield_now;

use super::{Log, any_order, baseline, settle, spawn_and_wait};

/// Small requests do not overtake a large one.
#[test]
fn permits_go_out_in_the_order_of_asking() {
    let order = baseline(async {
        let (semaphore, log) = (Rc::new(Semaphore::new(0)), Log::default());
        for permits in [3, 1, 2] {
            let (semaphore, log) = (Rc::clone(&semaphore), log.clone());
            spawn_and_wait(async move {
                semaphore.acquire_many(permits).await.unwrap().forget();
                log.push(permits);
            })
            .await;
        }
        let mut seen = Vec::new();
        for _ in 0..6 {
            semaphore.add_permits(1);
            settle().await;
            seen.push(log.take());
        }
        seen
    });
    assert_eq!(order, [vec![], vec![], vec![3], vec![1], vec![], vec![2]]);
}

#[test]
fn cancelling_half_way_returns_gathered_permits() {
    baseline(async {
        let semaphore = Rc::new(Semaphore::new(2));
        let greedy = spawn_and_wait({
            let semaphore = Rc::clone(&semaphore);
            async move { semaphore.acquire_many(3).await.unwrap().forget() }
        })
        .await;
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
        let modest = spawn_and_wait({
            let semaphore = Rc::clone(&semaphore);
            async move { drop(semaphore.acquire().await.unwrap()) }
        })
        .await;
        assert!(!modest.is_finished());
        greedy.abort();
        settle().await;
        assert!(modest.is_finished());
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn closing_fails_all_requests() {
    baseline(async {
        let semaphore = Rc::new(Semaphore::new(1));
        let held = semaphore.acquire().await.unwrap();
        let waiting = spawn_and_wait({
            let semaphore = Rc::clone(&semaphore);
            async move { semaphore.acquire().await.map(drop) }
        })
        .await;
        semaphore.close();
        assert_eq!(waiting.await.unwrap().unwrap_err().to_string(), "semaphore closed");
        drop(held);
        assert!(semaphore.is_closed());
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
        assert!(semaphore.acquire().await.is_err());
    });
}

#[test]
fn permits_merge_split_and_are_forgotten() {
    baseline(async {
        let semaphore = Arc::new(Semaphore::new(5));
        let mut permit = Arc::clone(&semaphore).acquire_many_owned(3).await.unwrap();
        let one = permit.split(1).unwrap();
        assert!(permit.split(3).is_none());
        permit.merge(one);
        assert_eq!((permit.num_permits(), semaphore.available_permits()), (3, 2));
        permit.forget();
        assert_eq!(semaphore.available_permits(), 2);
        assert_eq!(semaphore.forget_permits(5), 2);
        semaphore.add_permits(1);
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// Permits in use, and their maximum.
#[derive(Default)]
struct Usage {
    now: Cell<u32>,
    most: Cell<u32>,
}

/// Counts permits until dropped, including by cancellation.
struct Inside(Rc<Usage>, u32);

impl Inside {
    fn new(usage: &Rc<Usage>, permits: u32) -> Self {
        usage.now.update(|now| now + permits);
        usage.most.update(|most| most.max(usage.now.get()));
        Self(Rc::clone(usage), permits)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.now.update(|now| now - self.1);
    }
}

/// Users come, wait, give up and leave in any order: the limit holds, and all permits are returned.
#[test]
fn under_every_schedule_the_limit_holds_and_all_permits_return() {
    let runs = any_order(|| async {
        let (semaphore, usage) = (Rc::new(Semaphore::new(2)), Rc::new(Usage::default()));
        let users: Vec<_> = (1..=4)
            .map(|user| {
                let (semaphore, usage) = (Rc::clone(&semaphore), Rc::clone(&usage));
                spawn(async move {
                    let permits = 1 + user % 2;
                    let _permits = semaphore.acquire_many(permits).await.unwrap();
                    let _inside = Inside::new(&usage, permits);
                    yield_now().await;
                })
            })
            .collect();
        yield_now().await;
        users[0].abort();
        let mut cancelled = 0;
        for user in users {
            cancelled += u32::from(user.await.is_err());
        }
        assert_eq!((semaphore.available_permits(), usage.now.get()), (2, 0));
        (usage.most.get(), cancelled)
    });
    assert!(runs.iter().all(|&(most, _)| most == 2), "never more; and a user of two always comes in");
    assert!(
        runs.iter().any(|&(_, cancelled)| cancelled == 0)
            && runs.iter().any(|&(_, cancelled)| cancelled == 1)
    );
}
