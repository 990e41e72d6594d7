//! One seed is one run, whatever the number of threads, the process, the build, and the amount of recording.
//!
//! `golden.rs` compares debug and release builds: both must produce the numbers pinned there.

use std::io::Write as _;

use timeloop::{FailureKind, Settings};

use crate::golden::{assert_digests, digests};
use crate::scenarios;
use crate::support::{child, explorer, is_child};

#[test]
fn any_number_of_workers_finds_the_same() {
    for jobs in [2, 3] {
        assert_digests(&digests(jobs));
    }
}

/// Run by the test below.
#[test]
fn prints_digests() {
    if is_child() {
        // Bypasses the test harness's capture of output.
        std::io::stderr().write_all(digests(2).as_bytes()).unwrap();
    }
}

/// Two processes differ in addresses, thread ids, hash seeds, times and environment.
#[test]
fn any_process_finds_the_same() {
    for vars in [[("RUST_BACKTRACE", "0")], [("RUST_TEST_THREADS", "1")]] {
        let ended = child("determinism::prints_digests", &vars);
        assert!(ended.passed(), "{ended:?}");
        assert_digests(&ended.stderr);
    }
}

/// Runs every seed twice in a row on one thread: a run leaves nothing behind for the next.
#[test]
fn runs_leave_nothing_behind() {
    macro_rules! check {
        ($($name:ident),*) => {$({
            let settings = Settings { check: Some(200), ..Settings::default() };
            let explorer = explorer(stringify!($name)).runs(1).environment(settings);
            let exploration = explorer.run(scenarios::$name);
            assert!(exploration.passed(), "{}", exploration.report());
        })*};
    }
    scenarios::all!(check);
}

/// A failing run is repeated with a record and with the location of every wait. That must change nothing, or the
/// failure would be reported as nondeterminism.
#[test]
fn recording_and_explaining_change_nothing() {
    macro_rules! fail {
        ($($name:ident),*) => {$({
            for seed in [0, 1_000_003] {
                let exploration = explorer(stringify!($name)).seed(seed).shrink_runs(50).run(|| async {
                    scenarios::$name().await;
                    panic!("at the end of {}", stringify!($name));
                    #[expect(unreachable_code, reason = "the type of a test")]
                    ()
                });
                let found = exploration.found.as_ref().expect("it fails");
                assert_eq!(found.failure.kind, FailureKind::Panic, "{}", exploration.report());
                assert!(found.replayed && found.not_shrunk.is_none(), "{}", exploration.report());
            }
        })*};
    }
    scenarios::all!(fail);
}

/// A sleeping task that is polled keeps its place among the tasks that sleep to the same instant, with and without
/// recording of waits.
#[cfg(feature = "sync")]
#[test]
fn explaining_does_not_reorder_a_sleep_that_is_polled_again() {
    use std::rc::Rc;
    use timeloop::sync::Notify;
    use timeloop::time::{Duration, Instant, sleep, sleep_until};

    let exploration = explorer("determinism::polled_once_more").strategy("fifo").run(|| async {
        let (deadline, bell) = (Instant::now() + Duration::from_secs(1), Rc::new(Notify::new()));
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let tasks = ["first", "second"].map(|name| {
            let (order, bell) = (order.clone(), bell.clone());
            timeloop::spawn(async move {
                let mut asleep = std::pin::pin!(sleep_until(deadline));
                if name == "first" {
                    // Polls the sleep, is woken by the bell, and polls it again.
                    let rung = std::pin::pin!(bell.notified());
                    futures_util::future::select(asleep.as_mut(), rung).await;
                }
                asleep.await;
                order.borrow_mut().push(name);
            })
        });
        sleep(Duration::from_millis(500)).await;
        bell.notify_one();
        for task in tasks {
            task.await.unwrap();
        }
        panic!("{:?}", order.borrow());
        #[expect(unreachable_code, reason = "the type of a test")]
        ()
    });
    let found = exploration.found.as_ref().expect("it fails");
    assert_eq!(found.failure.kind, FailureKind::Panic, "{}", exploration.report());
    assert_eq!(found.failure.message(), r#"["first", "second"]"#);
    assert!(found.replayed && found.not_shrunk.is_none(), "{}", exploration.report());
}

/// Feature unification: this build contains tokio's runtime, which must not affect a run.
#[test]
fn with_tokios_runtime_in_the_same_build() {
    let inside = || {
        let handle = tokio::runtime::Handle::try_current();
        assert!(handle.is_err(), "no runtime of tokio's is entered within a run");
    };
    let exploration = explorer("unified").runs(10).run(|| async {
        inside();
        timeloop::spawn(async move { inside() }).await.unwrap();
    });
    assert!(exploration.passed(), "{}", exploration.report());

    // A run next to an entered but idle tokio runtime is the same as elsewhere.
    let runtime = crate::support::tokio();
    let guard = runtime.enter();
    let digest = explorer("tasks").run(scenarios::tasks).digest;
    drop(guard);
    assert_eq!(digest, explorer("tasks").run(scenarios::tasks).digest);
}

/// tokio's operations spend a budget that its runtime refills. A run has no such budget: an operation that is ready is
/// never delayed.
#[cfg(feature = "sync")]
#[test]
fn tokios_budget_delays_nothing() {
    use timeloop::sync::mpsc;

    let exploration = explorer("budget").runs(3).run(|| async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for number in 0..1_000 {
            sender.send(number).unwrap();
        }
        for number in 0..1_000 {
            if number % 100 == 0 {
                // The budget is that of timeloop's task, not of a task of tokio.
                timeloop::task::yield_now().await;
            }
            let polled = std::pin::pin!(receiver.recv());
            assert_eq!(futures_util::FutureExt::now_or_never(polled), Some(Some(number)));
        }
    });
    assert!(exploration.passed(), "{}", exploration.report());
}
