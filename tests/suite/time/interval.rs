//! Intervals, compared with tokio's on the same scripts.

use std::future::poll_fn;
use std::task::Poll;

use proptest::prelude::*;
use timeloop::time::{Duration, Instant, Interval, MissedTickBehavior, interval, interval_at, sleep};

use crate::support::{panic_text, tokio as tokio_runtime};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_tick_comes_at_once_and_the_others_each_period() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let mut ticks = interval(SECOND);
        assert_eq!(ticks.period(), SECOND);
        for number in 0..5 {
            assert_eq!(ticks.tick().await, start + number * SECOND);
            assert_eq!(start.elapsed(), number * SECOND);
        }
        let mut ticks = interval_at(start + 10 * SECOND, SECOND);
        for number in 10..13 {
            assert_eq!(ticks.tick().await, start + number * SECOND);
        }
    })
    .unwrap();
}

#[test]
fn a_cancelled_tick_is_not_lost() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let mut ticks = interval(10 * SECOND);
        ticks.tick().await;
        for _ in 0..4 {
            assert!(timeloop::time::timeout(2 * SECOND, ticks.tick()).await.is_err());
        }
        assert_eq!(ticks.tick().await, start + 10 * SECOND);
    })
    .unwrap();
}

#[test]
fn polling_it_leaves_a_waker() {
    timeloop::run(0, || async {
        let mut ticks = interval(SECOND);
        let start = Instant::now();
        let ticked = poll_fn(|cx| ticks.poll_tick(cx)).await;
        assert_eq!(ticked, start);
        poll_fn(|cx| {
            assert!(ticks.poll_tick(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|cx| ticks.poll_tick(cx)).await;
        assert_eq!(start.elapsed(), SECOND);
    })
    .unwrap();
}

#[test]
fn a_period_of_zero_panics_with_tokios_words() {
    let ours = panic_text(|| drop(interval(Duration::ZERO)));
    let theirs = panic_text(|| drop(tokio::time::interval(Duration::ZERO)));
    assert_eq!(ours, theirs);
    let ours =
        timeloop::run(0, || async { panic_text(|| drop(interval_at(Instant::now(), Duration::ZERO))) });
    assert_eq!(ours.unwrap(), theirs);
}

#[test]
fn behaviors_have_tokios_default_and_names() {
    assert_eq!(MissedTickBehavior::default(), MissedTickBehavior::Burst);
    timeloop::run(0, || async {
        let mut ticks: Interval = interval(SECOND);
        assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Burst);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Skip);
    })
    .unwrap();
    for (ours, theirs) in [
        (MissedTickBehavior::Burst, tokio::time::MissedTickBehavior::Burst),
        (MissedTickBehavior::Delay, tokio::time::MissedTickBehavior::Delay),
        (MissedTickBehavior::Skip, tokio::time::MissedTickBehavior::Skip),
    ] {
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Tick,
    Work(u64),
    Reset,
    ResetImmediately,
    ResetAfter(u64),
    ResetAt(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => Just(Operation::Tick),
        6 => (0_u64..300).prop_map(Operation::Work),
        1 => Just(Operation::Reset),
        1 => Just(Operation::ResetImmediately),
        1 => (0_u64..200).prop_map(Operation::ResetAfter),
        1 => (0_u64..2000).prop_map(Operation::ResetAt),
    ]
}

/// Runs a script. Returns each tick's scheduled time and the time at which it was observed, in milliseconds.
macro_rules! play {
    ($tokio:ident, $behavior:ident, $period:expr, $script:expr) => {{
        use $tokio::time::{Instant, MissedTickBehavior, interval, sleep};
        let start = Instant::now();
        let milliseconds = |instant: Instant| (instant - start).as_millis();
        let mut ticks = interval(Duration::from_millis($period));
        ticks.set_missed_tick_behavior(MissedTickBehavior::$behavior);
        let mut seen = Vec::new();
        for operation in $script {
            match *operation {
                Operation::Tick => {
                    let tick = ticks.tick().await;
                    seen.push((milliseconds(tick), milliseconds(Instant::now())));
                }
                Operation::Work(duration) => sleep(Duration::from_millis(duration)).await,
                Operation::Reset => ticks.reset(),
                Operation::ResetImmediately => ticks.reset_immediately(),
                Operation::ResetAfter(duration) => ticks.reset_after(Duration::from_millis(duration)),
                Operation::ResetAt(at) => ticks.reset_at(start + Duration::from_millis(at)),
            }
        }
        seen
    }};
}

macro_rules! compare {
    ($behavior:ident, $period:expr, $script:expr) => {{
        let (period, script): (u64, &[Operation]) = ($period, $script);
        let ours = timeloop::run(0, || async { play!(timeloop, $behavior, period, script) }).unwrap();
        let theirs = tokio_runtime().block_on(async { play!(tokio, $behavior, period, script) });
        prop_assert_eq!(ours, theirs, "{}", stringify!($behavior));
    }};
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_script_behaves_like_tokio(
        period in 1_u64..150,
        script in prop::collection::vec(operation(), 1..40),
    ) {
        compare!(Burst, period, &script);
        compare!(Delay, period, &script);
        compare!(Skip, period, &script);
    }
}

#[test]
fn missed_ticks_by_example() {
    let seen = |behavior: MissedTickBehavior| {
        timeloop::run(0, || async {
            let start = Instant::now();
            let mut ticks = interval(Duration::from_millis(50));
            ticks.set_missed_tick_behavior(behavior);
            ticks.tick().await;
            sleep(Duration::from_millis(170)).await;
            let mut seen = Vec::new();
            for _ in 0..5 {
                ticks.tick().await;
                seen.push(start.elapsed().as_millis());
            }
            seen
        })
        .unwrap()
    };
    assert_eq!(seen(MissedTickBehavior::Burst), [170, 170, 170, 200, 250]);
    assert_eq!(seen(MissedTickBehavior::Delay), [170, 220, 270, 320, 370]);
    assert_eq!(seen(MissedTickBehavior::Skip), [170, 200, 250, 300, 350]);
}
