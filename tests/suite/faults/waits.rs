//! What a report says of tasks that wait: for what, since when, and why nothing ends the wait.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use timeloop::sync::{Barrier, Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};
use timeloop::task::{spawn, yield_now};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::{FailureKind, run};

use crate::support::{by_name, explorer, pends};

/// Returns the lines about blocked tasks.
fn blocked(failure: &timeloop::Failure) -> String {
    failure.to_string().lines().skip(1).map(|line| format!("{}\n", line.trim_start())).collect()
}

/// A lock was handed to a future that its task keeps and does not poll.
#[test]
fn a6_a_lock_handed_to_a_future_that_is_not_polled() {
    let failure = run(1, || async {
        let lock = Mutex::new(()); // @lock
        let held = lock.lock().await;
        let mut queued = Box::pin(lock.lock()); // @queued
        pends(&mut queued).await;
        drop(held);
        drop(lock.lock().await); // @again
        drop(queued);
    });
    assert_eq!(
        by_name!(blocked(&failure.unwrap_err())),
        "`root` has waited at <again> since virtual time 0 s for `mutex` (created at <lock>:20), handed to a future of the task itself, \
         requested at <queued>:40, which is not being polled\n"
    );
}

/// The same with a read-write lock, between two tasks.
#[test]
fn a6_a_read_write_lock_handed_to_a_future_of_another_task() {
    let failure = run(1, || async {
        let lock = Rc::new(RwLock::new(()));
        let held = lock.write().await;
        let theirs = Rc::clone(&lock);
        spawn(async move {
            let mut queued = Box::pin(theirs.write()); // @queued writer
            pends(&mut queued).await;
            Notify::new().notified().await;
        });
        sleep(Duration::from_millis(1)).await;
        drop(held);
        drop(lock.read().await);
    });
    let text = by_name!(blocked(&failure.unwrap_err()));
    let handed = "handed to a future of `root.1`, requested at <queued writer>:46, which is not being polled";
    assert!(text.lines().next().unwrap().ends_with(handed), "{text}");
}

#[test]
fn a6_more_permits_than_exist() {
    let failure = run(1, || async {
        let permits = Semaphore::new(4); // @semaphore
        permits.forget_permits(2);
        permits.add_permits(1);
        drop(permits.acquire_many(5).await.unwrap()); // @acquire
    });
    assert_eq!(
        by_name!(blocked(&failure.unwrap_err())),
        "`root` has waited at <acquire> since virtual time 0 s for `semaphore` (created at <semaphore>:23): 5 permits requested, and only 3 exist, free or not, \
         held by no task\n"
    );
}

/// A future that is polled again without its waker being kept.
#[test]
fn a8_pending_without_a_waker() {
    let failure = run(1, || async {
        let state = Rc::new((Cell::new(0), Cell::new(None::<Waker>)));
        let theirs = Rc::clone(&state);
        let task = spawn(poll_fn(move |cx| match theirs.0.get() {
            0 => {
                theirs.1.set(Some(cx.waker().clone()));
                Poll::Pending
            }
            1 => Poll::Pending,
            _ => Poll::Ready(()),
        })); // @poll_fn
        sleep(Duration::from_millis(1)).await;
        state.0.set(1);
        state.1.take().unwrap().wake();
        task.await.unwrap(); // @join
    });
    let text = by_name!(blocked(&failure.unwrap_err()));
    let said = "returned `Pending` at step 4 without keeping a waker: nothing can wake it";
    assert!(text.lines().nth(1).unwrap().ends_with(said), "{text}");
    assert!(text.lines().next().unwrap().contains("<join>"), "{text}");
}

