//! The macro `select!`.
//!
//! # Invariants
//! The tokens are passed unchanged to the procedural macro, after the path of this crate. The macro therefore works
//! inside the crate and under any name that a user gives it.

/// Waits for several futures at once, and runs the handler of the first that completes. The others are dropped.
///
/// ```
/// # timeloop::run(0, || async {
/// use timeloop::time::{Duration, sleep};
///
/// let winner = timeloop::select! {
///     _ = sleep(Duration::from_secs(2)) => "the slow one",
///     _ = sleep(Duration::from_secs(1)) => "the fast one",
/// };
/// assert_eq!(winner, "the fast one");
/// # }).unwrap();
/// ```
///
/// # Branches
///
/// A `select!` has up to 64 branches, and optionally an `else`, which must be last:
///
/// ```text
/// biased;                                                                  (optional, first)
/// <pattern> = <async expression> => <handler>,
/// <pattern> = <async expression>, if <precondition> => <handler>,
/// else => <expression>                                                     (optional, last)
/// ```
///
/// A handler that is a block needs no comma after it; any other expression does. An async expression may evaluate to a
/// future or to any other [`IntoFuture`].
///
/// 1. The preconditions are evaluated in order. If one is `false`, its branch is *disabled*.
/// 2. The async expressions are evaluated in order, including those of disabled branches.
/// 3. The futures of the enabled branches are polled. If one completes and its output matches the pattern, all futures
///    are dropped, in the order of the branches, and the handler runs. If the output does not match, it is dropped, the
///    branch is disabled, and `select!` continues to wait.
/// 4. If every branch is disabled, the `else` expression is evaluated. Without an `else`, `select!` panics.
///
/// Handlers belong to the enclosing function: they may use `?`, `return`, `break`, `continue` and `.await`, and
/// everything that the futures had borrowed.
///
/// ```
/// # timeloop::run(0, || async {
/// async fn next(values: &mut Vec<u32>) -> Option<u32> {
///     values.pop()
/// }
///
/// let (mut left, mut right) = (vec![1, 2], vec![3]);
/// let mut sum = 0;
/// loop {
///     timeloop::select! {
///         Some(value) = next(&mut left) => sum += value,
///         Some(value) = next(&mut right), if sum < 100 => {
///             sum += value;
///             right.clear();
///         }
///         else => break,
///     }
/// }
/// assert_eq!(sum, 6);
/// # }).unwrap();
/// ```
///
/// # Which branch is polled first
///
/// Each time the task is polled, one of the enabled branches is polled first, then the branches after it, then those
/// before it. Which branch is first is a **decision** of the run. It is reproducible: the same seed makes the same
/// choice. Exploration tries all choices, and a failing schedule names the branch if it mattered. In the baseline run,
/// and outside a run, the first branch is polled first. With `biased;` the first branch is always first, and there is
/// no decision.
///
/// This is the only difference from tokio, which uses a thread-local random generator.
///
/// ```
/// # timeloop::run(0, || async {
/// let first = timeloop::select! {
///     biased;
///     _ = async {} => 1,
///     _ = async {} => 2,
/// };
/// assert_eq!(first, 1);
/// # }).unwrap();
/// ```
///
/// # Cancellation
///
/// All branches but one lose their progress. A future for `select!` in a loop should therefore be cancel safe, so that
/// it can be dropped and created anew without loss. Receiving from a channel is cancel safe; reading the second half of
/// a message is not. Otherwise keep the future outside the loop, pinned, and pass it by reference:
///
/// ```
/// # timeloop::run(0, || async {
/// use timeloop::time::{Duration, interval, sleep};
///
/// let mut ticks = interval(Duration::from_secs(1));
/// let end = sleep(Duration::from_millis(2_500));
/// timeloop::pin!(end);
/// let mut count = 0;
/// loop {
///     timeloop::select! {
///         _ = ticks.tick() => count += 1,
///         () = &mut end => break,
///     }
/// }
/// assert_eq!(count, 3);
/// # }).unwrap();
/// ```
///
/// # Panics
///
/// If every branch is disabled and there is no `else`.
///
/// # What does not compile
///
/// No branch:
///
/// ```compile_fail
/// # async fn shown() {
/// timeloop::select! {}
/// # }
/// ```
///
/// No handler:
///
/// ```compile_fail
/// # async fn shown() {
/// timeloop::select! { _ = async {} }
/// # }
/// ```
///
/// No comma after a handler that is not a block:
///
/// ```compile_fail
/// # async fn shown() {
/// timeloop::select! {
///     _ = async {} => 1
///     _ = async {} => 2
/// }
/// # ;}
/// ```
///
/// A branch after `else`:
///
/// ```compile_fail
/// # async fn shown() {
/// timeloop::select! {
///     else => {}
///     _ = async {} => {}
/// }
/// # }
/// ```
///
/// A condition without `if`:
///
/// ```compile_fail
/// # async fn shown() {
/// timeloop::select! { _ = async {}, true => {} }
/// # }
/// ```
///
/// An expression that is not a future:
///
/// ```compile_fail,E0277
/// # async fn shown() {
/// timeloop::select! { _ = 5 => {} }
/// # }
/// ```
///
/// More than 64 branches, an `else` with a precondition, and `biased;` anywhere but first do not compile either.
#[macro_export]
macro_rules! select {
    ($($tokens:tt)*) => { $crate::__private::select! { $crate; $($tokens)* } };
}
