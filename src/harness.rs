//! Runs an async closure as a simulation that the harness can repeat.
//!
//! # Invariants
//! Each run calls the closure anew, in its own loop.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::pin::pin;
use std::task::Context;
use std::time::Duration;

use timeloop_sim::{
    AnySource, Cause, Detail, Ended, Failure, FailureKind, Limits, Request, Seed, Simulation, Site,
    StrategySpec,
};

use crate::engine::{Before, Engine, Label, Root, RootFuture, RuntimeSettings, Stop, context};

/// The output of a test: `()`, or a `Result` whose `Err` fails the run. Other types may implement it.
///
/// ```
/// use timeloop::{Explorer, TestResult};
///
/// struct Verdict(Option<String>);
///
/// impl TestResult for Verdict {
///     fn failure(self) -> Option<String> {
///         self.0
///     }
/// }
///
/// let explorer = Explorer::new("doc::verdict").runs(2).without_regressions();
/// explorer.check(|| async { Verdict(None) });
/// ```
pub trait TestResult {
    /// Returns the failure's text, or `None` if the test passed.
    fn failure(self) -> Option<String>;

    /// Returns the error itself, for callers that can use more than its text.
    #[doc(hidden)]
    fn error(&self) -> Option<&dyn Any> {
        None
    }
}

impl TestResult for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<T: TestResult, E: fmt::Debug + 'static> TestResult for Result<T, E> {
    fn failure(self) -> Option<String> {
        match self {
            Ok(value) => value.failure(),
            Err(error) => Some(format!("{error:?}")),
        }
    }

    fn error(&self) -> Option<&dyn Any> {
        match self {
            Ok(value) => value.error(),
            Err(error) => Some(error),
        }
    }
}

/// The failure that a test's output describes.
pub(crate) struct TestError {
    pub(crate) message: String,
    pub(crate) site: Option<Site>,
}

/// Returns `Ok` unless the test's output is a failure.
pub(crate) fn check_output(output: impl TestResult) -> Result<(), TestError> {
    #[cfg(feature = "proptest")]
    if let Some(test_error) = output.error().and_then(crate::proptest::test_error) {
        return Err(test_error);
    }
    output.failure().map_or(Ok(()), |message| Err(TestError { message, site: None }))
}

/// The never type `!`, for tests that end in an endless loop. Stable Rust has no name for it here, and this form leaves other
/// types to other crates.
impl<T> TestResult for T
where
    fn() -> !: FnOnce() -> T,
{
    fn failure(self) -> Option<String> {
        unreachable!("there is no value of the type `!`")
    }
}

/// An async closure as a simulation.
pub(crate) struct AsyncSimulation<F, J> {
    pub(crate) name: Label,
    pub(crate) settings: RuntimeSettings,
    pub(crate) make: F,
    /// Converts an output to a value or a failure.
    pub(crate) classify: J,
}

impl<F, Fut, J, P> AsyncSimulation<F, J>
where
    F: Fn() -> Fut,
    Fut: Future,
    J: Fn(Fut::Output) -> Result<P, TestError>,
{
    /// Makes one run. Also returns the value that `classify` makes of its output, unless the run failed.
    pub(crate) fn make(&self, request: Request<'_>) -> (Ended, Option<P>) {
        run_once(request, self.name.clone(), self.settings, &self.make, &self.classify)
    }

    /// Makes one run, and drops the value within it.
    fn make_and_drop(&self, request: Request<'_>) -> Ended {
        let classify = |output| (self.classify)(output).map(drop);
        run_once(request, self.name.clone(), self.settings, &self.make, &classify).0
    }
}

impl<F, Fut, J, P> Simulation for AsyncSimulation<F, J>
where
    F: Fn() -> Fut + Sync,
    Fut: Future,
    J: Fn(Fut::Output) -> Result<P, TestError> + Sync,
{
    fn run(&self, request: Request<'_>) -> Ended {
        self.make_and_drop(request)
    }
}

/// The root of a run, and what became of its output.
struct ExaminedRoot<'a, F: Future, J, P> {
    root: RootFuture<'a, F>,
    classify: &'a J,
    /// `None` before the output is examined, and if that panics.
    classified: Option<Result<P, TestError>>,
}

impl<F, J, P> Root for ExaminedRoot<'_, F, J, P>
where
    F: Future,
    J: Fn(F::Output) -> Result<P, TestError>,
{
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        self.root.poll(context)
    }

    fn drop_future(&mut self) {
        self.root.drop_future();
    }

    fn examine_output(&mut self) {
        self.classified = self.root.take_output().map(self.classify);
    }

    fn drop_output(&mut self) {
        self.classified = None;
    }
}

