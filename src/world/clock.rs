//! The clocks of a node.
//!
//! Always true: what is done to a clock is seen by the tasks of its node alone; monotonic time never runs backwards.

use std::time::Duration;

use super::Node;
use crate::engine::clock::{DRIFT_MAX_PPM, NodeClock};
use crate::engine::nodes::NodeId;
use crate::time::{Instant, SystemTime};

/// The clocks of a node, from [`Node::clock`]: the monotonic one, which [`Instant`] and all waiting follow, and the wall
/// clock, [`SystemTime`].
///
/// Drift concerns both, as on a real host whose quartz is off. Jumps concern the wall clock alone. The test's own clocks show
/// the run's time and can't be changed.
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

    /// The time of day that the node's tasks see.
    #[must_use]
    #[track_caller]
    pub fn now(&self) -> SystemTime {
        SystemTime::from_ns(self.node.with(|engine| engine.wall_clock_ns(self.node.id)))
    }

    /// The instant that the node's tasks see.
    #[must_use]
    #[track_caller]
    pub fn instant(&self) -> Instant {
        let ns = self.node.with(|engine| engine.nodes().clock(self.node.id).local_ns(engine.now_ns()));
        Instant::at_ns(ns)
    }

    /// By how much the clocks are too fast: parts in a million.
    #[must_use]
    #[track_caller]
    pub fn drift_ppm(&self) -> i32 {
        self.node.with(|engine| engine.nodes().clock(self.node.id).drift_ppm())
    }

    /// Makes the clocks too fast by so many parts in a million from now on, or too slow; 500,000 at most either way. Whoever
    /// waits on the node waits accordingly, also where that had begun.
    ///
    /// # Panics
    /// On the test's own node, and where it is more.
    #[track_caller]
    pub fn set_drift_ppm(&self, drift_ppm: i32) {
        let drift_ppm = checked_drift(drift_ppm);
        self.change(|clock, now_ns| clock.drifting(drift_ppm, now_ns));
    }

    /// Sets the wall clock ahead by so much; 1,000 years in all at most.
    ///
    /// # Panics
    /// On the test's own node, and where it is more.
    #[track_caller]
    pub fn jump_ahead(&self, by: Duration) {
        self.jump(by, false);
    }

    /// Sets the wall clock back by so much; 1,000 years in all at most.
    ///
    /// # Panics
    /// On the test's own node, and where it is more.
    #[track_caller]
    pub fn jump_back(&self, by: Duration) {
        self.jump(by, true);
    }

    /// Sets the wall clock right, as when a host hears from its time server; if it drifts, it goes on to.
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
                "can't change the clocks of the node that the test itself runs on, which show the run's time; \
                 change those of one that `World::node` has declared"
            );
        }
        self.node.with(|engine| engine.change_clock(self.node.id, change));
    }
}

/// The drift, if a clock can have it.
#[track_caller]
pub(super) fn checked_drift(drift_ppm: i32) -> i32 {
    assert!(
        drift_ppm.unsigned_abs() <= DRIFT_MAX_PPM,
        "a clock can't drift by {drift_ppm} parts in a million; from -500000 to 500000 is accepted"
    );
    drift_ppm
}

/// The offset after a jump, if a clock can have it.
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
