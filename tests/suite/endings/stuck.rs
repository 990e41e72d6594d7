//! Stuck runs: a poll that never returns is reported, and ends the process.

use timeloop::task::{self, yield_now};

use crate::support::{by_name, child, is_child};

async fn worker(flag: std::rc::Rc<std::cell::Cell<bool>>) {
    if flag.get() {
        loop {
            std::hint::spin_loop();
        }
    }
}

/// Run by the test below. Some schedules never return.
#[timeloop::test(stuck_after = "500ms", jobs = 1, strategy = "random")]
async fn hangs() {
    if !is_child() {
        return;
    }
    let flag = std::rc::Rc::new(std::cell::Cell::new(false));
    let task = task::Builder::new().name("worker").spawn(worker(flag.clone())).unwrap(); // @worker
    yield_now().await;
    flag.set(true);
    task.await.unwrap();
}

const TOLD: &str = "
timeloop: stuck: a poll has not returned for 500 ms
  test     suite::endings::stuck::hangs
  run      seed #, strategy `random`
  task     `root.1`, spawned at <worker>:52
  step     3
  replay   TIMELOOP_REPLAY=TL1# cargo test endings::stuck::hangs -- --exact
No other task can run during a poll, and a poll can't be interrupted, so the process is aborted.
Look for a loop without `.await`, or for a call that blocks the thread: a std lock or channel, a sleep, or
a `blocking_*` method of tokio that has to wait.
If the code is only slow, raise `stuck_after`, or set it to zero to wait for ever.
";

#[test]
fn ends_the_process_and_names_test_seed_task_and_replay_line() {
    let ended = child("endings::stuck::hangs", &[]);
    assert_eq!(ended.code, None, "the process is aborted: {ended:?}");
    assert_eq!(by_name!(ended.stderr), TOLD);

    // The replay line gets stuck at the same place.
    let token = ended.stderr.split_once("TIMELOOP_REPLAY=").unwrap().1.split_once(' ').unwrap().0;
    let ended = child("endings::stuck::hangs", &[("TIMELOOP_REPLAY", token)]);
    assert_eq!(ended.code, None, "the process is aborted: {ended:?}");
    assert_eq!(by_name!(ended.stderr), TOLD);
}
