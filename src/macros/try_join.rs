//! The macro `try_join!`.
//!
//! # Invariants
//! The tokens are passed unchanged to the procedural macro, after the path of this crate.

/// Waits until all futures have completed with `Ok` or one with `Err`, concurrently on the same task.
///
/// Returns `Ok` with a tuple of the outputs, or the first `Err`, after which the other futures are dropped. The errors
/// must have one type.
///
/// ```
/// # timeloop::run(0, || async {
/// use timeloop::time::{Duration, Instant, sleep};
///
/// async fn halve(number: u32) -> Result<u32, String> {
///     sleep(Duration::from_secs(number.into())).await;
///     if number % 2 == 0 { Ok(number / 2) } else { Err(format!("{number} is odd")) }
/// }
///
/// assert_eq!(timeloop::try_join!(halve(2), halve(4)), Ok((1, 2)));
///
/// let start = Instant::now();
/// assert_eq!(timeloop::try_join!(halve(100), halve(3)), Err("3 is odd".to_owned()));
/// assert_eq!(start.elapsed(), Duration::from_secs(3));
/// # }).unwrap();
/// ```
///
/// If several futures fail at the same poll, the one polled first decides. The order is that of
/// [`join!`](crate::join), `biased;` included.
///
/// # What does not compile
///
/// Futures without a `Result`, or with errors of different types:
///
/// ```compile_fail,E0271
/// # async fn shown() {
/// let _ = timeloop::try_join!(async { 5 });
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # async fn shown() {
/// let _ = timeloop::try_join!(async { Err::<(), u8>(1) }, async { Err::<(), u16>(1) });
/// # }
/// ```
#[macro_export]
macro_rules! try_join {
    ($($tokens:tt)*) => { $crate::__private::try_join! { $crate; $($tokens)* } };
}
