//! The attributes `test` and `main`: here is their documentation; the code is in `timeloop-macros`.
//!
//! Always true: what they write can be written by hand with [`Explorer`](crate::Explorer) and [`run`](crate::run).

/// Makes an `async fn` a test that explores its schedules.
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
/// The body is run many times, under a different schedule each; the test fails with a report if one of these runs does:
/// if it panics, hangs, or returns an `Err`. Each run begins with a fresh world, so what lives longer than the body
/// (statics, thread locals) should not be part of the test.
///
/// The function takes no parameters and returns `()` or a `Result`. Other attributes stay: `#[should_panic]` (one
/// of the runs must fail; its schedule is not kept among the regressions), `#[ignore]`, `#[cfg(…)]`, docs.
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
/// | `strategy` | the strategy that decides who goes on, a string or a [`StrategySpec`](crate::StrategySpec): see below |
/// | `stalls` | whether time may pass while a task is ready, as on a busy machine (the default); `false` where a test counts on exact times |
/// | `jobs` | how many runs at once, each on a thread of its own |
/// | `max_steps` | the bound on the steps of a run |
/// | `max_polls_per_instant` | the bound on the polls at one instant of virtual time |
/// | `max_virtual_time` | the bound on the virtual time of a run: a duration |
/// | `max_tasks` | the bound on the tasks alive at one time |
/// | `stuck_after` | after how much real time a poll that doesn't return is reported: a duration |
/// | `epoch` | where the virtual wall clock begins, as time since the Unix epoch: a duration |
/// | `crate` | the path of timeloop, where it isn't `::timeloop` |
///
/// A value is any expression that the method of that name of [`Explorer`](crate::Explorer) takes. A duration may also
/// be a string of whole numbers and units (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`): `"500ms"`, `"1h 30m"`.
///
/// Strategies are `"portfolio"` (the default: one of those that follow a run), `"random"`, `"pct(depth = 3)"`, `"pos"`,
/// `"urw"`, `"surw"`, `"delay(bound = 2)"`, `"lockstep"`, `"starve"` and `"stall"`; `"fifo"`, under which tasks run in turn;
/// and `"exhaustive"`, `"exhaustive(delays = 2)"` and `"exhaustive(preemptions = 2)"`, which make every run that there is,
/// up to `runs`. A misspelt one is reported when the test runs, with those that there are.
///
/// `flavor`, `worker_threads` and `start_paused`, arguments of tokio's attribute, are accepted and do nothing: there is
/// one thread, and time is always virtual.
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

/// Makes an `async fn main` the main function of a program that is one run.
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
/// What the function returns is what `main` returns. If the run fails, the program prints the failure and exits with
/// code 101.
///
/// Arguments: `seed` (0 unless given), `crate` (the path of timeloop, where it isn't `::timeloop`), and tokio's `flavor`,
/// `worker_threads` and `start_paused`, which do nothing.
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
