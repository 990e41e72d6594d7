//! `task_local!` and `LocalKey`: where a value is visible, and where not.
//!
//! # Invariants
//! Each test declares its own keys.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use timeloop::task::{self, LocalKey};

use super::{Log, Token, run};

timeloop::task_local! {}

timeloop::task_local! {
    /// A key that is visible outside.
    pub(crate) static SHARED: u32;

    #[expect(non_upper_case_globals, reason = "attributes stay with their key")]
    static lower_case: String;
    static LAST: Cell<u32>
}

/// Returns the message of a panic.
fn panic_message<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(f()))) else { panic!("no panic") };
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).expect("panics carry text")
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_value_is_seen_inside_its_scope_and_nowhere_else() {
    run(|| async {
        assert!(SHARED.try_get().is_err());
        SHARED
            .scope(1, async {
                assert_eq!(SHARED.get(), 1);
                task::yield_now().await;
                assert_eq!(SHARED.with(|value| value + 1), 2);
                assert_eq!(SHARED.try_with(|value| *value), Ok(1));
            })
            .await;
        assert!(SHARED.try_get().is_err() && lower_case.try_get().is_err());
    });
}

#[test]
fn scopes_nest() {
    run(|| async {
        let seen = SHARED
            .scope(1, async {
                let outer = SHARED.get();
                let inner = SHARED
                    .scope(2, async {
                        task::yield_now().await;
                        SHARED.get()
                    })
                    .await;
                task::yield_now().await;
                (outer, inner, SHARED.get())
            })
            .await;
        assert_eq!(seen, (1, 2, 1));
    });
}

#[test]
fn tasks_do_not_see_each_others_values() {
    for seed in 0..20_u64 {
        timeloop::run(seed, || async {
            let spawn = |value| {
                timeloop::spawn(SHARED.scope(value, async move {
                    for _ in 0..3 {
                        task::yield_now().await;
                        assert_eq!(SHARED.get(), value);
                        // A spawned task inherits nothing.
                        assert!(timeloop::spawn(async { SHARED.try_get() }).await.unwrap().is_err());
                    }
                }))
            };
            let (first, second) = timeloop::join!(spawn(1), spawn(2));
            first.and(second).unwrap();
        })
        .unwrap();
    }
}

#[test]
fn a_value_can_be_changed_through_a_cell() {
    run(|| async {
        let changed = LAST
            .scope(Cell::new(1), async {
                LAST.with(|cell| cell.set(cell.get() + 1));
                task::yield_now().await;
                LAST.with(Cell::get)
            })
            .await;
        assert_eq!(changed, 2);
    });
}

#[test]
fn sync_scope_gives_the_result_and_takes_the_value_away_again() {
    let seen = SHARED.sync_scope(1, || (SHARED.get(), SHARED.sync_scope(2, || SHARED.get()), SHARED.get()));
    assert_eq!(seen, (1, 2, 1));
    assert!(SHARED.try_get().is_err());
    let message = panic_message(|| SHARED.sync_scope(1, || -> () { panic!("inside") }));
    assert_eq!(message, "inside");
    assert!(SHARED.try_get().is_err());
}

#[test]
fn a_panic_in_a_scope_takes_the_value_away_again() {
    let mut future = Box::pin(SHARED.scope(1, async {
        assert_eq!(SHARED.get(), 1);
        panic!("inside");
    }));
    let message = panic_message(|| poll_once::<_>(future.as_mut()));
    assert_eq!(message, "inside");
    assert!(SHARED.try_get().is_err());
    assert_eq!(future.as_mut().take_value(), Some(1));
}

#[test]
fn the_messages_of_access_without_value() {
    let error = SHARED.try_with(|_| ()).unwrap_err();
    assert_eq!(
        (error.to_string(), format!("{error:?}")),
        ("task-local value not set".into(), "AccessError".into())
    );
    assert_eq!(SHARED.try_get(), Err(error));
    let message = "cannot access a task-local storage value without setting it first";
    assert_eq!(panic_message(|| SHARED.get()), message);
    assert_eq!(panic_message(|| SHARED.with(|_| ())), message);
}

