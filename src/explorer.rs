//! Searching for a failing schedule of an async closure.
//!
//! Always true: what is found depends on the closure, the settings and the seed, never on the number of workers.

use std::fmt;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use timeloop_sim::{Exploration, Limits, Progress, Seed, Settings, StrategySpec};

use crate::harness::{AsyncSimulation, TestResult};

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
    name: Arc<str>,
    inner: timeloop_sim::Explorer,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty)?);)*) => {
        $(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(mut self $(, $argument: $type)?) -> Self {
                self.inner = self.inner.$name($($argument)?);
                self
            }
        )*
    };
}

impl Explorer {
    /// Explores the test called `name`: its path with the crate first (`bank::tests::transfers`), or any other text.
    /// Tokens and stored schedules belong to the name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        Self { inner: timeloop_sim::Explorer::new(Arc::clone(&name)), name }
    }

    /// Explores the test that this thread runs, or what is written at `location`.
    pub(crate) fn of_this_thread(location: &Location<'_>) -> Self {
        let thread = std::thread::current();
        match thread.name() {
            // The thread's name is the test's path without the crate: just what `cargo test` takes.
            Some(name) if name != "main" => Self::new(name).command(format!("cargo test {name} -- --exact")),
            // Not in a test: the place stands for the name.
            _ => Self::new(format!("{}:{}", location.file(), location.line())),
        }
    }

    /// What the harness needs.
    pub(crate) fn harness(&self) -> &timeloop_sim::Explorer {
        &self.inner
    }

    /// How it is decided who goes on: a [`StrategySpec`] or its name, as `TIMELOOP_STRATEGY` takes it. Default
    /// `"portfolio"`: one strategy a run, chosen from its seed.
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
        match strategy.try_into() {
            Ok(strategy) => self.inner = self.inner.strategy(strategy),
            Err(error) => panic!("{error}"),
        }
        self
    }

    settings! {
        /// How many runs, after the quiet one. Default 1,000.
        ///
        /// # Panics
        /// When `runs` is 0: such a test would test nothing.
        runs(runs: u64);
        /// The seed of the first run; those that follow count up from it. Default 0.
        seed(seed: impl Into<Seed>);
        /// Whether time may pass while a task is ready, as on a machine that is busy, so that timeouts fire early relative
        /// to work. Default true. False is for a test that counts on exact times, and holds under whichever strategy:
        /// `starve` then keeps a task waiting only while others can run, `stall` is `random`, and stored schedules under
        /// which time passes are not tried.
        stalls(stalls: bool);
        /// How many threads run at once; what is found does not depend on it. Default one a core.
        ///
        /// # Panics
        /// When `jobs` is 0.
        jobs(jobs: usize);
        /// All bounds of a run at once.
        limits(limits: Limits);
        /// Steps a run. Default 2,000,000.
        max_steps(steps: u64);
        /// Steps at one instant of virtual time, beyond which the run counts as a livelock. Default 100,000.
        max_polls_per_instant(polls: u64);
        /// Virtual time a run. Default 100 years.
        max_virtual_time(time: Duration);
        /// Tasks alive at one time. Default, and at most, 16,000,000.
        max_tasks(tasks: u32);
        /// Real time that one poll may take before the process is stopped; zero switches the watchdog off. Default 10 s.
        stuck_after(time: Duration);
        /// The virtual wall clock at a run's start, as time since the Unix epoch. Default 2026-01-01T00:00:00Z.
        epoch(epoch: Duration);
        /// The folder where failing schedules are kept. Default `timeloop-regressions` in the package's folder.
        regressions(folder: impl Into<PathBuf>);
        /// Keeps no failing schedules and tries none that were kept.
        without_regressions();
        /// Runs that shrinking may take. Default 5,000.
        shrink_runs(runs: u64);
        /// The command that runs this test, for the line to copy in a report. Default `cargo test <test>`.
        command(command: impl Into<Arc<str>>);
        /// Prints nothing: all there is to say is in the [`Exploration`].
        quiet();
        /// Calls `progress` now and then, from whichever thread.
        progress(progress: impl Fn(&Progress) + Send + Sync + 'static);
        /// Takes these settings instead of those of the environment (`TIMELOOP_*`).
        environment(settings: Settings);
        /// Takes no settings from the environment.
        without_environment();
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
        crate::harness::assert_no_loop(&|| format!("`Explorer::run` for `{}` at {location}", self.name));
        let name = format!("the test `{}`", self.name).into();
        self.inner.explore(&AsyncSimulation { name, make: test })
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
    Explorer::of_this_thread(Location::caller()).check(test);
}
