//! Task handles.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use timeloop::task::{self, JoinHandle, yield_now};
use timeloop::time::sleep;
use timeloop::{FailureKind, spawn};

use crate::support::{Log, on_drop, panic_text};

#[test]
fn returns_the_output() {
    let text = timeloop::run(0, || async { spawn(async { String::from("output") }).await.unwrap() });
    assert_eq!(text.unwrap(), "output");
}

#[test]
fn returns_the_payload_of_a_panic() {
    timeloop::run(0, || async {
        let error = spawn(async { std::panic::panic_any(42_u64) }).await.unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(*error.into_panic().downcast::<u64>().unwrap(), 42);
    })
    .unwrap();
}

#[test]
fn knows_whether_the_task_has_ended() {
    timeloop::run(0, || async {
        let mut task = spawn(sleep(Duration::from_secs(2)));
        let other = task.abort_handle();
        assert!(!task.is_finished() && !other.is_finished());
        sleep(Duration::from_secs(1)).await;
        assert!(!task.is_finished() && !other.is_finished());
        sleep(Duration::from_secs(2)).await;
        assert!(task.is_finished() && other.is_finished());
        (&mut task).await.unwrap();
        assert!(task.is_finished() && other.is_finished());
    })
    .unwrap();
}

#[test]
fn dropping_it_detaches_the_task() {
    timeloop::run(0, || async {
        let log = Log::new();
        let task = log.clone();
        drop(spawn(async move {
            yield_now().await;
            task.push("ran on");
        }));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), ["ran on"]);
    })
    .unwrap();
}

#[test]
fn the_output_of_a_detached_task_is_dropped_when_it_ends() {
    timeloop::run(0, || async {
        let log = Log::new();
        let output = log.on_drop("output dropped");
        drop(spawn(async move { output }));
        assert_eq!(log.take(), [""; 0]);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), ["output dropped"]);
    })
    .unwrap();
}

#[test]
fn an_untaken_output_is_dropped_with_the_handle() {
    timeloop::run(0, || async {
        let log = Log::new();
        let output = log.on_drop("output dropped");
        let task = spawn(async move { output });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(log.take(), [""; 0]);
        drop(task);
        assert_eq!(log.take(), ["output dropped"]);
    })
    .unwrap();
}

#[test]
fn the_future_is_dropped_before_its_output_is_seen() {
    timeloop::run(0, || async {
        let log = Log::new();
        let guard = log.on_drop("future dropped");
        let task = spawn(async move {
            let _guard = guard;
            42
        });
        assert_eq!(task.await.unwrap(), 42);
        log.push("output seen");
        assert_eq!(log.take(), ["future dropped", "output seen"]);
    })
    .unwrap();
}

#[test]
fn a_destructor_of_an_output_that_panics_is_an_unobserved_panic() {
    let failure = timeloop::run(0, || async {
        let output = on_drop(|| panic!("in the output's drop"));
        drop(spawn(async move { output }));
        sleep(Duration::from_secs(1)).await;
    })
    .unwrap_err();
    assert_eq!(
        (failure.kind, failure.message().as_str()),
        (FailureKind::UnobservedPanic, "in the output's drop")
    );
}

#[test]
fn the_newest_waker_is_woken() {
    timeloop::run(0, || async {
        let task = spawn(sleep(Duration::from_secs(1)));
        let mut task = Some(task);
        // Polled here once, then awaited by another task.
        poll_fn(|cx| {
            assert!(Pin::new(task.as_mut().unwrap()).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let task = task.take().unwrap();
        spawn(async move { task.await.unwrap() }).await.unwrap();
    })
    .unwrap();
}

#[test]
fn polling_it_after_its_end_panics_as_in_tokio() {
    fn poll_twice<H: Future + Unpin>(mut handle: H, cx: &mut Context<'_>) -> Poll<String> {
        if Pin::new(&mut handle).poll(cx).is_pending() {
            panic!("the task has ended");
        }
        Poll::Ready(panic_text(|| drop(Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop())))))
    }

    let ours = timeloop::run(0, || async {
        let task = spawn(async {});
        sleep(Duration::from_secs(1)).await;
        let mut task = Some(task);
        poll_fn(move |cx| poll_twice(task.take().unwrap(), cx)).await
    })
    .unwrap();
    let theirs = crate::support::tokio().block_on(async {
        let task = tokio::spawn(async {});
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut task = Some(task);
        poll_fn(move |cx| poll_twice(task.take().unwrap(), cx)).await
    });
    assert_eq!(ours, theirs);
}

#[test]
fn ids_agree_and_count_up_from_the_root() {
    timeloop::run(0, || async {
        assert_eq!(task::try_id(), None);
        let first = spawn(async { task::id() });
        let second = spawn(async { task::id() });
        let ids = (first.id(), second.id());
        assert!(ids.0 < ids.1);
        assert_eq!(first.abort_handle().id(), ids.0);
        assert_eq!((first.await.unwrap(), second.await.unwrap()), ids);
        assert_eq!((ids.0.to_string(), format!("{:?}", ids.1)), ("2".to_owned(), "Id(3)".to_owned()));
    })
    .unwrap();
    let text = panic_text(|| _ = task::id());
    let theirs = panic_text(|| _ = tokio::task::id());
    assert_eq!(text, theirs.replace("Can't", "can't"));
}

#[test]
fn its_debug_output_contains_the_id() {
    timeloop::run(0, || async {
        let task: JoinHandle<()> = spawn(async {});
        assert_eq!(format!("{task:?}"), "JoinHandle { id: Id(2) }");
        assert_eq!(format!("{:?}", task.abort_handle()), "AbortHandle { id: Id(2) }");
    })
    .unwrap();
    crate::support::tokio().block_on(async {
        let task = tokio::spawn(async {});
        assert_eq!(format!("{task:?}"), format!("JoinHandle {{ id: {:?} }}", task.id()));
        assert_eq!(format!("{:?}", task.abort_handle()), format!("AbortHandle {{ id: {:?} }}", task.id()));
    });
}