#[test]
fn a_scope_cannot_begin_while_the_value_is_borrowed() {
    let message = "cannot enter a task-local scope while the task-local storage is borrowed";
    let attempt = || SHARED.sync_scope(1, || SHARED.with(|_| SHARED.sync_scope(2, || ())));
    assert_eq!(panic_message(attempt), message);
    let attempt = || {
        SHARED.sync_scope(1, || {
            let mut future = Box::pin(SHARED.scope(2, async {}));
            let _ = SHARED.with(|_| poll_once(future.as_mut()));
        });
    };
    assert_eq!(panic_message(attempt), message);
    assert!(SHARED.try_get().is_err());
    // Nested reads are allowed.
    assert_eq!(SHARED.sync_scope(1, || SHARED.with(|outer| outer + SHARED.get())), 2);
}

#[test]
fn a_completed_scope_keeps_its_value_and_cannot_be_polled() {
    let mut future = Box::pin(SHARED.scope(1, async { SHARED.get() }));
    assert_eq!(poll_once(future.as_mut()), Poll::Ready(1));
    let message = panic_message(|| poll_once(future.as_mut()));
    assert_eq!(message, "`TaskLocalFuture` polled after completion");
    assert_eq!(future.as_mut().take_value(), Some(1));
    assert_eq!(future.as_mut().take_value(), None);
}

#[test]
fn a_value_taken_early_is_missing_inside() {
    let mut future = Box::pin(SHARED.scope(1, async { SHARED.try_get().is_err() }));
    assert_eq!(future.as_mut().take_value(), Some(1));
    assert_eq!(poll_once(future.as_mut()), Poll::Ready(true));
}

#[test]
fn destructors_inside_the_scope_see_the_value() {
    timeloop::task_local! { static LOG: Log; }

    struct Witness(&'static str);
    impl Drop for Witness {
        fn drop(&mut self) {
            LOG.with(|log| log.note(format_args!("{} sees the log", self.0)));
        }
    }

    let log = Log::default();
    let scope = |name, polls| {
        let witness = Witness(name);
        LOG.scope(log.clone(), async move {
            let _witness = witness;
            for _ in 1..polls {
                task::yield_now().await;
            }
        })
    };
    run(|| async {
        // Dropped before its first poll, between polls, on completion, and by an abort.
        drop(scope("unpolled", 1));
        timeloop::select! {
            biased;
            _ = scope("cancelled", 9) => unreachable!(),
            _ = async {} => {}
        }
        scope("completed", 2).await;
        let aborted = timeloop::spawn(scope("aborted", 9));
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
    });
    let expected =
        ["unpolled", "cancelled", "completed", "aborted"].map(|name| format!("{name} sees the log"));
    assert_eq!(log.take(), expected);
}

#[test]
fn the_value_is_dropped_after_the_future() {
    timeloop::task_local! { static VALUE: Token; }
    let log = Log::default();
    run(|| async {
        let (inside, inner_log) = (Token(log.clone(), "future"), log.clone());
        VALUE
            .scope(Token(log.clone(), "value"), async move {
                let _inside = inside;
                inner_log.note("inside");
            })
            .await;
        log.note("after");
    });
    assert_eq!(log.take(), ["inside", "drop future", "drop value", "after"]);
}

#[test]
fn values_need_not_be_send() {
    timeloop::task_local! { static LIST: RefCell<Vec<std::rc::Rc<u32>>>; }
    run(|| async {
        let length = LIST
            .scope(RefCell::default(), async {
                LIST.with(|list| list.borrow_mut().push(std::rc::Rc::new(1)));
                task::yield_now().await;
                LIST.with(|list| list.borrow().len())
            })
            .await;
        assert_eq!(length, 1);
    });
}

#[test]
fn debug_output() {
    let key: &LocalKey<u32> = &SHARED;
    assert_eq!(format!("{key:?}"), "LocalKey { .. }");
    let mut future = Box::pin(SHARED.scope(1, async {}));
    assert_eq!(format!("{future:?}"), "TaskLocalFuture { value: 1 }");
    future.as_mut().take_value();
    assert_eq!(format!("{future:?}"), "TaskLocalFuture { value: <missing> }");
}
