//! Budgets: spent only by code that asks for them.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use timeloop::spawn;
use timeloop::task::coop::{consume_budget, cooperative, has_budget_remaining, poll_proceed, unconstrained};

/// In a loop that only waits for budget, another task must get its turn.
#[test]
fn a_loop_that_spends_budget_yields() {
    let rounds = timeloop::run(0, || async {
        let flag = Rc::new(Cell::new(false));
        let set = Rc::clone(&flag);
        spawn(async move { set.set(true) });
        let mut rounds = 0_u32;
        while !flag.get() {
            consume_budget().await;
            rounds += 1;
        }
        rounds
    })
    .unwrap();
    assert!(rounds > 128 && rounds % 128 == 1, "the last round begins a step: {rounds}");
}

#[test]
fn it_yields_as_often_as_tokio_does() {
    macro_rules! polls {
        ($coop:path) => {{
            use $coop as coop;
            let mut future = std::pin::pin!(async {
                for _ in 0..1000 {
                    coop::consume_budget().await;
                }
            });
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                future.as_mut().poll(cx)
            })
            .await;
            polls
        }};
    }
    let ours = timeloop::run(0, || async { polls!(timeloop::task::coop) }).unwrap();
    let theirs = crate::support::tokio().block_on(async { polls!(tokio::task::coop) });
    assert_eq!((ours, theirs), (8, 8));
}

#[test]
fn unconstrained_never_yields() {
    timeloop::run(0, || async {
        let mut future = std::pin::pin!(unconstrained(async {
            for _ in 0..1000 {
                consume_budget().await;
            }
            assert!(has_budget_remaining());
        }));
        poll_fn(|cx| {
            assert!(future.as_mut().poll(cx).is_ready());
            Poll::Ready(())
        })
        .await;
    })
    .unwrap();
}

#[test]
fn a_unit_without_progress_is_restored() {
    timeloop::run(0, || async {
        poll_fn(|cx| {
            for _ in 0..1000 {
                let Poll::Ready(proceed) = poll_proceed(cx) else { panic!("there is budget") };
                drop(proceed);
            }
            for _ in 0..128 {
                assert!(has_budget_remaining());
                let Poll::Ready(proceed) = poll_proceed(cx) else { panic!("there is budget") };
                proceed.made_progress();
            }
            assert!(!has_budget_remaining());
            assert!(poll_proceed(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        timeloop::task::yield_now().await;
        assert!(has_budget_remaining(), "each step has a budget of its own");
    })
    .unwrap();
}

#[test]
fn cooperative_returns_the_output() {
    timeloop::run(0, || async {
        assert_eq!(cooperative(async { 42 }).await, 42);
        assert_eq!(timeloop::task::unconstrained(cooperative(async { 42 })).await, 42);
    })
    .unwrap();
}

#[test]
fn outside_of_a_run_there_is_no_limit() {
    assert!(has_budget_remaining());
}

#[test]
fn blocking_in_place_is_part_of_the_step() {
    timeloop::run(0, || async {
        let number = timeloop::task::block_in_place(|| {
            spawn(async {});
            42
        });
        assert_eq!(number, 42);
    })
    .unwrap();
}
