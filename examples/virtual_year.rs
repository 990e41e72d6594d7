//! A year of heartbeats, time-outs and retries in a fraction of a second.
//!
//! ```text
//! cargo run --example virtual_year
//! ```
//!
//! The output is the same in every process and on every machine, because no real clock is read.
#![expect(clippy::print_stdout, reason = "the example prints to standard output")]

use rand::RngExt as _;
use timeloop::time::{Duration, Instant, SystemTime, UNIX_EPOCH, interval, sleep, timeout};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server that answers within about a second, and sometimes not at all.
async fn heartbeat() {
    let delay = timeloop::rng().random_range(0..1_200);
    if delay < 1_150 {
        sleep(Duration::from_millis(delay)).await;
    } else {
        std::future::pending().await
    }
}

#[timeloop::main(seed = 7)]
async fn main() {
    let start = Instant::now();
    let mut ticks = interval(Duration::from_secs(60));
    let (mut answered, mut late, mut worst) = (0, 0, 0);
    let mut missed = 0;
    while start.elapsed() < 365 * DAY {
        ticks.tick().await;
        if timeout(Duration::from_secs(1), heartbeat()).await.is_ok() {
            answered += 1;
            missed = 0;
        } else {
            late += 1;
            missed += 1;
            worst = worst.max(missed);
        }
    }
    let today = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    println!("after {} days it is {today} s since 1970", start.elapsed().as_secs() / DAY.as_secs());
    println!("{answered} heartbeats were answered, {late} were not, at worst {worst} in a row");
}
