//! Schedules as a strategy of proptest's.
//!
//! Always true: generating a schedule draws one number, whatever the settings; a tree never says that it can be made
//! simpler, because the runs of its schedules do that.

use std::fmt;
use std::sync::Arc;

use proptest::arbitrary::Arbitrary;
use proptest::prelude::Rng as _;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::joint::{Case, Hint};
use super::persistence;
use crate::explorer::named;
use crate::schedule::replayed;
use crate::{Config, Limits, Schedule, Seed, StrategySpec};

/// Schedules as inputs of a property.
///
/// Each [`Schedule::run`] first makes the quiet run, and then a few others, each with a seed of its own and told by the quiet
/// run how many tasks and steps there are. Once a run has failed, its schedule is shrunk; and while proptest tries simpler
/// inputs, a run is made under the schedule that has failed, shrunk as it is, and where that passes under others, until one
/// fails in the same place. So inputs and schedule get smaller together, whatever the order in which the strategies stand.
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
        stalls: true,
        limits: Limits::default(),
        hints: Vec::new(),
        heeds_environment: true,
    }
}

/// The strategy that [`schedules`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "strategies do nothing unless they are given to proptest"]
pub struct Schedules {
    pub(super) strategy: StrategySpec,
    pub(super) runs: u32,
    pub(super) retries: u32,
    pub(super) stalls: bool,
    pub(super) limits: Limits,
    /// What is tried first.
    pub(super) hints: Vec<Arc<Hint>>,
    /// Whether a value of `TIMELOOP_REPLAY` that is no good is an error here.
    pub(super) heeds_environment: bool,
}

impl Schedules {
    /// How it is decided who goes on, and the bounds of each run: [`strategy`](Self::strategy) and
    /// [`limits`](Self::limits) at once.
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

    /// How it is decided who goes on: a [`StrategySpec`] or its name. Default `"portfolio"`: one strategy a run, chosen from
    /// its seed.
    ///
    /// # Panics
    /// When no strategy has the name, and for `exhaustive`, which has no seeds.
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
        self.strategy = named(strategy);
        assert!(
            !matches!(self.strategy, StrategySpec::Exhaustive { .. }),
            "`exhaustive` makes every schedule of one input and has no seeds to generate; give another strategy, or the \
             input to `Explorer` with this one",
        );
        self
    }

    /// How many runs each [`Schedule::run`] makes besides the quiet one, as long as none fails. Default 4, which with
    /// proptest's 256 cases comes to somewhat more runs than a `#[timeloop::test]` makes.
    ///
    /// # Panics
    /// When `runs` is 0: no schedule but the baseline would be tried.
    #[track_caller]
    pub fn runs(mut self, runs: u32) -> Self {
        assert!(runs > 0, "0 runs would try no schedule but the baseline; give 1 or more");
        self.runs = runs;
        self
    }

    /// Under how many other schedules a simpler input is tried, once the one that has failed passes with it. Default 100.
    ///
    /// More of them shrink further where few schedules fail, and shrink more slowly.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Whether time may pass while a task is ready, as on a machine that is busy. Default true; false is for a property
    /// that counts on exact times ([`Explorer::stalls`](crate::Explorer::stalls)).
    pub fn stalls(mut self, stalls: bool) -> Self {
        self.stalls = stalls;
        self
    }

    /// The bounds of each run, unless [`Schedule::run_with`] is given others.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Strategy for Schedules {
    type Tree = ScheduleTree;
    type Value = Schedule;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        // Here it is said once. In a run it would fail the case, and each simpler one.
        if self.heeds_environment {
            replayed(&Config::new("")).map_err(|error| error.to_string())?;
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
/// It has nothing to simplify by itself. All the values that it gives share what their runs have found.
#[derive(Debug)]
pub struct ScheduleTree {
    case: Case,
    _alive: Arc<()>,
}

impl ValueTree for ScheduleTree {
    type Value = Schedule;

    fn current(&self) -> Schedule {
        Schedule::of_case(self.case.begun())
    }

    fn simplify(&mut self) -> bool {
        false
    }

    fn complicate(&mut self) -> bool {
        false
    }
}

/// [`schedules`].
impl Arbitrary for Schedule {
    type Parameters = ();
    type Strategy = Schedules;

    fn arbitrary_with((): ()) -> Schedules {
        schedules()
    }
}
