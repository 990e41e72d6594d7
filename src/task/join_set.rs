//! [`JoinSet`]: tasks whose outputs are awaited together.
//!
//! # Invariants
//! - Outputs are returned in the order in which the tasks ended, at a cost independent of the number of tasks.
//! - Dropping the set aborts its tasks.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use timeloop_sim::Access;

use super::coop::poll_budget_available;
use super::{AbortHandle, Id, JoinError, JoinHandle, LocalSet};
use crate::engine::announce::ResourceId;
use crate::engine::{Engine, context};
use crate::runtime::Handle;

/// The set's name in reports.
const NAME: &str = "join set";

/// A collection of tasks, as [`tokio::task::JoinSet`](https://docs.rs/tokio/1/tokio/task/struct.JoinSet.html).
///
/// All tasks have the same output type, and dropping the set aborts them. Unlike in tokio, the futures need not be
/// `Send`.
///
/// ```
/// use timeloop::task::JoinSet;
///
/// timeloop::run(0, || async {
///     let mut set = JoinSet::new();
///     for number in 0..10 {
///         set.spawn(async move { number });
///     }
///     let mut sum = 0;
///     while let Some(result) = set.join_next().await {
///         sum += result.unwrap();
///     }
///     assert_eq!(sum, 45);
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[must_use = "the tasks of a `JoinSet` are aborted when it is dropped"]
pub struct JoinSet<T> {
    /// The tasks. The index of a slot is the task's key.
    slots: Vec<Option<Entry<T>>>,
    free: Vec<usize>,
    ended: Arc<Mutex<Ended>>,
    /// The resource that stands for the order in which the tasks end.
    id: ResourceId,
}

struct Entry<T> {
    handle: JoinHandle<T>,
    /// Woken when the task ends.
    waker: Waker,
    /// The task's result, if it was already known on insertion. The mutex is never locked: it makes the set `Sync`
    /// where a handle is, for a `T` that is `Send`.
    result: Mutex<Option<Result<T, JoinError>>>,
}

/// The tasks that have ended, and the waker of the task that awaits the next one.
#[derive(Debug, Default)]
struct Ended {
    keys: VecDeque<usize>,
    waiter: Option<Waker>,
}

/// The waker of a task in the set: adds the task to the list of ended tasks.
struct EndNotifier {
    key: usize,
    ended: Arc<Mutex<Ended>>,
    set: ResourceId,
}

impl Wake for EndNotifier {
    fn wake(self: Arc<Self>) {
        self.set.touch(NAME, Access::Send, None);
        let mut ended = lock(&self.ended);
        ended.keys.push_back(self.key);
        let waiter = ended.waiter.take();
        drop(ended);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

fn lock(ended: &Mutex<Ended>) -> MutexGuard<'_, Ended> {
    ended.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> JoinSet<T> {
    /// Creates an empty set.
    #[track_caller]
    pub fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), ended: Arc::default(), id: ResourceId::new() }
    }

    /// Returns the number of tasks in the set: running tasks, and ended tasks whose output was not returned yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Returns whether the set contains no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the handles in the order of spawning.
    fn handles(&self) -> Vec<&JoinHandle<T>> {
        let mut handles: Vec<_> = self.slots.iter().flatten().map(|entry| &entry.handle).collect();
        handles.sort_by_key(|handle| handle.id());
        handles
    }
}

