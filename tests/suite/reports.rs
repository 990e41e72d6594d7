//! Whole reports of realistic bugs. Places and numbers in them are replaced by [`by_name`].

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
timeloop: `bank::tests::deposits_add_up` failed in # of # schedules: panic at <balance>:9

  assertion `left == right` failed: money was lost
    left: 2000
   right: 2700
  (in task `root`, after 6 steps, at virtual time 0 s)

Critical order (checked): if these two swap, the test passes
  step 3  `deposit` (root.2) starts
  step 4  `deposit` (root.1) resumes at <log>

Failing schedule: FIFO order

Steps
    step  time  task              ran from → to
       1   0 s  root              start → <first>
       2   0 s  deposit (root.1)  start → <log>
       3   0 s  deposit (root.2)  start → <log>
       4   0 s  deposit (root.1)  <log> → end
       5   0 s  deposit (root.2)  <log> → end
       6   0 s  root              <first> → panic

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test tests::deposits_add_up -- --exact
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
timeloop: `bank::tests::large_deposits` failed in # of # schedules: panic at <rent lost>:9

  rent was lost
  (in task `root`, after 6 steps, at virtual time 0 s)

Critical order (checked): if these two swap, the test passes
  step 2  `wages` (root.2) starts
  step 3  `rent` (root.1) starts

Failing schedule: FIFO order, except
  step 2  `wages` (root.2) starts before `rent` (root.1) starts
  (`rent` (root.1) is spawned at <deposits>:18; `wages` (root.2) is spawned at
   <deposits>:18)

Steps (▸ out of FIFO order)
    step  time  task             ran from → to
       1   0 s  root             start → <each>
  ▸    2   0 s  wages (root.2)   start → <log>
       3   0 s  rent (root.1)    start → end
       4   0 s  refund (root.3)  start → end
       5   0 s  wages (root.2)   <log> → end
       6   0 s  root             <each> → panic

found by   seed # (run #, strategy `#`); TIMELOOP_SEED=# tries it first
shrunk     from # deviations to # in # runs
replay     TIMELOOP_REPLAY=TL1# cargo test tests::large_deposits -- --exact
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
timeloop: `bank::tests::transfers` failed in # of # schedules: deadlock

  no task is ready and no timer is pending, so nothing can wake the 2 blocked tasks
  (after 5 steps, at virtual time 40 ms)

Blocked tasks
  cycle: `root` → `pay` (root.1) → `root`
  - `root` has waited at <ours> since virtual time 40 ms for `mutex` (created at
    <accounts>:39), held by `pay` (root.1), acquired at <from>:29
  - `pay` (root.1), spawned at <pay>:21, has waited at <to> since
    virtual time 20 ms (for 20 ms) for `mutex` (created at <accounts>:64), held by `root`,
    acquired at <held>:27

Critical order (checked): if these two swap, the test passes
  step 3  `root` acquires `mutex` (created at <accounts>:64) at <held>
  step 4  `pay` (root.1) tries to acquire it at <to>

Failing schedule: FIFO order

Steps
    step   time  task          ran from → to
       1    0 s  root          start → <connect>
       2    0 s  pay (root.1)  start → <connect>
       3  20 ms  root          <connect> → <connect>  acquires `mutex` of <accounts>:64
       4  20 ms  pay (root.1)  <connect> → <to>  acquires `mutex` of <accounts>:39, tries to acquire `mutex` of <accounts>:64
       5  40 ms  root          <connect> → <ours>  tries to acquire `mutex` of <accounts>:39

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test tests::transfers -- --exact
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
timeloop: `client::tests::asks_once` failed in # of # schedules: panic at <once>:9

  assertion `left == right` failed: asked and served once
    left: (None, 1)
   right: (Some(42), 1)
  (in task `root`, after 5 steps, at virtual time 200 ms)

Critical order (checked): if these two swap, the test passes
  step 3  `root` checks `oneshot channel` (created at <oneshot>:34) at
          <answered>, and the timeout at <answered> expires and drops the
          future waiting at <answered>
  step 4  `server` (root.1) sends to it at <answer>

Failing schedule: FIFO order

Steps
    step    time  task             ran from → to
       1     0 s  root             start → <answered>  sends to `mpsc channel`, …
       2     0 s  server (root.1)  start → <work>  receives from `mpsc channel`
       3  100 ms  root             <answered> → <answered>  the timeout at <answered> expires and drops the future waiting at <answered>, …
       4  100 ms  server (root.1)  <work> → <work>  sends to `oneshot channel` #1 of <oneshot>, …
       5  200 ms  root             <answered> → panic  the timeout at <answered> expires and drops the future waiting at <answered>, …

found by   the baseline run (FIFO order)
replay     TIMELOOP_REPLAY=TL1# cargo test tests::asks_once -- --exact
"
    );
}

#[test]
fn of_a_test_that_passes() {
    let exploration = explorer("bank::tests::calm").run(|| async {});
    assert_eq!(
        exploration.report(),
        "\
timeloop: `bank::tests::calm` passed in 1,001 schedules
"
    );
}
