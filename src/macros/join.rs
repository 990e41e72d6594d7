//! The macro `join!`.
//!
//! # Invariants
//! The tokens are passed unchanged to the procedural macro, after the path of this crate.

/// Waits until several futures have completed, concurrently on the same task. Returns a tuple of their outputs.
///
/// ```
/// # timeloop::run(0, || async {
/// use timeloop::time::{Duration, Instant, sleep};
///
/// async fn double(number: u32) -> u32 {
///     sleep(Duration::from_secs(1)).await;
///     2 * number
/// }
///
/// let start = Instant::now();
/// assert_eq!(timeloop::join!(double(1), double(2)), (2, 4));
/// assert_eq!(start.elapsed(), Duration::from_secs(1));
/// # }).unwrap();
/// ```
///
/// The expressions are evaluated in order. Each may be a future or any other [`IntoFuture`]. A future is dropped as
/// soon as it has completed. An `Err` is an output like any other; use [`try_join!`](crate::try_join) to stop at the
/// first one.
///
/// # Order
///
/// Each time the task is polled, all futures that have not completed are polled. As in tokio, the first poll starts
/// with the first future, the next poll with the second, and so on. With `biased;` at the front, every poll starts with
/// the first future. This order is not a decision of the run. To vary the order of futures, [`spawn`](crate::spawn)
/// them as tasks.
///
/// ```
/// # timeloop::run(0, || async {
/// let (first, second) = timeloop::join!(biased; async { 1 }, async { 2 });
/// assert_eq!((first, second), (1, 2));
/// # }).unwrap();
/// ```
///
/// # What does not compile
///
/// ```compile_fail,E0277
/// # async fn shown() {
/// timeloop::join!(5);
/// # }
/// ```
///
/// ```compile_fail
/// # async fn shown() {
/// timeloop::join!(async {}; async {});
/// # }
/// ```
///
/// ```compile_fail
/// # async fn shown() {
/// timeloop::join!(async {}, , async {});
/// # }
/// ```
#[macro_export]
macro_rules! join {
    ($($tokens:tt)*) => { $crate::__private::join! { $crate; $($tokens)* } };
}
