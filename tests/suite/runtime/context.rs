//! Which loop `spawn` and similar functions use.

use timeloop::runtime::{Handle, Runtime};
use timeloop::spawn;
use timeloop::time::{Duration, Instant, sleep};

use crate::support::{Log, fifo, panic_text};

const SECOND: Duration = Duration::from_secs(1);
const ELSEWHERE: &str =
    "the event loop of this handle belongs to another thread; use a handle only on its loop's thread";

#[test]
fn an_entered_runtime_is_the_current_one() {
    let runtime = fifo();
    runtime.block_on(async { sleep(SECOND).await });
    let task = {
        let _guard = runtime.enter();
        let now = Instant::now();
        assert_eq!(runtime.block_on(async { Instant::now() }), now);
        spawn(async { 42 })
    };
    assert!(Handle::try_current().is_err());
    assert_eq!(runtime.block_on(task).unwrap(), 42);
}

#[test]
fn a_sleep_made_in_an_entered_runtime_is_awaited_in_it() {
    let runtime = fifo();
    let sleep = {
        let _guard = runtime.enter();
        sleep(SECOND)
    };
    let start = runtime.block_on(async { Instant::now() });
    runtime.block_on(sleep);
    assert_eq!(runtime.block_on(async { start.elapsed() }), SECOND);
}

#[test]
fn the_newest_guard_determines_the_current_loop() {
    let (first, second) = (fifo(), fifo());
    let ids = (first.handle().id(), second.handle().id());
    assert_ne!(ids.0, ids.1);
    let outer = first.enter();
    let inner = second.enter();
    assert_eq!(Handle::current().id(), ids.1);
    drop(inner);
    assert_eq!(Handle::current().id(), ids.0);
    drop(outer);
    assert!(Handle::try_current().is_err());
}

#[test]
fn the_running_loop_takes_precedence_over_entered_ones() {
    let (first, second) = (fifo(), fifo());
    let _entered = first.enter();
    second.block_on(async {
        assert_eq!(Handle::current().id(), second.handle().id());
        let _entered = first.enter();
        assert_eq!(Handle::current().id(), second.handle().id());
        spawn(async {}).await.unwrap();
    });
}

#[test]
fn a_handle_spawns_from_elsewhere() {
    let runtime = fifo();
    let log = Log::new();
    let (handle, task) = (runtime.handle().clone(), log.clone());
    // Outside every loop, and inside another one.
    let first = handle.spawn({
        let log = log.clone();
        async move { log.push("from no loop") }
    });
    let other = fifo();
    let second = other.block_on(async move {
        let task = handle.spawn(async move { task.push("from another loop") });
        Some(task)
    });
    let second = second.expect("just spawned");
    let third = runtime.handle().spawn_blocking(|| 42);
    assert_eq!(log.take(), [""; 0]);
    runtime.block_on(async {
        first.await.unwrap();
        second.await.unwrap();
        assert_eq!(third.await.unwrap(), 42);
    });
    assert_eq!(log.take(), ["from no loop", "from another loop"]);
}

#[test]
fn a_handle_in_a_run_spawns_and_enters() {
    timeloop::run(0, || async {
        let handle = Handle::current();
        let task = handle.spawn(async { 42 });
        let _guard = handle.enter();
        assert_eq!(task.await.unwrap(), 42);
    })
    .unwrap();
}

#[test]
fn a_handle_cancels_what_is_spawned_after_its_run() {
    let handle = timeloop::run(0, || async { Handle::current() }).unwrap();
    assert!(handle.spawn(async {}).is_finished());
    assert!(handle.spawn_blocking(|| ()).is_finished());
    drop(handle.enter());
    assert_eq!(handle.block_on(async { 42 }), 42);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what happens on a real thread is what is tested")]
fn a_handle_panics_on_another_thread() {
    let runtime = fifo();
    let handle = runtime.handle().clone();
    let there = std::thread::spawn(move || {
        let texts = [panic_text(|| drop(handle.spawn(async {}))), panic_text(|| handle.block_on(async {}))];
        assert_eq!(handle.metrics().num_alive_tasks(), 0);
        texts
    });
    assert_eq!(there.join().unwrap(), [ELSEWHERE, ELSEWHERE]);
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
}

#[test]
fn without_a_loop_there_is_no_handle() {
    let error = Handle::try_current().unwrap_err();
    assert_eq!(error.to_string(), "no event loop is running: call this inside a timeloop run");
    assert!(error.is_missing_context() && !error.is_thread_local_destroyed());
    assert_eq!(
        panic_text(|| drop(Handle::current())),
        "can't get the current handle outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, \
         `timeloop::explore` or `Runtime::block_on`"
    );
}

#[test]
fn the_flavor_is_that_of_the_builder() {
    let runtime = Runtime::new().unwrap();
    assert_eq!(runtime.handle().runtime_flavor(), timeloop::runtime::RuntimeFlavor::MultiThread);
}
