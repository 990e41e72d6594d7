//! `pin!`.
//!
//! Always true: the pinned value lives as long as the block in which the macro stands, and no name reaches it but
//! through the pin.

/// Pins values where they are: turns variables into `Pin<&mut _>` of the same names.
///
/// A future that is awaited by reference (in [`select!`](crate::select) in a loop, say) must be pinned first:
///
/// ```
/// # timeloop::run(0, || async {
/// let future = async { 5 };
/// timeloop::pin!(future);
/// assert_eq!((&mut future).await, 5);
/// # }).unwrap();
/// ```
///
/// Or, in one go with the assignment:
///
/// ```
/// # timeloop::run(0, || async {
/// timeloop::pin! {
///     let first = async { 1 };
///     let second = async { 2 };
/// }
/// assert_eq!(first.await + second.await, 3);
/// # }).unwrap();
/// ```
///
/// The arguments are variables and no other expressions, as in tokio; [`std::pin::pin!`] takes those.
///
/// ```compile_fail
/// timeloop::pin!(async {});
/// ```
///
/// Without pinning:
///
/// ```compile_fail,E0277
/// # async fn shown() {
/// let mut future = async {};
/// (&mut future).await;
/// # }
/// ```
#[macro_export]
macro_rules! pin {
    ($($name:ident),* $(,)?) => { $(
        #[allow(unused_mut)]
        let mut $name = ::core::pin::pin!($name);
    )* };
    ($(let $name:ident = $value:expr;)*) => { $(
        #[allow(unused_mut)]
        let mut $name = ::core::pin::pin!($value);
    )* };
}
