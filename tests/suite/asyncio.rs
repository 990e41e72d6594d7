//! The programs and functions of Python's asyncio in timeloop: four basic programs, task functions, and primitives.
//! Instead of printing, the programs push to a log. `src/guide/asyncio.md` has the same as a table.

mod primitives;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use timeloop::spawn;
use timeloop::sync::{SetOnce, oneshot};
use timeloop::task::Builder;
use timeloop::time::{Duration, Instant, sleep, timeout};

use crate::support::{Log, panic_text};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the program's output for each of many seeds.
fn every_seed<F, Fut>(program: F) -> Vec<Fut::Output>
where
    F: Fn() -> Fut,
    Fut: Future,
{
    (0..300)
        .map(|seed| timeloop::run(seed, &program).unwrap_or_else(|failure| panic!("seed {seed}: {failure}")))
        .collect()
}

/// Returns the program's output, which must be the same for all seeds.
fn always<F, Fut>(program: F) -> Fut::Output
where
    F: Fn() -> Fut,
    Fut: Future,
    Fut::Output: std::fmt::Debug + PartialEq,
{
    let mut outputs = every_seed(program);
    let output = outputs.pop().expect("there are seeds");
    outputs.into_iter().for_each(|other| assert_eq!(other, output));
    output
}

/// 1. A coroutine prints, sleeps one second, prints.
mod program_1 {
    use super::*;

    async fn main(log: Log) -> u32 {
        log.push("hello");
        sleep(SECOND).await;
        log.push("world");
        42
    }

    #[test]
    fn does_nothing_until_it_is_awaited() {
        let printed = always(|| async {
            let log = Log::new();
            let coroutine = main(log.clone());
            sleep(60 * SECOND).await;
            let before = log.take();
            let output = coroutine.await;
            (before, output, log.take())
        });
        assert_eq!(printed, (vec![], 42, vec!["hello", "world"]));
    }

    #[test]
    fn does_nothing_when_it_is_dropped() {
        let log = Log::new();
        drop(main(log.clone()));
        assert_eq!(log.take(), [""; 0]);
    }

    #[test]
    fn run_takes_only_virtual_time() {
        let log = Log::new();
        let (output, passed) = timeloop::run(0, || async {
            let start = Instant::now();
            let output = main(log.clone()).await;
            (output, start.elapsed())
        })
        .unwrap();
        assert_eq!((output, passed, log.take()), (42, SECOND, vec!["hello", "world"]));
    }

