//! Runtimes that are shut down, and what is left of them.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use timeloop::runtime::{Handle, Runtime};
use timeloop::task::{self, JoinSet, try_id, yield_now};
use timeloop::time::{Duration, sleep};

use super::{runtime, workers};
use crate::support::{on_drop, panic_text};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn b13_e01_a_join_set_outlives_the_runtime_of_its_tasks() {
    let mut set = JoinSet::new();
    {
        let gone = runtime();
        set.spawn_on(pending::<u32>(), gone.handle());
        set.spawn_on(async { 5 }, gone.handle());
        gone.block_on(async {
            yield_now().await;
            yield_now().await;
        });
    }
    runtime().block_on(async {
        let mut ends = Vec::new();
        while let Some(end) = set.join_next().await {
            ends.push(end.map_err(|error| error.is_cancelled()));
        }
        ends.sort();
        assert_eq!(ends, [Ok(5), Err(true)]);
    });
}

#[test]
fn b13_e02_a_runtime_that_is_shut_down_while_it_is_entered_runs_again() {
    let first = runtime();
    let _entered = first.enter();
    let answer = task::spawn_blocking(|| 42);
    first.shutdown_timeout(SECOND);
    let handle = Handle::current();
    assert_eq!(handle.block_on(answer).unwrap(), 42, "a closure that was spawned before runs to its end");
    let later = task::spawn(async { 43 });
    assert!(handle.block_on(later).unwrap_err().is_cancelled());
}

#[test]
fn e02_a_shutdown_that_does_not_wait_leaves_closures_out() {
    let ends: [fn(Runtime); 2] =
        [Runtime::shutdown_background, |runtime| runtime.shutdown_timeout(Duration::ZERO)];
    for end in ends {
        let gone = runtime();
        let closure = gone.spawn_blocking(|| 42);
        end(gone);
        assert!(runtime().block_on(closure).unwrap_err().is_cancelled());
    }
}

#[test]
fn b13_e06_a_handle_cancels_what_is_spawned_after_the_shutdown() {
    let handle = {
        let gone = runtime();
        gone.handle().clone()
    };
    let (polled, dropped) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let (poll, guard) = (Rc::clone(&polled), Rc::clone(&dropped));
    let guard = on_drop(move || guard.set(true));
    let task = handle.spawn(async move {
        let _guard = guard;
        poll.set(true);
    });
    assert!(task.is_finished() && dropped.get());
    assert!(handle.block_on(task).unwrap_err().is_cancelled());
    let blocking = handle.spawn_blocking(|| 42);
    assert!(handle.block_on(blocking).unwrap_err().is_cancelled());
    assert!(!polled.get());
    let inside = handle.block_on(async { task::spawn(async {}).await.unwrap_err().is_cancelled() });
    assert!(inside);
    let _entered = handle.enter();
    assert!(handle.block_on(task::spawn(async {})).unwrap_err().is_cancelled());
}

#[test]
fn e06_timers_of_a_runtime_that_is_shut_down_panic() {
    let gone = workers();
    let handle = gone.handle().clone();
    let entered = handle.enter();
    let mut asleep = Box::pin(sleep(SECOND));
    drop(gone);
    let before = panic_text(|| handle.block_on(asleep.as_mut()));
    assert!(before.contains("is being shutdown"), "{before}");
    let after = panic_text(|| handle.block_on(async { sleep(SECOND).await }));
    assert!(after.contains("is being shutdown"), "{after}");
    drop(entered);
}

#[test]
fn e06_a_wait_that_nothing_can_end_after_the_shutdown_is_refused() {
    let handle = runtime().handle().clone();
    let text = panic_text(|| handle.block_on(pending::<()>()));
    assert!(text.contains("has been shut down"), "{text}");
    let mut polls = 0;
    let spins = poll_fn(|cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls < 5 { Poll::Pending } else { Poll::Ready(polls) }
    });
    assert_eq!(handle.block_on(spins), 5);
}

#[test]
fn e06_outputs_outlive_their_runtime() {
    let gone = runtime();
    let (ended, running) = (gone.spawn(async { 42 }), gone.spawn(pending::<()>()));
    gone.block_on(yield_now());
    drop(gone);
    runtime().block_on(async {
        assert_eq!(ended.await.unwrap(), 42);
        assert!(running.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn e06_tasks_of_another_runtime_learn_of_the_shutdown() {
    let (gone, other) = (runtime(), runtime());
    let task = gone.spawn(pending::<()>());
    let joined = other.spawn(async { task.await.unwrap_err().is_cancelled() });
    other.block_on(yield_now());
    drop(gone);
    assert!(other.block_on(joined).unwrap());
}

#[test]
fn e12_the_destructor_of_an_output_has_the_id_of_its_task() {
    timeloop::run(0, || async {
        struct Output(Rc<Cell<Option<task::Id>>>);

        impl Drop for Output {
            fn drop(&mut self) {
                self.0.set(try_id());
            }
        }

        let seen = Rc::new(Cell::new(None));
        let output = Output(Rc::clone(&seen));
        let handle = task::spawn(async move { output });
        while !handle.is_finished() {
            yield_now().await;
        }
        let id = handle.id();
        drop(handle);
        assert_eq!(seen.get(), Some(id));
        assert_eq!(try_id(), None);
    })
    .unwrap();
}