/// A task that keeps its waker, wherever that is, is not said to have none.
#[test]
fn a8_a_waker_that_is_kept() {
    let failure = run(1, || async {
        let kept = Rc::new(Cell::new(None::<Waker>));
        let theirs = Rc::clone(&kept);
        spawn(poll_fn(move |cx| {
            theirs.set(Some(cx.waker().clone()));
            Poll::<()>::Pending
        }));
        let sleeps = spawn(sleep(Duration::from_secs(1)));
        let joins = spawn(async { sleeps.await.unwrap() });
        joins.await.unwrap();
        Notify::new().notified().await;
        drop(kept);
    });
    let text = blocked(&failure.unwrap_err());
    assert!(!text.contains("without keeping"), "{text}");
}

/// A task that is resumed and waits for the same again has waited since the first time.
#[test]
fn a9_a_wait_begins_when_the_task_first_waits() {
    let failure = run(1, || async {
        let lock = Rc::new(Mutex::new(()));
        let held = lock.lock().await;
        let waker = Rc::new(Cell::new(None::<Waker>));
        let (theirs, wakes) = (Rc::clone(&lock), Rc::clone(&waker));
        let task = spawn(async move {
            sleep(Duration::from_millis(20)).await;
            let mut waits = Box::pin(theirs.lock());
            let polls = poll_fn(|cx| {
                wakes.set(Some(cx.waker().clone()));
                waits.as_mut().poll(cx).map(drop)
            });
            polls.await; // @polls
        });
        sleep(Duration::from_secs(30)).await;
        waker.take().unwrap().wake();
        task.await.unwrap();
        drop(held);
    });
    let text = by_name!(blocked(&failure.unwrap_err()));
    assert!(
        text.contains("`root` has waited at ") && text.contains(" since virtual time 30 s for task"),
        "{text}"
    );
    assert!(text.contains("since virtual time 20 ms (for 29.98 s) for `mutex`"), "{text}");
}

#[test]
fn a10_a_failed_attempt_names_the_holder() {
    let exploration = explorer("a10").runs(1).run(|| async {
        let lock = Rc::new(Mutex::new(()));
        let theirs = Rc::clone(&lock);
        spawn(async move {
            let _held = theirs.lock().await;
            sleep(Duration::from_secs(1)).await;
        });
        yield_now().await;
        assert!(lock.try_lock().is_ok());
    });
    let report = exploration.report();
    assert!(report.contains("tries to acquire `mutex`, which `root.1` holds"), "{report}");
}

#[test]
fn a10_other_attempts_that_fail() {
    let exploration = explorer("a10_others").runs(1).run(|| async {
        let (tx, mut rx) = mpsc::channel(1);
        yield_now().await;
        assert!(rx.try_recv().is_err());
        yield_now().await;
        tx.try_send(1).unwrap();
        yield_now().await;
        assert!(tx.try_send(2).is_err());
        yield_now().await;
        panic!("at the end");
    });
    let report = exploration.report();
    assert!(report.contains("tries to receive from `mpsc channel`, which is empty"), "{report}");
    assert!(report.contains("tries to send to `mpsc channel`, which is full"), "{report}");
}

/// A value that is borrowed over an await can't be changed: in production the thread would block for ever.
#[test]
fn b5_a_borrowed_value_is_sent_to() {
    let test = || async {
        let (tx, rx) = watch::channel(0); // @channel
        let reader = spawn(async move {
            let tip = rx.borrow(); // @borrow
            sleep(Duration::from_millis(20)).await;
            *tip
        });
        sleep(Duration::from_millis(10)).await;
        tx.send(1).unwrap(); // @send
        reader.await.unwrap();
    };
    let failure = run(1, test).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert_eq!(
        by_name!(failure),
        "deadlock in `root` at <send>:12 after 10 ms: `root` sends to `watch channel` (created at <channel>:24), whose value \
         `root.1` has borrowed at <borrow>:26. The call blocks the only thread, so the borrow never ends. Drop the \
         borrowed value before the next `.await`."
    );
    let exploration = explorer("b5").runs(20).run(test);
    let found = exploration.found.expect("some order blocks");
    assert!(found.report.contains("has\n  borrowed at "), "{}", found.report);
}

