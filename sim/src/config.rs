//! [`Config`]: the settings of an exploration, with their defaults.
//!
//! # Invariants
//! With the defaults, and without `TIMELOOP_*` variables, an exploration depends only on the code under test: the first
//! seed and the number of runs are fixed.

use std::path::PathBuf;
use std::sync::Arc;

use crate::environment::{EnvironmentError, JOBS_MAX, Settings};
use crate::progress::OnProgress;
use crate::regression::FOLDER;
use crate::{Limits, Seed, Stalls, StrategySpec, TestName};

/// The configuration of an exploration, for [`explore`](crate::explore).
///
/// The variables `TIMELOOP_*` override [`runs`](Self::runs), [`seed`](Self::seed), [`strategy`](Self::strategy) and
/// [`jobs`](Self::jobs).
///
/// ```
/// use timeloop_sim::{Config, Ended, Request, Simulation, explore};
///
/// struct AlwaysPasses;
/// impl Simulation for AlwaysPasses {
///     fn run(&self, _: Request<'_>) -> Ended {
///         Ended {
///             trace_hash: 7,
///             decisions_hash: 7,
///             steps: 1,
///             ..Ended::default()
///         }
///     }
/// }
///
/// let exploration = explore(&Config { runs: Some(100), ..Config::new("always_passes") }, &AlwaysPasses);
/// assert!(exploration.passed());
/// assert_eq!(exploration.runs, 100);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The test. Tokens and stored schedules are bound to its name.
    pub test: TestName,
    /// The largest number of runs, besides the baseline run. `None`, the default, is 1,000, or 100,000 for an exhaustive
    /// search, which also ends when it is complete.
    pub runs: Option<u64>,
    /// The seed of the first run; the seeds of the next runs count up from it. Default 0.
    pub seed: Seed,
    /// The strategy that decides which task runs next. Default [`StrategySpec::Portfolio`]: one strategy a run, chosen
    /// from its seed.
    pub strategy: StrategySpec,
    /// For how long virtual time may pass while a task is ready, as on a busy machine, so that timeouts fire early relative
    /// to work. Default [`Stalls::Deadlines`]. [`Stalls::Never`] is for a test that relies on exact times: `sleep(1 s)` then
    /// takes exactly 1 s.
    ///
    /// `Never` holds under every strategy: `starve` then keeps a task waiting only while others can run, `stall` becomes
    /// `random`, and stored schedules under which time passes are not tried.
    pub stalls: Stalls,
    /// Whether input and output vary in one run of four: a read or a write of a stream may move a part of the bytes that it
    /// could move, and the lookup of a name may take up to 100 ms. Default true. There is no variation under `fifo`, nor under
    /// `random` if [`runs`](Self::runs) is 1.
    pub varied_io: bool,
    /// The number of threads that make runs, at most 1,024. The result does not depend on it. `None`, the default, is one per
    /// core, or 1 under cargo-nextest, which starts a process per core.
    pub jobs: Option<usize>,
    /// Whether each run is made on a thread of its own, whose thread-local values are new. The runs are the same, and each takes
    /// some 30 µs more. Default false.
    pub fresh_threads: bool,
    /// The bounds of a run. Default [`Limits::default`].
    pub limits: Limits,
    /// The folder in which failing schedules are stored. Later explorations try them first. Default
    /// [`RegressionsIn::Package`].
    pub regressions: RegressionsIn,
    /// The largest number of runs for shrinking. Default 20,000. Shrinking also ends after 4,000,000 steps. The search for the
    /// critical pair, about 400 more runs and 1,000,000 steps at most, is not counted.
    pub shrink_runs: u64,
    /// Whether some runs are recorded, so that all fields of [`Exploration::coverage`](crate::Exploration::coverage) are counted:
    /// the baseline run and 64 of the others. A recorded run takes a few times as long. Default false; `TIMELOOP_LOG=summary`
    /// sets it.
    pub coverage: bool,
    /// Whether nothing is printed. Notes and warnings are in [`Exploration::notes`](crate::Exploration::notes) in any case.
    /// Default false.
    pub silent: bool,
    /// The `TIMELOOP_*` variables. `None`, the default, reads them from this process's environment;
    /// `Some(Settings::default())` ignores the environment.
    pub environment: Option<Settings>,
    /// A callback that receives the progress, on the calling thread and a few times a second. Default `None`.
    pub progress: Option<OnProgress>,
}

/// The folder in which failing schedules are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegressionsIn {
    /// `timeloop-regressions` in the folder of the package under test; with `TIMELOOP_REGRESSIONS`, the folder with the
    /// package's name in that folder.
    #[default]
    Package,
    /// This folder.
    Folder(PathBuf),
    /// None: stored schedules are not tried, and no schedule is stored.
    Nowhere,
}

impl Config {
    /// Creates the default configuration for the test called `name`: its path with the crate first
    /// (`bank::tests::transfers`), or any other text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self::of(TestName::new(name))
    }

    /// Creates the default configuration for this test.
    #[must_use]
    pub fn of(test: TestName) -> Self {
        Self {
            test,
            runs: None,
            seed: Seed(0),
            strategy: StrategySpec::default(),
            stalls: Stalls::default(),
            varied_io: true,
            jobs: None,
            fresh_threads: false,
            limits: Limits::default(),
            regressions: RegressionsIn::default(),
            shrink_runs: 20_000,
            coverage: false,
            silent: false,
            environment: None,
            progress: None,
        }
    }

    /// Checks that the configuration tests something.
    ///
    /// # Panics
    /// At the caller's location, if `runs` or `jobs` is 0, or `jobs` exceeds 1,024.
    #[track_caller]
    pub fn assert_valid(&self) {
        assert!(self.runs != Some(0), "an exploration of 0 runs would test nothing; give 1 or more");
        let jobs = self.jobs.unwrap_or(1);
        assert!(
            (1..=JOBS_MAX).contains(&jobs),
            "an exploration can't have {jobs} threads; give 1 to {JOBS_MAX} jobs"
        );
    }

    /// Returns [`environment`](Self::environment), or the settings of this process's environment.
    ///
    /// # Errors
    /// When a variable of this process has a value that is not accepted.
    pub fn settings(&self) -> Result<Settings, EnvironmentError> {
        self.environment.clone().map_or_else(Settings::from_environment, Ok)
    }
}

impl RegressionsIn {
    /// Returns the folder, or `None` for [`Nowhere`](Self::Nowhere).
    #[must_use]
    pub fn folder(&self, settings: &Settings) -> Option<PathBuf> {
        match self {
            Self::Package => Some(match &settings.regressions {
                // Packages share the folder, and their tests may have the same names.
                Some(folder) => folder.join(settings.package.as_deref().unwrap_or_default()),
                None => settings.package_folder.clone().unwrap_or_default().join(FOLDER),
            }),
            Self::Folder(folder) => Some(folder.clone()),
            Self::Nowhere => None,
        }
    }
}
