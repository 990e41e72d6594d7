//! A schedule as an input: a value that a test is handed, and runs itself under.
//!
//! Always true: a schedule runs the same code in the same way each time; a run that fails has been confirmed, rewritten as
//! deviations from the quiet run and shrunk before anyone hears of it.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::str::FromStr;
use std::sync::LazyLock;

use timeloop_sim::{
    AnySource, Config, Detail, Deviation, Ended, EnvironmentError, ExploreError, Found, Limits,
    RegressionsIn, Request, RunMode, Seed, Settings, StrategySpec, TokenError, investigate,
};

use crate::explorer::test_of_this_thread;
use crate::harness::{AsyncSimulation, TestError, TestResult, assert_no_loop, passed};

/// How to make every decision of a run, as an input that a test is handed like any other.
///
/// Where `#[timeloop::test]` and [`Explorer`](crate::Explorer) look for schedules themselves, this is for those who get
/// their inputs from elsewhere: from a property (feature `proptest`), from a fuzzer, from a table. [`run`](Self::run) makes
/// one run. If that fails, its schedule is shrunk, and the error is the usual report.
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
/// Printed, it is a token, which can be parsed again:
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

/// Who makes the decisions.
#[derive(Clone, PartialEq, Eq)]
enum Decisions {
    Stored(timeloop_sim::Schedule),
    /// Of a property: several schedules, until one fails.
    #[cfg(feature = "proptest")]
    Case(crate::proptest::Case),
    /// Of a fuzzer: its run shows the fuzzer what it does.
    #[cfg(feature = "arbitrary")]
    Fuzzed(timeloop_sim::Schedule),
}

impl Schedule {
    /// The quiet run: every task in its turn, first in, first out, and no fault.
    #[must_use]
    pub fn baseline() -> Self {
        timeloop_sim::Schedule::baseline().into()
    }

    /// The run of this seed under a strategy that was told nothing of the code.
    #[must_use]
    pub fn seeded(seed: impl Into<Seed>, strategy: StrategySpec) -> Self {
        timeloop_sim::Schedule::seeded(seed.into(), strategy).into()
    }

    /// The schedule of a property's test case.
    #[cfg(feature = "proptest")]
    pub(crate) fn of_case(case: crate::proptest::Case) -> Self {
        Self { decisions: Decisions::Case(case) }
    }

    /// A schedule that a fuzzer has made up.
    #[cfg(feature = "arbitrary")]
    pub(crate) fn fuzzed(schedule: timeloop_sim::Schedule) -> Self {
        Self { decisions: Decisions::Fuzzed(schedule) }
    }

    /// The deviations from the quiet run; `None` where a strategy or a fuzzer's bytes decide. Those of a property's
    /// schedule are known once a run has failed.
    #[must_use]
    pub fn deviations(&self) -> Option<Vec<Deviation>> {
        self.stored().deviations().map(<[_]>::to_vec)
    }

