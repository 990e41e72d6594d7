//! Runs that do not end, or take long.

use crate::support::{child, is_child};

/// Busy threads, several for each core. They end when this is dropped.
struct Load(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Load {
    #[expect(clippy::disallowed_methods, reason = "real threads keep the cores busy")]
    fn start() -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..16 * cores {
            let stop = std::sync::Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Returns the CPU time that this thread has used, in nanoseconds.
#[cfg(target_os = "linux")]
fn cpu_time_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// Run by the test below. Its poll takes 100 ms of CPU time, and several times as much real time.
#[cfg(target_os = "linux")]
#[timeloop::test(stuck_after = "300ms", runs = 1, strategy = "random")]
#[expect(clippy::disallowed_methods, reason = "the test measures real time")]
async fn polls_slowly_under_load() {
    if !is_child() {
        return;
    }
    let _load = Load::start();
    let (start, cpu_start) = (std::time::Instant::now(), cpu_time_ns());
    while cpu_time_ns() < cpu_start + 100_000_000 {
        std::hint::spin_loop();
    }
    println!("took {} ms", start.elapsed().as_millis());
}

#[cfg(target_os = "linux")]
#[test]
fn b1_a_poll_that_waits_for_a_core_is_not_stuck() {
    let ended = child("faults::limits::polls_slowly_under_load", &[("RUST_TEST_NOCAPTURE", "1")]);
    assert!(ended.passed(), "{ended:?}");
    let took = ended.stdout.split_once("took ").unwrap().1.split_once(" ms").unwrap().0;
    assert!(took.parse::<u32>().unwrap() > 600, "the poll took long enough for a watchdog with a wall clock: {took}");
}