/// The other calls that take the lock of the value, also in tasks, and from within a change of the value.
#[test]
fn b5_the_other_calls_that_block() {
    let kind = |failure: Result<(), timeloop::Failure>| failure.map_err(|failure| failure.kind);
    for number in 0..4 {
        let failure = run(1, || async move {
            let (tx, mut rx) = watch::channel(0);
            let held = rx.borrow_and_update();
            let sender = tx.clone();
            let task = spawn(async move {
                match number {
                    0 => sender.send_modify(|value| *value += 1),
                    1 => drop(sender.send_if_modified(|_| false)),
                    2 => drop(sender.send_replace(2)),
                    _ => drop(sender.send(3)),
                }
            });
            task.await.unwrap();
            drop(held);
        });
        assert_eq!(kind(failure), Err(FailureKind::Deadlock), "{number}");
    }
    let failure = run(1, || async {
        let (tx, rx) = watch::channel(0);
        tx.send_modify(|value| *value = *rx.borrow());
    });
    assert!(
        failure.as_ref().unwrap_err().to_string().contains("`root` reads `watch channel`"),
        "{failure:?}"
    );
    assert_eq!(kind(failure), Err(FailureKind::Deadlock));
    // Borrowing twice for reading, and after the other borrow has ended, is fine.
    let passes = run(1, || async {
        let (tx, rx) = watch::channel(0);
        let two = (rx.borrow(), tx.borrow());
        yield_now().await;
        drop(two);
        tx.send(1).unwrap();
    });
    assert_eq!(kind(passes), Ok(()));
}

/// A chain of tasks, each spawned by the one before, takes memory in proportion to its length.
#[test]
fn b7_a_chain_of_thirty_thousand_tasks() {
    fn next(left: u32) {
        spawn(async move { if left > 0 { next(left - 1) } else { panic!("at the end of the chain") } });
    }

    let exploration = explorer("b7").runs(1).shrink_runs(1).max_polls_per_instant(60_000).run(|| async {
        next(30_000);
        sleep(Duration::from_secs(1)).await;
    });
    let report = exploration.report();
    assert!(report.contains("root.1.1.1.1.….1.1.1.1, 30,001 levels deep"), "{report}");
    assert!(report.len() < 10_000, "{}", report.len());
}

#[test]
fn d2_the_halves_of_a_channel_differ_and_form_a_cycle() {
    let failure = run(1, || async {
        let (to_worker, mut jobs) = mpsc::channel::<u32>(1); // @jobs
        let (results, mut from_worker) = mpsc::channel::<u32>(1); // @results
        let worker = spawn(async move {
            while let Some(job) = jobs.recv().await {
                results.send(job).await.unwrap(); // @send result
            }
        }); // @worker
        for n in 0..4 {
            to_worker.send(n).await.unwrap(); // @send job
        }
        drop(to_worker);
        while from_worker.recv().await.is_some() {}
        worker.await.unwrap();
    });
    let text = by_name!(blocked(&failure.unwrap_err()));
    let spawned = text.split(", spawned at ").nth(1).and_then(|rest| rest.split_once(", has")).unwrap().0;
    assert_eq!(
        text.replace(&format!(", spawned at {spawned},"), ""),
        "cycle: `root` → `root.1` → `root`
`root` has waited at <send job> since virtual time 0 s for capacity in `mpsc channel` (created at <jobs>:37): 1 of 1 used; `root.1` receives from it
`root.1` has waited at <send result> since virtual time 0 s for capacity in `mpsc channel` (created at <results>:42): 1 of 1 used; `root` created the channel, and no task has received from it
"
    );
}

