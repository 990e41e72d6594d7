//! Documentation of the attributes `test` and `main`. Their code is in `timeloop-macros`.
//!
//! # Invariants
//! The expansions use only [`Explorer`](crate::Explorer) and [`run`](crate::run), and could be written by hand.

/// Turns an `async fn` into a test that explores its schedules.
///
/// ```rust,test_harness
/// #[timeloop::test]
/// async fn both_end() {
///     let first = timeloop::spawn(async { 2 });
///     let second = timeloop::spawn(async { 3 });
///     assert_eq!(first.await.unwrap() + second.await.unwrap(), 5);
/// }
/// ```
///
/// The attribute runs the body many times, each time under a different schedule. The test fails with a report if one of
/// these runs panics, hangs, or returns an `Err`. Each run starts in a fresh simulated world. State that outlives the
/// body (statics, thread locals) should not be part of the test.
///
/// The function takes no parameters and returns `()` or a `Result`. Other attributes are kept: `#[ignore]`,
/// `#[cfg(…)]`, docs, and `#[should_panic]`. With `#[should_panic]`, one of the runs must fail, and its schedule is not
/// stored among the regressions.
///
/// # Cases
///
/// With rstest and test-case, put the attribute below theirs, as `#[tokio::test]`:
///
/// ```text
/// #[rstest]
/// #[case::small(1)]
/// #[case::large(1_000)]
/// #[timeloop::test]
/// async fn transfers(bank: Bank, #[case] amount: i64) { … }
/// ```
///
/// Each case is a test with schedules and a regression file of its own. Fixtures and arguments are made anew in each run.
/// `examples/frameworks` in the repository has such tests.
///
/// # Arguments
///
/// ```rust,test_harness
/// # use std::time::Duration;
/// #[timeloop::test(runs = 5000, seed = 7, strategy = "random", max_virtual_time = "1h")]
/// async fn thorough() -> Result<(), std::num::ParseIntError> {
///     let port: u16 = "80".parse()?;
///     assert_eq!(port, 80);
///     Ok(())
/// }
///
/// const LONG: Duration = Duration::from_secs(60);
///
/// #[timeloop::test(stuck_after = LONG)]
/// async fn slow() {}
/// ```
///
/// | argument | value |
/// |---|---|
/// | `runs` | how many schedules to try |
/// | `seed` | the base seed |
/// | `strategy` | the strategy that decides which task runs next, a string or a [`StrategySpec`](crate::StrategySpec): see below |
/// | `stalls` | whether time may pass while a task is ready, as on a busy machine (the default); `false` if a test depends on exact times; a duration sets the longest such time |
/// | `varied_io` | whether reads and writes of streams may be short, and lookups slow (the default) |
/// | `start_paused` | as in tokio; `true` forbids stalls |
/// | `jobs` | how many runs at once, each on its own thread |
/// | `max_steps` | the limit on the steps of a run |
/// | `max_polls_per_instant` | the limit on the polls at one instant of virtual time |
/// | `max_virtual_time` | the limit on the virtual time of a run: a duration |
/// | `max_tasks` | the limit on simultaneously alive tasks |
/// | `stuck_after` | how long a poll may run or be blocked before it is reported: a duration |
/// | `epoch` | the start of the virtual wall clock, as time since the Unix epoch: a duration |
/// | `crate` | the path of timeloop, if it is neither `::timeloop` nor the name of a dependency on the package `timeloop` |
///
/// A value is any expression that the [`Explorer`](crate::Explorer) method of that name takes. A duration may also be a
/// string of whole numbers and units (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`): `"500ms"`, `"1h 30m"`.
///
/// The strategies are `"portfolio"` (the default: picks one of the following for each run), `"random"`, `"pct(depth =
/// 3)"`, `"pos"`, `"urw"`, `"surw"`, `"delay(bound = 2)"`, `"lockstep"`, `"starve"` and `"stall"`. `"fifo"` runs tasks
/// in FIFO order. `"exhaustive"`, `"exhaustive(delays = 2)"` and `"exhaustive(preemptions = 2)"` make every possible run,
/// up to `runs`. An unknown strategy is reported when the test runs, with a list of the known ones.
///
/// The arguments of tokio's attribute are accepted too. There is one thread and time is virtual in any case:
///
/// | argument | value |
/// |---|---|
/// | `flavor` | `"current_thread"` (the default), `"multi_thread"`, which allows `block_in_place`, or `"local"`, which allows `spawn_local` |
/// | `worker_threads` | the number of workers that [`RuntimeMetrics`](crate::runtime::RuntimeMetrics) returns |
/// | `start_paused` | `true` if time may pass only when no task is ready, under all strategies |
/// | `name` | the name that [`Handle::name`](crate::runtime::Handle::name) returns |
///
/// # What does not compile
///
/// A function that isn't async, has parameters, or has generics:
///
/// ```compile_fail
/// #[timeloop::test]
/// fn plain() {}
/// ```
///
/// ```compile_fail
/// #[timeloop::test]
/// async fn with(parameter: u32) {}
/// ```
///
/// ```compile_fail
/// #[timeloop::test]
/// async fn of<T>() {}
/// ```
///
/// An argument that doesn't exist, or is given twice, or is no duration:
///
/// ```compile_fail
/// #[timeloop::test(run = 5)]
/// async fn misspelt() {}
/// ```
///
/// ```compile_fail
/// #[timeloop::test(runs = 5, runs = 6)]
/// async fn twice() {}
/// ```
///
/// ```compile_fail
/// #[timeloop::test(max_virtual_time = "5 fortnights")]
/// async fn too_long() {}
/// ```
///
/// A second `#[test]`:
///
/// ```compile_fail
/// #[timeloop::test]
/// #[test]
/// async fn tested() {}
/// ```
pub use timeloop_macros::test;

/// Turns an `async fn main` into the main function of a program that makes one run.
///
/// ```
/// use timeloop::time::{Duration, sleep};
///
/// #[timeloop::main(seed = 7)]
/// async fn main() {
///     sleep(Duration::from_secs(31_536_000)).await;
///     println!("a year later");
/// }
/// ```
///
/// `main` returns what the function returns. If the run fails, the program prints the failure and exits with code 101.
///
/// A function may have another name, parameters, generics and `self`. If its run fails, it panics with the failure.
///
/// The arguments are `seed` (default 0), `crate` (the path of timeloop, if it is neither `::timeloop` nor the name of a
/// dependency on the package `timeloop`), and tokio's `flavor`, `worker_threads`, `start_paused` and `name`, which have no
/// effect.
///
/// ```compile_fail
/// #[timeloop::main]
/// fn main() {}
/// ```
///
/// ```compile_fail
/// #[timeloop::main(seed)]
/// async fn main() {}
/// ```
pub use timeloop_macros::main;