/// Makes one run. Also returns the value that `classify` makes of its output, unless the run failed.
fn run_once<F, Fut, J, P>(
    request: Request<'_>,
    name: Label,
    settings: RuntimeSettings,
    make: &F,
    classify: &J,
) -> (Ended, Option<P>)
where
    F: Fn() -> Fut,
    Fut: Future,
    J: Fn(Fut::Output) -> Result<P, TestError>,
{
    // The closure is called inside the loop too, so that it may spawn.
    let mut future = pin!(Some(async { make().await }));
    let root = RootFuture::new(future.as_mut());
    let mut root = ExaminedRoot { root, classify, classified: None };
    let (failure, mut ended, before) = run_root(request, name, settings, &mut root);
    let (failure, passed) = match (failure, root.classified) {
        (Some(failure), _) => (Some(failure), None),
        (None, classified) => match classified.expect("the run has ended without a failure") {
            Ok(passed) => (None, Some(passed)),
            Err(error) => (Some(error_failure(error, &ended, before)), None),
        },
    };
    ended.failure = failure;
    (ended, passed)
}

/// Creates the failure of a run whose output is an error.
fn error_failure(error: TestError, ended: &Ended, before: Before) -> Box<Failure> {
    let TestError { message, site } = error;
    Box::new(Failure {
        kind: FailureKind::Error,
        cause: Cause::Error(message),
        notes: before.notes(),
        site: site.map(Box::new),
        task: Some(Box::default()),
        blocked: Box::default(),
        network: before.network,
        at_ns: ended.elapsed_ns,
        at_step: ended.steps,
    })
}

/// Makes one run of a root future.
fn run_root(
    request: Request<'_>,
    name: Label,
    settings: RuntimeSettings,
    root: &mut dyn Root,
) -> (Option<Box<Failure>>, Ended, Before) {
    let Request { source, limits, detail, explain_from, loud } = request;
    let engine = Engine::new(source, limits, detail, name, settings);
    engine.explain_from(explain_from);
    engine.add_root(Location::caller());
    let stopped = engine.drive(root, loud).err().map(Stop::into_failure);
    let unobserved = engine.finish(loud, root);
    let before = engine.before();
    (stopped.or(unobserved), engine.ended(), before)
}

/// Makes one run of a future, which can't be repeated to explain a failure.
pub(crate) fn run_future<F: Future>(seed: Seed, name: &'static str, future: F) -> Result<F::Output, Failure> {
    assert_no_loop(&|| name.to_owned());
    let limits = program_limits();
    let source = StrategySpec::Random.source(seed);
    let request = Request { source, limits: &limits, detail: Detail::Lean, explain_from: 0, loud: true };
    let mut future = pin!(Some(future));
    let mut root = RootFuture::new(future.as_mut());
    let (failure, ..) = run_root(request, Label::Fixed(name), RuntimeSettings::of_run(), &mut root);
    match failure {
        None => Ok(root.into_output().expect("it has ended")),
        Some(failure) => Err(*failure),
    }
}

/// Returns the limits of a program, which makes a single run: the default ones, but with ten times as many steps.
pub(crate) fn program_limits() -> Limits {
    Limits { max_steps: 2_000_000, ..Limits::default() }
}

/// Makes one run under the strategy `random` and returns its output.
///
/// Under `random`, tasks are switched where they wait, and before accesses to a [`Resource`](crate::Resource). No task
/// is preempted before other operations. For a run under another strategy, use [`run_from`].
///
/// This function is for programs, and for tests of a single run. To search for a failing schedule, use
/// `#[timeloop::test]`, [`explore`](crate::explore) or [`Explorer`](crate::Explorer).
///
/// The limits are those of [`Limits::default`], except that the run may take 2,000,000 steps.
///
/// # Errors
/// The failure: a panic, a deadlock, or an exceeded limit, for example. A failing run is made a second time to find the
/// source lines that the failure names, so the closure must not depend on anything outside the run.
///
/// # Panics
/// Inside another run, because a thread runs one loop at a time.
///
/// ```
/// let sum = timeloop::run(42, || async {
///     let task = timeloop::spawn(async { 2 });
///     40 + task.await.unwrap()
/// })?;
/// assert_eq!(sum, 42);
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
pub fn run<F, Fut>(seed: impl Into<Seed>, make: F) -> Result<Fut::Output, Failure>
where
    F: Fn() -> Fut,
    Fut: Future,
{
    let seed = seed.into();
    let location = Location::caller();
    assert_no_loop(&|| format!("`timeloop::run` at {location}"));
    let limits = program_limits();
    let request = |detail| {
        let source = StrategySpec::Random.source(seed);
        Request { source, limits: &limits, detail, explain_from: 0, loud: false }
    };
    let simulation = AsyncSimulation {
        name: Label::Fixed("`timeloop::run`"),
        settings: RuntimeSettings::of_run(),
        make,
        classify: Ok,
    };
    let (ended, output) = simulation.make(request(Detail::Lean));
    let Some(failure) = ended.failure else { return Ok(output.expect("the run has not failed")) };
    // The second run records the locations that explain deadlocks and similar failures.
    let explained = simulation.make_and_drop(request(Detail::Explain)).failure;
    Err(*explained
        .filter(|explained| explained.lean_fingerprint() == failure.lean_fingerprint())
        .unwrap_or(failure))
}

