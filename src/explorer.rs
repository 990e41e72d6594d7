//! Searching for a failing schedule of an async closure.
//!
//! Always true: what is found depends on the closure, the settings and the seed, never on the number of workers.

use std::fmt;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use timeloop_sim::{
    Config, Exploration, Limits, OnProgress, Progress, RegressionsIn, Seed, Settings, StrategySpec, TestName,
};

use crate::harness::{AsyncSimulation, TestResult, passed};

/// Runs a test under many schedules; on a failure confirms it, shrinks the schedule, and reports.
///
/// This is what `#[timeloop::test]` expands to, for those who want to look at what was found, or to explore without the
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
}

/// Methods that set a field of the configuration.
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
    /// Explores the test called `name`: its path with the crate first (`bank::tests::transfers`), or any other text.
    /// Tokens and stored schedules belong to the name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Config::new(name).into()
    }

    /// The configuration, with the default of every setting.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sets the strategy that decides which task runs next: a [`StrategySpec`] or its name, as `TIMELOOP_STRATEGY` takes it.
    /// Default `"portfolio"`: one strategy a run, chosen from its seed.
    ///
    /// With `"exhaustive"` there are no seeds. Every schedule that differs in what matters is run once, up to
    /// [`runs`](Self::runs) of them; [`Exploration::searched`] says whether those were all.
    ///
    /// # Panics
    /// When no strategy has the name.
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
        self.config.strategy = named(strategy);
        self
    }

    setters! {
        /// Sets the number of runs, besides the baseline run: [`Config::runs`].
        ///
        /// # Panics
        /// When `runs` is 0: such a test would test nothing.
        runs(runs: u64) runs = Some(runs);
        /// Sets the seed of the first run: [`Config::seed`].
        seed(seed: impl Into<Seed>) seed = seed.into();
        /// Sets whether virtual time may pass while a task is ready: [`Config::stalls`].
        stalls(stalls: bool) stalls = stalls;
        /// Sets the number of threads that make runs: [`Config::jobs`].
        ///
        /// # Panics
        /// When `jobs` is 0.
        jobs(jobs: usize) jobs = Some(jobs);
        /// Sets all bounds of a run.
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
        /// Sets whether real time bounds the work on a failure: [`Config::time_bounds`].
        time_bounds(bounds: bool) time_bounds = bounds;
        /// Prints nothing: all there is to say is in the [`Exploration`].
        silent() silent = true;
        /// Calls `progress` on the calling thread, a few times a second: [`Config::progress`].
        progress(progress: impl Fn(&Progress) + Send + Sync + 'static) progress = Some(OnProgress::new(progress));
        /// Heeds these variables instead of those of the environment (`TIMELOOP_*`).
        environment(settings: Settings) environment = Some(settings);
        /// Heeds no variables of the environment.
        without_environment() environment = Some(Settings::default());
    }

    /// Sets the command that runs this test, for the line to copy in a report. Default `cargo test <test>`.
    pub fn command(mut self, command: impl Into<Arc<str>>) -> Self {
        self.config.test = self.config.test.with_command(command);
        self
    }

    /// Explores, and says what came of it. A failing test does not panic here.
    ///
    /// Each run calls `test` anew; it must depend on nothing that another run changes. A test's output is `()` or a
    /// `Result` whose `Err` fails the run.
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
        let simulation =
            AsyncSimulation { name: format!("the test `{name}`").into(), make: test, judge: passed };
        timeloop_sim::explore(&self.config, &simulation)
    }

    /// Explores; returns if no run fails, else prints the report and panics with it.
    ///
    /// # Panics
    /// When a run fails, and when the settings, the environment or the stored schedules are no good.
    #[track_caller]
    pub fn check<F, Fut>(&self, test: F)
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        self.run(test).check();
    }
}

/// The test that this thread runs, or what is written at `location`.
pub(crate) fn test_of_this_thread(location: &Location<'_>) -> TestName {
    let thread = std::thread::current();
    match thread.name() {
        // The thread's name is the test's path without the crate: just what `cargo test` takes.
        Some(name) if name != "main" => {
            TestName::new(name).with_command(format!("cargo test {name} -- --exact"))
        }
        // Not in a test: the place stands for the name.
        _ => TestName::new(format!("{}:{}", location.file(), location.line())),
    }
}

impl From<Config> for Explorer {
    fn from(config: Config) -> Self {
        Self { config }
    }
}

/// The strategy, or a panic at the caller's line that says which ones there are.
#[track_caller]
pub(crate) fn named<S>(strategy: S) -> StrategySpec
where
    S: TryInto<StrategySpec>,
    S::Error: fmt::Display,
{
    match strategy.try_into() {
        Ok(strategy) => strategy,
        Err(error) => panic!("{error}"),
    }
}

/// Runs a test under 1,000 schedules, for those who use no macros: `#[timeloop::test]` as a function.
///
/// The test's name, to which stored schedules and tokens belong, is the name of the thread, which the test harness names
/// after the test. For other settings see [`Explorer`].
///
/// # Panics
/// When a run fails; the panic's message is the report.
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
    Explorer::from(Config::of(test_of_this_thread(Location::caller()))).check(test);
}
