//! Measures the cost of announcing operations where nothing observes them: tokio's bare primitives beside timeloop's,
//! both in timeloop's event loop.
//!
//! # Invariants
//! - Both sides are one source, in which only the crate of the primitives differs.
//! - Both run under the strategy `random`, which wants no operations.

use crate::workloads::in_timeloop;

/// The allowed cost of an operation above the same one on tokio's bare primitive, in ns.
pub(crate) const GOAL_NS: f64 = 2.0;

/// The workloads with the primitives of this crate.
macro_rules! workloads {
    ($module:ident, $primitives:ident) => {
        mod $module {
            use std::sync::Arc;

            use timeloop::spawn;
            use timeloop::task::yield_now;
            use $primitives::sync::{Mutex, Notify, RwLock, Semaphore, mpsc, oneshot, watch};

            /// A lock without contention.
            pub(super) async fn mutex(times: u64) {
                let counter = Mutex::new(0);
                for _ in 0..times {
                    *counter.lock().await += 1;
                }
                assert_eq!(*counter.lock().await, times);
            }

            /// Tasks that hold a lock while the others wait for it.
            pub(super) async fn contended_mutex(times: u64) {
                let counter = Arc::new(Mutex::new(0));
                let users = (0..10).map(|_| {
                    let counter = Arc::clone(&counter);
                    spawn(async move {
                        for _ in 0..times / 10 {
                            let mut counter = counter.lock().await;
                            *counter += 1;
                            yield_now().await;
                        }
                    })
                });
                for task in users.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
                assert_eq!(*counter.lock().await, times);
            }

            /// Tasks that hold a write lock while the others wait for it.
            pub(super) async fn contended_rwlock(times: u64) {
                let counter = Arc::new(RwLock::new(0));
                let users = (0..10).map(|_| {
                    let counter = Arc::clone(&counter);
                    spawn(async move {
                        for _ in 0..times / 10 {
                            let mut counter = counter.write().await;
                            *counter += 1;
                            yield_now().await;
                        }
                    })
                });
                for task in users.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
                assert_eq!(*counter.read().await, times);
            }

            /// A lock that is read and written in turn, without contention.
            pub(super) async fn rwlock(times: u64) {
                let counter = RwLock::new(0);
                for _ in 0..times / 2 {
                    let read = *counter.read().await;
                    *counter.write().await = read + 2;
                }
                assert_eq!(*counter.read().await, times);
            }

            /// A semaphore without contention.
            pub(super) async fn semaphore(times: u64) {
                let permits = Semaphore::new(2);
                for _ in 0..times {
                    drop(permits.acquire().await.unwrap());
                }
                assert_eq!(permits.available_permits(), 2);
            }

            /// Tasks that hold a permit while the others wait for it.
            pub(super) async fn contended_semaphore(times: u64) {
                let permits = Arc::new(Semaphore::new(1));
                let users = (0..10).map(|_| {
                    let permits = Arc::clone(&permits);
                    spawn(async move {
                        for _ in 0..times / 10 {
                            let _permit = permits.acquire().await.unwrap();
                            yield_now().await;
                        }
                    })
                });
                for task in users.collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            }

            /// A message to another task and one back.
            pub(super) async fn message(times: u64) {
                let (request, mut requests) = mpsc::unbounded_channel();
                let (answer, mut answers) = mpsc::unbounded_channel();
                let server = spawn(async move {
                    while let Some(message) = requests.recv().await {
                        answer.send(message).unwrap();
                    }
                });
                for turn in 0..times / 2 {
                    request.send(turn).unwrap();
                    assert_eq!(answers.recv().await, Some(turn));
                }
                drop(request);
                server.await.unwrap();
            }

            /// A message to another task and one back, through channels with a capacity of one message.
            pub(super) async fn message_bounded(times: u64) {
                let (request, mut requests) = mpsc::channel(1);
                let (answer, mut answers) = mpsc::channel(1);
                let server = spawn(async move {
                    while let Some(message) = requests.recv().await {
                        answer.send(message).await.unwrap();
                    }
                });
                for turn in 0..times / 2 {
                    request.send(turn).await.unwrap();
                    assert_eq!(answers.recv().await, Some(turn));
                }
                drop(request);
                server.await.unwrap();
            }

            /// Two tasks that wake each other.
            pub(super) async fn notify(times: u64) {
                let (there, back) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
                let server = spawn({
                    let (there, back) = (Arc::clone(&there), Arc::clone(&back));
                    async move {
                        for _ in 0..times / 2 {
                            there.notified().await;
                            back.notify_one();
                        }
                    }
                });
                for _ in 0..times / 2 {
                    there.notify_one();
                    back.notified().await;
                }
                server.await.unwrap();
            }

            /// A channel for each message: created, used and dropped. The answering task exists already.
            pub(super) async fn oneshot(times: u64) {
                let (request, mut requests) = tokio::sync::mpsc::unbounded_channel::<oneshot::Sender<u64>>();
                let server = spawn(async move {
                    let mut turn = 0;
                    while let Some(answer) = requests.recv().await {
                        answer.send(turn).unwrap();
                        turn += 1;
                    }
                });
                for turn in 0..times {
                    let (answer, answered) = oneshot::channel();
                    request.send(answer).unwrap();
                    assert_eq!(answered.await, Ok(turn));
                }
                drop(request);
                server.await.unwrap();
            }

            /// A value to another task and one back.
            pub(super) async fn watch(times: u64) {
                let (request, mut requests) = watch::channel(0);
                let (answer, mut answers) = watch::channel(0);
                let server = spawn(async move {
                    while requests.changed().await.is_ok() {
                        let value = *requests.borrow_and_update();
                        answer.send(value).unwrap();
                    }
                });
                for turn in 1..=times / 2 {
                    request.send(turn).unwrap();
                    answers.changed().await.unwrap();
                    assert_eq!(*answers.borrow_and_update(), turn);
                }
                drop(request);
                server.await.unwrap();
            }
        }
    };
}

workloads!(bare, tokio);
workloads!(announced, timeloop);

/// One line of the table.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) bare: fn(u64),
    pub(crate) announced: fn(u64),
}

/// The number of operations of a round, in a release build.
pub(crate) const OPERATIONS: u64 = 200_000;

/// Returns every workload, in the order of the table.
pub(crate) fn all() -> Vec<Workload> {
    macro_rules! workload {
        ($name:literal, $function:ident) => {
            Workload {
                name: $name,
                bare: |n| in_timeloop(move || bare::$function(n)),
                announced: |n| in_timeloop(move || announced::$function(n)),
            }
        };
    }
    vec![
        workload!("mutex", mutex),
        workload!("contended mutex", contended_mutex),
        workload!("rwlock", rwlock),
        workload!("contended rwlock", contended_rwlock),
        workload!("semaphore", semaphore),
        workload!("contended semaphore", contended_semaphore),
        workload!("channel message", message),
        workload!("message, capacity 1", message_bounded),
        workload!("notify", notify),
        workload!("oneshot", oneshot),
        workload!("watch", watch),
    ]
}