/// The outcome of one run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// The run's output or failure.
    pub result: Result<T, Failure>,
    /// The rolling hash of every step's task, virtual time and choices. Two runs with the same hash took the same
    /// steps.
    pub trace_hash: u64,
    /// The number of steps.
    pub steps: u64,
    /// The virtual time that passed.
    pub elapsed: Duration,
}

/// Makes one run whose every decision comes from `source`: a fuzzer's bytes, a stored [`Schedule`](crate::Schedule), a
/// seed and a strategy, or your own [`Source`](timeloop_sim::Source).
///
/// Nothing is printed, not even for a panic, and environment variables are ignored. The run is made only once, so a
/// failure does not name the lines where tasks wait; use [`run`] or [`Explorer`](crate::Explorer) to find them.
///
/// # Panics
/// Inside another run, because a thread runs one loop at a time.
///
/// A fuzz target that lets the fuzzer decide which task runs next:
///
/// ```
/// use timeloop::{Bytes, Limits, run_from, spawn};
///
/// fn target(data: &[u8]) {
///     let outcome = run_from(Bytes::new(data), &Limits::default(), || async {
///         let tasks = [1, 2, 3].map(|number| spawn(async move { number }));
///         let mut sum = 0;
///         for task in tasks {
///             sum += task.await.unwrap();
///         }
///         sum
///     });
///     assert_eq!(outcome.result.unwrap(), 6);
/// }
/// target(b"any bytes at all");
/// ```
#[track_caller]
pub fn run_from<F, Fut>(source: impl Into<AnySource>, limits: &Limits, make: F) -> Outcome<Fut::Output>
where
    F: Fn() -> Fut,
    Fut: Future,
{
    let location = Location::caller();
    assert_no_loop(&|| format!("`timeloop::run_from` at {location}"));
    let request =
        Request { source: source.into(), limits, detail: Detail::Lean, explain_from: 0, loud: false };
    let name = Label::Fixed("`timeloop::run_from`");
    let (ended, output) = run_once(request, name, RuntimeSettings::of_run(), &make, &Ok);
    Outcome {
        result: output.ok_or_else(|| *ended.failure.expect("a run without an output has failed")),
        trace_hash: ended.trace_hash,
        steps: ended.steps,
        elapsed: Duration::from_nanos(ended.elapsed_ns),
    }
}

/// Returns whether this run repeats an earlier one to show it to a reader: a run that `TIMELOOP_REPLAY` asks for, the last
/// run of a failing exploration, of which the report is made, and the run whose steps `TIMELOOP_LOG=steps` prints for a
/// passing test. Returns false in all other runs, and outside of a run.
///
/// Use it for output that would be too much in every run, or to stop in a debugger. Code that awaits something, or draws a
/// random number, only in a replay makes the replay differ: the report then says nondeterminism.
///
/// ```
/// use timeloop::{Explorer, is_replay};
///
/// let explorer = Explorer::new("doc::replay").silent().without_regressions().without_environment();
/// let exploration = explorer.run(|| async {
///     let balance = -30;
///     if is_replay() {
///         println!("the balance is {balance}"); // printed a few times, instead of in each run
///     }
///     assert!(balance >= 0);
/// });
/// assert!(!exploration.passed());
/// assert!(!is_replay(), "outside of a run");
/// ```
#[must_use]
pub fn is_replay() -> bool {
    context::driving(Engine::is_explained).unwrap_or(false)
}

/// Panics if a loop, possibly tokio's, already runs on this thread.
#[track_caller]
pub(crate) fn assert_no_loop(new: &dyn Fn() -> String) {
    if let Some(running) = context::running_label() {
        panic!(
            "cannot start {} inside {running}: a thread runs one event loop at a time; await the future or `spawn` it \
             instead",
            new(),
        );
    }
    #[cfg(feature = "sync")]
    if crate::sync::inside_tokio() {
        inside_tokio(&new());
    }
}

