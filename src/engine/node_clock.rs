//! The clock of a node: how its time follows from that of the run.
//!
//! Always true: the monotonic clock never runs backwards, whatever is done to the clock; what is due at a node's instant
//! comes due at the first of the run's instants at which the node's clock shows that instant or a later one.

/// Parts in a million.
const WHOLE: i64 = 1_000_000;

/// How far a clock may be too fast or too slow, in parts in a million.
pub(crate) const DRIFT_MAX_PPM: u32 = 500_000;

/// A clock with its faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeClock {
    /// When the rate was set last: in the run's time, and in the node's.
    since_ns: u64,
    since_local_ns: u64,
    /// By how much it is too fast.
    drift_ppm: i32,
    /// By how much the wall clock is ahead of what the monotonic clock says it should be.
    offset_ns: i128,
}

impl NodeClock {
    /// A clock that shows the run's time.
    pub(crate) const TRUE: Self = Self { since_ns: 0, since_local_ns: 0, drift_ppm: 0, offset_ns: 0 };

    fn rate(self) -> u128 {
        (WHOLE + i64::from(self.drift_ppm)).unsigned_abs().into()
    }

    /// What the node's monotonic clock shows at an instant of the run, which is not before the rate was set.
    pub(crate) fn local_ns(self, ns: u64) -> u64 {
        let passed = u128::from(ns.saturating_sub(self.since_ns)) * self.rate() / WHOLE as u128;
        u64::try_from(passed + u128::from(self.since_local_ns)).unwrap_or(u64::MAX)
    }

    /// The first instant of the run at which the node's monotonic clock shows this or more.
    pub(crate) fn run_ns(self, local_ns: u64) -> u64 {
        let to_pass = u128::from(local_ns.saturating_sub(self.since_local_ns));
        let passes = (to_pass * WHOLE as u128).div_ceil(self.rate());
        u64::try_from(passes + u128::from(self.since_ns)).unwrap_or(u64::MAX)
    }

    /// The same clock with another rate from now on; at most [`DRIFT_MAX_PPM`] either way.
    pub(crate) fn drifting(self, drift_ppm: i32, now_ns: u64) -> Self {
        assert!(drift_ppm.unsigned_abs() <= DRIFT_MAX_PPM, "asked for by whoever sets it");
        Self { since_ns: now_ns, since_local_ns: self.local_ns(now_ns), drift_ppm, ..self }
    }

    /// By how much the monotonic clock is too fast.
    pub(crate) fn drift_ppm(self) -> i32 {
        self.drift_ppm
    }

    /// By how much the wall clock is ahead of the monotonic one.
    pub(crate) fn offset_ns(self) -> i128 {
        self.offset_ns
    }

    /// The same clock with the wall clock so far ahead.
    pub(crate) fn with_offset(self, offset_ns: i128) -> Self {
        Self { offset_ns, ..self }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DRIFT_MAX_PPM, NodeClock};

    #[test]
    fn a_true_clock_shows_the_time_of_the_run() {
        for ns in [0, 1, 999, u64::MAX] {
            assert_eq!((NodeClock::TRUE.local_ns(ns), NodeClock::TRUE.run_ns(ns)), (ns, ns));
        }
    }

    #[test]
    fn a_clock_that_drifts_is_off_by_so_many_parts() {
        let fast = NodeClock::TRUE.drifting(100, 1_000_000_000);
        assert_eq!(fast.local_ns(2_000_000_000), 2_000_100_000);
        let slow = fast.drifting(-500_000, 2_000_000_000);
        assert_eq!(slow.local_ns(4_000_000_000), 3_000_100_000);
        assert_eq!(slow.run_ns(3_000_100_000), 4_000_000_000);
        assert_eq!(slow.run_ns(3_000_100_001), 4_000_000_002);
    }

    proptest! {
        #[test]
        fn what_is_due_comes_due_at_the_first_instant_that_shows_it(
            rates in prop::collection::vec((-(DRIFT_MAX_PPM as i32)..=DRIFT_MAX_PPM as i32, 0_u64..1 << 40), 1..6),
            wait_ns in 0_u64..1 << 40,
        ) {
            let mut clock = NodeClock::TRUE;
            let (mut now_ns, mut shown_ns) = (0, 0);
            for (drift_ppm, passes_ns) in rates {
                clock = clock.drifting(drift_ppm, now_ns);
                prop_assert!(clock.local_ns(now_ns) == shown_ns, "setting the rate moves nothing");
                now_ns += passes_ns;
                prop_assert!(clock.local_ns(now_ns) >= shown_ns);
                shown_ns = clock.local_ns(now_ns);
            }
            let due_ns = shown_ns + wait_ns;
            let comes_ns = clock.run_ns(due_ns);
            prop_assert!(clock.local_ns(comes_ns) >= due_ns);
            prop_assert!(comes_ns <= now_ns || clock.local_ns(comes_ns - 1) < due_ns);
        }

        #[test]
        fn the_end_of_time_is_the_end_of_time_for_all(drift_ppm in -(DRIFT_MAX_PPM as i32)..=0) {
            let clock = NodeClock::TRUE.drifting(drift_ppm, 1 << 50);
            prop_assert_eq!(clock.run_ns(u64::MAX), u64::MAX);
            prop_assert!(clock.local_ns(u64::MAX) > clock.local_ns(1 << 50));
        }
    }
}