impl<T: 'static> JoinSet<T> {
    /// Creates a builder for a task of the set, which can name the task.
    ///
    /// ```
    /// use timeloop::task::JoinSet;
    ///
    /// timeloop::run(0, || async {
    ///     let mut set = JoinSet::new();
    ///     set.build_task().name("answer").spawn(async { 42 })?;
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 42);
    ///     Ok::<(), std::io::Error>(())
    /// })?.unwrap();
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder { set: self, builder: super::Builder::new() }
    }

    /// Spawns a task into the set.
    ///
    /// # Panics
    /// Outside a run.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(super::spawn(task))
    }

    /// Spawns a task on the loop of `handle`.
    ///
    /// # Panics
    /// If the loop has ended or belongs to another thread.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(handle.spawn(task))
    }

    /// Spawns a task on the current [`LocalSet`], as [`spawn_local`](super::spawn_local) does.
    ///
    /// # Panics
    /// Outside both a `LocalSet` and a `LocalRuntime`.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(super::spawn_local(task))
    }

    /// Spawns a task on a [`LocalSet`].
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(task))
    }

    /// Spawns a closure that runs as one step, as [`spawn_blocking`](super::spawn_blocking) does.
    ///
    /// # Panics
    /// Outside a run.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + 'static,
    {
        self.insert(super::spawn_blocking(f))
    }

    /// Spawns a closure that runs as one step on the loop of `handle`.
    ///
    /// # Panics
    /// If the loop has ended or belongs to another thread.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + 'static,
    {
        self.insert(handle.spawn_blocking(f))
    }

    fn insert(&mut self, mut handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let key = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let waker = Waker::from(Arc::new(EndNotifier { key, ended: Arc::clone(&self.ended), set: self.id }));
        // From here on the waker is woken when the task ends, so the set never polls running tasks.
        let result = match Pin::new(&mut handle).poll_unrecorded(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(result) => {
                waker.wake_by_ref();
                Some(result)
            }
        };
        self.slots[key] = Some(Entry { handle, waker, result: Mutex::new(result) });
        abort
    }

    /// Waits for the next task to end and returns its output, or `None` if the set is empty.
    ///
    /// Cancel safe: dropping the future loses no output.
    #[track_caller]
    pub fn join_next(&mut self) -> impl Future<Output = Option<Result<T, JoinError>>> {
        let at = Location::caller();
        async move { poll_fn(|cx| self.poll_at(cx, at)).await.map(without_id) }
    }

    /// Waits for the next task to end and returns its id and output, or `None` if the set is empty.
    ///
    /// Cancel safe: dropping the future loses no output.
    #[track_caller]
    pub fn join_next_with_id(&mut self) -> impl Future<Output = Option<Result<(Id, T), JoinError>>> {
        let at = Location::caller();
        async move { poll_fn(|cx| self.poll_at(cx, at)).await }
    }

    /// Returns the output of a task that has ended, or `None` if there is none.
    #[track_caller]
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_join_next_with_id().map(without_id)
    }

    /// Returns the id and output of a task that has ended, or `None` if there is none.
    #[track_caller]
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        self.next_ended(Location::caller())
    }

    fn next_ended(&mut self, at: &'static Location<'static>) -> Option<Result<(Id, T), JoinError>> {
        self.id.touch(NAME, Access::Receive, Some(at));
        // A task may be listed but not have ended: it was spawned before there was a loop, and has just been started.
        loop {
            let key = lock(&self.ended).keys.pop_front()?;
            if let Some(result) = self.take(key, at) {
                return Some(result);
            }
        }
    }

    /// Removes an ended task from the set.
    fn take(&mut self, key: usize, at: &'static Location<'static>) -> Option<Result<(Id, T), JoinError>> {
        let entry = self.slots[key].as_mut()?;
        entry.handle.record_read(at);
        let result = match entry.result.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            Some(result) => result,
            None => match Pin::new(&mut entry.handle).poll_unrecorded(&mut Context::from_waker(&entry.waker))
            {
                Poll::Ready(result) => result,
                Poll::Pending => return None,
            },
        };
        let id = entry.handle.id();
        self.slots[key] = None;
        self.free.push(key);
        Some(result.map(|output| (id, output)))
    }

    /// Aborts all tasks and waits until they have ended. Their outputs and panics are dropped.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks and returns their outputs in the order in which the tasks ended.
    ///
    /// # Panics
    /// If a task panicked, with the same payload, or if a task was aborted.
    ///
    /// ```
    /// use timeloop::task::JoinSet;
    /// use timeloop::time::{Duration, sleep};
    ///
    /// timeloop::run(0, || async {
    ///     let set: JoinSet<u64> = [3, 1, 2]
    ///         .map(|seconds| async move {
    ///             sleep(Duration::from_secs(seconds)).await;
    ///             seconds
    ///         })
    ///         .into_iter()
    ///         .collect();
    ///     assert_eq!(set.join_all().await, [1, 2, 3]);
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result {
                Ok(output) => outputs.push(output),
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => resume_unwind(payload),
                    Err(error) => panic!("{error}"),
                },
            }
        }
        outputs
    }

    /// Aborts all tasks. They stay in the set; [`join_next`](Self::join_next) returns an error for each.
    #[track_caller]
    pub fn abort_all(&mut self) {
        for handle in self.handles() {
            handle.abort();
        }
    }

    /// Removes all tasks from the set. They continue to run, and their outputs are dropped.
    pub fn detach_all(&mut self) {
        let mut entries: Vec<_> = self.slots.drain(..).flatten().collect();
        self.free.clear();
        // The keys are reused from here on.
        self.ended = Arc::default();
        entries.sort_by_key(|entry| entry.handle.id());
        drop(entries);
    }

    /// Polls for the next output. Returns `Ready(None)` if the set is empty. The waker is woken when a task ends.
    #[track_caller]
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_at(cx, Location::caller()).map(|result| result.map(without_id))
    }

    /// Polls for the next id and output. Returns `Ready(None)` if the set is empty. The waker is woken when a task
    /// ends.
    #[track_caller]
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        self.poll_at(cx, Location::caller())
    }

    fn poll_at(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        ready!(poll_budget_available(cx));
        if let Some(result) = self.next_ended(at) {
            context::driving(Engine::spend);
            return Poll::Ready(Some(result));
        }
        let known = lock(&self.ended).waiter.as_ref().is_some_and(|waiter| waiter.will_wake(cx.waker()));
        if !known {
            let waiter = cx.waker().clone();
            let previous = lock(&self.ended).waiter.replace(waiter);
            drop(previous);
        }
        Poll::Pending
    }
}

