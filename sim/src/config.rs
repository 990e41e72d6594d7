//! The configuration of an exploration: every setting, with its default.
//!
//! # Invariants
//! With the defaults, and nothing in the environment, an exploration is a function of the code under test: a fixed base
//! seed, a fixed number of runs.

use std::path::PathBuf;
use std::sync::Arc;

use crate::environment::{EnvironmentError, Settings};
use crate::progress::OnProgress;
use crate::regression::FOLDER;
use crate::{Limits, Seed, StrategySpec, TestName};

/// How to explore a test. [`explore`](crate::explore) takes it.
///
/// The variables `TIMELOOP_*` override [`runs`](Self::runs), [`seed`](Self::seed), [`strategy`](Self::strategy) and
/// [`jobs`](Self::jobs).
///
/// ```
/// use timeloop_sim::{Config, Ended, Request, Simulation, explore};
///
/// struct Calm;
/// impl Simulation for Calm {
///     fn run(&self, _: Request<'_>) -> Ended {
///         Ended { failure: None, trace_hash: 7, steps: 1, elapsed_ns: 0, record: None, unapplied: 0 }
///     }
/// }
///
/// let exploration = explore(&Config { runs: Some(100), ..Config::new("calm") }, &Calm);
/// assert!(exploration.passed());
/// assert_eq!(exploration.runs, 100);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The test, to which tokens and stored schedules belong.
    pub test: TestName,
    /// The number of runs, besides the baseline run. Default 1,000; for an exhaustive search, which also ends when it is
    /// complete, 100,000.
    pub runs: Option<u64>,
    /// The seed of the first run; those of the next runs count up from it. Default 0.
    pub seed: Seed,
    /// The strategy that decides which task runs next. Default [`StrategySpec::Portfolio`]: one strategy a run, chosen
    /// from its seed.
    pub strategy: StrategySpec,
    /// Whether virtual time may pass while a task is ready, as on a busy machine, so that timeouts fire early relative to
    /// work. Default true. False is for a test that counts on exact times: `sleep(1 s)` then takes 1 s, whatever else is
    /// going on.
    ///
    /// False holds under every strategy: `starve` then keeps a task waiting only while others can run, `stall` becomes
    /// `random`, and stored schedules under which time passes are not tried.
    pub stalls: bool,
    /// The number of threads that make runs. The result does not depend on it. Default one a core.
    pub jobs: Option<usize>,
    /// The bounds of a run. Default [`Limits::default`].
    pub limits: Limits,
    /// Where failing schedules are stored, and tried first from then on. Default [`RegressionsIn::Package`].
    pub regressions: RegressionsIn,
    /// The number of runs that shrinking may make. Default 20,000.
    pub shrink_runs: u64,
    /// Whether real time bounds the work on a failure besides runs and steps, since a person waits for it: 2 s for counting
    /// how often the test fails, 10 s for shrinking, 4 s for the critical pair. Default true. With false the report does
    /// not depend on the machine's speed.
    pub time_bounds: bool,
    /// Whether nothing is printed: notes and warnings are in [`Exploration::notes`](crate::Exploration::notes). Default
    /// false.
    pub silent: bool,
    /// The variables to heed. Default `None`: those of this process. `Some(Settings::default())` is no variables.
    pub environment: Option<Settings>,
    /// A callback that hears, on the calling thread and a few times a second, how far the work has come. Default `None`.
    pub progress: Option<OnProgress>,
}

/// Where failing schedules are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegressionsIn {
    /// In `timeloop-regressions` in the folder of the package under test.
    #[default]
    Package,
    /// In this folder.
    Folder(PathBuf),
    /// Nowhere: stored schedules are neither tried nor added to.
    Nowhere,
}

impl Config {
    /// Configures the test called `name`: its path with the crate first (`bank::tests::transfers`), or any other text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self::of(TestName::new(name))
    }

    /// Configures this test.
    #[must_use]
    pub fn of(test: TestName) -> Self {
        Self {
            test,
            runs: None,
            seed: Seed(0),
            strategy: StrategySpec::default(),
            stalls: true,
            jobs: None,
            limits: Limits::default(),
            regressions: RegressionsIn::default(),
            shrink_runs: 20_000,
            time_bounds: true,
            silent: false,
            environment: None,
            progress: None,
        }
    }

    /// Panics at the caller's line if the configuration would test nothing: 0 runs, or 0 jobs.
    #[track_caller]
    pub fn assert_valid(&self) {
        assert!(self.runs != Some(0), "an exploration of 0 runs would test nothing; give 1 or more");
        assert!(self.jobs != Some(0), "an exploration needs a thread; give 1 or more jobs");
    }

    /// Returns the variables to heed.
    ///
    /// # Errors
    /// When a variable of this process has a value that is not accepted.
    pub fn settings(&self) -> Result<Settings, EnvironmentError> {
        self.environment.clone().map_or_else(Settings::from_environment, Ok)
    }
}

impl RegressionsIn {
    /// Returns the folder, unless there is none.
    #[must_use]
    pub fn folder(&self, settings: &Settings) -> Option<PathBuf> {
        match self {
            Self::Package => Some(settings.package_folder.clone().unwrap_or_default().join(FOLDER)),
            Self::Folder(folder) => Some(folder.clone()),
            Self::Nowhere => None,
        }
    }
}
