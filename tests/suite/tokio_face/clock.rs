//! Timers and the clock.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use timeloop::Explorer;
use timeloop::task::yield_now;
use timeloop::time::{self, Duration, Instant, sleep, sleep_until};

use super::workers;
use crate::support::panic_text;

const MS: Duration = Duration::from_millis(1);

#[test]
fn e10_the_longest_sleep_takes_30_years() {
    timeloop::run(0, || async {
        let start = Instant::now();
        sleep(Duration::MAX).await;
        assert_eq!(start.elapsed(), Duration::from_secs(30 * 365 * 24 * 3600));
    })
    .unwrap();
}

#[test]
fn e14_a_sleep_has_not_elapsed_before_its_first_poll() {
    timeloop::run(0, || async {
        let mut asleep = pin!(sleep_until(Instant::now()));
        assert!(!asleep.is_elapsed());
        poll_fn(|cx| {
            assert!(asleep.as_mut().poll(cx).is_ready());
            Poll::Ready(())
        })
        .await;
        assert!(asleep.is_elapsed());
        let mut later = pin!(sleep(MS));
        later.as_mut().reset(Instant::now());
        assert!(later.is_elapsed());
    })
    .unwrap();
}

/// Advances the clock by a part of a sleep that has been polled. Fails if time passed besides.
async fn advances_by_a_part() {
    let start = Instant::now();
    let mut asleep = pin!(sleep(300 * MS));
    poll_fn(|cx| {
        assert!(asleep.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    yield_now().await;
    time::advance(100 * MS).await;
    assert_eq!(start.elapsed(), 100 * MS);
}

#[test]
fn e03_time_does_not_pass_by_itself_while_the_clock_is_paused() {
    for strategy in ["stall", "starve", "portfolio"] {
        let name = format!("tokio_face::paused_{strategy}");
        let explorer = Explorer::new(name).without_environment().without_regressions().runs(300);
        explorer.clone().strategy(strategy).start_paused(true).check(advances_by_a_part);
        explorer.strategy(strategy).check(|| async {
            time::pause();
            advances_by_a_part().await;
        });
    }
}

#[test]
fn e03_a_resumed_clock_lets_strategies_stall() {
    let explorer = Explorer::new("tokio_face::resumed").without_environment().without_regressions();
    let exploration = explorer.runs(300).strategy("stall").start_paused(true).run(|| async {
        time::resume();
        let start = Instant::now();
        let other = timeloop::spawn(async { sleep(10 * MS).await });
        sleep(MS).await;
        yield_now().await;
        assert_eq!(start.elapsed(), MS, "stalled");
        other.await.unwrap();
    });
    assert!(exploration.found.is_some());
}

#[test]
fn e16_several_threads_can_not_pause_the_clock() {
    let text = panic_text(|| workers().block_on(async { time::pause() }));
    assert!(text.contains("current_thread"), "{text}");
}
