//! The error of a task that has no output: it was cancelled, or it panicked.

use std::any::Any;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::{Id, panics};

/// A task failed to complete; see [`tokio::task::JoinError`](https://docs.rs/tokio/1/tokio/task/struct.JoinError.html).
// Boxed: it is rare, and every task's output reserves space for it.
pub struct JoinError(Box<Inner>);

struct Inner {
    id: Id,
    cause: Cause,
}

enum Cause {
    Cancelled,
    /// In a mutex: a panic payload need not be `Sync`, but a `JoinError` is.
    Panic(Mutex<Box<dyn Any + Send + 'static>>),
}

impl JoinError {
    pub(crate) fn cancelled(id: Id) -> Self {
        Self(Box::new(Inner { id, cause: Cause::Cancelled }))
    }

    pub(crate) fn panicked(id: Id, payload: Box<dyn Any + Send + 'static>) -> Self {
        Self(Box::new(Inner { id, cause: Cause::Panic(Mutex::new(payload)) }))
    }

    /// Returns whether the task was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.cause, Cause::Cancelled)
    }

    /// Returns whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0.cause, Cause::Panic(_))
    }

    /// Returns the payload of the task's panic.
    ///
    /// # Panics
    /// If the task did not panic.
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("`JoinError` reason is not a panic.")
    }

    /// Returns the payload of the task's panic.
    ///
    /// # Errors
    /// Returns the error itself if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.0.cause {
            Cause::Panic(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Cause::Cancelled => Err(self),
        }
    }

    /// Returns the id of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// Returns the message of the panic, if the payload is a string.
    fn text(&self) -> Option<String> {
        let Cause::Panic(payload) = &self.0.cause else { return None };
        let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
        let has_text = payload.is::<String>() || payload.is::<&'static str>();
        has_text.then(|| panics::message(&**payload))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.cause, self.text()) {
            (Cause::Cancelled, _) => write!(f, "task {} was cancelled", self.0.id),
            (Cause::Panic(_), Some(text)) => write!(f, "task {} panicked with message {text:?}", self.0.id),
            (Cause::Panic(_), None) => write!(f, "task {} panicked", self.0.id),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.cause, self.text()) {
            (Cause::Cancelled, _) => write!(f, "JoinError::Cancelled({:?})", self.0.id),
            (Cause::Panic(_), Some(text)) => write!(f, "JoinError::Panic({:?}, {text:?}, ...)", self.0.id),
            (Cause::Panic(_), None) => write!(f, "JoinError::Panic({:?}, ...)", self.0.id),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(match error.0.cause {
            Cause::Cancelled => "task was cancelled",
            Cause::Panic(_) => "task panicked",
        })
    }
}
