//! Functions and types that macro expansions use. Public as `timeloop::__private`, and not part of the interface.
//!
//! # Invariants
//! Everything here is safe code. [`select_start`] makes the only decision.

use std::panic::{AssertUnwindSafe, catch_unwind};

use core::convert::Infallible;
use core::pin::Pin;
use core::task::Context;

pub use futures_util::future::{MaybeDone, maybe_done};
pub use timeloop_macros::{join, select, try_join};
use timeloop_sim::{Failure, Seed};

use crate::Explorer;

/// Creates the explorer of `#[timeloop::test]`. `path` is the path of the function, and `features` are those that its
/// package is built with. `configure` applies the attribute's arguments.
///
/// An argument that is not accepted ends the process with the message of its panic. As a panic, it would make a test pass
/// that expects one.
pub fn configured(
    name: &'static str,
    path: &'static str,
    features: &'static str,
    configure: impl FnOnce(Explorer) -> Explorer,
) -> Explorer {
    let path = path.split_once("::").map_or(path, |(_crate, path)| path);
    let explorer = AssertUnwindSafe(|| configure(Explorer::of_attribute(name, path, features)));
    catch_unwind(explorer).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("an argument panics");
        timeloop_sim::exit_with(&format!("timeloop: `{name}`: {text}"))
    })
}

/// Returns which of the `branches` enabled branches of a `select!` is polled first. This is a decision of the run if
/// there are two or more branches. Returns 0 outside a run.
pub fn select_start(branches: u32) -> u32 {
    crate::engine::select_start(branches)
}

/// The branch of a `select!` that completed, and its output. A macro names one type per branch, so the variants of
/// missing branches cannot be constructed. From the ninth branch on, the output is in the `Select` of `Rest`.
#[derive(Debug)]
#[expect(missing_docs, reason = "the variants differ by their number alone")]
pub enum Select<
    T0 = Infallible,
    T1 = Infallible,
    T2 = Infallible,
    T3 = Infallible,
    T4 = Infallible,
    T5 = Infallible,
    T6 = Infallible,
    T7 = Infallible,
    More = Infallible,
> {
    B0(T0),
    B1(T1),
    B2(T2),
    B3(T3),
    B4(T4),
    B5(T5),
    B6(T6),
    B7(T7),
    Rest(More),
    /// All branches are disabled.
    Disabled,
}

/// Returns whether the future that was just polled was preempted before an operation. Then the task does nothing else
/// in this step: its other parts (the other branches of a `select!`, a deadline) are polled only after the operation
/// was done, as they would be without the preemption.
#[inline]
#[track_caller]
pub fn is_suspended(context: &Context<'_>) -> bool {
    crate::engine::cancellation::is_branch_suspended(context.waker(), core::panic::Location::caller())
}

/// Makes the only run of a function under `#[timeloop::main]` that has parameters.
///
/// # Errors
/// The failure.
pub fn run_once<F: Future>(seed: impl Into<Seed>, future: F) -> Result<F::Output, Failure> {
    crate::harness::run_future(seed.into(), "`#[timeloop::main]`", future)
}

/// Prints the failure of `main` and ends the process.
#[expect(clippy::print_stderr, reason = "the process ends here")]
pub fn exit(failure: &Failure) -> ! {
    eprintln!("{failure}");
    std::process::exit(101)
}

/// Panics with the failure of a function under `#[timeloop::main]`.
#[track_caller]
pub fn panic(failure: &Failure) -> ! {
    panic!("{failure}")
}

/// Returns whether the task has budget left. If not, wakes it.
#[inline]
pub fn has_budget(context: &mut Context<'_>) -> bool {
    crate::task::coop::poll_budget_available(context).is_ready()
}

/// What a `select!` stores when its last poll was not interrupted.
pub const NOT_INTERRUPTED: u8 = u8::MAX;

/// The branches that one poll of a `select!` polls, in order.
#[derive(Clone, Debug)]
pub struct Turns {
    left: u64,
    from: u8,
}

impl Turns {
    /// Starts with the first branch.
    pub fn biased(_interrupted: &mut u8, disabled: u64, branches: u32) -> Self {
        Self { left: enabled(disabled, branches), from: 0 }
    }

    /// Starts with a branch that the run decides, and wraps around.
    ///
    /// A poll that was `interrupted` is repeated in the same order, without a new decision: from this branch on.
    pub fn fair(interrupted: &mut u8, disabled: u64, branches: u32) -> Self {
        let left = enabled(disabled, branches);
        let from = core::mem::replace(interrupted, NOT_INTERRUPTED);
        if from != NOT_INTERRUPTED {
            return Self { left, from };
        }
        let mut later = left;
        for _ in 0..select_start(left.count_ones()) {
            later &= later - 1;
        }
        Self { left, from: later.trailing_zeros() as u8 }
    }

    /// Returns the branch that is polled first.
    pub fn first(&self) -> u8 {
        self.from
    }
}

/// Records that a branch of a `select!` has completed. If the `select!` has waited, this cancels the futures of the branches
/// that are not disabled.
#[inline]
#[track_caller]
pub fn select_completed(branch: u32, disabled: impl Into<u64>, branches: u32) {
    let at = core::panic::Location::caller();
    crate::engine::cancellation::select_completed(branch, branches, at, || {
        enabled(disabled.into(), branches) == 0
    });
}