#[test]
fn d2_the_senders_that_are_left() {
    let failure = run(1, || async {
        let (tx, mut rx) = mpsc::channel::<u32>(8); // @kept
        for n in 0..3 {
            let tx = tx.clone();
            spawn(async move { tx.send(n).await });
        }
        while rx.recv().await.is_some() {} // @recv
        drop(tx);
    });
    assert_eq!(
        by_name!(blocked(&failure.unwrap_err())),
        "`root` has waited at <recv> since virtual time 0 s for a message in `mpsc channel` (created at <kept>:28): 1 sender is left; \
         `root` created the channel; which task has the sender is not known\n"
    );
}

#[test]
fn d2_the_tasks_at_a_barrier() {
    let failure = run(1, || async {
        let barrier = Rc::new(Barrier::new(3)); // @barrier
        let theirs = Rc::clone(&barrier);
        spawn(async move { theirs.wait().await });
        barrier.wait().await;
    });
    let text = by_name!(blocked(&failure.unwrap_err()));
    assert!(text.contains("for `barrier` (created at <barrier>:31): 2 of 3 tasks have arrived\n"), "{text}");
}

#[test]
fn d16_messages_that_a_receiver_lost() {
    let exploration = explorer("d16_lagged").runs(1).run(|| async {
        let (tx, mut rx) = broadcast::channel(2); // @broadcast
        let task = spawn(async move {
            sleep(Duration::from_millis(1)).await;
            rx.recv().await.unwrap();
        });
        for number in 0..5 {
            tx.send(number).unwrap();
        }
        task.await.unwrap();
    });
    let report = by_name!(exploration.report());
    assert!(
        report
            .contains("`root.1` lost 3 messages of `broadcast channel` (created at <broadcast>:28) at step "),
        "{report}"
    );
    assert!(report.contains("receives from `broadcast channel` and loses 3 messages"), "{report}");
}

#[test]
fn d16_who_closed_and_when() {
    let exploration = explorer("d16_closed").runs(1).run(|| async {
        let semaphore = Arc::new(Semaphore::new(0)); // @closed
        let theirs = Arc::clone(&semaphore);
        timeloop::task::Builder::new().name("closer").spawn(async move { theirs.close() }).unwrap();
        drop(semaphore.acquire().await.unwrap());
    });
    let report = by_name!(exploration.report());
    assert!(
        report.contains(
            "`root` found `semaphore` (created at <closed>:34) closed at step 3; `closer` (root.1) closed it at step 2"
        ),
        "{report}"
    );
    // The same of a channel whose sender was dropped, and an error of the root instead of a panic.
    let exploration = explorer("d16_dropped").runs(1).run(|| async {
        let (tx, rx) = oneshot::channel::<()>();
        spawn(async move { drop(tx) }); // @drops
        timeout(Duration::from_secs(1), rx).await.unwrap()
    });
    let report = by_name!(exploration.report());
    assert!(report.contains("`root` found `oneshot channel`"), "{report}");
    assert!(report.contains("`root.1` (spawned at <drops>) closed it at step 2"), "{report}");
}

#[test]
fn d1_a_timeout_that_drops_a_future() {
    let exploration = explorer("d1_timeout").runs(1).run(|| async {
        let balances = Rc::new(Cell::new((100, 0)));
        let theirs = Rc::clone(&balances);
        let transfer = spawn(async move {
            let transfer = async {
                theirs.set((70, 0));
                sleep(Duration::from_millis(5)).await; // @waiting
                theirs.set((70, 30));
            };
            let _ = timeout(Duration::from_millis(3), transfer).await; // @timeout
        });
        transfer.await.unwrap();
        let (one, two) = balances.get();
        assert_eq!(one + two, 100);
    });
    let report = by_name!(exploration.report());
    assert!(report.contains("the timeout at <timeout> expires and drops the future waiting at"), "{report}");
}

