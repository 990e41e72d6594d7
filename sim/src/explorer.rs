//! The explorer: what to explore, how far, and what to do with what is found.
//!
//! Always true: with the defaults, and nothing in the environment, an exploration is a function of the code under test: a
//! fixed base seed, a fixed number of runs.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::environment::Settings;
use crate::exploration::Exploration;
use crate::session::Session;
use crate::{Ended, Found, Limits, Schedule, Seed, Simulation, StrategySpec, TestName};

/// Explores a test: runs it under many schedules, and confirms, shrinks, replays and reports the first failure.
///
/// ```
/// # use timeloop_sim::{Ended, Explorer, Request, Simulation};
/// struct Calm;
/// impl Simulation for Calm {
///     fn run(&self, _: Request<'_>) -> Ended {
///         Ended { failure: None, trace_hash: 7, steps: 1, elapsed_ns: 0, record: None, unapplied: 0 }
///     }
/// }
///
/// let exploration = Explorer::new("calm").runs(100).explore(&Calm);
/// assert!(exploration.passed());
/// assert_eq!(exploration.runs, 100);
/// ```
#[derive(Clone)]
#[must_use = "an explorer does nothing until it explores"]
pub struct Explorer {
    pub(crate) test: TestName,
    pub(crate) runs: Option<u64>,
    pub(crate) seed: Seed,
    pub(crate) strategy: StrategySpec,
    pub(crate) stalls: bool,
    pub(crate) jobs: Option<usize>,
    pub(crate) limits: Limits,
    pub(crate) regressions: RegressionsIn,
    pub(crate) shrink_runs: u64,
    pub(crate) quiet: bool,
    pub(crate) environment: Option<Settings>,
    pub(crate) progress: Option<OnProgress>,
}

type OnProgress = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Where failing schedules are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RegressionsIn {
    /// In `timeloop-regressions` in the folder of the package under test.
    Package,
    Folder(PathBuf),
    Nowhere,
}

/// How far the work on a test has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Runs made in this phase.
    pub runs: u64,
    /// Runs that the phase takes at most.
    pub of: u64,
}

/// What is being done with a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Trying seeds.
    Exploring,
    /// Making a failing schedule smaller.
    Shrinking,
}

