//! [`Clock`]: the clocks of a node.
//!
//! # Invariants
//! A change of a clock affects only tasks of its node. Monotonic time never runs backwards.

use std::time::Duration;

use super::Node;
use crate::engine::clock::{DRIFT_MAX_PPM, NodeClock};
use crate::engine::nodes::NodeId;
use crate::time::{Instant, SystemTime};

/// The clocks of a node, from [`Node::clock`]: the monotonic clock, which [`Instant`] and all timers follow, and the
/// wall clock, [`SystemTime`].
///
/// Drift affects both clocks, as an inaccurate oscillator does on a real host. Jumps affect only the wall clock. The
/// clocks of the test's own node show the run's time and can't be changed.
///
/// ```
/// use timeloop::time::{Duration, Instant, SystemTime, sleep};
/// use timeloop::world::World;
///
/// timeloop::run(0, || async {
///     // Too fast by a tenth of a per cent, and a minute ahead.
///     let node = World::current()
///         .node("db-1")
///         .clock_drift_ppm(1_000)
///         .clock_ahead(Duration::from_secs(60))
///         .build();
///     let (start, wall_start) = (Instant::now(), SystemTime::now());
///
///     let wall = node.spawn(async {
///         sleep(Duration::from_secs(1_001)).await;
///         SystemTime::now()
///     });
///     let wall = wall.await.unwrap();
///     assert_eq!(start.elapsed(), Duration::from_secs(1_000));
///     assert_eq!(wall.duration_since(wall_start).unwrap(), Duration::from_secs(1_061));
///
///     node.clock().jump_back(Duration::from_secs(61));
///     assert_eq!(node.clock().now(), SystemTime::now());
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct Clock {
    node: Node,
}

impl Clock {
    pub(super) fn new(node: Node) -> Self {
        Self { node }
    }

    /// Returns the wall-clock time that the node's tasks see.
    #[must_use]
    #[track_caller]
    pub fn now(&self) -> SystemTime {
        SystemTime::from_ns(self.node.with(|engine| engine.wall_clock_ns(self.node.id)))
    }

    /// Returns the instant that the node's tasks see.
    #[must_use]
    #[track_caller]
    pub fn instant(&self) -> Instant {
        let ns = self.node.with(|engine| engine.nodes().clock(self.node.id).local_ns(engine.now_ns()));
        Instant::at_ns(ns)
    }

    /// Returns the drift of the clocks in parts per million.
    #[must_use]
    #[track_caller]
    pub fn drift_ppm(&self) -> i32 {
        self.node.with(|engine| engine.nodes().clock(self.node.id).drift_ppm())
    }

    /// Sets the drift of the clocks from now on, in parts per million: positive is too fast, negative too slow. The
    /// maximum is 500,000 either way. Timers of the node adapt, also those already set.
    ///
    /// # Panics
    /// On the test's own node, and if the drift exceeds the maximum.
    #[track_caller]
    pub fn set_drift_ppm(&self, drift_ppm: i32) {
        let drift_ppm = checked_drift(drift_ppm);
        self.change(|clock, now_ns| clock.drifting(drift_ppm, now_ns));
    }

    /// Sets the wall clock ahead; its total offset may be at most 1,000 years.
    ///
    /// # Panics
    /// On the test's own node, and if the offset exceeds the maximum.
    #[track_caller]
    pub fn jump_ahead(&self, by: Duration) {
        self.jump(by, false);
    }

    /// Sets the wall clock back; its total offset may be at most 1,000 years.
    ///
    /// # Panics
    /// On the test's own node, and if the offset exceeds the maximum.
    #[track_caller]
    pub fn jump_back(&self, by: Duration) {
        self.jump(by, true);
    }

    /// Sets the wall clock to the run's time, as synchronizing with a time server does. Its drift stays.
    ///
    /// # Panics
    /// On the test's own node.
    #[track_caller]
    pub fn set_right(&self) {
        self.change(|clock, now_ns| {
            clock.with_offset(i128::from(now_ns) - i128::from(clock.local_ns(now_ns)))
        });
    }

    #[track_caller]
    fn jump(&self, by: Duration, back: bool) {
        let offset_ns = self.node.with(|engine| engine.nodes().clock(self.node.id).offset_ns());
        let offset_ns = checked_offset(offset_ns, by, back);
        self.change(|clock, _| clock.with_offset(offset_ns));
    }

    #[track_caller]
    fn change(&self, change: impl FnOnce(NodeClock, u64) -> NodeClock) {
        if self.node.id == NodeId::TEST {
            panic!(
                "can't change the clocks of the test's own node, which show the run's time; \
                 change the clocks of a node declared with `World::node`"
            );
        }
        self.node.with(|engine| engine.change_clock(self.node.id, change));
    }
}

/// Panics if a clock can't have this drift.
#[track_caller]
pub(super) fn checked_drift(drift_ppm: i32) -> i32 {
    assert!(
        drift_ppm.unsigned_abs() <= DRIFT_MAX_PPM,
        "a clock can't drift by {drift_ppm} parts per million; the range is -500000 to 500000"
    );
    drift_ppm
}

/// Returns the offset after a jump. Panics if a clock can't have it.
#[track_caller]
pub(super) fn checked_offset(offset_ns: i128, by: Duration, back: bool) -> i128 {
    const MAX_NS: i128 = 1_000 * 365 * 86_400 * 1_000_000_000;
    let by_ns = i128::try_from(by.as_nanos()).unwrap_or(i128::MAX / 2);
    let offset_ns = if back { offset_ns - by_ns } else { offset_ns + by_ns };
    assert!(
        (-MAX_NS..=MAX_NS).contains(&offset_ns),
        "a wall clock can't be off by more than 1,000 years; jump by less than {by:?}"
    );
    offset_ns
}
