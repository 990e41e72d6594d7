//! [`Schedules`]: schedules as a proptest strategy.
//!
//! # Invariants
//! - Generating a schedule draws one random number, whatever the settings.
//! - A tree never offers to simplify a schedule: the runs shrink it themselves.

use std::fmt;
use std::sync::Arc;

use proptest::arbitrary::Arbitrary;
use proptest::prelude::Rng as _;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use timeloop_sim::exit_with;

use super::joint_shrinking::{Case, Hint};
use super::persistence;
use crate::explorer::parse_strategy;
use crate::schedule::replayed;
use crate::{Config, Limits, Schedule, Seed, Stalls, StrategySpec};

/// Generates schedules as inputs of a property.
///
/// Each [`Schedule::run`] first makes the baseline run, then a few more runs with a seed each. The baseline run
/// measures the number of tasks and steps for their strategies. Once a run fails, its schedule is shrunk. While
/// proptest tries simpler inputs, each is run under the shrunk schedule. If that passes, it is run under other
/// schedules, until one fails at the same location. Inputs and schedule therefore shrink together, whatever the order
/// of the strategies.
///
/// ```
/// use timeloop::proptest::prelude::*;
///
/// proptest! {
///     # /*
///     #[test]
///     # */
///     fn sums(schedule in schedules(), numbers in prop::collection::vec(0..100_u32, 0..5)) {
///         schedule.run(|| async {
///             let tasks: Vec<_> = numbers.iter().map(|&number| timeloop::spawn(async move { number })).collect();
///             let mut sum = 0;
///             for task in tasks {
///                 sum += task.await.unwrap();
///             }
///             prop_assert_eq!(sum, numbers.iter().sum::<u32>());
///             Ok(())
///         })?;
///     }
/// }
/// # sums();
/// ```
#[must_use = "strategies do nothing unless they are given to proptest"]
pub fn schedules() -> Schedules {
    Schedules {
        strategy: StrategySpec::default(),
        runs: 4,
        retries: 100,
        stalls: Stalls::default(),
        limits: Limits::default(),
        hints: Vec::new(),
        reads_environment: true,
    }
}

/// The strategy returned by [`schedules`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "strategies do nothing unless they are given to proptest"]
pub struct Schedules {
    pub(super) strategy: StrategySpec,
    pub(super) runs: u32,
    pub(super) retries: u32,
    pub(super) stalls: Stalls,
    pub(super) limits: Limits,
    /// The schedules to try first.
    pub(super) hints: Vec<Arc<Hint>>,
    /// Whether an invalid value of `TIMELOOP_REPLAY` is reported here.
    pub(super) reads_environment: bool,
}

impl Schedules {
    /// Sets the strategy that decides which task runs next, and the limits of each run. Combines
    /// [`strategy`](Self::strategy) and [`limits`](Self::limits).
    ///
    /// # Panics
    /// As [`strategy`](Self::strategy).
    #[track_caller]
    pub fn with<S>(self, strategy: S, limits: Limits) -> Self
    where
        S: TryInto<StrategySpec>,
        S::Error: fmt::Display,
    {
        self.strategy(strategy).limits(limits)
    }

    /// Sets the strategy that decides which task runs next: a [`StrategySpec`] or its name. Default `"portfolio"`:
    /// picks a strategy for each run from the run's seed.
    ///
    /// # Panics
    /// If no strategy has this name, and for `exhaustive`, which has no seeds.
    ///
    /// ```
    /// let schedules = timeloop::proptest::schedules().strategy("pct(depth = 2)");
    /// ```
    #[track_caller]
    pub fn strategy<S>(mut self, strategy: S) -> Self
    where
        S: TryInto<StrategySpec>,
        S::Error: fmt::Display,
    {
        self.strategy = parse_strategy(strategy);
        assert!(
            !matches!(self.strategy, StrategySpec::Exhaustive { .. }),
            "`exhaustive` explores all schedules of one input and uses no seeds, so it can't generate a schedule; use \
             another strategy here, or `Explorer` with one input",
        );
        self
    }

    /// Sets the number of runs of each [`Schedule::run`], besides the baseline run. Default 4. With proptest's 256
    /// cases, that is somewhat more runs than a `#[timeloop::test]` makes.
    ///
    /// # Panics
    /// If `runs` is 0.
    #[track_caller]
    pub fn runs(mut self, runs: u32) -> Self {
        assert!(runs > 0, "0 runs would try no schedule but the baseline; give 1 or more");
        self.runs = runs;
        self
    }

    /// Sets the number of other schedules to try with a simpler input, if it passes under the schedule that failed.
    /// Default 100.
    ///
    /// More retries shrink further if few schedules fail, but take longer.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets whether time may pass while a task is ready, as on a busy machine, or for how long at most. Default true. Use
    /// false for a property that depends on exact times ([`Explorer::stalls`](crate::Explorer::stalls)).
    pub fn stalls(mut self, stalls: impl Into<Stalls>) -> Self {
        self.stalls = stalls.into();
        self
    }

    /// Sets the limits of each run. [`Schedule::run_with`] overrides them.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Strategy for Schedules {
    type Tree = ScheduleTree;
    type Value = Schedule;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        // Reported once here. Inside a run it would fail the case, and each simpler one.
        if self.reads_environment {
            replayed(&Config::new("")).unwrap_or_else(|error| exit_with(&format!("timeloop: {error}")));
        }
        let seed = Seed(runner.rng().next_u64());
        let mut settings = self.clone();
        settings.hints.extend(persistence::hints());
        let alive = Arc::new(());
        Ok(ScheduleTree { case: Case::new(seed, settings, &alive), _alive: alive })
    }
}

/// The value tree of [`schedules`].
///
/// It never simplifies. All its values share the failures that their runs find.
#[derive(Debug)]
pub struct ScheduleTree {
    case: Case,
    _alive: Arc<()>,
}

impl ValueTree for ScheduleTree {
    type Value = Schedule;

    fn current(&self) -> Schedule {
        Schedule::of_case(self.case.restarted())
    }

    fn simplify(&mut self) -> bool {
        false
    }

    fn complicate(&mut self) -> bool {
        false
    }
}

/// Generates [`schedules`].
impl Arbitrary for Schedule {
    type Parameters = ();
    type Strategy = Schedules;

    fn arbitrary_with((): ()) -> Schedules {
        schedules()
    }
}
