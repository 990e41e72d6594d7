//! Histories: the calls of clients in a run and their results, checked for linearizability.
//!
//! A test of a replicated store, a lock service or a cache has clients that read and write while machines crash. A
//! store that promises to behave like a single copy must have a *linearizable* history: each operation takes effect at
//! one instant between its call and its return. A [`Recorder`] records calls and returns with their virtual times, and
//! [`Recorder::check`] searches for such instants.
//!
//! ```
//! use std::{cell::Cell, rc::Rc};
//! use timeloop::{Explorer, Resource, task::JoinSet};
//! use timeloop::history::{Recorder, models::{Counter, CounterOperation, CounterReturned}};
//!
//! /// A counter whose increment reads, and then writes the value plus one.
//! async fn increment(resource: &Resource, counter: &Cell<i64>) -> i64 {
//!     resource.read().await;
//!     let before = counter.get();
//!     resource.write().await;
//!     counter.set(before + 1);
//!     before
//! }
//!
//! let exploration = Explorer::new("counter::is_linearizable").without_regressions().run(|| async {
//!     let shared = Rc::new((Resource::new("counter"), Cell::new(0)));
//!     let history = Recorder::new();
//!     let mut clients = JoinSet::new();
//!     for client in 1..=2 {
//!         let (shared, history) = (shared.clone(), history.clone());
//!         clients.spawn(async move {
//!             let increment = async { CounterReturned::Value(increment(&shared.0, &shared.1).await) };
//!             history.record(client, CounterOperation::FetchAdd(1), increment).await;
//!         });
//!     }
//!     clients.join_all().await;
//!     history.check(&Counter)
//! });
//!
//! let found = exploration.found.expect("both read 0");
//! assert!(found.failure.message().contains("client 2: FetchAdd(1) returned Value(0)"));
//! ```
//!
//! A client that crashes or gives up leaves a call that never returns: drop the future of [`record`](Recorder::record),
//! or the [`Call`]. Such an operation may or may not have taken effect, at any time after its call.
//! [Forget](Call::forget) an operation that is known to have failed.
//!
//! [`models`] contains common objects; implement [`Model`] for others. [`timeloop_sim::history`] documents the
//! algorithm and its cost.
//!
//! # Invariants
//! Recording is not a scheduling point, draws no random numbers and changes nothing: a run is the same with and without
//! it.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use timeloop_sim::history::{
    CallId, CheckError, Client, Entry, History, Invocation, Model, ReportedOperation, Returned, STEPS_MAX,
    Undecided, Violation, models,
};

use crate::engine::context;

/// Records a [`History`] during a run. Clones share the history.
///
/// `O` is the type of operations and `R` of their results, as in the [`Model`] to check against.
pub struct Recorder<O, R> {
    history: Arc<Mutex<History<O, R>>>,
}

impl<O, R> Recorder<O, R> {
    /// Creates a recorder with an empty history.
    #[must_use]
    pub fn new() -> Self {
        Self { history: Arc::new(Mutex::new(History::new())) }
    }

    /// Records that a client (a number or a name) calls an operation now.
    ///
    /// ```
    /// use timeloop::history::{Recorder, models::{Register, RegisterOperation, RegisterReturned}};
    ///
    /// timeloop::run(0, || async {
    ///     let history = Recorder::new();
    ///     let call = history.call("alice", RegisterOperation::Write(7));
    ///     // … send a request, receive a response …
    ///     call.returned(RegisterReturned::Written);
    ///     history.check(&Register::new(0))
    /// })?.unwrap();
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    #[must_use = "without its return, the call may or may not have taken effect"]
    pub fn call(&self, client: impl Into<Client>, operation: O) -> Call<O, R> {
        let id = self.lock().call(client, now_ns(), operation);
        Call { recorder: self.clone(), id }
    }

    /// Records an operation from the first poll of its future to its end. If the future is dropped before, the call
    /// never returned.
    pub async fn record<F>(&self, client: impl Into<Client>, operation: O, future: F) -> R
    where
        F: Future<Output = R>,
        R: Clone,
    {
        let call = self.call(client, operation);
        let value = future.await;
        call.returned(value.clone());
        value
    }

    /// Records an operation as [`record`](Self::record) does. If it fails, for example with a timeout, it may have
    /// taken effect or not, so the call never returned.
    ///
    /// # Errors
    /// Those of the future.
    pub async fn try_record<F, E>(&self, client: impl Into<Client>, operation: O, future: F) -> Result<R, E>
    where
        F: Future<Output = Result<R, E>>,
        R: Clone,
    {
        let call = self.call(client, operation);
        let value = future.await?;
        call.returned(value.clone());
        Ok(value)
    }

    /// Checks whether the history so far is linearizable.
    ///
    /// # Errors
    /// [`CheckError::Violation`] if it is not, and [`CheckError::Undecided`] after [`STEPS_MAX`] steps.
    pub fn check<M: Model<Operation = O, Returned = R>>(&self, model: &M) -> Result<(), CheckError> {
        self.lock().check(model)
    }

    /// Checks as [`check`](Self::check) does, with a limit on the calls of [`Model::step`].
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_within<M: Model<Operation = O, Returned = R>>(
        &self,
        model: &M,
        steps_max: u64,
    ) -> Result<(), CheckError> {
        self.lock().check_within(model, steps_max)
    }

    /// Returns a copy of the history so far.
    #[must_use]
    pub fn history(&self) -> History<O, R>
    where
        O: Clone,
        R: Clone,
    {
        self.lock().clone()
    }

    /// Returns the number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether there are no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// A poisoned lock is safe to use: no user code runs while the history is being changed.
    fn lock(&self) -> MutexGuard<'_, History<O, R>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the virtual time, or 0 outside a run.
fn now_ns() -> u64 {
    context::with(|engine| engine.now_ns()).unwrap_or_default()
}

impl<O, R> Clone for Recorder<O, R> {
    fn clone(&self) -> Self {
        Self { history: Arc::clone(&self.history) }
    }
}

impl<O, R> Default for Recorder<O, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O: fmt::Debug, R: fmt::Debug> fmt::Debug for Recorder<O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&*self.lock()).finish()
    }
}

/// An operation that was called. Dropping it means that it never returned: it may have taken effect or not.
#[must_use = "without its return, the call may or may not have taken effect"]
pub struct Call<O, R> {
    recorder: Recorder<O, R>,
    id: CallId,
}

impl<O, R> Call<O, R> {
    /// Records that the operation returns `value` now.
    pub fn returned(self, value: R) {
        self.recorder.lock().returned(self.id, now_ns(), value);
    }

    /// Removes the call from the history, because it certainly took no effect. If that is not certain, drop the call
    /// instead.
    pub fn forget(self) {
        self.recorder.lock().forget(self.id);
    }

    /// Returns the id of the call in the history.
    #[must_use]
    pub const fn id(&self) -> CallId {
        self.id
    }
}

impl<O, R> fmt::Debug for Call<O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.id.index()).finish()
    }
}
