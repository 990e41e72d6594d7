//! `try_join!`.
//!
//! Always true: the tokens go to the procedural macro as they came, behind the path of this crate.

/// Waits for several futures at once, on the same task, until all have completed with `Ok`, or one with `Err`.
///
/// Gives `Ok` with a tuple of the values, or the first `Err`; then the futures that have not completed are dropped.
/// The errors are of one type.
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
/// Of several futures that fail at the same poll, the one polled first decides; the order is that of
/// [`join!`](crate::join), `biased;` included.
///
/// # What does not compile
///
/// Futures that give no `Result`, or errors of two types:
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
