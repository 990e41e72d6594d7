//! tokio's test clock, for code that controls it.
//!
//! # Invariants
//! Time is never real. Whether the clock is paused decides only whether strategies may stall ready tasks.

use super::{Duration, sleep};
use crate::engine::{self, Flavor, context};

/// Pauses the clock, as [`tokio::time::pause`](https://docs.rs/tokio/1/tokio/time/fn.pause.html) does.
///
/// Time is virtual in any case. While the clock is paused, it moves only when no task is ready, under all strategies.
/// Pausing a paused clock does nothing.
///
/// # Panics
/// Outside a run, and in a runtime of several threads, which tokio refuses too.
#[track_caller]
pub fn pause() {
    match context::with(|engine| engine.settings.flavor != Flavor::MultiThread) {
        Some(true) => _ = context::with(|engine| engine.set_paused(true)),
        Some(false) => panic!("`time::pause()` requires the `current_thread` Tokio runtime"),
        None => engine::outside("pause the virtual clock"),
    }
}

/// Lets strategies hold back ready tasks again while time passes. For code that calls
/// [`tokio::time::resume`](https://docs.rs/tokio/1/tokio/time/fn.resume.html): there is no real time to return to.
///
/// # Panics
/// Outside a run.
#[track_caller]
pub fn resume() {
    if context::with(|engine| engine.set_paused(false)).is_none() {
        engine::outside("resume the virtual clock");
    }
}

/// Waits for `duration` of virtual time, as
/// [`tokio::time::advance`](https://docs.rs/tokio/1/tokio/time/fn.advance.html) does. Timers that are due meanwhile
/// fire. Pauses the clock.
///
/// # Panics
/// Outside a run.
pub async fn advance(duration: Duration) {
    pause();
    sleep(duration).await;
}
