//! `join!`.
//!
//! Always true: the tokens go to the procedural macro as they came, behind the path of this crate.

/// Waits for several futures at once, on the same task, until all have completed; gives a tuple of their values.
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
/// The expressions are evaluated from the first to the last; instead of a future, one may give anything that turns
/// into one ([`IntoFuture`]). A future is dropped as soon as it has completed. An `Err` is a value like any other:
/// [`try_join!`](crate::try_join) is the macro that stops there.
///
/// # Order
///
/// Each time the waiting task is polled, all futures that have not completed are polled: the first time beginning with
/// the first, the next time with the second, and so forth, as in tokio. With `biased;` at the front it is always the
/// first. Nothing of this is a decision of the run; futures whose order should vary belong in tasks of their own
/// ([`spawn`](crate::spawn)).
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
