//! Calls that tokio refuses, so that code which makes them fails in production.

use timeloop::runtime::{Builder, RuntimeFlavor};
use timeloop::task::{self, LocalSet};
use timeloop::time::{Duration, sleep, sleep_until, timeout, timeout_at};
use timeloop::{Explorer, spawn};

use super::{runtime, workers};
use crate::support::panic_text;

#[test]
fn e16_a_current_thread_does_not_block_in_place() {
    let text = panic_text(|| runtime().block_on(async { task::block_in_place(|| ()) }));
    assert!(text.contains("multi-threaded runtime"), "{text}");
    let explorer = Explorer::new("tokio_face::in_place").without_environment().without_regressions().runs(2);
    let exploration =
        explorer.flavor(RuntimeFlavor::CurrentThread).run(|| async { task::block_in_place(|| ()) });
    assert!(exploration.found.is_some());
    assert_eq!(workers().block_on(async { task::block_in_place(|| 42) }), 42);
    assert_eq!(task::block_in_place(|| 43), 43, "outside of a runtime it only calls");
    let text = panic_text(|| {
        LocalSet::new().block_on(&workers(), async { task::block_in_place(|| ()) });
    });
    assert!(text.contains("multi-threaded runtime"), "{text}");
}

#[cfg(feature = "sync")]
#[test]
fn e16_methods_that_block_are_refused_in_tasks() {
    use timeloop::sync::{Mutex, RwLock, Semaphore, mpsc, oneshot};

    let refused: [fn(); 7] = [
        || drop(Mutex::new(()).blocking_lock()),
        || drop(RwLock::new(()).blocking_read()),
        || drop(RwLock::new(()).blocking_write()),
        || drop(Semaphore::new(1).blocking_acquire()),
        || {
            let (tx, _rx) = mpsc::channel(1);
            tx.blocking_send(()).unwrap();
        },
        || {
            let (tx, mut rx) = mpsc::unbounded_channel();
            tx.send(()).unwrap();
            rx.blocking_recv().unwrap();
        },
        || {
            let (tx, rx) = oneshot::channel();
            tx.send(()).unwrap();
            rx.blocking_recv().unwrap();
        },
    ];
    for refused in refused {
        let text = panic_text(|| runtime().block_on(async { refused() }));
        assert!(text.starts_with("Cannot block the current thread from within a runtime"), "{text}");
        runtime().block_on(async { task::spawn_blocking(refused).await.unwrap() });
    }
}

#[test]
fn e16_local_tasks_need_a_local_set() {
    let text = panic_text(|| runtime().block_on(async { drop(task::spawn_local(async {})) }));
    assert!(text.starts_with("`spawn_local` called from outside of a `task::LocalSet`"), "{text}");
    let text = panic_text(|| drop(task::spawn_local(async {})));
    assert!(text.starts_with("`spawn_local` called from outside of a `task::LocalSet`"), "{text}");
    runtime().block_on(async {
        LocalSet::new()
            .run_until(async {
                task::spawn_local(async { task::spawn_local(async {}).await.unwrap() }).await.unwrap();
                // A task that is not of the set.
                let outside = spawn(async { panic_text(|| drop(task::spawn_local(async {}))) });
                assert!(outside.await.unwrap().starts_with("`spawn_local`"));
            })
            .await;
    });
}

#[test]
fn e16_timers_must_be_enabled() {
    let disabled = || Builder::new_current_thread().enable_io().build().unwrap();
    let sleeps: [fn(); 4] = [
        || drop(sleep(Duration::ZERO)),
        || drop(sleep_until(timeloop::time::Instant::now())),
        || drop(timeout(Duration::ZERO, async {})),
        || drop(timeout_at(timeloop::time::Instant::now(), async {})),
    ];
    for sleeps in sleeps {
        let text = panic_text(|| disabled().block_on(async { sleeps() }));
        assert!(text.contains("enable_time"), "{text}");
        Builder::new_current_thread().enable_time().build().unwrap().block_on(async { sleeps() });
    }
}

#[cfg(feature = "net")]
#[test]
fn e16_sockets_must_be_enabled() {
    use timeloop::net::{TcpListener, UdpSocket};

    let disabled = || Builder::new_current_thread().enable_time().build().unwrap();
    let text = panic_text(|| disabled().block_on(async { drop(TcpListener::bind("127.0.0.1:0").await) }));
    assert!(text.contains("enable_io"), "{text}");
    let text = panic_text(|| disabled().block_on(async { drop(UdpSocket::bind("127.0.0.1:0").await) }));
    assert!(text.contains("enable_io"), "{text}");
}
