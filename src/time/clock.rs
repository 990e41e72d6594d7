//! Tokio's test clock, for code that steers it.
//!
//! Always true: virtual time is always paused in tokio's sense: it moves by itself when nothing else can happen.

use super::{Duration, sleep};

/// Does nothing: virtual time never passes by itself while there is work. For code that calls
/// [`tokio::time::pause`](https://docs.rs/tokio/1/tokio/time/fn.pause.html).
pub fn pause() {}

/// Does nothing: there is no real time to go back to. For code that calls
/// [`tokio::time::resume`](https://docs.rs/tokio/1/tokio/time/fn.resume.html).
pub fn resume() {}

/// Lets this much virtual time pass; timers that are due on the way fire, as in
/// [`tokio::time::advance`](https://docs.rs/tokio/1/tokio/time/fn.advance.html).
///
/// # Panics
/// Outside of a run.
pub async fn advance(duration: Duration) {
    sleep(duration).await;
}