    /// What can be written down of it.
    fn stored(&self) -> Cow<'_, timeloop_sim::Schedule> {
        match &self.decisions {
            Decisions::Stored(schedule) => Cow::Borrowed(schedule),
            #[cfg(feature = "proptest")]
            Decisions::Case(case) => Cow::Owned(case.stored()),
            #[cfg(feature = "arbitrary")]
            Decisions::Fuzzed(schedule) => Cow::Borrowed(schedule),
        }
    }

    /// Makes one run under this schedule. A panic, a deadlock, a bound that is hit or an `Err` fails it, as in a
    /// `#[timeloop::test]`; then the schedule is shrunk, for which `make` is called many times.
    ///
    /// # Errors
    /// What failed, with the shrunk schedule: its text is the usual report.
    ///
    /// # Panics
    /// Inside of another run: only one loop runs at a time.
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// use timeloop::{Schedule, task::spawn_local};
    ///
    /// let failed = Schedule::seeded(1, "random".parse()?).run(|| async {
    ///     let last = Rc::new(Cell::new(""));
    ///     let tasks = ["first", "second", "third"].map(|name| {
    ///         let last = Rc::clone(&last);
    ///         spawn_local(async move { last.set(name) })
    ///     });
    ///     for task in tasks {
    ///         task.await.unwrap();
    ///     }
    ///     assert_eq!(last.get(), "third");
    /// });
    ///
    /// let failed = failed.unwrap_err();
    /// assert_eq!(failed.found().unwrap().deviations_after(), Some(1));
    /// assert!(failed.to_string().contains("starts before"), "{failed}");
    /// # Ok::<(), timeloop::UnknownStrategy>(())
    /// ```
    #[track_caller]
    pub fn run<F, Fut>(&self, make: F) -> Result<(), FailedRun>
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        self.made(config(Location::caller()), None, make, verdict)
    }

    /// [`run`](Self::run) with other bounds.
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
        self.made(config(Location::caller()), Some(limits), make, verdict)
    }

    /// Makes one run under this schedule, as [`run`](Self::run) does, and gives its output, whatever that is: an `Err`
    /// is an output like any other.
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
        self.made(config(Location::caller()), None, make, |output| Ok(Ok(output)))
    }

    pub(crate) fn made<F, Fut, P>(
        &self,
        config: Config,
        limits: Option<&Limits>,
        make: F,
        judge: fn(Fut::Output) -> Verdict<P>,
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
        let replayed = replayed(&config).unwrap_or_else(|error| panic!("{error}"));
        let (limits, loud) = (&config.limits, replayed.is_some());
        let simulation = AsyncSimulation { name: format!("the test `{}`", config.test).into(), make, judge };
        let mut last = None;
        let mut attempt = |source| {
            let request = Request { source, limits, detail: Detail::Lean, explain_from: 0, loud };
            let (ended, passed) = simulation.make(request);
            last = passed.or_else(|| last.take());
            ended
        };
        let found_under = |schedule: &timeloop_sim::Schedule, failed: &Ended, shrink_runs| {
            investigate(&Config { shrink_runs, ..config.clone() }, &simulation, schedule, failed)
        };
        let mut only = |schedule: &timeloop_sim::Schedule| {
            let ended = attempt(schedule.source());
            ended.failure.is_some().then(|| found_under(schedule, &ended, SHRINK_RUNS))
        };
        let found = match (replayed, &self.decisions) {
            (Some(schedules), _) => {
                let found = schedules.iter().find_map(only);
                #[cfg(feature = "proptest")]
                if let (Some(found), Decisions::Case(case)) = (&found, &self.decisions) {
                    case.remember(0, found);
                }
                found
            }
            (None, Decisions::Stored(schedule)) => only(schedule),
            #[cfg(feature = "proptest")]
            (None, Decisions::Case(case)) => case.search(&mut attempt, &found_under),
            #[cfg(feature = "arbitrary")]
            (None, Decisions::Fuzzed(schedule)) => {
                let ended = attempt(crate::fuzzing::watched(schedule.source()));
                ended.failure.is_some().then(|| found_under(schedule, &ended, crate::fuzzing::SHRINK_RUNS))
            }
        };
        match (found, last) {
            (Some(found), _) => Err(FailedRun { why: Why::Failed(found) }),
            (None, Some(Ok(passed))) => Ok(passed),
            (None, Some(Err(rejected))) => Err(FailedRun { why: Why::Rejected(rejected) }),
            (None, None) => unreachable!("a run that does not fail has an output"),
        }
    }
}

/// The configuration of what is written at `location`, if no loop runs yet.
#[track_caller]
fn config(location: &'static Location<'static>) -> Config {
    assert_no_loop(&|| format!("`Schedule::run` at {location}"));
    Config::of(test_of_this_thread(location))
}

/// Runs that shrinking a single schedule may take.
const SHRINK_RUNS: u64 = 20_000;