#[test]
fn d1_a_select_and_an_abort_that_drop_futures() {
    let exploration = explorer("d1_select").runs(1).run(|| async {
        let aborted = spawn(async {
            Notify::new().notified().await; // @aborted
        });
        sleep(Duration::from_millis(1)).await;
        aborted.abort();
        timeloop::select! { // @select
            () = sleep(Duration::from_millis(5)) => panic!("the other branch is first"),
            () = sleep(Duration::from_millis(1)) => {}
        }
        timeloop::select! {
            biased;
            () = async {} => panic!("at the end"),
        }
    });
    let report = by_name!(exploration.report());
    assert!(
        report.contains("`select!` at <select> completes its 2nd branch and drops the others"),
        "{report}"
    );
    assert!(report.contains("root.1  aborted at <aborted>"), "{report}");
    assert_eq!(report.matches("completes its").count(), 1, "{report}");
}

/// The cancellation is part of the critical order if it decides.
#[test]
fn d1_a_timeout_is_the_critical_event() {
    let exploration =
        timeloop::Explorer::new("d1_critical").without_environment().without_regressions().silent();
    let exploration = exploration.run(|| async {
        let balances = Rc::new(Cell::new((100, 0)));
        let theirs = Rc::clone(&balances);
        let (tx, mut rx) = mpsc::channel(1);
        let sender = spawn(async move {
            sleep(Duration::from_millis(5)).await;
            let _ = tx.send(()).await;
        });
        let transfer = spawn(async move {
            let transfer = async {
                theirs.set((70, 0));
                rx.recv().await; // @receiving
                theirs.set((70, 30));
            };
            let _ = timeout(Duration::from_millis(5), transfer).await; // @expiring
        });
        sender.await.unwrap();
        transfer.await.unwrap();
        let (one, two) = balances.get();
        assert_eq!(one + two, 100);
    });
    let report = by_name!(exploration.report().replace("\n          ", " "));
    let (critical, _) = report.split_once("Failing schedule").unwrap();
    assert!(
        critical
            .contains("and the timeout at <expiring> expires and drops the future waiting at <receiving>"),
        "{report}"
    );
}

#[test]
fn d6_resources_of_one_name_are_distinguished() {
    let exploration = explorer("d6").runs(1).run(|| async {
        let one = Mutex::new(()); // @one
        let two = Mutex::new(()); // @two
        yield_now().await;
        let (_one, _two) = (one.lock().await, two.lock().await);
        panic!("at the end");
    });
    let report = exploration.report();
    let line =
        |mark: &str| 1 + include_str!("waits.rs").lines().position(|line| line.ends_with(mark)).unwrap();
    for mark in ["// @one", "// @two"] {
        let name = format!("acquires `mutex` of :{}", line(mark));
        assert!(report.contains(&name), "{name}: {report}");
    }
}

/// The path of a file in Cargo's registry is the same on every machine.
#[test]
fn d10_paths_in_the_registry_begin_with_the_crate() {
    for (path, shown) in [
        (
            "/home/u/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/flume-0.11.0/src/lib.rs",
            "flume-0.11.0/src/lib.rs",
        ),
        (
            r"C:\cargo\registry\src\index.crates.io-6f17d22bba15001f\flume-0.11.0\src\lib.rs",
            r"flume-0.11.0\src\lib.rs",
        ),
        ("/home/u/bank/src/registry/src.rs", "/home/u/bank/src/registry/src.rs"),
        ("src/bank.rs", "src/bank.rs"),
    ] {
        assert_eq!(timeloop::Site::new(path.into(), 1, 1).file, shown);
    }
}

/// Spawns a task that never ends, and whose timers are always pending.
fn ticker() {
    drop(spawn(async {
        loop {
            sleep(Duration::from_secs(1)).await;
        }
    }));
}

/// Holds the first lock when it needs the second.
async fn transfer(from: Rc<Mutex<u32>>, to: Rc<Mutex<u32>>) {
    let mut from = from.lock().await;
    sleep(Duration::from_millis(20)).await;
    let mut to = to.lock().await;
    *from -= 1;
    *to += 1;
}

