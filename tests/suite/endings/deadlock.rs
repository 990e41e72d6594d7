//! Deadlocks: which tasks wait, at which lines of the user's code, and since when.

#[cfg(feature = "sync")]
use std::rc::Rc;

#[cfg(feature = "sync")]
use timeloop::FailureKind;
use timeloop::time::{Duration, sleep};
use timeloop::{run, task};

use crate::support::by_name;

#[test]
fn of_the_root_alone() {
    let failure = run(1, || async {
        std::future::pending::<()>().await;
    });
    assert_eq!(
        by_name!(failure.unwrap_err()),
        "\
deadlock after 0 s: no task is ready and no timer is pending, so nothing can wake the blocked task
  `root` returned `Pending` at step 1 without keeping a waker: nothing can wake it"
    );
}

#[cfg(feature = "sync")]
#[test]
fn over_two_locks() {
    use timeloop::sync::Mutex;

    async fn transfer(from: Rc<Mutex<u32>>, to: Rc<Mutex<u32>>) {
        let mut from = from.lock().await; // @first lock
        sleep(Duration::from_millis(20)).await;
        let mut to = to.lock().await; // @second lock
        *from -= 1;
        *to += 1;
    }

    let failure = run(1, || async {
        let (ours, theirs) = (Rc::new(Mutex::new(5)), Rc::new(Mutex::new(5))); // @accounts
        let pay = task::spawn(transfer(Rc::clone(&ours), Rc::clone(&theirs))); // @pay
        let refund = task::spawn(transfer(theirs, ours)); // @refund
        pay.await.unwrap(); // @join
        refund.await.unwrap();
    });
    let failure = failure.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    assert_eq!(by_name!(failure), "\
deadlock after 20 ms: no task is ready and no timer is pending, so nothing can wake the 3 blocked tasks
  cycle: `transfer` (root.1) → `transfer` (root.2) → `transfer` (root.1)
  `root` has waited at <join> since virtual time 0 s (for 20 ms) for task `transfer` (root.1) to end
  `transfer` (root.1), spawned at <pay>:19, has waited at <second lock> since virtual time 20 ms for `mutex` (created at <accounts>:63), held by `transfer` (root.2), acquired at <first lock>:29
  `transfer` (root.2), spawned at <refund>:22, has waited at <second lock> since virtual time 20 ms for `mutex` (created at <accounts>:39), held by `transfer` (root.1), acquired at <first lock>:29");
}

/// In a crate that does not know timeloop, the reported line is still the user's.
#[test]
fn over_a_future_of_a_foreign_crate() {
    use futures_channel::{mpsc, oneshot};
    use futures_util::StreamExt as _;

    async fn consume(mut orders: mpsc::Receiver<u32>) {
        while orders
            .next()
            .await // @next
            .is_some()
        {}
    }

    let failure = run(1, || async {
        sleep(Duration::from_secs(2)).await;
        let (_send_orders, orders) = mpsc::channel(1);
        let (_send_done, done) = oneshot::channel::<()>();
        task::spawn(consume(orders)); // @consumer
        done.await.unwrap(); // @done
    });
    assert_eq!(
        by_name!(failure.unwrap_err()),
        "\
deadlock after 2 s: no task is ready and no timer is pending, so nothing can wake the 2 blocked tasks
  `root` has been blocked at <done> since virtual time 2 s
  `consume` (root.1), spawned at <consumer>:9, has been blocked at <next> since virtual time 2 s"
    );
}

/// A combinator with its own wakers is where the task waits.
#[test]
fn over_a_future_with_wakers_of_its_own() {
    use futures_channel::oneshot;
    use futures_util::StreamExt as _;
    use futures_util::stream::FuturesUnordered;

    let failure = run(1, || async {
        let (_send, done) = oneshot::channel::<()>();
        let mut all: FuturesUnordered<_> = [done].into_iter().collect();
        all.next().await; // @all
    });
    assert_eq!(
        by_name!(failure.unwrap_err()),
        "\
deadlock after 0 s: no task is ready and no timer is pending, so nothing can wake the blocked task
  `root` has been blocked at <all> since virtual time 0 s"
    );
}

#[test]
fn of_many_tasks() {
    let failure = run(1, || async {
        for _ in 0..30 {
            task::spawn(std::future::pending::<()>()); // @spawn
        }
        std::future::pending::<()>().await;
    });
    assert_eq!(by_name!(failure.unwrap_err()), "\
deadlock after 0 s: no task is ready and no timer is pending, so nothing can wake the 31 blocked tasks (the first 20 are listed)
  `root` returned `Pending` at step 1 without keeping a waker: nothing can wake it
  `root.1`, spawned at <spawn>:13, returned `Pending` at step 6 without keeping a waker: nothing can wake it
  `root.2`, spawned at <spawn>:13, returned `Pending` at step 23 without keeping a waker: nothing can wake it
  `root.3`, spawned at <spawn>:13, returned `Pending` at step 15 without keeping a waker: nothing can wake it
  `root.4`, spawned at <spawn>:13, returned `Pending` at step 13 without keeping a waker: nothing can wake it
  `root.5`, spawned at <spawn>:13, returned `Pending` at step 18 without keeping a waker: nothing can wake it
  `root.6`, spawned at <spawn>:13, returned `Pending` at step 4 without keeping a waker: nothing can wake it
  `root.7`, spawned at <spawn>:13, returned `Pending` at step 10 without keeping a waker: nothing can wake it
  `root.8`, spawned at <spawn>:13, returned `Pending` at step 30 without keeping a waker: nothing can wake it
  `root.9`, spawned at <spawn>:13, returned `Pending` at step 11 without keeping a waker: nothing can wake it
  `root.10`, spawned at <spawn>:13, returned `Pending` at step 19 without keeping a waker: nothing can wake it
  `root.11`, spawned at <spawn>:13, returned `Pending` at step 17 without keeping a waker: nothing can wake it
  `root.12`, spawned at <spawn>:13, returned `Pending` at step 31 without keeping a waker: nothing can wake it
  `root.13`, spawned at <spawn>:13, returned `Pending` at step 26 without keeping a waker: nothing can wake it
  `root.14`, spawned at <spawn>:13, returned `Pending` at step 14 without keeping a waker: nothing can wake it
  `root.15`, spawned at <spawn>:13, returned `Pending` at step 28 without keeping a waker: nothing can wake it
  `root.16`, spawned at <spawn>:13, returned `Pending` at step 3 without keeping a waker: nothing can wake it
  `root.17`, spawned at <spawn>:13, returned `Pending` at step 22 without keeping a waker: nothing can wake it
  `root.18`, spawned at <spawn>:13, returned `Pending` at step 7 without keeping a waker: nothing can wake it
  `root.19`, spawned at <spawn>:13, returned `Pending` at step 29 without keeping a waker: nothing can wake it");
}

/// The task that would wake the root has panicked, which nothing has observed: the panic is reported with the deadlock.
#[cfg(feature = "sync")]
#[test]
fn waiting_for_a_task_that_panicked() {
    use timeloop::sync::Notify;

    let failure = run(1, || async {
        let done = Rc::new(Notify::new()); // @notify
        let worker = task::Builder::new().name("worker").spawn({
            let done = Rc::clone(&done);
            async move {
                let orders: &[u32] = &[];
                assert_eq!(orders.len(), 1, "no orders"); // @no orders
                done.notify_one();
            }
        });
        let worker = worker.unwrap();
        done.notified().await; // @done 2
        worker.await.unwrap();
    });
    assert_eq!(
        by_name!(failure.unwrap_err()),
        "\
deadlock after 0 s: no task is ready and no timer is pending, so nothing can wake the blocked task
  earlier, `worker` (root.1) panicked at <no orders>:17: assertion `left == right` failed: no orders
    left: 0
   right: 1
  `root` has waited at <done 2> since virtual time 0 s for `notify` (created at <notify>:28)"
    );
}
