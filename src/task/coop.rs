//! Cooperative budgets, as in [`tokio::task::coop`](https://docs.rs/tokio/1/tokio/task/coop/index.html).
//!
//! A task has a budget of 128 units each time it is resumed, as in tokio. Awaited operations of channels, locks,
//! sockets, timers, join handles and I/O utilities spend a unit each. When none is left, they yield to other tasks.
//!
//! # Invariants
//! - The budget never decides which task runs next.
//! - An operation before which the task is preempted spends one unit all the same.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::engine::announce::restore_budget;
use crate::engine::{Engine, UNITS, UNLIMITED, context};

/// Returns how many units are spent. `None` means no limit: outside of a poll, and inside [`unconstrained`].
fn spent() -> Option<u8> {
    context::driving(Engine::spent).flatten()
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
    spent().is_none_or(|spent| spent < UNITS)
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
    let Some(spent) = spent() else { return Poll::Ready(RestoreOnPending::new(false)) };
    if spent >= UNITS {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    context::driving(Engine::spend);
    Poll::Ready(RestoreOnPending::new(true))
}

/// Returns `Pending` and wakes the task if it has no budget left.
pub(crate) fn poll_budget_available(cx: &mut Context<'_>) -> Poll<()> {
    match context::driving(|engine| engine.proceed(cx.waker())) {
        Some(false) => Poll::Pending,
        _ => Poll::Ready(()),
    }
}

/// The spent unit of [`poll_proceed`], restored on drop.
#[must_use]
pub struct RestoreOnPending {
    restores: Cell<bool>,
    _not_send: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    fn new(restores: bool) -> Self {
        Self { restores: Cell::new(restores), _not_send: PhantomData }
    }

    /// Keeps the unit spent when this is dropped.
    pub fn made_progress(&self) {
        self.restores.set(false);
    }
}

impl Drop for RestoreOnPending {
    fn drop(&mut self) {
        if self.restores.get() {
            restore_budget();
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
        let _reset = Unlimited::begin();
        self.project().inner.poll(cx)
    }
}

/// No budget applies until this is dropped.
struct Unlimited(Option<u8>);

impl Unlimited {
    fn begin() -> Self {
        Self(context::driving(|engine| engine.set_spent(UNLIMITED)))
    }
}

impl Drop for Unlimited {
    fn drop(&mut self) {
        if let Some(spent) = self.0 {
            context::driving(|engine| engine.set_spent(spent));
        }
    }
}