/// The schedules that `TIMELOOP_REPLAY` asks for, if they are for this test.
pub(crate) fn replayed(config: &Config) -> Result<Option<Vec<timeloop_sim::Schedule>>, ExploreError> {
    static SETTINGS: LazyLock<Result<Settings, EnvironmentError>> = LazyLock::new(Settings::from_environment);
    let settings = match (&config.environment, &*SETTINGS) {
        (Some(settings), _) | (None, Ok(settings)) => settings,
        (None, Err(error)) => return Err(ExploreError::Environment(error.clone())),
    };
    match settings.run_mode(config.test.as_str()) {
        Ok(RunMode::Explore) => Ok(None),
        Ok(RunMode::Replay(schedules)) => Ok(Some(schedules)),
        // A process has many tests; a file with inputs is for another kind of test to read.
        Err(ExploreError::Token(TokenError::OtherTest { .. }) | ExploreError::Regressions(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a run's output comes to: something, or why the test rejects its input, or what fails.
pub(crate) type Verdict<P> = Result<Result<P, String>, TestError>;

pub(crate) fn verdict(output: impl TestResult) -> Verdict<()> {
    #[cfg(feature = "proptest")]
    if let Some(rejection) = output.error().and_then(crate::proptest::rejection) {
        return Ok(Err(rejection));
    }
    passed(output).map(Ok)
}

impl From<timeloop_sim::Schedule> for Schedule {
    fn from(schedule: timeloop_sim::Schedule) -> Self {
        Self { decisions: Decisions::Stored(schedule) }
    }
}

/// The source that makes the schedule's decisions, for [`run_from`](crate::run_from).
impl From<&Schedule> for AnySource {
    fn from(schedule: &Schedule) -> Self {
        schedule.stored().source()
    }
}

/// Reads a token, whichever test it was made for.
impl FromStr for Schedule {
    type Err = TokenError;

    fn from_str(token: &str) -> Result<Self, TokenError> {
        timeloop_sim::Schedule::from_token_of_any_test(token).map(Self::from)
    }
}

/// The schedule as a token, which belongs to no test.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.stored().to_token(""))
    }
}

/// In one line what it does, and its token.
impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schedule(")?;
        match &self.decisions {
            Decisions::Stored(schedule) => tell(f, schedule, &self.to_string())?,
            #[cfg(feature = "proptest")]
            Decisions::Case(case) => case.fmt(f)?,
            #[cfg(feature = "arbitrary")]
            Decisions::Fuzzed(schedule) => tell(f, schedule, &self.to_string())?,
        }
        f.write_str(")")
    }
}

/// What the schedule does, unless it is too long to be read, and its token.
pub(crate) fn tell(
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

/// A run that failed, with all that was found out about it. Its text, both ways of printing it, is the report.
///
/// It is no [`std::error::Error`]: so `?` makes of it what proptest wants, where an input that a run rejects is no failure.
/// Where a `Box<dyn Error>` is wanted, `?` works as well.
pub struct FailedRun {
    pub(crate) why: Why,
}

/// Why a run has not passed.
pub(crate) enum Why {
    Failed(Box<Found>),
    Rejected(String),
}

impl FailedRun {
    /// Everything that was found out. `None` where the test has rejected its input, as proptest's `prop_assume!` does, so
    /// that nothing has failed.
    #[must_use]
    pub fn found(&self) -> Option<&Found> {
        match &self.why {
            Why::Failed(found) => Some(found),
            Why::Rejected(_) => None,
        }
    }
}

impl fmt::Display for FailedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Failed(found) => f.write_str(found.report.trim_end()),
            Why::Rejected(why) => write!(f, "the test rejects its input: {why}"),
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
        Box::new(Report(failed))
    }
}

impl From<FailedRun> for Box<dyn std::error::Error + Send + Sync> {
    fn from(failed: FailedRun) -> Self {
        Box::new(Report(failed))
    }
}

/// The report as an error.
#[derive(Debug)]
struct Report(FailedRun);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Report {}
