//! The semantics of `select!`: the order of evaluation, polls and drops, and the branch that is polled first.
//!
//! # Invariants
//! Orders of events are asserted as a complete log.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::{IntoFuture, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};

use super::{Log, Token, after, run};

/// Polls a future by hand until it is ready, outside a run.
fn drive<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("not ready after 1,000 polls");
}

#[test]
fn preconditions_then_futures_then_polls_then_drops_then_the_handler() {
    let log = Log::default();
    fn note<T>(log: &Log, event: &str, value: T) -> T {
        log.note(event);
        value
    }
    let value = run(|| async {
        timeloop::select! {
            biased;
            _ = { log.note("make a"); log.future("a", 9, ()) }, if note(&log, "ask a", true) => 1,
            _ = { log.note("make b"); log.future("b", 1, ()) }, if note(&log, "ask b", false) => 2,
            _ = { log.note("make c"); log.future("c", 2, ()) }, if note(&log, "ask c", true) => note(&log, "handle c", 3),
        }
    });
    assert_eq!(value, 3);
    let expected = [
        "ask a", "ask b", "ask c", "make a", "make b", "make c", "poll a", "poll c", "poll a", "poll c",
        "drop a", "drop b", "drop c", "handle c",
    ];
    assert_eq!(log.take(), expected);
}

#[test]
fn futures_are_dropped_before_else_too() {
    let log = Log::default();
    run(|| async {
        timeloop::select! {
            biased;
            Some(()) = log.future("a", 1, None) => {}
            Some(()) = log.future("b", 1, None) => {}
            else => log.note("else"),
        }
    });
    assert_eq!(log.take(), ["poll a", "poll b", "drop a", "drop b", "else"]);
}

#[test]
fn nothing_is_polled_if_all_are_disabled_from_the_start() {
    let log = Log::default();
    run(|| async {
        timeloop::select! {
            _ = log.future("a", 1, ()), if false => {}
            else => log.note("else"),
        }
    });
    assert_eq!(log.take(), ["drop a", "else"]);
}

#[test]
fn a_value_that_does_not_match_is_dropped_and_disables_its_branch() {
    let log = Log::default();
    let value = run(|| async {
        let token = Token(log.clone(), "token");
        timeloop::select! {
            biased;
            (_, 1) = log.future("a", 1, (token, 0)) => 1,
            value = log.future("b", 3, 2) => value,
        }
    });
    assert_eq!(value, 2);
    assert_eq!(log.take(), ["poll a", "drop token", "poll b", "poll b", "poll b", "drop a", "drop b"]);
}

#[test]
fn all_disabled_without_else_panics_where_the_select_is() {
    let failure = timeloop::run(0, || async {
        timeloop::select! {
            Some(()) = ready(None) => {}
            _ = pending::<()>(), if false => {}
        }
    })
    .unwrap_err();
    assert_eq!(failure.message(), "all branches are disabled and there is no else branch");
    let site = failure.site.expect("a panic has a place");
    assert!(site.to_string().contains("select_semantics.rs"), "{site}");
}

#[test]
fn handlers_may_use_what_the_futures_borrowed() {
    async fn push(list: &mut Vec<u32>, value: u32) -> u32 {
        list.push(value);
        after(2, value).await
    }
    run(|| async {
        let (mut left, mut right) = (vec![], vec![]);
        timeloop::select! {
            value = push(&mut left, 1) => left.push(value + 1),
            value = push(&mut right, 1) => { right.push(value + 1); left.clear() }
        }
        assert!(left.len() == 2 || right.len() == 2);
        timeloop::select! {
            Some(()) = async { left.clear(); None } => left.push(0),
            else => left.push(7),
        }
        assert_eq!(left, [7]);
    });
}

#[test]
fn handlers_may_move_what_other_handlers_move() {
    run(|| async {
        let text = "text".to_owned();
        let moved = timeloop::select! {
            _ = after(1, ()) => text,
            _ = after(1, ()) => { drop(text); "text".to_owned() }
        };
        assert_eq!(moved, "text");
    });
}

