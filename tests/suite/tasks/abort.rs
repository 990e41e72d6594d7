//! Aborting a task: when it takes effect, and what is observed.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use timeloop::task::{AbortHandle, yield_now};
use timeloop::time::sleep;
use timeloop::{FailureKind, spawn};

use crate::support::{Log, on_drop};

#[test]
fn before_the_first_poll_the_future_is_dropped_and_never_polled() {
    for seed in 0..50 {
        timeloop::run(seed, || async {
            let log = Log::new();
            let (task, guard) = (log.clone(), log.on_drop("dropped"));
            let handle = spawn(async move {
                let _guard = guard;
                task.push("polled");
            });
            handle.abort();
            assert!(!handle.is_finished());
            assert!(handle.await.unwrap_err().is_cancelled());
            assert_eq!(log.take(), ["dropped"]);
        })
        .unwrap();
    }
}

#[test]
fn while_it_waits_its_locals_are_dropped_and_it_stops() {
    timeloop::run(0, || async {
        let log = Log::new();
        let (task, guard) = (log.clone(), log.on_drop("dropped"));
        let handle = spawn(async move {
            let _guard = guard;
            task.push("begun");
            pending::<()>().await;
            task.push("not reached");
        });
        sleep(Duration::from_secs(1)).await;
        handle.abort();
        assert_eq!(log.take(), ["begun"]);
        assert!(handle.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["dropped"]);
    })
    .unwrap();
}

#[test]
fn by_itself_it_continues_to_its_next_await() {
    timeloop::run(0, || async {
        let log = Log::new();
        let task = log.clone();
        let handle: Rc<Cell<Option<AbortHandle>>> = Rc::default();
        let own = Rc::clone(&handle);
        let task = spawn(async move {
            own.take().unwrap().abort();
            task.push("after the abort");
            yield_now().await;
            task.push("not reached");
        });
        handle.set(Some(task.abort_handle()));
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["after the abort"]);
    })
    .unwrap();
}

#[test]
fn by_itself_without_another_await_it_ends_with_its_output() {
    timeloop::run(0, || async {
        let handle: Rc<Cell<Option<AbortHandle>>> = Rc::default();
        let own = Rc::clone(&handle);
        let task = spawn(async move {
            own.take().unwrap().abort();
            42
        });
        handle.set(Some(task.abort_handle()));
        assert_eq!(task.await.unwrap(), 42);
    })
    .unwrap();
}

#[test]
fn after_it_has_ended_nothing_changes() {
    timeloop::run(0, || async {
        let task = spawn(async { 42 });
        sleep(Duration::from_secs(1)).await;
        assert!(task.is_finished());
        task.abort();
        assert_eq!(task.await.unwrap(), 42);
    })
    .unwrap();
}

#[test]
fn aborting_twice_is_like_once() {
    timeloop::run(0, || async {
        let task = spawn(pending::<()>());
        yield_now().await;
        task.abort();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    })
    .unwrap();
}

#[test]
fn in_a_destructor_another_task_is_aborted() {
    for seed in 0..20 {
        timeloop::run(seed, || async {
            let victim = spawn(pending::<()>());
            let abort = victim.abort_handle();
            let guard = on_drop(move || abort.abort());
            let owner = spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            yield_now().await;
            owner.abort();
            assert!(victim.await.unwrap_err().is_cancelled());
            assert!(owner.await.unwrap_err().is_cancelled());
        })
        .unwrap();
    }
}

#[test]
fn in_its_own_destructor_nothing_changes() {
    timeloop::run(0, || async {
        let handle: Rc<Cell<Option<AbortHandle>>> = Rc::default();
        let own = Rc::clone(&handle);
        let guard = on_drop(move || own.take().unwrap().abort());
        let task = spawn(async move {
            let _guard = guard;
            42
        });
        handle.set(Some(task.abort_handle()));
        assert_eq!(task.await.unwrap(), 42);
    })
    .unwrap();
}

#[test]
fn wakes_the_task_that_awaits_it() {
    timeloop::run(0, || async {
        let task = spawn(pending::<()>());
        let abort = task.abort_handle();
        spawn(async move {
            sleep(Duration::from_secs(5)).await;
            abort.abort();
        });
        assert!(task.await.unwrap_err().is_cancelled());
    })
    .unwrap();
}

#[test]
fn a_detached_task_can_be_aborted() {
    timeloop::run(0, || async {
        let log = Log::new();
        let guard = log.on_drop("dropped");
        let abort = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        })
        .abort_handle();
        yield_now().await;
        abort.abort();
        assert!(!abort.is_finished());
        sleep(Duration::from_secs(1)).await;
        assert!(abort.is_finished());
        assert_eq!(log.take(), ["dropped"]);
    })
    .unwrap();
}

#[test]
fn a_destructor_that_panics_makes_it_a_panic() {
    timeloop::run(0, || async {
        let guard = on_drop(|| panic!("in drop"));
        let task = spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        yield_now().await;
        task.abort();
        let error = task.await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"in drop"));
    })
    .unwrap();
}

#[test]
fn a_blocking_closure_that_has_not_started_is_dropped() {
    timeloop::run(0, || async {
        let log = Log::new();
        let (closure, guard) = (log.clone(), log.on_drop("dropped"));
        let task = timeloop::task::spawn_blocking(move || {
            let _guard = guard;
            closure.push("ran");
        });
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["dropped"]);
    })
    .unwrap();
}

/// A slot's generation wraps around after 65,536 tasks: an old handle must not abort an unrelated task.
#[test]
fn an_old_handle_never_aborts_another_task() {
    timeloop::run(0, || async {
        let first = spawn(async {});
        let old = first.abort_handle();
        first.await.unwrap();
        for _ in 0..(1 << 16) - 1 {
            spawn(async {}).await.unwrap();
            sleep(Duration::from_nanos(1)).await;
        }
        let stranger = spawn(async {
            sleep(Duration::from_secs(1)).await;
            42
        });
        assert!(old.is_finished());
        old.abort();
        assert_eq!(stranger.await.unwrap(), 42);
    })
    .unwrap();
}

#[test]
fn the_panic_of_a_task_that_was_aborted_too_late_is_not_lost() {
    let failure = timeloop::run(0, || async {
        let task = spawn(async { panic!("before the abort") });
        sleep(Duration::from_secs(1)).await;
        task.abort();
        drop(task);
        sleep(Duration::from_secs(1)).await;
    })
    .unwrap_err();
    assert_eq!(
        (failure.kind, failure.message().as_str()),
        (FailureKind::UnobservedPanic, "before the abort")
    );
}
