//! Where the two sides meet: an async closure as a simulation that the harness can run, again and again.
//!
//! Always true: each run calls the closure anew, in a loop of its own.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::pin::pin;
use std::time::Duration;

use timeloop_sim::{
    AnySource, Cause, Detail, Ended, Failure, FailureKind, Limits, Request, Seed, Simulation, Site,
    StrategySpec,
};

use crate::engine::{Before, Engine, Label, Root, RootFuture, Stop, context};

/// What a test may return: `()`, or a `Result` whose `Err` fails the run.
pub trait TestResult {
    /// The failure's text, if this is one.
    fn failure(self) -> Option<String>;

    /// The error itself, for those who know more of it than its text.
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

/// What a test's output says has failed.
pub(crate) struct TestError {
    pub(crate) message: String,
    pub(crate) site: Option<Site>,
}

/// `Ok` unless the test's output is a failure.
pub(crate) fn passed(output: impl TestResult) -> Result<(), TestError> {
    #[cfg(feature = "proptest")]
    if let Some(test_error) = output.error().and_then(crate::proptest::test_error) {
        return Err(test_error);
    }
    output.failure().map_or(Ok(()), |message| Err(TestError { message, site: None }))
}

/// What a function returns.
trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

#[expect(private_interfaces, reason = "a trait that is there to name a type")]
/// What never ends has nothing to return: a server's loop. (The type has no name that stable Rust accepts here.)
impl TestResult for <fn() -> ! as Returns>::Output {
    fn failure(self) -> Option<String> {
        self
    }
}

/// An async closure as a simulation.
pub(crate) struct AsyncSimulation<F, J> {
    pub(crate) name: Label,
    pub(crate) make: F,
    /// Says what an output comes to: something, or a failure.
    pub(crate) judge: J,
}

impl<F, Fut, J, P> AsyncSimulation<F, J>
where
    F: Fn() -> Fut + Sync,
    Fut: Future,
    J: Fn(Fut::Output) -> Result<P, TestError>,
{
    /// Makes one run; what its output comes to, unless it fails.
    pub(crate) fn make(&self, request: Request<'_>) -> (Ended, Option<P>) {
        run_once(request, self.name.clone(), &self.make).judged(&self.judge)
    }
}

impl<F, Fut, J, P> Simulation for AsyncSimulation<F, J>
where
    F: Fn() -> Fut + Sync,
    Fut: Future,
    J: Fn(Fut::Output) -> Result<P, TestError> + Sync,
{
    fn run(&self, request: Request<'_>) -> Ended {
        self.make(request).0
    }
}

/// One run.
struct RunResult<T> {
    /// The output, or what failed: in here only.
    result: Result<T, Box<Failure>>,
    ended: Ended,
    /// For the notes of a failure of the output.
    before: Before,
}

impl<T> RunResult<T> {
    /// How the run ended, now that `judge` says what its output comes to: something, or a failure's text.
    fn judged<P>(self, judge: impl FnOnce(T) -> Result<P, TestError>) -> (Ended, Option<P>) {
        let Self { result, mut ended, before } = self;
        let judged = match result {
            Ok(output) => judge(output).map_err(|TestError { message, site }| {
                Box::new(Failure {
                    kind: FailureKind::Error,
                    cause: Cause::Error(message),
                    notes: before.notes(),
                    site: site.map(Box::new),
                    task: Some(Box::default()),
                    blocked: Box::default(),
                    network: before.network.clone(),
                    at_ns: ended.elapsed_ns,
                    at_step: ended.steps,
                })
            }),
            Err(failure) => Err(failure),
        };
        let (failure, passed) = match judged {
            Ok(passed) => (None, Some(passed)),
            Err(failure) => (Some(failure), None),
        };
        ended.failure = failure;
        (ended, passed)
    }
}

/// Makes one run.
fn run_once<F, Fut>(request: Request<'_>, name: Label, make: &F) -> RunResult<Fut::Output>
where
    F: Fn() -> Fut,
    Fut: Future,
{
    // The closure itself runs inside the loop too: it may spawn.
    let mut future = pin!(Some(async { make().await }));
    let mut root = RootFuture::new(future.as_mut());
    let (failure, ended, before) = run_root(request, name, &mut root);
    let result = match failure {
        None => Ok(root.into_output().expect("it has ended")),
        Some(failure) => Err(failure),
    };
    RunResult { result, ended, before }
}

/// Makes one run of a root.
fn run_root(request: Request<'_>, name: Label, root: &mut dyn Root) -> (Option<Box<Failure>>, Ended, Before) {
    let Request { source, limits, detail, explain_from, loud } = request;
    let engine = Engine::new(source, limits, detail, name);
    engine.explain_from(explain_from);
    engine.add_root(Location::caller());
    let stopped = engine.drive(root, loud).err().map(Stop::into_failure);
    let unobserved = engine.finish(loud, &mut || root.drop_future());
    let before = engine.before();
    (stopped.or(unobserved), engine.ended(), before)
}

/// Makes one run under the strategy `random` and gives its output.
///
/// Under `random` tasks are switched where they wait and at accesses to a [`Resource`](crate::Resource); before other
/// operations nobody gives way. For a run under another strategy see [`run_from`].
///
/// This is for programs and for tests that look at a single run. To search for a failing schedule use
/// `#[timeloop::test]`, [`explore`](crate::explore) or [`Explorer`](crate::Explorer).
///
/// # Errors
/// What failed: a panic, a deadlock, a bound that was hit. The failing run is made a second time to find the places in
/// the source that the failure names, so the closure must not depend on anything outside of the run.
///
/// # Panics
/// Inside of another run: only one loop runs at a time.
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
    let limits = Limits::default();
    let once = |detail, name: Label| {
        let source = StrategySpec::Random.source(seed);
        run_once(Request { source, limits: &limits, detail, explain_from: 0, loud: false }, name, &make)
            .result
    };
    once(Detail::Lean, Label::Fixed("`timeloop::run`")).map_err(|failure| {
        // Deadlocks and the like want to be explained; the run is made once more for that.
        match once(Detail::Explain, Label::Fixed("`timeloop::run`")) {
            Err(explained) if explained.fingerprint() == failure.fingerprint() => *explained,
            _ => *failure,
        }
    })
}

/// What came of one run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// The run's output, or what failed.
    pub result: Result<T, Failure>,
    /// The rolling hash over every step's task and virtual time and every choice: two runs with the same hash took the
    /// same steps.
    pub trace_hash: u64,
    /// How many steps the run took.
    pub steps: u64,
    /// How much virtual time passed.
    pub elapsed: Duration,
}