#[test]
fn futures_by_reference_continue_where_they_were() {
    let log = Log::default();
    let rounds = run(|| async {
        let slow = log.future("slow", 3, 5);
        timeloop::pin!(slow);
        let mut rounds = 0;
        loop {
            timeloop::select! {
                biased;
                value = &mut slow => break (value, rounds),
                _ = ready(()) => { rounds += 1; timeloop::task::yield_now().await }
            }
        }
    });
    assert_eq!(rounds, (5, 2));
    assert_eq!(log.take(), ["poll slow", "poll slow", "poll slow", "drop slow"]);
}

#[test]
fn dropping_the_whole_drops_every_future_in_order() {
    let log = Log::default();
    {
        let mut future = pin!(async {
            timeloop::select! {
                _ = log.future("a", 9, ()) => {}
                _ = log.future("b", 9, ()) => {}
                _ = log.future("c", 9, ()), if false => {}
            }
        });
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(log.take(), ["poll a", "poll b"]);
    }
    assert_eq!(log.take(), ["drop a", "drop b", "drop c"]);
}

#[test]
fn a_panic_in_a_future_drops_the_others_and_propagates() {
    let log = Log::default();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        drive(async {
            timeloop::select! {
                biased;
                _ = log.future("a", 9, ()) => {}
                _ = async { std::panic::resume_unwind(Box::new("thrown")) } => {}
            }
        });
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "thrown");
    assert_eq!(log.take(), ["poll a", "drop a"]);
}

#[test]
fn into_future_is_called_in_order() {
    struct Number<'a>(&'a Log, u32);
    impl<'a> IntoFuture for Number<'a> {
        type Output = u32;
        type IntoFuture = std::future::Ready<u32>;
        fn into_future(self) -> Self::IntoFuture {
            self.0.note(format_args!("turn {}", self.1));
            ready(self.1)
        }
    }
    let log = Log::default();
    let value = run(|| async {
        timeloop::select! {
            biased;
            1 = Number(&log, 0) => 0,
            value = Number(&log, 2) => value,
        }
    });
    assert_eq!(value, 2);
    assert_eq!(log.take(), ["turn 0", "turn 2"]);
}

#[test]
fn temporaries_that_a_future_borrows_live_as_long_as_it() {
    struct Held(String);
    impl Future for &Held {
        type Output = usize;
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> std::task::Poll<usize> {
            std::task::Poll::Ready(self.0.len())
        }
    }
    let length = run(|| async {
        timeloop::select! {
            length = &Held("text".to_owned()) => length,
        }
    });
    assert_eq!(length, 4);
}

#[test]
fn temporaries_of_the_expressions_are_dropped_before_waiting() {
    let log = Log::default();
    fn first<T>(log: &Log, _: &Token, value: T) -> impl Future<Output = T> + use<T> {
        log.note("make");
        ready(value)
    }
    run(|| async {
        timeloop::select! {
            _ = first(&log, &Token(log.clone(), "token"), ()) => log.note("handle"),
        }
    });
    assert_eq!(log.take(), ["make", "drop token", "handle"]);
}

#[test]
fn the_future_may_be_sent_if_its_parts_may() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let future = assert_send(async {
        timeloop::select! {
            value = ready(1) => value,
            text = ready(String::new()) => text.len(),
        }
    });
    assert_eq!(drive(future), 1);
}

#[test]
fn outside_a_run_the_first_branch_is_polled_first() {
    for _ in 0..100 {
        assert_eq!(
            drive(async {
                timeloop::select! { _ = ready(()) => 1, _ = ready(()) => 2 }
            }),
            1
        );
    }
}

/// Counts how often each of three ready branches wins, over a hundred seeds.
fn winners<F: Future<Output = u32>>(make: impl Fn() -> F) -> BTreeSet<u32> {
    (0..100_u64).map(|seed| timeloop::run(seed, &make).unwrap()).collect()
}

