//! Cooperative budgets, in the shape of [`tokio::task::coop`](https://docs.rs/tokio/1/tokio/task/coop/index.html).
//!
//! Always true: only what is in this module spends budget. A task that asks for budget gives way after 128 units in one
//! step, as in tokio, so a loop that counts on that ends; everything else in timeloop is never made to give way, since
//! which task runs is the scheduler's decision.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::engine::{RunId, context};

/// How many units a task may spend in one step.
const UNITS: u8 = 128;

/// What is left of the budget of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    step: (RunId, u64),
    left: u8,
}

thread_local! {
    static BUDGET: Cell<Option<Budget>> = const { Cell::new(None) };
    static UNCONSTRAINED: Cell<bool> = const { Cell::new(false) };
}

/// The budget of the step under way; `None` where there is no limit: outside of a run, and inside of [`unconstrained`].
fn budget() -> Option<Budget> {
    if UNCONSTRAINED.get() {
        return None;
    }
    let step = context::with(|engine| engine.step())?;
    Some(BUDGET.get().filter(|budget| budget.step == step).unwrap_or(Budget { step, left: UNITS }))
}

/// Whether the task may go on in this step.
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

/// Spends a unit of budget, and gives way to other tasks when none is left.
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

/// Spends a unit of budget; when none is left, `Pending`, and the task is woken at once.
///
/// The unit is given back when the answer is dropped, unless [`made_progress`](RestoreOnPending::made_progress) was
/// called.
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

/// The answer of [`poll_proceed`].
#[must_use]
pub struct RestoreOnPending {
    before: Cell<Option<Budget>>,
    _not_send: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// The unit was well spent: it is not given back.
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

/// Makes a future spend a unit of budget when it completes, and give way when none is left.
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

/// Frees a future from budgets.
///
/// ```
/// timeloop::run(0, || async {
///     timeloop::task::coop::unconstrained(async {
///         for _ in 0..1000 {
///             timeloop::task::coop::consume_budget().await; // never gives way
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
