//! `try_join!`: all values or the first error, and what happens to the other futures.
//!
//! # Invariants
//! Orders of events are asserted as a complete log.

use std::convert::Infallible;

use super::{Log, after, run};

#[test]
fn none_one_and_many() {
    run(|| async {
        assert_eq!(timeloop::try_join!(), Ok::<(), ()>(()));
        assert_eq!(timeloop::try_join!(biased;), Ok::<(), ()>(()));
        assert_eq!(timeloop::try_join!(after(2, Ok::<_, ()>(1))), Ok((1,)));
        let joined = timeloop::try_join!(after(3, Ok::<_, ()>(1)), after(1, Ok("two")), after(2, Ok(3.0)),);
        assert_eq!(joined, Ok((1, "two", 3.0)));
        let joined = timeloop::try_join!(biased; after(3, Ok::<_, ()>(1)), after(1, Ok(2)));
        assert_eq!(joined, Ok((1, 2)));
    });
}

#[test]
fn the_first_error_ends_it_and_drops_the_others() {
    let log = Log::default();
    let joined = run(|| async {
        let joined: Result<((), (), ()), &str> = timeloop::try_join!(
            biased;
            log.future("a", 9, Ok(())),
            log.future("b", 2, Err("b fails")),
            log.future("c", 9, Ok(())),
        );
        log.note("joined");
        joined
    });
    assert_eq!(joined, Err("b fails"));
    let expected = ["poll a", "poll b", "poll c", "poll a", "poll b", "drop b", "drop a", "drop c", "joined"];
    assert_eq!(log.take(), expected);
}

#[test]
fn of_two_errors_at_once_the_one_polled_first_counts() {
    run(|| async {
        let joined: Result<((), ()), u32> = timeloop::try_join!(after(1, Err(1)), after(1, Err(2)));
        assert_eq!(joined, Err(1));
        // At the second poll, the second future is polled first.
        let joined: Result<((), ()), u32> = timeloop::try_join!(after(2, Err(1)), after(2, Err(2)));
        assert_eq!(joined, Err(2));
        let joined: Result<((), ()), u32> = timeloop::try_join!(biased; after(2, Err(1)), after(2, Err(2)));
        assert_eq!(joined, Err(1));
    });
}

#[test]
fn the_first_to_be_polled_rotates() {
    let log = Log::default();
    let joined = run(|| async {
        timeloop::try_join!(
            log.future("a", 3, Ok::<_, ()>(1)),
            log.future("b", 3, Ok(2)),
            log.future("c", 3, Ok(3))
        )
    });
    assert_eq!(joined, Ok((1, 2, 3)));
    let polls: String = log.take().iter().filter_map(|event| event.strip_prefix("poll ")).collect();
    assert_eq!(polls, "abcbcacab");
}

#[test]
fn uninhabited_errors_and_values() {
    run(|| async {
        let Ok(joined) = timeloop::try_join!(after(1, Ok::<_, Infallible>(1)), after(2, Ok(2)));
        assert_eq!(joined, (1, 2));
        let Err(error) = timeloop::try_join!(after(1, Err::<Infallible, _>(1)), after(2, Ok::<(), _>(())));
        assert_eq!(error, 1);
    });
}

#[test]
fn with_a_question_mark() {
    async fn sum(text: &str) -> Result<u32, std::num::ParseIntError> {
        let (a, b) = timeloop::try_join!(async { text.parse::<u32>() }, async { "2".parse::<u32>() })?;
        Ok(a + b)
    }
    run(|| async {
        assert_eq!(sum("1").await, Ok(3));
        assert!(sum("one").await.is_err());
    });
}