/// Panics inside of tokio's own runtime, unless a loop runs on this thread already.
#[track_caller]
pub(crate) fn assert_not_inside_tokio(new: &str) {
    #[cfg(feature = "sync")]
    if context::running_label().is_none() && crate::sync::inside_tokio() {
        inside_tokio(new);
    }
    #[cfg(not(feature = "sync"))]
    let _ = new;
}

#[cfg(feature = "sync")]
#[cold]
#[track_caller]
fn inside_tokio(new: &str) -> ! {
    panic!(
        "cannot start {new} inside tokio's own runtime: start it in a plain `#[test]`, in `main`, or in \
         `tokio::task::spawn_blocking`; otherwise, its tasks would use up tokio's cooperative budget"
    )
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use timeloop_sim::{DecisionKey, Domain, Operation, Ready, Replay, Source, Stream, TaskKey};

    use super::*;
    use crate::Resource;
    use crate::time::{sleep, timeout};

    /// Makes every decision at random: task order, preemptions, and stalls of ready tasks while time passes.
    #[derive(Debug)]
    struct RandomDecisions {
        stream: Stream,
        ready: Vec<u32>,
        held: Vec<u32>,
    }

    impl Source for RandomDecisions {
        fn ready(&mut self, task: Ready) {
            if self.stream.below(6) == 0 {
                self.held.push(task.slot);
            } else {
                self.ready.push(task.slot);
            }
        }

        fn next(&mut self) -> Option<u32> {
            let count = self.ready.len() as u32;
            (count > 0).then(|| self.ready.swap_remove(self.stream.below(count) as usize))
        }

        fn wants_operations(&self) -> bool {
            true
        }

        fn should_preempt(&mut self, _key: DecisionKey, _operation: Operation) -> bool {
            self.stream.below(3) > 0
        }

        fn time_passed(&mut self) {
            if self.stream.below(2) == 0 {
                self.release_held();
            }
        }

        fn release_held(&mut self) -> bool {
            let any = !self.held.is_empty();
            self.ready.append(&mut self.held);
            any
        }

        fn choose(&mut self, _key: DecisionKey, arity: u32) -> u32 {
            self.stream.below(arity)
        }

        fn user_stream(&mut self, entity: u64) -> Stream {
            Stream::new(Seed(0), Domain::User, entity)
        }

        fn finished(&mut self, _task: TaskKey) {}
    }

    async fn busy() {
        let row = Rc::new(Resource::new("row"));
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let row = Rc::clone(&row);
                crate::spawn(async move {
                    for round in 0..3 {
                        row.read().await;
                        if number % 2 == 0 {
                            sleep(Duration::from_millis(number + round)).await;
                        } else {
                            crate::task::yield_now().await;
                        }
                        // A timer reset to now is due without virtual time advancing.
                        let mut nap = std::pin::pin!(sleep(Duration::from_secs(1)));
                        let now = futures_util::FutureExt::now_or_never(nap.as_mut());
                        assert!(now.is_none());
                        nap.as_mut().reset(crate::time::Instant::now());
                        sleep(Duration::from_millis(1)).await;
                        nap.await;
                        crate::select! {
                            () = async { row.write().await; row.read().await } => {}
                            () = sleep(Duration::from_millis(1)) => {}
                        }
                    }
                })
            })
            .collect();
        let _ = timeout(Duration::from_millis(5), async {
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await;
        row.write().await;
    }

    /// Every run can be written as deviations from the baseline run that reproduce its steps.
    #[test]
    fn a_run_is_repeated_by_its_deviations() {
        let limits = Limits::default();
        let made = |source: AnySource| {
            let request =
                Request { source, limits: &limits, detail: Detail::Record, explain_from: 0, loud: false };
            run_once(request, Label::Fixed("rewriting"), RuntimeSettings::OF_RUN, &busy, &Ok).0
        };
        let mut stalls = 0;
        for seed in 0..300 {
            let stream = Stream::new(Seed(seed), Domain::Schedule, 0);
            let random =
                made(Box::new(RandomDecisions { stream, ready: Vec::new(), held: Vec::new() }).into());
            let deviations = random.record.expect("it was asked for").deviations();
            stalls += deviations.iter().filter(|deviation| deviation.domain == Domain::Stall).count();
            let again = made(Box::new(Replay::new(Seed(0), &deviations)).into());
            assert_eq!(again.trace_hash, random.trace_hash, "seed {seed}: {deviations:?}");
            assert_eq!((again.unapplied, again.elapsed_ns), (0, random.elapsed_ns), "seed {seed}");
            assert!(again.steps <= random.steps);
        }
        assert!(stalls > 100, "{stalls}");
    }
}