fn without_id<T>(result: Result<(Id, T), JoinError>) -> Result<T, JoinError> {
    result.map(|(_, output)| output)
}

impl<T> Unpin for JoinSet<T> {}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.handles().into_iter().for_each(JoinHandle::abort);
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

impl<T> Default for JoinSet<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// Spawns each future.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + 'static,
    T: 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

/// Spawns each future.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + 'static,
    T: 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

/// Builds a task of a [`JoinSet`]; see [`JoinSet::build_task`].
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder<'a, T> {
    set: &'a mut JoinSet<T>,
    builder: super::Builder<'a>,
}

impl<'a, T: 'static> Builder<'a, T> {
    /// Sets the task's name in reports.
    pub fn name(self, name: &'a str) -> Self {
        Self { builder: self.builder.name(name), ..self }
    }

    /// Spawns the task.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> std::io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.builder.spawn(future)?))
    }

    /// Spawns the task on the loop of `handle`.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> std::io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.builder.spawn_on(future, handle)?))
    }

    /// Spawns a closure that runs as one step.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn spawn_blocking<F>(self, f: F) -> std::io::Result<AbortHandle>
    where
        F: FnOnce() -> T + 'static,
    {
        Ok(self.set.insert(self.builder.spawn_blocking(f)?))
    }

    /// Spawns a closure that runs as one step on the loop of `handle`.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, f: F, handle: &Handle) -> std::io::Result<AbortHandle>
    where
        F: FnOnce() -> T + 'static,
    {
        Ok(self.set.insert(self.builder.spawn_blocking_on(f, handle)?))
    }

    /// Spawns the task on the current [`LocalSet`]. Without one, spawns as [`spawn`](Self::spawn) does.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> std::io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.builder.spawn_local(future)?))
    }

    /// Spawns the task on a [`LocalSet`].
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> std::io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.builder.spawn_local_on(future, local_set)?))
    }
}

impl<T> fmt::Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("join_set::Builder")
            .field("joinset", &self.set)
            .field("builder", &self.builder)
            .finish()
    }
}
