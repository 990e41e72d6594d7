//! The macro `pin!`.
//!
//! # Invariants
//! The pinned value lives until the end of the enclosing block, and is reachable only through the pin.

/// Pins values in place: replaces variables by `Pin<&mut _>` of the same names.
///
/// A future that is awaited by reference (in [`select!`](crate::select) in a loop, for example) must be pinned first:
///
/// ```
/// # timeloop::run(0, || async {
/// let future = async { 5 };
/// timeloop::pin!(future);
/// assert_eq!((&mut future).await, 5);
/// # }).unwrap();
/// ```
///
/// Or, together with the assignment:
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
/// As in tokio, the arguments must be variables. For other expressions, use [`std::pin::pin!`].
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
