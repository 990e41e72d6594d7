//! `select!`.
//!
//! Always true: the tokens go to the procedural macro as they came, behind the path of this crate, so that the macro
//! works under whatever name a user gives the crate, and inside the crate itself.

/// Waits for several futures at once and goes on with the first that completes; the others are dropped.
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
/// Up to 64 branches, and an `else`, which stands last:
///
/// ```text
/// biased;                                                                  (optional, first)
/// <pattern> = <async expression> => <handler>,
/// <pattern> = <async expression>, if <precondition> => <handler>,
/// else => <expression>                                                     (optional, last)
/// ```
///
/// A handler that is a block needs no comma behind it; any other expression does. Instead of a future, an async
/// expression may give anything that turns into one ([`IntoFuture`]).
///
/// 1. The preconditions are evaluated, from the first branch to the last. Where one is `false`, the branch is
///    *disabled*.
/// 2. The async expressions are evaluated, from the first to the last, those of disabled branches too.
/// 3. The futures of the branches that are not disabled are polled. When one completes and its value matches the
///    pattern, all futures are dropped, in the order of the branches, and the handler runs. Where the value does not
///    match, it is dropped, the branch is disabled, and the waiting goes on.
/// 4. When every branch is disabled, the `else` expression is evaluated; without an `else`, `select!` panics.
///
/// Handlers are part of the function around: they may use `?`, `return`, `break`, `continue` and `.await`, and whatever
/// the futures had borrowed.
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
/// Each time the waiting task is polled, one of the branches that are not disabled is polled first, then those after
/// it, then those before it. Which one is a **decision** of the run, as reproducible as any other: the same seed
/// gives the same choice, exploring tries them all, and a failing schedule names the branch if it mattered. In the
/// quiet run, and outside of a run, it is the first. With `biased;` it is always the first, and there is no decision.
///
/// That is the one difference from tokio, where the choice comes from a random generator of the thread.
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
/// All branches but one lose what they had under way. A future for `select!` in a loop should be one that can be
/// dropped without loss before it completes, and made anew (receiving from a channel: yes; the second half of a
/// message: no), or one that is kept outside of the loop, pinned, and given by reference:
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
/// When every branch is disabled and there is no `else`.
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
/// No comma behind a handler that is no block:
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
/// A branch behind `else`:
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
/// Something that is no future:
///
/// ```compile_fail,E0277
/// # async fn shown() {
/// timeloop::select! { _ = 5 => {} }
/// # }
/// ```
///
/// More than 64 branches, `else` with a condition, and `biased;` anywhere but first are refused alike.
#[macro_export]
macro_rules! select {
    ($($tokens:tt)*) => { $crate::__private::select! { $crate; $($tokens)* } };
}