/// Returns the failure of a run with a low limit on steps, which ends there.
fn at_step_limit<F: Future<Output = ()>>(name: &str, make: impl Fn() -> F + Sync) -> timeloop::Failure {
    let exploration = explorer(name).runs(1).max_steps(500).run(make);
    let failure = exploration.found.unwrap().failure;
    assert_eq!((failure.kind, failure.at_step), (FailureKind::StepLimit, 500), "{failure}");
    failure
}

/// A run with a cycle of waits and a ticker ends at the limit on steps, and the report says that the cycle lasts.
#[test]
fn b6_the_step_limit_names_a_cycle_beside_a_ticker() {
    let locks = at_step_limit("b6_locks", || async {
        let (ours, theirs) = (Rc::new(Mutex::new(5)), Rc::new(Mutex::new(5)));
        ticker();
        let one = spawn(transfer(Rc::clone(&ours), Rc::clone(&theirs)));
        let two = spawn(transfer(theirs, ours));
        one.await.unwrap();
        two.await.unwrap();
    });
    assert_eq!(
        locks.message(),
        "the run did not end within 500 steps. 2 tasks have waited for each other in a cycle since virtual time 20 ms, while other tasks \
         continued."
    );
    let text = blocked(&locks);
    assert!(
        text.contains("cycle: `transfer` (root.2) → `transfer` (root.3) → `transfer` (root.2)\n"),
        "{text}"
    );

    let join = at_step_limit("b6_join", || async {
        ticker();
        let lock = Rc::new(Mutex::new(()));
        let _held = lock.lock().await;
        let theirs = Rc::clone(&lock);
        spawn(async move { drop(theirs.lock().await) }).await.unwrap();
    });
    assert!(
        join.message().contains("2 tasks have waited for each other in a cycle since virtual time 0 s"),
        "{join}"
    );

    let three = at_step_limit("b6_three", || async {
        ticker();
        let locks: Vec<_> = (0..3).map(|_| Rc::new(RwLock::new(()))).collect();
        for number in 0..3 {
            let (one, two) = (Rc::clone(&locks[number]), Rc::clone(&locks[(number + 1) % 3]));
            drop(spawn(async move {
                let _one = one.write().await;
                sleep(Duration::from_millis(5)).await;
                if number == 0 { drop(two.read().await) } else { drop(two.write().await) }
            }));
        }
        sleep(Duration::from_secs(3_600)).await;
    });
    assert!(
        three.message().contains("3 tasks have waited for each other in a cycle since virtual time 5 ms"),
        "{three}"
    );
}

/// Without a cycle, or with one that has just begun, the limit may be too low.
#[test]
fn b6_the_step_limit_names_no_cycle_that_has_just_begun() {
    let raise = "the run did not end within 500 steps. If the test needs more, raise `max_steps`.";
    let late = at_step_limit("b6_late", || async {
        let (ours, theirs) = (Rc::new(Mutex::new(5)), Rc::new(Mutex::new(5)));
        ticker();
        sleep(Duration::from_secs(400)).await;
        drop(spawn(transfer(Rc::clone(&ours), Rc::clone(&theirs))));
        transfer(theirs, ours).await;
    });
    assert_eq!(late.message(), raise);
    assert!(blocked(&late).contains("cycle: "), "{late}");

    // Each waits for the other, but for a short time only.
    let retried = at_step_limit("b6_retried", || async {
        let (ours, theirs) = (Rc::new(Mutex::new(())), Rc::new(Mutex::new(())));
        for (one, two) in [(ours.clone(), theirs.clone()), (theirs, ours)] {
            drop(spawn(async move {
                loop {
                    let _one = one.lock().await;
                    sleep(Duration::from_millis(1)).await;
                    let _ = timeout(Duration::from_millis(5), two.lock()).await;
                }
            }));
        }
        sleep(Duration::from_secs(3_600)).await;
    });
    assert_eq!(retried.message(), raise);
}
