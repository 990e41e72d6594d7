//! Shared state of the corpus: a variable that announces each access, and joining all tasks.
//!
//! # Invariants
//! - Each access is one scheduling point under every strategy, and takes effect right after it.

use std::cell::RefCell;

use timeloop::task::{JoinError, JoinHandle};
use timeloop::{Access, Resource};

/// A variable, an atomic, or a row of a fake database.
#[derive(Debug)]
pub(super) struct Shared<T> {
    resource: Resource,
    value: RefCell<T>,
}

impl<T> Shared<T> {
    #[track_caller]
    pub(super) fn new(name: &'static str, value: T) -> Self {
        Self { resource: Resource::new(name), value: RefCell::new(value) }
    }

    /// Reads the value.
    #[track_caller]
    pub(super) fn get(&self) -> impl Future<Output = T>
    where
        T: Clone,
    {
        self.look(T::clone)
    }

    /// Reads a part of the value.
    #[track_caller]
    pub(super) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> impl Future<Output = R> {
        let access = self.resource.read();
        async move {
            access.await;
            look(&self.value.borrow())
        }
    }

    /// Writes the value.
    #[track_caller]
    pub(super) fn set(&self, value: T) -> impl Future<Output = ()> {
        let access = self.resource.write();
        async move {
            access.await;
            *self.value.borrow_mut() = value;
        }
    }

    /// Reads and writes the value in one access: an atomic operation, or an `update … where`.
    #[track_caller]
    pub(super) fn update<R>(&self, update: impl FnOnce(&mut T) -> R) -> impl Future<Output = R> {
        let access = self.resource.access(Access::Write);
        async move {
            access.await;
            update(&mut self.value.borrow_mut())
        }
    }
}

/// The result of a program. The first failed task is returned as an error, because a second panic would double the cost
/// of a failure.
pub(super) type Ended = Result<(), JoinError>;

/// Waits for the tasks, in turn.
pub(super) async fn join(tasks: Vec<JoinHandle<()>>) -> Ended {
    for task in tasks {
        task.await?;
    }
    Ok(())
}
