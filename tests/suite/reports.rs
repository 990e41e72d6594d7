//! Reports of bugs as people write them, whole: what someone woken at night reads.
//!
//! Always true: lines of the source that a report names are written as the names of the lines (see `places_by_name`); all
//! else stands as it is printed.

use std::cell::Cell;
use std::rc::Rc;

use timeloop::sync::{Mutex, mpsc, oneshot};
use timeloop::time::{Duration, sleep, timeout};
use timeloop::{spawn, task};

use crate::support::{by_name, explorer};

/// An account whose balance is read, thought about, and written.
#[derive(Default)]
struct Account {
    balance: Cell<i64>,
}

impl Account {
    async fn deposit(self: Rc<Self>, amount: i64) {
        let balance = self.balance.get();
        audit_log(amount).await; // @deposit
        self.balance.set(balance + amount);
    }
}

async fn audit_log(_amount: i64) {
    task::yield_now().await; // @log
}

#[test]
fn of_a_lost_update() {
    let exploration = explorer("bank::tests::deposits_add_up").run(|| async {
        let account = Rc::new(Account::default());
        let rent = spawn(Account::deposit(Rc::clone(&account), 700)); // @rent
        let wages = spawn(Account::deposit(Rc::clone(&account), 2_000)); // @wages
        rent.await.unwrap(); // @first
        wages.await.unwrap(); // @second
        assert_eq!(account.balance.get(), 2_700, "money was lost"); // @balance
    });
    assert_eq!(
        by_name!(exploration.report()),
        "\
timeloop: `bank::tests::deposits_add_up` fails in 96 of 201 schedules: panic at <balance>:9

  assertion `left == right` failed: money was lost
    left: 2000
   right: 2700
  (in task `root`; after 0 s of virtual time and 6 steps)

It fails in the quiet run: every task runs in its turn, first in, first out.
Critical: `deposit` (root.2) starts before `deposit` (root.1) resumes at <log>; the other
way round the test passes (checked).

The last steps: virtual time, step, task, from where to where it ran
    0 s  1  root              from its start to <first>
    0 s  2  deposit (root.1)  from its start to <log>
    0 s  3  deposit (root.2)  from its start to <log>
    0 s  4  deposit (root.1)  from <log>, ends
    0 s  5  deposit (root.2)  from <log>, ends
    0 s  6  root              from <first>, panics

found by   the quiet run: no schedule needed
replay     TIMELOOP_REPLAY=TL10YJBJ0KN04001F9BZ7AG cargo test tests::deposits_add_up -- --exact
"
    );
}

/// Only if the large deposit starts before the small one, and ends after it.
#[test]
fn of_an_update_that_is_lost_in_one_order_only() {
    async fn deposit(account: Rc<Account>, amount: i64) {
        let balance = account.balance.get();
        if amount > 1_000 {
            audit_log(amount).await; // @large
        }
        account.balance.set(balance + amount);
    }

    let exploration = explorer("bank::tests::large_deposits").run(|| async {
        let account = Rc::new(Account::default());
        let names = [("rent", 700), ("wages", 2_000), ("refund", 20)];
        let tasks = names.map(|(name, amount)| {
            let task = task::Builder::new().name(name);
            task.spawn(deposit(Rc::clone(&account), amount)).unwrap() // @deposits
        });
        for task in tasks {
            task.await.unwrap(); // @each
        }
        assert!(account.balance.get() != 2_000, "rent was lost"); // @rent lost
    });
    assert_eq!(
        by_name!(exploration.report()),
        "\
timeloop: `bank::tests::large_deposits` fails in 27 of 203 schedules: panic at <rent lost>:9

  rent was lost
  (in task `root`; after 0 s of virtual time and 6 steps)

How it happens, where all else runs in its turn, first in, first out:
  step 2   `wages` (root.2) starts before `rent` (root.1) starts.
  (`rent` (root.1) was spawned at <deposits>:18; `wages` (root.2) was spawned at
   <deposits>:18)
Critical: `wages` (root.2) starts before `rent` (root.1) starts; the other way round the test passes
(checked).
Deviations from that order: 2 as found, 1 after 9 runs of shrinking.

The last steps: virtual time, step, task, from where to where it ran (* out of its turn)
    0 s  1  root             from its start to <each>
  * 0 s  2  wages (root.2)   from its start to <log>
    0 s  3  rent (root.1)    starts, ends
    0 s  4  refund (root.3)  starts, ends
    0 s  5  wages (root.2)   from <log>, ends
    0 s  6  root             from <each>, panics

found by   seed 1 (run 2, strategy `random`): TIMELOOP_SEED=1 finds it at once
replay     TIMELOOP_REPLAY=TL11QPXD6WB04002082000000BJF8GX4 cargo test tests::large_deposits -- --exact
"
    );
}

