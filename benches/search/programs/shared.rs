//! What tasks of the corpus share: a variable that announces each access, and waiting for all tasks.
//!
//! Always true: each access is one scheduling point under every strategy, and is done right after it.

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

    /// One read.
    #[track_caller]
    pub(super) fn get(&self) -> impl Future<Output = T>
    where
        T: Clone,
    {
        self.look(T::clone)
    }

    /// One read of a part.
    #[track_caller]
    pub(super) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> impl Future<Output = R> {
        let access = self.resource.read();
        async move {
            access.await;
            look(&self.value.borrow())
        }
    }

    /// One write.
    #[track_caller]
    pub(super) fn set(&self, value: T) -> impl Future<Output = ()> {
        let access = self.resource.write();
        async move {
            access.await;
            *self.value.borrow_mut() = value;
        }
    }

    /// One access that both reads and writes: an atomic's, or an `update … where`.
    #[track_caller]
    pub(super) fn update<R>(&self, update: impl FnOnce(&mut T) -> R) -> impl Future<Output = R> {
        let access = self.resource.access(Access::Write);
        async move {
            access.await;
            update(&mut self.value.borrow_mut())
        }
    }
}

/// How a program ends: the first task that failed is passed on as an error, since to panic anew would double what a failure
/// costs.
pub(super) type Ended = Result<(), JoinError>;

/// Waits for the tasks, in turn.
pub(super) async fn join(tasks: Vec<JoinHandle<()>>) -> Ended {
    for task in tasks {
        task.await?;
    }
    Ok(())
}
