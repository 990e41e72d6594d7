//! `join!`: all values, in order, and the order of polls and drops.
//!
//! # Invariants
//! Orders of events are asserted as a complete log.

use std::future::{IntoFuture, ready};
use std::pin::pin;
use std::task::{Context, Waker};

use super::{Log, after, run};

#[test]
fn none_one_and_many() {
    run(|| async {
        let () = timeloop::join!();
        let () = timeloop::join!(biased;);
        assert_eq!(timeloop::join!(after(2, 1)), (1,));
        assert_eq!(timeloop::join!(after(2, 1),), (1,));
        assert_eq!(timeloop::join!(after(3, 1), after(1, "two"), after(2, 3.0)), (1, "two", 3.0));
        assert_eq!(timeloop::join!(biased; after(3, 1), after(1, 2),), (1, 2));
        let v = |value: u32| after(value % 3, value);
        let many = timeloop::join!(
            v(0),
            v(1),
            v(2),
            v(3),
            v(4),
            v(5),
            v(6),
            v(7),
            v(8),
            v(9),
            v(10),
            v(11),
            v(12),
            v(13),
            v(14),
            v(15),
            v(16)
        );
        assert_eq!((many.0, many.8, many.16), (0, 8, 16));
    });
}

#[test]
#[expect(clippy::redundant_closure_call, reason = "a comma between parameters")]
fn expressions_that_contain_commas() {
    async fn pair<A: Default, B: Default>() -> (A, B) {
        Default::default()
    }
    run(|| async {
        let joined = timeloop::join!(pair::<u8, u16>(), (|a, b| after(1, a + b))(1, 2), async { (1, 2) });
        assert_eq!(joined, ((0, 0), 3, (1, 2)));
    });
}

#[test]
fn nested() {
    run(|| async {
        let joined = timeloop::join!(async { timeloop::join!(after(2, 1), after(1, 2)) }, async {
            timeloop::select! { value = after(2, 3) => value }
        },);
        assert_eq!(joined, ((1, 2), 3));
    });
}

#[test]
fn the_first_to_be_polled_rotates() {
    let log = Log::default();
    run(|| async { timeloop::join!(log.future("a", 4, ()), log.future("b", 4, ()), log.future("c", 4, ())) });
    let polls: String = log.take().iter().filter_map(|event| event.strip_prefix("poll ")).collect();
    assert_eq!(polls, "abcbcacababc");
}

#[test]
fn biased_polls_in_order() {
    let log = Log::default();
    run(|| async { timeloop::join!(biased; log.future("a", 3, ()), log.future("b", 3, ())) });
    let polls: String = log.take().iter().filter_map(|event| event.strip_prefix("poll ")).collect();
    assert_eq!(polls, "ababab");
}

#[test]
fn a_completed_future_is_dropped_and_not_polled_again() {
    let log = Log::default();
    let joined = run(|| async { timeloop::join!(biased; log.future("a", 1, 1), log.future("b", 3, 2)) });
    assert_eq!(joined, (1, 2));
    assert_eq!(log.take(), ["poll a", "drop a", "poll b", "poll b", "poll b", "drop b"]);
}

#[test]
fn dropping_the_whole_drops_the_rest_in_order() {
    let log = Log::default();
    {
        let mut future = pin!(async {
            timeloop::join!(log.future("a", 9, ()), log.future("b", 1, ()), log.future("c", 9, ()));
        });
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(log.take(), ["poll a", "poll b", "drop b", "poll c"]);
    }
    assert_eq!(log.take(), ["drop a", "drop c"]);
}

#[test]
fn errors_are_values_like_any_other() {
    let log = Log::default();
    let joined = run(|| async {
        timeloop::join!(log.future("a", 1, Err::<(), u32>(1)), log.future("b", 2, Ok::<u32, ()>(2)))
    });
    assert_eq!(joined, (Err(1), Ok(2)));
}

#[test]
fn into_future_is_accepted() {
    struct Number(u32);
    impl IntoFuture for Number {
        type Output = u32;
        type IntoFuture = std::future::Ready<u32>;
        fn into_future(self) -> Self::IntoFuture {
            ready(self.0)
        }
    }
    run(|| async { assert_eq!(timeloop::join!(Number(1), Number(2)), (1, 2)) });
}

#[test]
fn the_future_may_be_sent_if_its_parts_may() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let future = assert_send(async { timeloop::join!(ready(1), ready(String::new())) });
    let mut future = pin!(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn waits_side_by_side() {
    use timeloop::time::{Duration, Instant, sleep};
    run(|| async {
        let start = Instant::now();
        timeloop::join!(
            sleep(Duration::from_secs(1)),
            sleep(Duration::from_secs(3)),
            sleep(Duration::from_secs(2))
        );
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    });
}