#[test]
fn of_a_deadlock() {
    async fn transfer(from: Rc<Mutex<i64>>, to: Rc<Mutex<i64>>, amount: i64) {
        let mut from = from.lock().await; // @from
        let mut to = to.lock().await; // @to
        *from -= amount;
        *to += amount;
    }

    async fn connect() {
        sleep(Duration::from_millis(20)).await; // @connect
    }

    async fn pay(ours: Rc<Mutex<i64>>, theirs: Rc<Mutex<i64>>) {
        connect().await;
        transfer(ours, theirs, 5).await;
    }

    let exploration = explorer("bank::tests::transfers").run(|| async {
        let (ours, theirs) = (Rc::new(Mutex::new(10)), Rc::new(Mutex::new(10))); // @accounts
        let there = spawn(pay(Rc::clone(&ours), Rc::clone(&theirs))); // @pay
        connect().await; // @back
        let held = theirs.lock().await; // @held
        connect().await; // @while held
        drop(ours.lock().await); // @ours
        drop(held);
        there.await.unwrap();
    });
    assert_eq!(
        by_name!(exploration.report()),
        "\
timeloop: `bank::tests::transfers` fails in 95 of 201 schedules: deadlock

  no task is ready and no timer is set, so nothing in the run can wake any of the 2 tasks that wait
  (after 40 ms of virtual time and 5 steps)

Tasks that wait:
  cycle: `root` -> `pay` (root.1) -> `root`
  - `root` waits at <ours> since 40 ms for `mutex` (made at
    <accounts>:39), which `pay` (root.1) holds since <from>:29
  - `pay` (root.1), spawned at <pay>:21, waits at <to> since 20 ms
    for `mutex` (made at <accounts>:64), which `root` holds since
    <held>:27

It fails in the quiet run: every task runs in its turn, first in, first out.
Critical: `root` acquires `mutex` (made at <accounts>) at <held> before
`pay` (root.1) acquires it at <to>; the other way round the test passes (checked).

The last steps: virtual time, step, task, from where to where it ran
      0 s  1  root          from its start to <connect>
      0 s  2  pay (root.1)  from its start to <connect>
    20 ms  3  root          from <connect> to <connect>; acquires `mutex`
    20 ms  4  pay (root.1)  from <connect> to <to>; acquires `mutex`
    40 ms  5  root          from <connect> to <ours>; acquires `mutex`

found by   the quiet run: no schedule needed
replay     TIMELOOP_REPLAY=TL10XRS7S3M04001ZEFMSYG cargo test tests::transfers -- --exact
"
    );
}

/// The answer comes at the very instant at which the client gives up, and is lost.
#[test]
fn of_a_race_with_a_timeout() {
    async fn server(mut requests: mpsc::Receiver<(u32, oneshot::Sender<u32>)>, served: Rc<Cell<u32>>) {
        let mut received = requests.recv().await;
        while let Some((number, answer)) = received {
            sleep(Duration::from_millis(100)).await; // @work
            served.set(served.get() + 1);
            let _ = answer.send(number * 2); // @answer
            received = requests.recv().await; // @receive
        }
    }

    async fn ask(requests: &mpsc::Sender<(u32, oneshot::Sender<u32>)>) -> Option<u32> {
        let (answer, answered) = oneshot::channel(); // @oneshot
        requests.send((21, answer)).await.unwrap(); // @send
        let in_time = timeout(Duration::from_millis(100), answered).await; // @answered
        in_time.ok()?.ok()
    }

    let exploration = explorer("client::tests::asks_once").run(|| async {
        let (requests, queue) = mpsc::channel(1); // @queue
        let served = Rc::new(Cell::new(0));
        spawn(server(queue, Rc::clone(&served))); // @server
        let mut answer = ask(&requests).await; // @ask
        if answer.is_none() {
            answer = ask(&requests).await; // @ask again
        }
        assert_eq!((answer, served.get()), (Some(42), 1), "asked and served once"); // @once
    });
    assert_eq!(
        by_name!(exploration.report()),
        "\
timeloop: `client::tests::asks_once` fails in 95 of 201 schedules: panic at <once>:9

  assertion `left == right` failed: asked and served once
    left: (None, 1)
   right: (Some(42), 1)
  (in task `root`; after 200 ms of virtual time and 5 steps)

It fails in the quiet run: every task runs in its turn, first in, first out.
Critical: `root` reads `oneshot channel` (made at <oneshot>) at <answered>
before `server` (root.1) sends to it at <answer>; the other way round the test passes
(checked).

The last steps: virtual time, step, task, from where to where it ran
       0 s  1  root             from its start to <answered>; sends to `mpsc channel`, …
       0 s  2  server (root.1)  from its start to <work>; receives from `mpsc channel`
    100 ms  3  root             from <answered> to <answered>
    100 ms  4  server (root.1)  from <work> to <work>
    200 ms  5  root             from <answered>, panics; reads `oneshot channel`, …

found by   the quiet run: no schedule needed
replay     TIMELOOP_REPLAY=TL10ZC3KPA3040018SPQSKG cargo test tests::asks_once -- --exact
"
    );
}

#[test]
fn of_a_test_that_passes() {
    let exploration = explorer("bank::tests::calm").run(|| async {});
    assert_eq!(
        exploration.report(),
        "\
timeloop: `bank::tests::calm` passes in 1,001 schedules
"
    );
}
