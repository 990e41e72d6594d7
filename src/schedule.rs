//! [`Schedule`]: a schedule as a test input, under which the test makes runs itself.
//!
//! # Invariants
//! - A schedule runs the same code the same way each time.
//! - Before a failure is returned, it was confirmed, rewritten as deviations from the baseline run, and shrunk.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::str::FromStr;
use std::sync::LazyLock;

use timeloop_sim::{
    AnySource, Config, Detail, Deviation, Ended, EnvironmentError, ExploreError, Found, Limits,
    RegressionsIn, Request, RunMode, Seed, Settings, Simulation, StrategySpec, TokenError, exit_with,
    investigate,
};

use crate::engine::RuntimeSettings;
use crate::explorer::current_test_name;
use crate::harness::{AsyncSimulation, TestError, TestResult, assert_no_loop, check_output};

/// Decides everything in a run, as an input that a test receives like any other.
///
/// `#[timeloop::test]` and [`Explorer`](crate::Explorer) search for schedules themselves. This type is for tests whose
/// inputs come from elsewhere: a property (feature `proptest`), a fuzzer, a table. [`run`](Self::run) makes one run. If
/// the run fails, its schedule is shrunk, and the error is the usual report.
///
/// ```
/// use timeloop::{Schedule, StrategySpec, spawn};
///
/// let schedule = Schedule::seeded(7, StrategySpec::Random);
/// schedule.run(|| async {
///     let task = spawn(async { 42 });
///     assert_eq!(task.await.unwrap(), 42);
/// })?;
/// # Ok::<(), timeloop::FailedRun>(())
/// ```
///
/// `Display` formats it as a token, which can be parsed again:
///
/// ```
/// # use timeloop::Schedule;
/// let schedule: Schedule = Schedule::baseline().to_string().parse()?;
/// assert_eq!(schedule.deviations(), Some(vec![]));
/// # Ok::<(), timeloop::TokenError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    decisions: Decisions,
}

/// The source of the decisions.
#[derive(Clone, PartialEq, Eq)]
enum Decisions {
    Stored(timeloop_sim::Schedule),
    /// From a property: several schedules, tried until one fails.
    #[cfg(feature = "proptest")]
    Case(crate::proptest::Case),
    /// From a fuzzer. Its run records coverage for the fuzzer.
    #[cfg(feature = "arbitrary")]
    Fuzzed(timeloop_sim::Schedule),
}

impl Schedule {
    /// Returns the baseline schedule: tasks run first in, first out, without faults.
    #[must_use]
    pub fn baseline() -> Self {
        timeloop_sim::Schedule::baseline().into()
    }

    /// Returns the schedule of `seed` under `strategy`. The strategy has no estimates from earlier runs.
    #[must_use]
    pub fn seeded(seed: impl Into<Seed>, strategy: StrategySpec) -> Self {
        timeloop_sim::Schedule::seeded(seed.into(), strategy).into()
    }

    /// Creates the schedule of a property's test case.
    #[cfg(feature = "proptest")]
    pub(crate) fn of_case(case: crate::proptest::Case) -> Self {
        Self { decisions: Decisions::Case(case) }
    }

    /// Creates the schedule of a fuzzer's input.
    #[cfg(feature = "arbitrary")]
    pub(crate) fn fuzzed(schedule: timeloop_sim::Schedule) -> Self {
        Self { decisions: Decisions::Fuzzed(schedule) }
    }

    /// Returns the deviations from the baseline run, or `None` if a strategy or a fuzzer's bytes decide. The deviations
    /// of a property's schedule are known once a run has failed.
    #[must_use]
    pub fn deviations(&self) -> Option<Vec<Deviation>> {
        self.stored().deviations().map(<[_]>::to_vec)
    }