/// Returns a mask with one bit for each enabled branch.
fn enabled(disabled: u64, branches: u32) -> u64 {
    !disabled & (u64::MAX >> (u64::BITS - branches))
}

impl Iterator for Turns {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        // `from` is below 64 here: it is 64 only if no branch was enabled.
        let ahead = self.left & (u64::MAX << self.from);
        let branch = if ahead == 0 { self.left } else { ahead }.trailing_zeros();
        self.left &= !(1 << branch);
        Some(branch)
    }
}

/// The order in which a `join!` polls its futures. The first poll starts with the first future, the second poll with
/// the second, and so on.
#[derive(Debug, Default)]
pub struct Rotating<const COUNT: u32> {
    first: u32,
}

impl<const COUNT: u32> Rotating<COUNT> {
    /// Returns the futures in the order of this poll.
    pub fn next_round(&mut self) -> impl Iterator<Item = u32> + use<COUNT> {
        let first = self.first;
        self.first = (first + 1) % COUNT;
        (first..COUNT).chain(0..first)
    }

    /// Records that the poll was interrupted, so that the next one uses the same order.
    pub fn interrupted(&mut self) {
        self.first = (self.first + COUNT - 1) % COUNT;
    }
}

/// The order in which a `join!(biased; …)` polls its futures. Every poll starts with the first future.
#[derive(Debug, Default)]
pub struct InOrder<const COUNT: u32>;

impl<const COUNT: u32> InOrder<COUNT> {
    /// Returns the futures in the order of this poll.
    pub fn next_round(&mut self) -> impl Iterator<Item = u32> + use<COUNT> {
        0..COUNT
    }

    /// Records that the poll was interrupted.
    pub fn interrupted(&mut self) {}
}

/// Returns the output of a completed future of `join!`.
pub fn take_output<F: Future>(future: Pin<&mut MaybeDone<F>>) -> F::Output {
    future.take_output().expect("a joined future has completed and its value is taken once")
}

/// Returns the error of a completed future of `try_join!`, or `None` if it succeeded.
pub fn take_error<F, T, E>(mut future: Pin<&mut MaybeDone<F>>) -> Option<E>
where
    F: Future<Output = Result<T, E>>,
{
    future.as_mut().output_mut()?.as_ref().err()?;
    future.take_output()?.err()
}

/// Returns the output of a completed future of `try_join!`, none of which failed.
pub fn take_value<F, T, E>(future: Pin<&mut MaybeDone<F>>) -> T
where
    F: Future<Output = Result<T, E>>,
{
    take_output(future).ok().expect("the first error of a try_join! ends it")
}

/// Panics for a `select!` whose branches are all disabled.
#[track_caller]
#[cold]
pub fn all_branches_disabled() -> ! {
    panic!("all branches are disabled and there is no else branch")
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Poll, Waker};

    use super::*;

    #[test]
    fn the_macros_work_inside_the_crate() {
        let mut future = pin!(async {
            let selected = crate::select! {
                biased;
                Some(()) = async { None } => 1,
                value = async { 2 } => value,
            };
            let joined = crate::join!(async { 3 }, async { 4 });
            (selected, joined, crate::try_join!(async { Ok::<_, ()>(5) }))
        });
        let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll, Poll::Ready((2, (3, 4), Ok((5,)))));
    }

    #[timeloop_macros::test(runs = 2, crate = crate)]
    async fn the_attribute_works_inside_the_crate() {
        assert_eq!(crate::spawn(async { 5 }).await.unwrap(), 5);
    }

    #[test]
    fn turns_visit_every_enabled_branch_once() {
        let none = &mut { NOT_INTERRUPTED };
        assert_eq!(Turns::biased(none, 0, 3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Turns::biased(none, 0b010, 3).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(Turns::biased(none, 0b111, 3).count(), 0);
        assert_eq!(Turns::fair(none, 0b111, 3).count(), 0);
        assert_eq!(Turns::biased(none, 0, 64).collect::<Vec<_>>(), (0..64).collect::<Vec<_>>());
        let interrupted = &mut 2;
        assert_eq!(Turns::fair(interrupted, 0b100, 4).collect::<Vec<_>>(), [3, 0, 1]);
        assert_eq!(*interrupted, NOT_INTERRUPTED);
        assert_eq!(Turns { left: 0b1101, from: 2 }.collect::<Vec<_>>(), [2, 3, 0]);
        assert_eq!(Turns { left: u64::MAX, from: 63 }.next(), Some(63));
    }

    #[test]
    fn rounds_rotate_or_stay() {
        let mut rounds = Rotating::<3>::default();
        let rotated: Vec<Vec<u32>> = (0..4).map(|_| rounds.next_round().collect()).collect();
        assert_eq!(rotated, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
        rounds.interrupted();
        assert_eq!(rounds.next_round().collect::<Vec<_>>(), [0, 1, 2]);
        let mut rounds = InOrder::<2>;
        assert_eq!([(); 2].map(|()| rounds.next_round().collect::<Vec<_>>()), [[0, 1], [0, 1]]);
    }
}
