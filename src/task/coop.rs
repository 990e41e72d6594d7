//! Cooperative budgets, as in [`tokio::task::coop`](https://docs.rs/tokio/1/tokio/task/coop/index.html).
//!
//! A task has a budget of 128 units a step, as in tokio. Unlike in tokio, only the functions in this module spend it:
//! channels, locks, timers and sockets do not.
//!
//! # Invariants
//! The budget never decides which task runs next. Strategies preempt tasks at announced operations whatever is left of
//! it.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::engine::{RunId, context};

/// The budget of one step, in units.
const UNITS: u8 = 128;

/// The remaining budget of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    step: (RunId, u64),
    left: u8,
}

thread_local! {
    static BUDGET: Cell<Option<Budget>> = const { Cell::new(None) };
    static UNCONSTRAINED: Cell<bool> = const { Cell::new(false) };
}

/// Returns the budget of the current step. `None` means no limit: outside a run, and inside [`unconstrained`].
fn budget() -> Option<Budget> {
    if UNCONSTRAINED.get() {
        return None;
    }
    let step = context::with(|engine| engine.step())?;
    Some(BUDGET.get().filter(|budget| budget.step == step).unwrap_or(Budget { step, left: UNITS }))
}

/// Returns whether the task has budget left in this step.
///
/// ```
/// timeloop::run(0, || async {
///     assert!(timeloop::task::coop::has_budget_remaining());
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[must_use]
pub fn has_budget_remaining() -> bool {
    budget().is_none_or(|budget| budget.left > 0)
}

/// Spends a unit of budget. If none is left, yields to other tasks first.
///
/// ```
/// timeloop::run(0, || async {
///     for _ in 0..1000 {
///         timeloop::task::coop::consume_budget().await;
///     }
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub async fn consume_budget() {
    poll_fn(|cx| {
        ready!(poll_proceed(cx)).made_progress();
        Poll::Ready(())
    })
    .await;
}

/// Spends a unit of budget. If none is left, wakes the task at once and returns `Pending`.
///
/// Dropping the returned value restores the unit, unless [`made_progress`](RestoreOnPending::made_progress) was called.
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let Some(budget) = budget() else {
        return Poll::Ready(RestoreOnPending { before: Cell::new(None), _not_send: PhantomData });
    };
    if budget.left == 0 {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    BUDGET.set(Some(Budget { left: budget.left - 1, ..budget }));
    Poll::Ready(RestoreOnPending { before: Cell::new(Some(budget)), _not_send: PhantomData })
}

/// The spent unit of [`poll_proceed`], restored on drop.
#[must_use]
pub struct RestoreOnPending {
    before: Cell<Option<Budget>>,
    _not_send: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// Keeps the unit spent when this is dropped.
    pub fn made_progress(&self) {
        self.before.set(None);
    }
}

impl Drop for RestoreOnPending {
    fn drop(&mut self) {
        if let Some(before) = self.before.get() {
            BUDGET.set(Some(before));
        }
    }
}

impl fmt::Debug for RestoreOnPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreOnPending").finish_non_exhaustive()
    }
}

/// Wraps a future so that its completion spends a unit of budget. If none is left, it yields to other tasks first.
///
/// ```
/// timeloop::run(0, || async {
///     assert_eq!(timeloop::task::coop::cooperative(async { 42 }).await, 42);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub fn cooperative<F: Future>(fut: F) -> Coop<F> {
    Coop { fut }
}

pin_project! {
    /// The future of [`cooperative`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Coop<F: Future> {
        #[pin]
        fut: F,
    }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let proceed = ready!(poll_proceed(cx));
        let output = ready!(self.project().fut.poll(cx));
        proceed.made_progress();
        Poll::Ready(output)
    }
}

/// Wraps a future so that no budget applies inside it.
///
/// ```
/// timeloop::run(0, || async {
///     timeloop::task::coop::unconstrained(async {
///         for _ in 0..1000 {
///             timeloop::task::coop::consume_budget().await; // never yields
///         }
///     })
///     .await;
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub fn unconstrained<F>(inner: F) -> Unconstrained<F> {
    Unconstrained { inner }
}

pin_project! {
    /// The future of [`unconstrained`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Unconstrained<F> {
        #[pin]
        inner: F,
    }
}

impl<F> fmt::Debug for Unconstrained<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unconstrained").finish_non_exhaustive()
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        struct Reset(bool);

        impl Drop for Reset {
            fn drop(&mut self) {
                UNCONSTRAINED.set(self.0);
            }
        }

        let _reset = Reset(UNCONSTRAINED.replace(true));
        self.project().inner.poll(cx)
    }
}