    /// Returns the schedule in the form that can be stored.
    fn stored(&self) -> Cow<'_, timeloop_sim::Schedule> {
        match &self.decisions {
            Decisions::Stored(schedule) => Cow::Borrowed(schedule),
            #[cfg(feature = "proptest")]
            Decisions::Case(case) => Cow::Owned(case.stored()),
            #[cfg(feature = "arbitrary")]
            Decisions::Fuzzed(schedule) => Cow::Borrowed(schedule),
        }
    }

    /// Makes one run under this schedule.
    ///
    /// As in a `#[timeloop::test]`, a panic, a deadlock, an exceeded limit or an `Err` fails the run. Then the schedule
    /// is shrunk, which calls `make` many times.
    ///
    /// # Errors
    /// The failure with the shrunk schedule. Its text is the usual report.
    ///
    /// # Panics
    /// Inside another run, because a thread runs one loop at a time.
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// use timeloop::{Schedule, task::spawn};
    ///
    /// let failed = Schedule::seeded(1, "random".parse()?).run(|| async {
    ///     let last = Rc::new(Cell::new(""));
    ///     let tasks = ["first", "second", "third"].map(|name| {
    ///         let last = Rc::clone(&last);
    ///         spawn(async move { last.set(name) })
    ///     });
    ///     for task in tasks {
    ///         task.await.unwrap();
    ///     }
    ///     assert_eq!(last.get(), "third");
    /// });
    ///
    /// let failed = failed.unwrap_err();
    /// assert_eq!(failed.found().unwrap().deviations_after(), Some(1));
    /// assert!(failed.to_string().contains("Failing schedule: FIFO order, except"), "{failed}");
    /// # Ok::<(), timeloop::UnknownStrategy>(())
    /// ```
    #[track_caller]
    pub fn run<F, Fut>(&self, make: F) -> Result<(), FailedRun>
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        self.run_configured(config(Location::caller()), None, make, verdict)
    }

    /// Makes one run as [`run`](Self::run) does, with the given limits.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn run_with<F, Fut>(&self, limits: &Limits, make: F) -> Result<(), FailedRun>
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        self.run_configured(config(Location::caller()), Some(limits), make, verdict)
    }

    /// Makes one run as [`run`](Self::run) does, and returns its output. An `Err` is an output like any other.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run).
    ///
    /// ```
    /// let sum = timeloop::Schedule::baseline().output(|| async { timeloop::spawn(async { 2 }).await.unwrap() + 40 })?;
    /// assert_eq!(sum, 42);
    /// # Ok::<(), timeloop::FailedRun>(())
    /// ```
    #[track_caller]
    pub fn output<F, Fut>(&self, make: F) -> Result<Fut::Output, FailedRun>
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
    {
        self.run_configured(config(Location::caller()), None, make, |output| Ok(Ok(output)))
    }

    pub(crate) fn run_configured<F, Fut, P>(
        &self,
        config: Config,
        limits: Option<&Limits>,
        make: F,
        classify: fn(Fut::Output) -> Verdict<P>,
    ) -> Result<P, FailedRun>
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
    {
        let mut config = Config { regressions: RegressionsIn::Nowhere, silent: true, ..config };
        #[cfg(feature = "proptest")]
        if let Decisions::Case(case) = &self.decisions {
            case.configure(&mut config);
        }
        if let Some(limits) = limits {
            config.limits.clone_from(limits);
        }
        let replayed = replayed(&config)
            .unwrap_or_else(|error| exit_with(&format!("timeloop: `{}`: {error}", config.test)));
        let (limits, loud) = (&config.limits, replayed.is_some());
        let detail = if loud { Detail::Explain } else { Detail::Lean };
        let simulation = AsyncSimulation {
            name: format!("the test `{}`", config.test).into(),
            settings: RuntimeSettings::of_run(),
            make,
            classify,
        };
        let mut output = None;
        let mut make_run = |source| {
            let request = Request { source, limits, detail, explain_from: 0, loud };
            let (ended, passed) = simulation.make(request);
            output = passed.or_else(|| output.take());
            ended
        };
        let investigate_under = |schedule: &timeloop_sim::Schedule, failed: &Ended, shrink_runs| {
            investigate(&Config { shrink_runs, ..config.clone() }, &simulation, schedule, failed)
        };
        let mut run_one = |schedule: &timeloop_sim::Schedule| {
            let ended = make_run(schedule.source());
            ended.failure.is_some().then(|| investigate_under(schedule, &ended, SHRINK_RUNS))
        };
        let found = match (replayed, &self.decisions) {
            (Some(schedules), _) => {
                let last = schedules.len().saturating_sub(1);
                let found = schedules.iter().enumerate().find_map(|(number, schedule)| {
                    if number == last {
                        return run_one(schedule);
                    }
                    // Only the output of the last run is returned.
                    let request =
                        Request { source: schedule.source(), limits, detail, explain_from: 0, loud };
                    let ended = simulation.run(request);
                    ended.failure.is_some().then(|| investigate_under(schedule, &ended, SHRINK_RUNS))
                });
                #[cfg(feature = "proptest")]
                if let (Some(found), Decisions::Case(case)) = (&found, &self.decisions) {
                    case.remember(0, found);
                }
                found
            }
            (None, Decisions::Stored(schedule)) => run_one(schedule),
            #[cfg(feature = "proptest")]
            (None, Decisions::Case(case)) => case.search(&mut make_run, &investigate_under),
            #[cfg(feature = "arbitrary")]
            (None, Decisions::Fuzzed(schedule)) => {
                let ended = make_run(crate::fuzzing::with_coverage(schedule.source()));
                ended
                    .failure
                    .is_some()
                    .then(|| investigate_under(schedule, &ended, crate::fuzzing::SHRINK_RUNS))
            }
        };
        match (found, output) {
            (Some(found), _) => Err(FailedRun { reason: FailureReason::Failed(found) }),
            (None, Some(Ok(passed))) => Ok(passed),
            (None, Some(Err(rejected))) => Err(FailedRun { reason: FailureReason::Rejected(rejected) }),
            (None, None) => unreachable!("a run that does not fail has an output"),
        }
    }
}

/// Returns the configuration for the test at `location`.
#[track_caller]
fn config(location: &'static Location<'static>) -> Config {
    assert_no_loop(&|| format!("`Schedule::run` at {location}"));
    Config::of(current_test_name(location))
}

