//! Histories: what clients asked for in a run and what they were told, checked for linearizability.
//!
//! A test of a replicated store, a lock service or a cache has clients that read and write while machines crash. What is
//! each of them allowed to see? If the store promises to behave as if there were one copy, its history is to be
//! *linearizable*: each operation seems to take effect at one instant between its call and its return. A [`Recorder`]
//! notes calls and returns, with virtual time, and [`Recorder::check`] looks for such instants.
//!
//! ```
//! use std::{cell::Cell, rc::Rc};
//! use timeloop::{Explorer, Resource, task::JoinSet};
//! use timeloop::history::{Recorder, models::{Counter, CounterOperation, CounterReturned}};
//!
//! /// A counter that reads, and then writes what it has read plus one.
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
//!         clients.spawn_local(async move {
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
//! A client that crashes, or gives up waiting, leaves a call that never returns: drop the future of
//! [`record`](Recorder::record), or the [`Call`]. Such an operation may have taken effect or not, at any time from its call
//! on. One that is known to have failed is to be [forgotten](Call::forget).
//!
//! [`models`] has the objects that everybody needs; others implement [`Model`]. How the check works, and what it costs, is
//! told in [`timeloop_sim::history`].
//!
//! Always true: recording is no scheduling point, draws nothing and changes nothing: a run is the same with it as without.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use timeloop_sim::history::{
    CallId, CheckError, Client, Entry, History, Invocation, Model, ReportedOperation, Returned, STEPS_MAX,
    Undecided, Violation, models,
};

use crate::engine::context;

/// Records a [`History`] while a run goes on. Clones record the same one.
///
/// `O` is what clients ask for, `R` what they are told: the types of the [`Model`] to check against.
pub struct Recorder<O, R> {
    history: Arc<Mutex<History<O, R>>>,
}

impl<O, R> Recorder<O, R> {
    /// A recorder of a history in which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self { history: Arc::new(Mutex::new(History::new())) }
    }

    /// Notes that a client, a number or a name, calls an operation, now.
    ///
    /// ```
    /// use timeloop::history::{Recorder, models::{Register, RegisterOperation, RegisterReturned}};
    ///
    /// timeloop::run(0, || async {
    ///     let history = Recorder::new();
    ///     let call = history.call("alice", RegisterOperation::Write(7));
    ///     // … a request goes out, and an answer comes in …
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

    /// Notes an operation from the first poll of its future to its end. If it is dropped before, it is a call that never
    /// returned.
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

    /// As [`record`](Self::record), for an operation that may fail without a word on whether it took effect, as with a
    /// timeout: then it is a call that never returned.
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

    /// Whether the history so far is linearizable.
    ///
    /// # Errors
    /// [`CheckError::Violation`] if it is not, and [`CheckError::Undecided`] after [`STEPS_MAX`] steps.
    pub fn check<M: Model<Operation = O, Returned = R>>(&self, model: &M) -> Result<(), CheckError> {
        self.lock().check(model)
    }

    /// As [`check`](Self::check), with a bound of its own on how often [`Model::step`] is asked.
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

    /// The history so far.
    #[must_use]
    pub fn history(&self) -> History<O, R>
    where
        O: Clone,
        R: Clone,
    {
        self.lock().clone()
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// No code of the user's runs that could leave a history in disorder, so one that a panic went by is whole.
    fn lock(&self) -> MutexGuard<'_, History<O, R>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 0 outside of a run.
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

/// An operation that has been called. If it is dropped, it never returned: it may have taken effect or not.
#[must_use = "without its return, the call may or may not have taken effect"]
pub struct Call<O, R> {
    recorder: Recorder<O, R>,
    id: CallId,
}

impl<O, R> Call<O, R> {
    /// Notes that it returned, now.
    pub fn returned(self, value: R) {
        self.recorder.lock().returned(self.id, now_ns(), value);
    }

    /// Takes the call out of the history: it certainly took no effect. Where that is not certain, drop it.
    pub fn forget(self) {
        self.recorder.lock().forget(self.id);
    }

    /// Which call of the history it is.
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
