//! Timeouts.

use std::future::{pending, ready};

use timeloop::runtime::Handle;
use timeloop::spawn;
use timeloop::time::{Duration, Instant, sleep, timeout, timeout_at};

use crate::support::{Log, fifo};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn returns_the_output_in_time_and_elapsed_after_it() {
    timeloop::run(0, || async {
        let start = Instant::now();
        assert_eq!(timeout(2 * SECOND, async { sleep(SECOND).await }).await, Ok(()));
        assert_eq!(start.elapsed(), SECOND);
        assert!(timeout(SECOND, sleep(2 * SECOND)).await.is_err());
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert!(timeout_at(start + 5 * SECOND, pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), 5 * SECOND);
        assert_eq!(timeout_at(start, ready(42)).await, Ok(42), "the future is polled first");
        assert_eq!(timeout(Duration::ZERO, ready(42)).await, Ok(42));
    })
    .unwrap();
}

#[test]
fn the_future_wins_a_tie() {
    for seed in 0..50 {
        timeloop::run(seed, || async {
            assert!(timeout(SECOND, sleep(SECOND)).await.is_ok());
        })
        .unwrap();
    }
}

#[test]
fn the_future_is_dropped_with_the_timeout() {
    timeloop::run(0, || async {
        let log = Log::new();
        let guard = log.on_drop("dropped");
        let result = timeout(SECOND, async move {
            let _guard = guard;
            pending::<()>().await;
        })
        .await;
        log.push("timed out");
        assert!(result.is_err());
        assert_eq!(log.take(), ["dropped", "timed out"]);
    })
    .unwrap();
}

#[test]
fn a_duration_beyond_the_end_of_time_never_elapses() {
    timeloop::run(0, || async {
        assert_eq!(timeout(Duration::MAX, async { sleep(SECOND).await }).await, Ok(()));
    })
    .unwrap();
}

#[test]
fn returns_its_future() {
    timeloop::run(0, || async {
        let mut timed = timeout(SECOND, ready(42));
        assert_eq!(timed.get_ref().clone().into_inner(), 42);
        *timed.get_mut() = ready(43);
        assert_eq!(timed.into_inner().await, 43);
    })
    .unwrap();
}

#[test]
fn accepts_into_future() {
    struct Answer;

    impl IntoFuture for Answer {
        type Output = u32;
        type IntoFuture = std::future::Ready<u32>;

        fn into_future(self) -> Self::IntoFuture {
            ready(42)
        }
    }

    timeloop::run(0, || async {
        assert_eq!(timeout(SECOND, Answer).await, Ok(42));
        assert_eq!(timeout_at(Instant::now() + SECOND, Answer).await, Ok(42));
    })
    .unwrap();
}

#[test]
fn its_error_has_tokios_message() {
    macro_rules! said {
        ($tokio:ident) => {{
            let error = $tokio::time::timeout(SECOND, pending::<()>()).await.unwrap_err();
            let texts = (error.to_string(), format!("{error:?}"));
            let io = std::io::Error::from(error);
            (texts, io.kind(), io.to_string())
        }};
    }
    let ours = timeloop::run(0, || async { said!(timeloop) }).unwrap();
    let theirs = crate::support::tokio().block_on(async { said!(tokio) });
    assert_eq!(ours, theirs);
}

#[test]
fn errors_of_timers_are_distinguished_like_tokios() {
    macro_rules! kinds {
        ($tokio:ident) => {{
            use $tokio::time::error::Error;
            let errors = [Error::shutdown(), Error::at_capacity(), Error::invalid()];
            errors.map(|error| (error.is_shutdown(), error.is_at_capacity(), error.is_invalid()))
        }};
    }
    assert_eq!(kinds!(timeloop), kinds!(tokio));
    let texts = [
        timeloop::time::error::Error::shutdown(),
        timeloop::time::error::Error::at_capacity(),
        timeloop::time::error::Error::invalid(),
    ]
    .map(|error| error.to_string());
    assert_eq!(
        texts,
        [
            "the timer's event loop has ended",
            "too many timers are set",
            "the duration is longer than a timer can wait"
        ]
    );
}

/// Each sets a timer an hour ahead and is dropped long before. The queue must not keep them.
#[test]
fn a_million_that_do_not_fire_leave_a_small_queue() {
    fifo().block_on(async {
        let metrics = Handle::current().metrics();
        let start = Instant::now();
        let mut most = 0;
        for round in 0..1_000_000_u64 {
            timeout(3600 * SECOND, sleep(Duration::from_nanos(1))).await.unwrap();
            if round % 1000 == 0 {
                most = most.max(metrics.timer_entries());
            }
        }
        assert!(most < 200, "{most} entries");
        assert_eq!((metrics.num_timers(), start.elapsed()), (0, Duration::from_millis(1)));
    });
}

#[test]
fn many_at_once_that_are_cancelled_leave_a_small_queue() {
    fifo().block_on(async {
        let metrics = Handle::current().metrics();
        let tasks: Vec<_> = (1..=10_000)
            .map(|number| spawn(timeout(number * SECOND, sleep(Duration::from_nanos(1)))))
            .collect();
        timeloop::task::yield_now().await;
        assert_eq!(metrics.num_timers(), 20_000);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(metrics.num_timers(), 0);
        assert!(metrics.timer_entries() < 100, "{} entries", metrics.timer_entries());
    });
}
