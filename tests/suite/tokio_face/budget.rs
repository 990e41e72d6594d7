//! The budget of 128 operations, which tokio gives a task each time it is resumed.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use futures_util::FutureExt;
#[cfg(feature = "sync")]
use timeloop::Explorer;
#[cfg(feature = "sync")]
use timeloop::task::coop::has_budget_remaining;
use timeloop::task::coop::{consume_budget, unconstrained};
use timeloop::task::{JoinSet, yield_now};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::{select, spawn};

/// Counts how many times `operation` completes before the budget is used up.
async fn completions(mut operation: impl AsyncFnMut()) -> usize {
    yield_now().await;
    let count = Cell::new(0);
    let mut endless = pin!(async {
        loop {
            operation().await;
            count.set(count.get() + 1);
        }
    });
    poll_fn(|cx| {
        assert!(endless.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    count.get()
}

#[test]
fn e05_a_task_yields_after_128_operations() {
    timeloop::run(0, || async {
        assert_eq!(completions(async || consume_budget().await).await, 128);
        assert_eq!(completions(async || sleep(Duration::ZERO).await).await, 128);
        let mut ended: Vec<_> = (0..300).map(|_| spawn(async {})).collect();
        while ended.iter().any(|task| !task.is_finished()) {
            yield_now().await;
        }
        assert_eq!(completions(async || ended.pop().unwrap().await.unwrap()).await, 128);
    })
    .unwrap();
}

#[cfg(feature = "sync")]
#[test]
fn e05_locks_and_channels_spend_the_budget() {
    use timeloop::sync::{Mutex, Semaphore, mpsc, watch};

    timeloop::run(0, || async {
        let lock = Mutex::new(());
        assert_eq!(completions(async || drop(lock.lock().await)).await, 128);
        let permits = Semaphore::new(1);
        assert_eq!(completions(async || drop(permits.acquire().await)).await, 128);
        let (tx, mut rx) = mpsc::channel(1);
        let messages = completions(async || {
            tx.send(()).await.unwrap();
            rx.recv().await.unwrap();
        });
        assert_eq!(messages.await, 64, "a message takes two operations");
        let (tx, mut rx) = watch::channel(0);
        let changes = completions(async || {
            tx.send_modify(|value| *value += 1);
            rx.changed().await.unwrap();
        });
        assert_eq!(changes.await, 128);
    })
    .unwrap();
}

#[cfg(feature = "sync")]
#[test]
fn e05_an_operation_that_waits_spends_nothing() {
    use timeloop::sync::mpsc;

    timeloop::run(0, || async {
        yield_now().await;
        let channels: Vec<_> = (0..300).map(|_| mpsc::channel::<()>(1)).collect();
        let mut receivers: Vec<_> = channels.into_iter().map(|(tx, rx)| (Some(tx), rx)).collect();
        let mut waits: Vec<_> = receivers.iter_mut().map(|(_, rx)| Box::pin(rx.recv())).collect();
        poll_fn(|cx| {
            for wait in &mut waits {
                assert!(wait.as_mut().poll(cx).is_pending());
            }
            assert!(has_budget_remaining());
            Poll::Ready(())
        })
        .await;
    })
    .unwrap();
}

#[cfg(feature = "sync")]
#[test]
fn e05_an_operation_counts_once_under_every_strategy() {
    use timeloop::sync::Mutex;

    for strategy in ["fifo", "random", "pct", "pos", "surw"] {
        let explorer = Explorer::new("tokio_face::counts_once").without_environment().without_regressions();
        explorer.runs(20).strategy(strategy).check(|| async {
            let lock = std::rc::Rc::new(Mutex::new(0));
            let tasks = [(); 2].map(|()| {
                let lock = std::rc::Rc::clone(&lock);
                spawn(async move {
                    let mut left = 300;
                    let work = async {
                        while left > 0 {
                            *lock.lock().await += 1;
                            left -= 1;
                        }
                    };
                    work.await;
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*lock.lock().await, 600);
        });
    }
}

#[test]
fn e05_unconstrained_code_never_yields() {
    timeloop::run(0, || async {
        let mut others = pin!(async {
            for _ in 0..1000 {
                consume_budget().await;
            }
        });
        assert!(unconstrained(others.as_mut()).now_or_never().is_some());
    })
    .unwrap();
}

#[test]
fn e05_a_branch_that_is_always_ready_does_not_starve_the_others() {
    timeloop::run(0, || async {
        let spins = async {
            loop {
                sleep(Duration::ZERO).await;
            }
        };
        select! {
            biased;
            () = spins => {}
            () = yield_now() => {}
        }
    })
    .unwrap();
}

#[test]
fn e05_a_timeout_ends_work_that_uses_up_the_budget() {
    timeloop::run(0, || async {
        let ticker = spawn(async { sleep(Duration::from_millis(10)).await });
        let spins = async {
            loop {
                consume_budget().await;
            }
        };
        // Time passes only when nothing is ready, so the deadline is now.
        assert!(timeout(Duration::ZERO, spins).await.is_err());
        ticker.await.unwrap();
    })
    .unwrap();
}

#[test]
fn e05_a_join_set_yields_and_loses_no_task() {
    timeloop::run(0, || async {
        let mut set = JoinSet::new();
        for number in 0..1000_u32 {
            set.spawn(async move { number });
        }
        while set.try_join_next().is_none() {
            yield_now().await;
        }
        let (mut sum, mut pauses) = (0_u64, 0);
        loop {
            let next = poll_fn(|cx| {
                let polled = set.poll_join_next(cx);
                pauses += u32::from(polled.is_pending());
                polled
            });
            let Some(number) = next.await else { break };
            sum += u64::from(number.unwrap());
        }
        assert!(pauses > 1, "{pauses}");
        assert!((498_501..=499_500).contains(&sum), "{sum}");
    })
    .unwrap();
}

#[cfg(feature = "net")]
#[test]
fn e05_utilities_that_never_wait_yield() {
    use timeloop::io::{self, AsyncReadExt, AsyncWriteExt};

    timeloop::run(0, || async {
        let copied = completions(async || _ = io::copy(&mut io::empty(), &mut io::sink()).await.unwrap());
        assert!(copied.await <= 128);
        let copied =
            completions(async || _ = io::copy_buf(&mut &b"text"[..], &mut Vec::new()).await.unwrap());
        assert!(copied.await <= 128);
        assert_eq!(completions(async || io::sink().write_all(b"text").await.unwrap()).await, 128);
        assert_eq!(completions(async || io::sink().flush().await.unwrap()).await, 128);
        assert_eq!(completions(async || _ = io::repeat(7).read(&mut [0; 4]).await.unwrap()).await, 128);
        let (mut one, mut other) = io::duplex(16);
        let turns = completions(async || {
            one.write_all(b"text").await.unwrap();
            other.read_exact(&mut [0; 4]).await.unwrap();
        });
        assert_eq!(turns.await, 64);
    })
    .unwrap();
}
