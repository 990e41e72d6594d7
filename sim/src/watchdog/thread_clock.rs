//! [`ThreadClock`]: measures how long a thread runs or is blocked.
//!
//! A thread that is ready and waits for a core does neither, so its clock stands still. On Linux the clock reads the CPU time and
//! the state of the thread from `/proc`. Elsewhere, and where `/proc` can't be read, it is a wall clock.

use std::path::PathBuf;
use std::time::Duration;

/// The clock of one thread.
#[derive(Debug)]
pub(super) struct ThreadClock {
    /// The thread's file `stat`; `None` where there is none.
    stat: Option<PathBuf>,
    /// The CPU time at the last call of [`advance`](Self::advance), unless the clock was reset since.
    last_cpu: Option<Duration>,
}

impl ThreadClock {
    /// Creates a wall clock.
    #[cfg(test)]
    pub(super) fn wall() -> Self {
        Self { stat: None, last_cpu: None }
    }

    /// Creates the clock of the calling thread.
    pub(super) fn of_this_thread() -> Self {
        let is_readable = cfg!(any(target_os = "linux", target_os = "android")) && !cfg!(miri);
        let thread = is_readable.then(|| std::fs::read_link("/proc/thread-self").ok()).flatten();
        Self { stat: thread.map(|thread| PathBuf::from("/proc").join(thread).join("stat")), last_cpu: None }
    }

    /// Forgets the time until now. From now on measures the thread with this number; 0 is the one that was measured before.
    pub(super) fn reset_to(&mut self, thread: u32) {
        self.last_cpu = None;
        if thread > 0
            && let Some(threads) = self.stat.as_ref().and_then(|stat| stat.parent()?.parent())
        {
            self.stat = Some(threads.join(thread.to_string()).join("stat"));
        }
    }

    /// Returns for how much of `slept`, the real time since the last call or reset, the thread ran or was blocked. After a
    /// reset, it may leave out what the thread ran until this call.
    pub(super) fn advance(&mut self, slept: Duration) -> Duration {
        let stat = self.stat.as_ref().and_then(|stat| std::fs::read_to_string(stat).ok());
        match stat.as_deref().and_then(Sample::parse) {
            Some(sample) => self.advance_to(sample, slept),
            None => slept,
        }
    }

    fn advance_to(&mut self, sample: Sample, slept: Duration) -> Duration {
        let ran = sample.cpu.saturating_sub(self.last_cpu.unwrap_or(sample.cpu));
        self.last_cpu = Some(sample.cpu);
        if sample.blocked { ran.max(slept) } else { ran }
    }
}

/// Returns the system's number of the calling thread, or 0 if it is unknown.
pub(super) fn number_of_this_thread() -> u32 {
    let thread = std::fs::read_link("/proc/thread-self").ok();
    let name = thread.as_ref().and_then(|thread| thread.file_name()?.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

/// The state of a thread, as its file `stat` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    /// Whether the thread waits for something other than a core. A stopped thread does not.
    blocked: bool,
    /// The CPU time that the thread has used.
    cpu: Duration,
}

impl Sample {
    /// Parses the contents of a file `stat`, which proc(5) describes. `None` if it has another format.
    fn parse(stat: &str) -> Option<Self> {
        /// The unit of the times.
        const TICK: Duration = Duration::from_millis(10);
        // The name, in parentheses, may contain any character. The field after it has the number 3.
        let (_, after_name) = stat.rsplit_once(") ")?;
        let field = |number: usize| after_name.split(' ').nth(number - 3);
        let ticks = |number| field(number)?.parse::<u32>().ok();
        let blocked = matches!(field(3)?, "S" | "D");
        Some(Self { blocked, cpu: TICK * ticks(14)?.checked_add(ticks(15)?)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_state_and_the_cpu_time_are_read() {
        let stat = "77 (a) S 1 (b) R 1 77 77 0 -1 4194304 98 0 1 0 120 5 0 0 25 5 1 0 81745 3133440 363";
        let sample = Sample::parse(stat).unwrap();
        assert_eq!(sample, Sample { blocked: false, cpu: Duration::from_millis(1_250) });
        assert!(Sample::parse(&stat.replace(") R", ") S")).unwrap().blocked);
        assert!(!Sample::parse(&stat.replace(") R", ") T")).unwrap().blocked, "stopped in a debugger");
        assert_eq!(Sample::parse("77 (a) R 1 2"), None);
    }

    #[test]
    fn b1_a_starved_thread_does_not_age() {
        let mut clock = ThreadClock::wall();
        let ready = |cpu| Sample { blocked: false, cpu };
        assert_eq!(
            clock.advance_to(ready(7 * SECOND), SECOND),
            Duration::ZERO,
            "the first sample after a reset"
        );
        assert_eq!(clock.advance_to(ready(8 * SECOND), SECOND), SECOND, "it ran");
        assert_eq!(clock.advance_to(ready(8 * SECOND), SECOND), Duration::ZERO, "it waited for a core");
        assert_eq!(
            clock.advance_to(Sample { blocked: true, cpu: 8 * SECOND }, SECOND),
            SECOND,
            "it was blocked"
        );
        clock.reset_to(0);
        assert_eq!(clock.advance_to(ready(9 * SECOND), SECOND), Duration::ZERO);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no /proc")]
    #[cfg(target_os = "linux")]
    fn the_clock_of_a_real_thread_advances() {
        let mut clock = ThreadClock::of_this_thread();
        let unlimited = Duration::MAX;
        assert_eq!(clock.advance(unlimited), Duration::ZERO);
        let mut ran = Duration::ZERO;
        while ran.is_zero() {
            ran = clock.advance(unlimited);
        }
        assert!(ran < unlimited, "this thread runs");
        // Waits until the other thread is blocked.
        std::thread::scope(|scope| {
            let (send, clocks) = std::sync::mpsc::channel();
            let (release, released) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                send.send(ThreadClock::of_this_thread()).unwrap();
                let _ = released.recv();
            });
            let mut clock = clocks.recv().unwrap();
            while clock.advance(unlimited) < unlimited {
                std::thread::yield_now();
            }
            drop(release);
        });
    }
}