#[test]
fn each_enabled_branch_wins_under_some_seed_and_always_the_same_under_one() {
    let select = |first: bool, second: bool, third: bool| async move {
        timeloop::select! {
            _ = ready(()), if first => 1,
            _ = ready(()), if second => 2,
            _ = ready(()), if third => 3,
            else => 0,
        }
    };
    assert_eq!(winners(|| select(true, true, true)), BTreeSet::from([1, 2, 3]));
    assert_eq!(winners(|| select(true, false, true)), BTreeSet::from([1, 3]));
    assert_eq!(winners(|| select(false, true, false)), BTreeSet::from([2]));
    assert_eq!(winners(|| select(false, false, false)), BTreeSet::from([0]));
    for seed in 0..20_u64 {
        let once = || timeloop::run(seed, || select(true, true, true)).unwrap();
        assert_eq!(once(), once(), "seed {seed}");
    }
}

#[test]
fn enabled_branches_win_about_equally_often() {
    let mut wins = [0_u32; 3];
    timeloop::run(1, || async {
        let mut wins = [0_u32; 3];
        for _ in 0..3_000 {
            let winner = timeloop::select! {
                _ = ready(()) => 0,
                _ = pending::<()>(), if false => unreachable!(),
                _ = ready(()) => 1,
                _ = ready(()) => 2,
            };
            wins[winner] += 1;
        }
        wins
    })
    .map(|counted| wins = counted)
    .unwrap();
    assert!(wins.iter().all(|&count| (900..1_100).contains(&count)), "{wins:?}");
}

#[test]
fn branches_after_the_first_are_polled_in_cyclic_order() {
    let mut orders = BTreeSet::new();
    for seed in 0..100_u64 {
        let log = Log::default();
        timeloop::run(seed, || async {
            let mut turn = 0;
            timeloop::select! {
                _ = log.future("a", 9, ()) => {}
                _ = log.future("b", 9, ()) => {}
                _ = log.future("c", 9, ()) => {}
                _ = std::future::poll_fn(|_| {
                    turn += 1;
                    if turn == 2 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                }) => {}
            }
        })
        .unwrap();
        let order = log.take().into_iter().filter(|event| event.starts_with("poll")).take(3);
        orders.insert(order.map(|event| event.replace("poll ", "")).collect::<String>());
    }
    // Three start with a named branch. If the unnamed one is first, the named ones follow in order.
    assert_eq!(orders, BTreeSet::from(["abc", "bca", "cab"].map(str::to_owned)));
}

#[test]
fn biased_always_begins_with_the_first() {
    let select = || async {
        timeloop::select! {
            biased;
            _ = ready(()), if false => 1,
            _ = ready(()) => 2,
            _ = ready(()) => 3,
        }
    };
    assert_eq!(winners(select), BTreeSet::from([2]));
}

#[test]
fn a_future_that_completes_in_one_round_of_a_loop_is_not_polled_again() {
    let log = Log::default();
    run(|| async {
        let (mut left, mut right) = (log.future("left", 1, ()), log.future("right", 2, ()));
        let (mut left_done, mut right_done) = (false, false);
        loop {
            timeloop::select! {
                _ = &mut left, if !left_done => left_done = true,
                _ = &mut right, if !right_done => right_done = true,
                else => break,
            }
        }
    });
    let polls = log.take().into_iter().filter(|event| event.starts_with("poll")).count();
    assert_eq!(polls, 3);
}

#[test]
fn a_branch_of_a_never_ending_future_gives_no_warning_and_any_type() {
    async fn never() -> ! {
        pending().await
    }
    let value = run(|| async {
        timeloop::select! {
            _ = never() => 0,
            value = ready(5) => value,
        }
    });
    assert_eq!(value, 5);
}

#[test]
fn waits_across_tasks_and_time() {
    use timeloop::time::{Duration, Instant, sleep};
    run(|| async {
        let start = Instant::now();
        let cancelled = Cell::new(true);
        let name = timeloop::select! {
            _ = async { sleep(Duration::from_secs(3)).await; cancelled.set(false) } => "sleep",
            value = timeloop::spawn(async { sleep(Duration::from_secs(2)).await; "task" }) => value.unwrap(),
        };
        assert_eq!((name, start.elapsed()), ("task", Duration::from_secs(2)));
        sleep(Duration::from_secs(2)).await;
        assert!(cancelled.get());
    });
}