    /// A thousand runs of one virtual hour each take little real time.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test measures real time")]
    fn a_thousand_hours_take_less_than_a_minute() {
        let start = std::time::Instant::now();
        for seed in 0..1000 {
            timeloop::run(seed, || async { sleep(3600 * SECOND).await }).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}

/// 2. `create_task(coroutine)`, then await the task.
mod program_2 {
    use super::*;

    async fn child(log: Log) -> u32 {
        log.push("child starts");
        sleep(SECOND).await;
        log.push("child ends");
        42
    }

    #[test]
    fn a_task_runs_concurrently() {
        let printed = always(|| async {
            let log = Log::new();
            let start = Instant::now();
            let task = spawn(child(log.clone()));
            log.push("parent continues");
            sleep(2 * SECOND).await;
            log.push("parent awaits");
            let output = task.await.unwrap();
            assert_eq!(start.elapsed(), 2 * SECOND);
            (output, log.take())
        });
        let expected = vec!["parent continues", "child starts", "child ends", "parent awaits"];
        assert_eq!(printed, (42, expected));
    }

    /// `cancel`, `cancelled`, `done`: the cancelled task's `finally` is its destructors.
    #[test]
    fn a_task_can_be_cancelled() {
        let printed = always(|| async {
            let log = Log::new();
            let (inner, finally) = (log.clone(), log.on_drop("finally"));
            let task = spawn(async move {
                let _finally = finally;
                child(inner).await
            });
            sleep(SECOND / 2).await;
            assert!(!task.is_finished());
            task.abort();
            let error = task.await.unwrap_err();
            assert!(error.is_cancelled());
            sleep(10 * SECOND).await;
            log.take()
        });
        assert_eq!(printed, ["child starts", "finally"]);
    }

    #[test]
    fn a_task_has_a_state_and_a_result() {
        always(|| async {
            let task = spawn(child(Log::new()));
            let watcher = task.abort_handle();
            assert!(!task.is_finished());
            sleep(2 * SECOND).await;
            assert!(task.is_finished() && watcher.is_finished());
            assert_eq!(task.await.unwrap(), 42);
        });
    }

    /// An exception is a panic, whose payload the awaiting task gets, or an `Err`, which is an ordinary output.
    #[test]
    fn a_task_has_an_exception() {
        always(|| async {
            let panicked = spawn(async { panic!("an exception") }).await.unwrap_err();
            assert!(panicked.is_panic());
            assert_eq!(panicked.into_panic().downcast_ref::<&str>(), Some(&"an exception"));
            let failed = spawn(async { "forty-two".parse::<u32>() }).await.unwrap();
            assert_eq!(failed.unwrap_err().to_string(), "invalid digit found in string");
        });
    }

    /// asyncio logs "Task exception was never retrieved"; in timeloop the run fails.
    #[test]
    fn an_exception_that_is_never_retrieved_fails_the_run() {
        let failure = timeloop::run(0, || async {
            drop(spawn(async { panic!("never retrieved") }));
            sleep(SECOND).await;
        });
        assert_eq!(failure.unwrap_err().kind, timeloop::FailureKind::UnobservedPanic);
    }

    #[test]
    fn a_task_has_a_name() {
        let failure = timeloop::run(0, || async {
            let task = Builder::new().name("audit").spawn(std::future::pending::<()>()).unwrap();
            task.await.unwrap();
        })
        .unwrap_err();
        assert_eq!(failure.blocked[1].task.name, "audit");
    }

    /// `add_done_callback`: another task that awaits this one.
    #[test]
    fn a_task_can_have_a_callback() {
        let printed = always(|| async {
            let log = Log::new();
            let task = spawn(child(log.clone()));
            let callback = log.clone();
            let called = spawn(async move {
                let output = task.await;
                callback.push("called back");
                output
            });
            (called.await.unwrap().unwrap(), log.take())
        });
        assert_eq!(printed, (42, vec!["child starts", "child ends", "called back"]));
    }
}

/// 3. Three tasks, each printing `start`, sleeping a second, printing `done`.
mod program_3 {
    use super::*;

    type Line = (char, &'static str);

    async fn worker(name: char, log: Log<Line>) {
        log.push((name, "start"));
        sleep(SECOND).await;
        log.push((name, "done"));
    }

    /// Runs the program; returns what was printed and how long it took.
    async fn main() -> (Vec<Line>, Duration) {
        let log = Log::new();
        let start = Instant::now();
        let tasks = ['A', 'B', 'C'].map(|name| spawn(worker(name, log.clone())));
        for task in tasks {
            task.await.unwrap();
        }
        (log.take(), start.elapsed())
    }

    #[test]
    fn three_tasks_take_one_virtual_second() {
        for (printed, passed) in every_seed(main) {
            assert_eq!(passed, SECOND);
            let lines: BTreeMap<Line, usize> = printed.iter().map(|line| (*line, 1)).collect();
            assert_eq!((printed.len(), lines.len()), (6, 6));
            assert!(printed[..3].iter().all(|(_, word)| *word == "start"), "{printed:?}");
            assert!(printed[3..].iter().all(|(_, word)| *word == "done"), "{printed:?}");
        }
    }

    #[test]
    fn over_many_seeds_all_orders_occur() {
        let order = |lines: &[Line]| lines.iter().map(|(name, _)| *name).collect::<String>();
        let orders: BTreeSet<(String, String)> = every_seed(main)
            .iter()
            .map(|(printed, _)| (order(&printed[..3]), order(&printed[3..])))
            .collect();
        let all = BTreeSet::from(["ABC", "ACB", "BAC", "BCA", "CAB", "CBA"].map(str::to_owned));
        assert_eq!(orders.iter().map(|(starts, _)| starts.clone()).collect::<BTreeSet<_>>(), all);
        assert_eq!(orders.iter().map(|(_, ends)| ends.clone()).collect::<BTreeSet<_>>(), all);
        assert_eq!(orders.len(), 36, "any order of `start` goes with any order of `done`");
    }

    /// asyncio's own loop is the baseline run: first in, first out.
    #[test]
    fn the_baseline_run_has_the_order_of_asyncio() {
        let (printed, _) = crate::support::fifo().block_on(main());
        let order: String = printed.iter().map(|(name, _)| *name).collect();
        assert_eq!(order, "ABCABC");
    }
}

/// 4. A future as the low-level result of an operation.
mod program_4 {
    use super::*;

    #[test]
    fn awaiting_a_future_waits_until_it_is_resolved() {
        let printed = always(|| async {
            let log = Log::new();
            let (resolver, future) = oneshot::channel();
            let elsewhere = log.clone();
            spawn(async move {
                sleep(5 * SECOND).await;
                elsewhere.push("resolved");
                resolver.send(42).unwrap();
            });
            let start = Instant::now();
            let output = future.await.unwrap();
            log.push("awaited");
            (output, start.elapsed(), log.take())
        });
        assert_eq!(printed, (42, 5 * SECOND, vec!["resolved", "awaited"]));
    }

    #[test]
    fn a_resolved_future_does_not_wait() {
        always(|| async {
            let (resolver, mut future) = oneshot::channel();
            assert!(future.try_recv().is_err());
            resolver.send(42).unwrap();
            assert_eq!(future.await, Ok(42));
        });
    }

    /// `InvalidStateError`. A `oneshot` can't be resolved twice: `send` takes the resolver, and a second call does not
    /// compile. With several resolvers, `SetOnce` returns the value.
    #[test]
    fn resolving_a_future_twice_is_an_error() {
        always(|| async {
            let future = SetOnce::new();
            assert_eq!(future.set(42), Ok(()));
            let error = future.set(43).unwrap_err();
            assert_eq!(error.0, 43);
            assert_eq!(future.get(), Some(&42));
        });
    }

    #[test]
    fn any_number_of_tasks_await_one_future() {
        let outputs = always(|| async {
            let future = std::rc::Rc::new(SetOnce::new());
            let tasks: Vec<_> = (0..5)
                .map(|_| {
                    let future = future.clone();
                    spawn(async move { *future.wait().await })
                })
                .collect();
            sleep(SECOND).await;
            future.set(42).unwrap();
            let mut outputs = Vec::new();
            for task in tasks {
                outputs.push(task.await.unwrap());
            }
            outputs
        });
        assert_eq!(outputs, [42; 5]);
    }

    #[test]
    fn dropping_the_resolver_ends_the_wait_with_an_error() {
        always(|| async {
            let (resolver, future) = oneshot::channel::<u32>();
            spawn(async move {
                sleep(SECOND).await;
                drop(resolver);
            });
            assert_eq!(future.await.unwrap_err().to_string(), "channel closed");
        });
    }

    /// asyncio does not detect this.
    #[test]
    fn a_resolver_that_is_never_used_is_a_deadlock() {
        let failure = timeloop::run(0, || async {
            let (resolver, future) = oneshot::channel::<u32>();
            let waiter = spawn(future);
            waiter.await.unwrap().unwrap();
            drop(resolver);
        });
        assert_eq!(failure.unwrap_err().kind, timeloop::FailureKind::Deadlock);
    }

    #[test]
    fn cancelling_the_waiter_is_seen_by_the_resolver() {
        always(|| async {
            let (mut resolver, future) = oneshot::channel();
            let waiter = spawn(future);
            sleep(SECOND).await;
            assert!(!resolver.is_closed());
            waiter.abort();
            assert!(waiter.await.unwrap_err().is_cancelled());
            resolver.closed().await;
            assert_eq!(resolver.send(42), Err(42), "the value is returned");
        });
    }

    #[test]
    fn a_future_can_be_awaited_again_after_a_timeout() {
        always(|| async {
            let (resolver, mut future) = oneshot::channel();
            assert!(timeout(SECOND, &mut future).await.is_err());
            resolver.send(42).unwrap();
            assert_eq!(future.await, Ok(42));
        });
    }
}

/// A thread runs one loop at a time.
mod one_loop {
    use super::*;

    /// `RuntimeError: asyncio.run() cannot be called from a running event loop`.
    #[test]
    fn a_loop_inside_a_loop_is_an_error_that_names_both() {
        let text = timeloop::run(0, || async { panic_text(|| drop(timeloop::run(1, || async {}))) }).unwrap();
        assert!(text.starts_with("cannot start `timeloop::run` at "), "{text}");
        assert!(text.contains(" inside `timeloop::run`: a thread runs one event loop at a time"), "{text}");
    }

    /// `RuntimeError: no running event loop`.
    #[test]
    fn there_is_no_loop_outside_of_a_run() {
        assert!(timeloop::runtime::Handle::try_current().is_err());
        let text = panic_text(|| drop(spawn(async {})));
        assert!(text.starts_with("can't spawn a task outside of a run; "), "{text}");
    }

    /// `asyncio.Runner`: one loop that runs again and again.
    #[test]
    fn loops_can_run_one_after_the_other() {
        let runtime = timeloop::runtime::Runtime::new().unwrap();
        for number in 0..3 {
            assert_eq!(runtime.block_on(async { number }), number);
            assert_eq!(timeloop::run(number, || async { number }).unwrap(), number);
        }
    }
}