impl Explorer {
    /// Explores the test called `name`: its path with the crate first (`bank::tests::transfers`), or any other text.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            test: TestName::new(name),
            runs: None,
            seed: Seed(0),
            strategy: StrategySpec::default(),
            stalls: true,
            jobs: None,
            limits: Limits::default(),
            regressions: RegressionsIn::Package,
            shrink_runs: 20_000,
            quiet: false,
            environment: None,
            progress: None,
        }
    }

    /// How many runs. Default 1,000; for an exhaustive search, which also ends when it is complete, 100,000.
    ///
    /// # Panics
    /// When `runs` is 0: such a test would test nothing.
    #[track_caller]
    pub fn runs(mut self, runs: u64) -> Self {
        assert!(runs > 0, "an exploration of 0 runs would test nothing; give 1 or more");
        self.runs = Some(runs);
        self
    }

    /// The seed of the first run; those that follow count up from it. Default 0.
    pub fn seed(mut self, seed: impl Into<Seed>) -> Self {
        self.seed = seed.into();
        self
    }

    /// How it is decided who goes on. Default [`StrategySpec::Portfolio`].
    pub fn strategy(mut self, strategy: StrategySpec) -> Self {
        self.strategy = strategy;
        self
    }

    /// Whether time may pass while a task is ready, as on a machine that is busy, so that timeouts fire early relative to
    /// work. Default true. False is for a test that counts on exact times: `sleep(1 s)` then takes 1 s, whatever else is
    /// going on.
    ///
    /// This is of the test, and holds under whichever strategy is asked for: without stalls, `starve` keeps a task waiting
    /// only while others can run, and `stall`, which has nothing else to do, is `random`. A stored schedule under which
    /// time passes is not tried.
    pub fn stalls(mut self, stalls: bool) -> Self {
        self.stalls = stalls;
        self
    }

    /// How many threads run at once; what is found does not depend on it. Default one a core.
    ///
    /// # Panics
    /// When `jobs` is 0.
    #[track_caller]
    pub fn jobs(mut self, jobs: usize) -> Self {
        assert!(jobs > 0, "an exploration needs a thread; give 1 or more jobs");
        self.jobs = Some(jobs);
        self
    }

    /// All bounds of a run at once.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Steps a run: [`Limits::max_steps`].
    pub fn max_steps(mut self, steps: u64) -> Self {
        self.limits.max_steps = steps;
        self
    }

    /// Steps at one instant of virtual time: [`Limits::max_polls_per_instant`].
    pub fn max_polls_per_instant(mut self, polls: u64) -> Self {
        self.limits.max_polls_per_instant = polls;
        self
    }

    /// Virtual time a run: [`Limits::max_virtual_time`].
    pub fn max_virtual_time(mut self, time: Duration) -> Self {
        self.limits.max_virtual_time = time;
        self
    }

    /// Tasks alive at one time: [`Limits::max_tasks`].
    pub fn max_tasks(mut self, tasks: u32) -> Self {
        self.limits.max_tasks = tasks;
        self
    }

    /// Real time that one poll may take: [`Limits::stuck_after`].
    pub fn stuck_after(mut self, time: Duration) -> Self {
        self.limits.stuck_after = time;
        self
    }

    /// The virtual wall clock at the run's start, as time since the Unix epoch: [`Limits::epoch`].
    pub fn epoch(mut self, epoch: Duration) -> Self {
        self.limits.epoch = epoch;
        self
    }

    /// Keeps failing schedules in `folder`. Default `timeloop-regressions` in the folder of the package under test.
    pub fn regressions(mut self, folder: impl Into<PathBuf>) -> Self {
        self.regressions = RegressionsIn::Folder(folder.into());
        self
    }

    /// Neither tries stored schedules nor stores any.
    pub fn without_regressions(mut self) -> Self {
        self.regressions = RegressionsIn::Nowhere;
        self
    }

    /// Runs that shrinking may take. Default 20,000.
    pub fn shrink_runs(mut self, runs: u64) -> Self {
        self.shrink_runs = runs;
        self
    }

    /// The command that runs this test, for the replay line. Default: made of the name, as `cargo test` wants it.
    pub fn command(mut self, command: impl Into<Arc<str>>) -> Self {
        self.test = self.test.with_command(command);
        self
    }

    /// Prints nothing at all: notes and warnings are in [`Exploration::notes`].
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Tells `progress`, on the calling thread and a few times a second, how far the work has come.
    pub fn progress(mut self, progress: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(progress));
        self
    }

    /// Takes `settings` in place of what the environment says.
    pub fn environment(mut self, settings: Settings) -> Self {
        self.environment = Some(settings);
        self
    }

    /// Heeds no environment variable.
    pub fn without_environment(self) -> Self {
        self.environment(Settings::default())
    }

    /// Explores. Failing tests do not panic here; [`Exploration::check`] does.
    ///
    /// # Panics
    /// When the simulation itself panics instead of reporting a failure.
    #[must_use]
    pub fn explore(&self, simulation: &dyn Simulation) -> Exploration {
        Session::run(self, simulation)
    }

    /// From a failing run to a report: confirms, shrinks and replays `schedule`, under which `failed` has just been made.
    /// Nothing else is tried, and nothing stored. Of the environment only `TIMELOOP_LOG` is heeded.
    ///
    /// # Panics
    /// When `failed` has not failed, or the simulation itself panics.
    #[must_use]
    #[track_caller]
    pub fn investigate(
        &self,
        simulation: &dyn Simulation,
        schedule: &Schedule,
        failed: &Ended,
    ) -> Box<Found> {
        Session::investigated(self, simulation, schedule, failed)
    }

    /// Writes the report of what was found, as it says now.
    #[must_use]
    pub fn report(&self, found: &Found) -> String {
        crate::report::write(&self.test, found, false)
    }

    /// The test.
    #[must_use]
    pub fn test(&self) -> &TestName {
        &self.test
    }
}

impl fmt::Debug for Explorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explorer")
            .field("test", &self.test)
            .field("runs", &self.runs)
            .field("seed", &self.seed)
            .field("strategy", &self.strategy)
            .field("stalls", &self.stalls)
            .field("jobs", &self.jobs)
            .field("limits", &self.limits)
            .field("regressions", &self.regressions)
            .finish_non_exhaustive()
    }
}

impl Progress {
    pub(crate) fn line(&self, test: &TestName) -> String {
        let doing = match self.phase {
            Phase::Exploring => "explored",
            Phase::Shrinking => "shrinking, made",
        };
        let [runs, of] = [self.runs, self.of].map(crate::grouped);
        format!("timeloop: `{test}`: {doing} {runs} of {of} runs\n")
    }
}
