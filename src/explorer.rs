//! [`Explorer`]: searches for a failing schedule of an async closure.
//!
//! # Invariants
//! The result depends on the closure, the settings and the seed, never on the number of workers.

use std::fmt;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use timeloop_sim::{
    Config, Exploration, Limits, OnProgress, Progress, RegressionsIn, Seed, Settings, Stalls, StrategySpec,
    TestName,
};

use crate::engine::{Flavor, RuntimeSettings};
use crate::harness::{AsyncSimulation, TestResult, check_output};
use crate::runtime::RuntimeFlavor;

/// Runs a test under many schedules. If one fails, confirms the failure, shrinks the schedule, and reports.
///
/// `#[timeloop::test]` expands to this type. Use it directly to inspect the result, or to explore without the
/// attribute.
///
/// ```
/// use timeloop::{Explorer, task};
///
/// let exploration = Explorer::new("doc::two_tasks").runs(200).without_regressions().run(|| async {
///     let log = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
///     let tasks = ["first", "second"].map(|name| {
///         let log = log.clone();
///         task::spawn(async move { log.borrow_mut().push(name) })
///     });
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(*log.borrow(), ["first", "second"], "tasks run in any order");
/// });
///
/// let found = exploration.found.expect("the order is the scheduler's to choose");
/// assert_eq!(found.deviations_after(), Some(1));
/// ```
#[derive(Clone, Debug)]
#[must_use = "an explorer does nothing until it runs"]
pub struct Explorer {
    config: Config,
    runtime: RuntimeSettings,
    /// Whether runs are hermetic, unless the environment decides.
    #[cfg(feature = "hermetic")]
    hermetic: bool,
}

/// Defines methods that each set a field of the configuration.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty)?) $($field:ident).+ = $value:expr;)*) => {
        $(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(mut self $(, $argument: $type)?) -> Self {
                self.config.$($field).+ = $value;
                self.config.assert_valid();
                self
            }
        )*
    };
}

