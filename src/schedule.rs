//! A schedule as an input: a value that a test is handed, and runs itself under.
//!
//! Always true: a schedule runs the same code in the same way each time; a run that fails has been confirmed, rewritten as
//! deviations from the quiet run and shrunk before anyone hears of it.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::str::FromStr;

use timeloop_sim::{
    AnySource, Detail, Deviation, Ended, Failure, Found, Limits, Request, Seed, Simulation, StrategySpec,
    TokenError,
};

use crate::explorer::Explorer;
use crate::harness::{TestResult, assert_no_loop, passed, run_once};

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
/// let schedule: Schedule = Schedule::quiet().to_string().parse()?;
/// assert_eq!(schedule.deviations(), Some(&[][..]));
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
}

impl Decisions {
    fn source(&self) -> AnySource {
        match self {
            Self::Stored(schedule) => schedule.source(),
        }
    }
}

impl Schedule {
    /// The quiet run: every task in its turn, first in, first out, and no fault.
    #[must_use]
    pub fn quiet() -> Self {
        timeloop_sim::Schedule::quiet().into()
    }

    /// The run of this seed under a strategy that was told nothing of the code.
    #[must_use]
    pub fn seeded(seed: impl Into<Seed>, strategy: StrategySpec) -> Self {
        timeloop_sim::Schedule::seeded(seed.into(), strategy).into()
    }

    /// The deviations from the quiet run; `None` where a strategy or a fuzzer's bytes decide.
    #[must_use]
    pub fn deviations(&self) -> Option<&[Deviation]> {
        match &self.decisions {
            Decisions::Stored(schedule) => schedule.deviations(),
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
    /// assert_eq!(failed.found().deviations_after(), Some(1));
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
        self.run_with(&Limits::default(), make)
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
        self.made(Location::caller(), limits, make, passed)
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
    /// let sum = timeloop::Schedule::quiet().output(|| async { timeloop::spawn(async { 2 }).await.unwrap() + 40 })?;
    /// assert_eq!(sum, 42);
    /// # Ok::<(), timeloop::FailedRun>(())
    /// ```
    #[track_caller]
    pub fn output<F, Fut>(&self, make: F) -> Result<Fut::Output, FailedRun>
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
    {
        self.made(Location::caller(), &Limits::default(), make, Ok)
    }

    fn made<F, Fut, P>(
        &self,
        location: &'static Location<'static>,
        limits: &Limits,
        make: F,
        judge: fn(Fut::Output) -> Result<P, String>,
    ) -> Result<P, FailedRun>
    where
        F: Fn() -> Fut + Sync,
        Fut: Future,
    {
        assert_no_loop(&|| format!("`Schedule::run` at {location}"));
        let explorer =
            Explorer::of_this_thread(location).limits(limits.clone()).without_regressions().quiet();
        let test = explorer.harness().test();
        let simulation = Judging { name: Cow::Owned(format!("the test `{test}`")), make, judge };
        let source = self.decisions.source();
        let request = Request { source, limits, detail: Detail::Lean, explain_from: 0, loud: false };
        let (ended, passed) = simulation.make(request);
        if let Some(passed) = passed {
            return Ok(passed);
        }
        let found = match &self.decisions {
            Decisions::Stored(schedule) => explorer.harness().investigate(&simulation, schedule, &ended),
        };
        Err(FailedRun { found })
    }
}

/// An async closure as a simulation, with a function that says whether its output is a failure.
struct Judging<F, J> {
    name: Cow<'static, str>,
    make: F,
    judge: J,
}

impl<F, Fut, P> Judging<F, fn(Fut::Output) -> Result<P, String>>
where
    F: Fn() -> Fut + Sync,
    Fut: Future,
{
    fn make(&self, request: Request<'_>) -> (Ended, Option<P>) {
        run_once(request, self.name.clone(), &self.make).judged(self.judge)
    }
}

impl<F, Fut, P> Simulation for Judging<F, fn(Fut::Output) -> Result<P, String>>
where
    F: Fn() -> Fut + Sync,
    Fut: Future,
{
    fn run(&self, request: Request<'_>) -> Ended {
        self.make(request).0
    }
}

impl From<timeloop_sim::Schedule> for Schedule {
    fn from(schedule: timeloop_sim::Schedule) -> Self {
        Self { decisions: Decisions::Stored(schedule) }
    }
}

/// The source that makes the schedule's decisions, for [`run_from`](crate::run_from).
impl From<&Schedule> for AnySource {
    fn from(schedule: &Schedule) -> Self {
        schedule.decisions.source()
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
        match &self.decisions {
            Decisions::Stored(schedule) => f.pad(&schedule.to_token("")),
        }
    }
}

/// In one line what it does, and its token.
impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A schedule of more deviations than this is not told: no one would read it.
        const TOLD_MAX: usize = 8;
        let Decisions::Stored(schedule) = &self.decisions;
        match schedule.deviations() {
            Some(deviations) if deviations.len() > TOLD_MAX => {
                write!(f, "Schedule({} deviations; {self})", deviations.len())
            }
            _ => write!(f, "Schedule({schedule}; {self})"),
        }
    }
}

/// A run that failed, with all that was found out about it. Its text, both ways of printing it, is the report.
///
/// It is no [`std::error::Error`]: so `?` makes of it what proptest wants, where an input that a run rejects is no failure.
/// Where a `Box<dyn Error>` is wanted, `?` works as well.
pub struct FailedRun {
    found: Box<Found>,
}

impl FailedRun {
    /// Everything that was found out.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// What failed.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.found.failure
    }
}

impl fmt::Display for FailedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.found.report.trim_end())
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
