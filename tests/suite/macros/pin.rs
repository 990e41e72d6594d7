//! `pin!`: both of its forms.
//!
//! # Invariants
//! Pinned values are awaited by reference, which requires a pinned future.

use super::{Log, after, run};

#[test]
fn variables() {
    run(|| async {
        let (first, second) = (after(2, 1), after(2, 2));
        timeloop::pin!(first, second);
        assert_eq!((&mut first).await + (&mut second).await, 3);
        let third = after(2, 3);
        timeloop::pin!(third,);
        assert_eq!(third.await, 3);
    });
}

#[test]
fn assignments() {
    run(|| async {
        timeloop::pin! {
            let first = after(2, 1);
            let second = async { 2 };
        }
        assert_eq!((&mut first).await + (&mut second).await, 3);
    });
}

#[test]
fn values_live_to_the_end_of_their_block() {
    let log = Log::default();
    run(|| async {
        {
            let future = log.future("a", 1, ());
            timeloop::pin!(future);
            (&mut future).await;
            log.note("awaited");
        }
        log.note("after the block");
    });
    assert_eq!(log.take(), ["poll a", "awaited", "drop a", "after the block"]);
}