impl Explorer {
    /// Creates an explorer of the test `name`: the test's path with the crate first (`bank::tests::transfers`), or any
    /// other text. Tokens and stored schedules belong to the name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Config::new(name).into()
    }

    /// Returns the configuration. Settings that were not set have their defaults.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sets the strategy that decides which task runs next: a [`StrategySpec`] or its name, as in `TIMELOOP_STRATEGY`.
    /// Default `"portfolio"`: picks a strategy for each run from the run's seed.
    ///
    /// `"exhaustive"` uses no seeds. It makes one run for each schedule that could behave differently, up to
    /// [`runs`](Self::runs). [`Exploration::searched`] reports whether that covered all of them.
    ///
    /// # Panics
    /// If no strategy has this name.
    ///
    /// ```
    /// use timeloop::{Explorer, StrategySpec};
    ///
    /// let exploration = Explorer::new("doc::nothing").strategy("pct(depth = 5)").run(|| async {});
    /// assert_eq!(exploration.strategy, StrategySpec::Pct { depth: 5 });
    /// ```
    #[track_caller]
    pub fn strategy<S>(mut self, strategy: S) -> Self
    where
        S: TryInto<StrategySpec>,
        S::Error: fmt::Display,
    {
        self.config.strategy = parse_strategy(strategy);
        self
    }

    setters! {
        /// Sets the number of runs, besides the baseline run: [`Config::runs`].
        ///
        /// # Panics
        /// If `runs` is 0.
        runs(runs: u64) runs = Some(runs);
        /// Sets the seed of the first run: [`Config::seed`].
        seed(seed: impl Into<Seed>) seed = seed.into();
        /// Sets whether virtual time may pass while a task is ready, or for how long at most: [`Config::stalls`].
        stalls(stalls: impl Into<Stalls>) stalls = stalls.into();
        /// Sets whether reads and writes may be short, and lookups slow: [`Config::varied_io`].
        varied_io(varied_io: bool) varied_io = varied_io;
        /// Sets the number of threads that make runs: [`Config::jobs`].
        ///
        /// # Panics
        /// If `jobs` is 0 or exceeds 1,024.
        jobs(jobs: usize) jobs = Some(jobs);
        /// Sets all limits of a run.
        limits(limits: Limits) limits = limits;
        /// Sets [`Limits::max_steps`].
        max_steps(steps: u64) limits.max_steps = steps;
        /// Sets [`Limits::max_polls_per_instant`].
        max_polls_per_instant(polls: u64) limits.max_polls_per_instant = polls;
        /// Sets [`Limits::max_virtual_time`].
        max_virtual_time(time: Duration) limits.max_virtual_time = time;
        /// Sets [`Limits::max_tasks`].
        max_tasks(tasks: u32) limits.max_tasks = tasks;
        /// Sets [`Limits::stuck_after`].
        stuck_after(time: Duration) limits.stuck_after = time;
        /// Sets [`Limits::epoch`].
        epoch(epoch: Duration) limits.epoch = epoch;
        /// Stores failing schedules in `folder`: [`Config::regressions`].
        regressions(folder: impl Into<PathBuf>) regressions = RegressionsIn::Folder(folder.into());
        /// Stores no failing schedules and tries no stored ones.
        without_regressions() regressions = RegressionsIn::Nowhere;
        /// Sets the number of runs that shrinking may make: [`Config::shrink_runs`].
        shrink_runs(runs: u64) shrink_runs = runs;
        /// Sets whether some runs are recorded, to count what they cover: [`Config::coverage`].
        coverage(coverage: bool) coverage = coverage;
        /// Prints nothing. The [`Exploration`] contains everything that would be printed.
        silent() silent = true;
        /// Calls `progress` on the calling thread, a few times a second: [`Config::progress`].
        progress(progress: impl Fn(&Progress) + Send + Sync + 'static) progress = Some(OnProgress::new(progress));
        /// Uses these settings instead of the environment variables `TIMELOOP_*`.
        environment(settings: Settings) environment = Some(settings);
        /// Ignores the environment variables `TIMELOOP_*`.
        without_environment() environment = Some(Settings::default());
    }

    /// Creates the explorer of a test of this binary: see [`TestName::of_this_binary`].
    pub(crate) fn of_attribute(name: &'static str, path: &str, features: &'static str) -> Self {
        let thread = std::thread::current();
        let path = thread.name().filter(|name| *name != "main").unwrap_or(path);
        Config::of(TestName::new(name).of_this_binary(Some(path), Some(features))).into()
    }

    /// Sets the kind of runtime, as tokio's attribute does. It decides which calls are refused: under
    /// [`RuntimeFlavor::CurrentThread`] no task may use `block_in_place`. Without it, nothing is refused that either kind
    /// allows.
    pub fn flavor(mut self, flavor: RuntimeFlavor) -> Self {
        self.runtime.flavor = match flavor {
            RuntimeFlavor::CurrentThread => Flavor::CurrentThread,
            RuntimeFlavor::MultiThread => Flavor::MultiThread,
        };
        self
    }

    /// Lets [`spawn_local`](crate::task::spawn_local) work in all tasks, as in a
    /// [`LocalRuntime`](crate::runtime::LocalRuntime). `flavor = "local"` of the attribute calls this.
    pub fn local(mut self) -> Self {
        self.runtime.flavor = Flavor::Local;
        self
    }

    /// Sets the number of workers that [`RuntimeMetrics`](crate::runtime::RuntimeMetrics) returns. There is one thread all
    /// the same. Default 4.
    ///
    /// # Panics
    /// If the number is 0.
    #[track_caller]
    pub fn worker_threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "`worker_threads` cannot be set to 0; use at least 1");
        self.runtime.workers = u32::try_from(threads).unwrap_or(u32::MAX);
        self
    }

    /// Sets the name of the runtime, which [`Handle::name`](crate::runtime::Handle::name) returns.
    pub fn runtime_name(mut self, name: &'static str) -> Self {
        self.runtime.name = Some(name);
        self
    }

    /// Sets whether the run answers what code asks the C library: see [`guide::hermetic`](crate::guide::hermetic). Default
    /// true. The environment variable `TIMELOOP_HERMETIC` overrides it.
    #[cfg(feature = "hermetic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "hermetic")))]
    pub fn hermetic(mut self, hermetic: bool) -> Self {
        self.hermetic = hermetic;
        self
    }

    /// Sets whether the clock is paused at the start. Time is virtual in any case. While the clock is paused, it moves
    /// only when no task is ready, under all strategies.
    pub fn start_paused(mut self, start_paused: bool) -> Self {
        self.runtime.start_paused = start_paused;
        self
    }

    /// Sets the command that runs this test, for the replay line of a report. The default is `cargo test` with the name
    /// of the test, without its crate.
    pub fn command(mut self, command: impl Into<Arc<str>>) -> Self {
        self.config.test = self.config.test.with_command(command);
        self
    }

    /// Explores, and returns the result. A failing test does not panic here.
    ///
    /// Each run calls `test` anew. It must not depend on anything that another run changes. The test returns `()` or a
    /// `Result`, whose `Err` fails the run.
    #[must_use]
    #[track_caller]
    pub fn run<F, Fut>(&self, test: F) -> Exploration
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        let location = Location::caller();
        let name = &self.config.test;
        crate::harness::assert_no_loop(&|| format!("`Explorer::run` for `{name}` at {location}"));
        let mut runtime = self.runtime;
        // `explore` reports invalid settings.
        let settings = self.config.settings().unwrap_or_default();
        runtime.ignores_unobserved_panics = settings.single(name.as_str()).ignore_unobserved_panics;
        let simulation = AsyncSimulation {
            name: format!("the test `{name}`").into(),
            settings: runtime,
            make: test,
            classify: check_output,
        };
        #[cfg(feature = "hermetic")]
        if crate::engine::hermetic::is_on_for(settings.hermetic.unwrap_or(self.hermetic), self.config.silent)
        {
            let settings = RuntimeSettings { hermetic: true, ..runtime };
            let config = Config { fresh_threads: true, ..self.config.clone() };
            return timeloop_sim::explore(&config, &AsyncSimulation { settings, ..simulation });
        }
        timeloop_sim::explore(&self.config, &simulation)
    }

    /// Explores. If a run fails, prints the report and panics with it.
    ///
    /// If the environment or the stored schedules are invalid, and no run fails, it prints the error and ends the process
    /// with exit code 2: see [`Exploration::check`].
    ///
    /// # Panics
    /// If a run fails.
    #[track_caller]
    pub fn check<F, Fut>(&self, test: F)
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        if timeloop_sim::in_own_process(&self.config) {
            return;
        }
        let exploration = self.run(test);
        timeloop_sim::report_to_parent(&self.config, &exploration);
        exploration.check();
    }
}