/// The maximum number of runs for shrinking a single schedule.
const SHRINK_RUNS: u64 = 20_000;

/// Returns the schedules that `TIMELOOP_REPLAY` gives for this test. `None` if the variable is unset or for another
/// test.
pub(crate) fn replayed(config: &Config) -> Result<Option<Vec<timeloop_sim::Schedule>>, ExploreError> {
    static SETTINGS: LazyLock<Result<Settings, EnvironmentError>> = LazyLock::new(Settings::from_environment);
    let settings = match (&config.environment, &*SETTINGS) {
        (Some(settings), _) | (None, Ok(settings)) => settings,
        (None, Err(error)) => return Err(ExploreError::Environment(error.clone())),
    };
    match settings.run_mode(config.test.as_str()) {
        Ok(RunMode::Explore) => Ok(None),
        Ok(RunMode::Replay(schedules)) => Ok(Some(schedules)),
        // A process has many tests, and a file of cases with inputs is read by properties only.
        Err(ExploreError::Token(TokenError::OtherTest { .. }) | ExploreError::Regressions(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The result of checking a run's output: a value, the reason why the test rejects its input, or an error.
pub(crate) type Verdict<P> = Result<Result<P, String>, TestError>;

pub(crate) fn verdict(output: impl TestResult) -> Verdict<()> {
    #[cfg(feature = "proptest")]
    if let Some(rejection) = output.error().and_then(crate::proptest::rejection) {
        return Ok(Err(rejection));
    }
    check_output(output).map(Ok)
}

impl From<timeloop_sim::Schedule> for Schedule {
    fn from(schedule: timeloop_sim::Schedule) -> Self {
        Self { decisions: Decisions::Stored(schedule) }
    }
}

/// Returns the source of the schedule's decisions, for [`run_from`](crate::run_from).
impl From<&Schedule> for AnySource {
    fn from(schedule: &Schedule) -> Self {
        schedule.stored().source()
    }
}

/// Parses a token, whichever test it belongs to.
impl FromStr for Schedule {
    type Err = TokenError;

    fn from_str(token: &str) -> Result<Self, TokenError> {
        timeloop_sim::Schedule::from_token_of_any_test(token).map(Self::from)
    }
}

/// Formats the schedule as a token that belongs to no test.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.stored().to_token(""))
    }
}

/// Formats a one-line description of the schedule, and its token.
impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schedule(")?;
        match &self.decisions {
            Decisions::Stored(schedule) => describe(f, schedule, &self.to_string())?,
            #[cfg(feature = "proptest")]
            Decisions::Case(case) => case.fmt(f)?,
            #[cfg(feature = "arbitrary")]
            Decisions::Fuzzed(schedule) => describe(f, schedule, &self.to_string())?,
        }
        f.write_str(")")
    }
}

/// Writes a description of the schedule (unless it is too long to read) and its token.
pub(crate) fn describe(
    f: &mut fmt::Formatter<'_>,
    schedule: &timeloop_sim::Schedule,
    token: &str,
) -> fmt::Result {
    const DEVIATIONS_MAX: usize = 8;
    match schedule.deviations().map(<[_]>::len) {
        Some(count) if count > DEVIATIONS_MAX => write!(f, "{count} deviations; {token}"),
        _ => write!(f, "{schedule}; {token}"),
    }
}

/// A failed run, with everything found about it. Both `Display` and `Debug` print the report.
///
/// It does not implement [`std::error::Error`], so that `?` converts it to proptest's error, for which an input
/// rejected by the test is not a failure. `?` also converts it to `Box<dyn Error>`.
pub struct FailedRun {
    pub(crate) reason: FailureReason,
}

/// The reason why a run did not pass.
pub(crate) enum FailureReason {
    Failed(Box<Found>),
    Rejected(String),
}

impl FailedRun {
    /// Returns the failure. `None` if the test rejected its input, as proptest's `prop_assume!` does; then nothing has
    /// failed.
    #[must_use]
    pub fn found(&self) -> Option<&Found> {
        match &self.reason {
            FailureReason::Failed(found) => Some(found),
            FailureReason::Rejected(_) => None,
        }
    }
}

impl fmt::Display for FailedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            FailureReason::Failed(found) => f.write_str(found.report.trim_end()),
            FailureReason::Rejected(why) => write!(f, "the test rejects its input: {why}"),
        }
    }
}

impl fmt::Debug for FailedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}\n")
    }
}

impl From<FailedRun> for Box<dyn std::error::Error> {
    fn from(failed: FailedRun) -> Self {
        Box::new(FailedRunError(failed))
    }
}

impl From<FailedRun> for Box<dyn std::error::Error + Send + Sync> {
    fn from(failed: FailedRun) -> Self {
        Box::new(FailedRunError(failed))
    }
}

/// A failed run as an error.
#[derive(Debug)]
struct FailedRunError(FailedRun);

impl fmt::Display for FailedRunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for FailedRunError {}
