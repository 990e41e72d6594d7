//! Spawning tasks with a name.
//!
//! # Invariants
//! A name only appears in reports. It never affects a decision.

use std::borrow::Cow;
use std::io;
use std::panic::Location;

use super::blocking::spawn_blocking_named;
use super::spawn::{spawn_local_named, spawn_named};
use super::{JoinHandle, LocalSet};
use crate::runtime::Handle;

/// Spawns tasks with a name, as [`tokio::task::Builder`](https://docs.rs/tokio/1/tokio/task/struct.Builder.html) does.
/// Failure reports show the name.
///
/// ```
/// let failure = timeloop::run(0, || async {
///     let task = timeloop::task::Builder::new().name("auditor").spawn(std::future::pending::<()>()).unwrap();
///     task.await.unwrap();
/// })
/// .unwrap_err();
/// assert!(failure.blocked.iter().any(|blocked| blocked.task.name == "auditor"));
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder<'a> {
    name: Option<&'a str>,
}

impl<'a> Builder<'a> {
    /// Creates a builder for a task without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the task's name.
    pub fn name(&self, name: &'a str) -> Self {
        Self { name: Some(name) }
    }

    fn owned_name(&self) -> Option<Cow<'static, str>> {
        self.name.map(|name| Cow::Owned(name.to_owned()))
    }

    /// Spawns a task, as [`spawn`](super::spawn) does.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    ///
    /// # Panics
    /// Outside a run.
    #[track_caller]
    pub fn spawn<Fut>(self, future: Fut) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + 'static,
        Fut::Output: 'static,
    {
        Ok(spawn_named(future, self.owned_name(), Location::caller()))
    }

    /// Spawns a task on the loop of `handle`.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    ///
    /// # Panics
    /// If the loop has ended or belongs to another thread.
    #[track_caller]
    pub fn spawn_on<Fut>(self, future: Fut, handle: &Handle) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + 'static,
        Fut::Output: 'static,
    {
        Ok(handle.spawn_named(future, self.owned_name(), Location::caller()))
    }

    /// Spawns a task on the current [`LocalSet`], as [`spawn_local`](super::spawn_local) does.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    ///
    /// # Panics
    /// Outside both a `LocalSet` and a `LocalRuntime`.
    #[track_caller]
    pub fn spawn_local<Fut>(self, future: Fut) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + 'static,
        Fut::Output: 'static,
    {
        Ok(spawn_local_named(future, self.owned_name(), Location::caller()))
    }

    /// Spawns a task on a [`LocalSet`].
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    #[track_caller]
    pub fn spawn_local_on<Fut>(self, future: Fut, local_set: &LocalSet) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + 'static,
        Fut::Output: 'static,
    {
        Ok(local_set.spawn_named(future, self.owned_name(), Location::caller()))
    }

    /// Spawns a closure that runs as one step, as [`spawn_blocking`](super::spawn_blocking) does.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    ///
    /// # Panics
    /// Outside a run.
    #[track_caller]
    pub fn spawn_blocking<Function, Output>(self, function: Function) -> io::Result<JoinHandle<Output>>
    where
        Function: FnOnce() -> Output + 'static,
        Output: 'static,
    {
        Ok(spawn_blocking_named(function, self.owned_name(), Location::caller()))
    }

    /// Spawns a closure that runs as one step on the loop of `handle`.
    ///
    /// # Errors
    /// Never fails; the `Result` is tokio's signature.
    ///
    /// # Panics
    /// If the loop has ended or belongs to another thread.
    #[track_caller]
    pub fn spawn_blocking_on<Function, Output>(
        self,
        function: Function,
        handle: &Handle,
    ) -> io::Result<JoinHandle<Output>>
    where
        Function: FnOnce() -> Output + 'static,
        Output: 'static,
    {
        Ok(handle.spawn_blocking_named(function, self.owned_name(), Location::caller()))
    }
}
