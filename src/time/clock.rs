//! tokio's test clock, for code that controls it.
//!
//! # Invariants
//! Virtual time is always paused in tokio's sense: it advances by itself only when nothing else can happen.

use super::{Duration, sleep};

/// Does nothing, since virtual time is always paused. For code that calls
/// [`tokio::time::pause`](https://docs.rs/tokio/1/tokio/time/fn.pause.html).
pub fn pause() {}

/// Does nothing, since there is no real time to return to. For code that calls
/// [`tokio::time::resume`](https://docs.rs/tokio/1/tokio/time/fn.resume.html).
pub fn resume() {}

/// Waits for `duration` of virtual time, as
/// [`tokio::time::advance`](https://docs.rs/tokio/1/tokio/time/fn.advance.html) does. Timers that are due meanwhile
/// fire.
///
/// # Panics
/// Outside a run.
pub async fn advance(duration: Duration) {
    sleep(duration).await;
}