/// Returns the name of the test that this thread runs. Outside a test, the name is `location`.
pub(crate) fn current_test_name(location: &Location<'_>) -> TestName {
    let thread = std::thread::current();
    match thread.name() {
        // The thread's name is the test's path without the crate, which is what `cargo test` takes.
        Some(name) if name != "main" => TestName::new(name).of_this_binary(Some(name), None),
        // Not in a test: the location is the name.
        _ => {
            // rustdoc joins documentation tests in a file of a folder with a random name.
            let file = match location.file().rsplit_once('/') {
                Some((folder, file)) if folder.contains("rustdoctest") => file,
                _ => location.file(),
            };
            TestName::new(format!("{file}:{}", location.line())).of_this_binary(None, None)
        }
    }
}

impl From<Config> for Explorer {
    fn from(config: Config) -> Self {
        Self {
            config,
            runtime: RuntimeSettings::OF_RUN,
            #[cfg(feature = "hermetic")]
            hermetic: true,
        }
    }
}

/// Parses the strategy. Panics at the caller's line with a list of the known strategies if there is no such strategy.
#[track_caller]
pub(crate) fn parse_strategy<S>(strategy: S) -> StrategySpec
where
    S: TryInto<StrategySpec>,
    S::Error: fmt::Display,
{
    match strategy.try_into() {
        Ok(strategy) => strategy,
        Err(error) => panic!("{error}"),
    }
}

/// Runs a test under 1,000 schedules: `#[timeloop::test]` as a function, for code without macros.
///
/// Stored schedules and tokens belong to the name of the thread, which the test harness sets to the test's name. For
/// other settings, use [`Explorer`].
///
/// # Panics
/// If a run fails. The panic's message is the report.
///
/// ```
/// # /*
/// #[test]
/// # */
/// fn answers() {
///     timeloop::explore(|| async {
///         let task = timeloop::spawn(async { 42 });
///         assert_eq!(task.await.unwrap(), 42);
///     });
/// }
/// # answers();
/// ```
#[track_caller]
pub fn explore<F, Fut>(test: F)
where
    F: Fn() -> Fut + Sync,
    Fut: Future,
    Fut::Output: TestResult,
{
    Explorer::from(Config::of(current_test_name(Location::caller()))).check(test);
}