/// Makes one run whose every decision comes from `source`: a fuzzer's bytes, a stored [`Schedule`](crate::Schedule), a
/// seed and a strategy, or a [`Source`](timeloop_sim::Source) of your own.
///
/// Nothing is printed, not even for a panic, and the environment is not heeded. The run is made once only, so a failure
/// names no lines where tasks wait; [`run`] and [`Explorer`](crate::Explorer) find them.
///
/// # Panics
/// Inside of another run: only one loop runs at a time.
///
/// A fuzz target that lets the fuzzer decide which task runs next, and shows it the schedule's trace:
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
    let RunResult { result, ended, .. } = run_once(request, Label::Fixed("`timeloop::run_from`"), &make);
    Outcome {
        result: result.map_err(|failure| *failure),
        trace_hash: ended.trace_hash,
        steps: ended.steps,
        elapsed: Duration::from_nanos(ended.elapsed_ns),
    }
}

/// Panics if a loop runs on this thread already, be it tokio's.
#[track_caller]
pub(crate) fn assert_no_loop(new: &dyn Fn() -> String) {
    if let Some(running) = context::running_label() {
        panic!(
            "can't start the loop of {} inside the loop of {running}: only one loop runs at a time on a thread; \
             await the future or `spawn` it instead",
            new(),
        );
    }
    #[cfg(feature = "sync")]
    if crate::sync::inside_tokio() {
        panic!(
            "can't start the loop of {} inside tokio's own runtime, which grants its tasks a budget of operations that \
             the loop would use up; start it from a plain `#[test]`, from `main`, or in `tokio::task::spawn_blocking`",
            new(),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use timeloop_sim::{DecisionKey, Domain, Operation, Ready, Replay, Source, Stream, TaskKey};

    use super::*;
    use crate::Resource;
    use crate::time::{sleep, timeout};

    /// Decides everything at random: who runs, who gives way, who is held back while time passes.
    #[derive(Debug)]
    struct Wild {
        stream: Stream,
        ready: Vec<u32>,
        held: Vec<u32>,
    }

    impl Source for Wild {
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
                        // A timer that is set back is due without time's moving.
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

    /// Any run whatsoever can be written as deviations from the quiet run, with which it takes the same steps.
    #[test]
    fn a_run_is_repeated_by_its_deviations() {
        let limits = Limits::default();
        let made = |source: AnySource| {
            let request =
                Request { source, limits: &limits, detail: Detail::Record, explain_from: 0, loud: false };
            run_once(request, Label::Fixed("rewriting"), &busy).ended
        };
        let mut stalls = 0;
        for seed in 0..300 {
            let stream = Stream::new(Seed(seed), Domain::Schedule, 0);
            let wild = made(Box::new(Wild { stream, ready: Vec::new(), held: Vec::new() }).into());
            let deviations = wild.record.expect("it was asked for").deviations();
            stalls += deviations.iter().filter(|deviation| deviation.domain == Domain::Stall).count();
            let again = made(Box::new(Replay::new(Seed(0), &deviations)).into());
            assert_eq!(again.trace_hash, wild.trace_hash, "seed {seed}: {deviations:?}");
            assert_eq!((again.unapplied, again.elapsed_ns), (0, wild.elapsed_ns), "seed {seed}");
            assert!(again.steps <= wild.steps);
        }
        assert!(stalls > 100, "{stalls}");
    }
}
