//! The public macros, one file per macro: their input, their meaning, and their hygiene.
//!
//! # Invariants
//! The code here compiles under `forbid(unsafe_code)` and without warnings, as a user's crate may require.
#![forbid(unsafe_code)]
#![deny(warnings, clippy::all)]

mod attributes;
mod join;
mod local;
mod pin;
mod select_grammar;
mod select_hygiene;
mod select_patterns;
mod select_semantics;
mod try_join;

use std::cell::RefCell;
use std::fmt::Display;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Runs a future under one seed.
#[track_caller]
fn run<F: Future>(make: impl Fn() -> F) -> F::Output {
    timeloop::run(0, make).expect("the run ends well")
}

/// Completes at its `polls`-th poll.
async fn after<T>(polls: u32, value: T) -> T {
    for _ in 1..polls {
        timeloop::task::yield_now().await;
    }
    value
}

/// A log of events, in order.
#[derive(Clone, Debug, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn note(&self, event: impl Display) {
        self.0.borrow_mut().push(event.to_string());
    }

    /// Returns the events since the last call.
    fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// A future that logs its polls and its drop, and completes at its `polls`-th poll.
    fn future<T>(&self, name: &'static str, polls: u32, value: T) -> Noted<T> {
        Noted { log: self.clone(), name, left: polls, value: Some(value) }
    }
}

#[derive(Debug)]
struct Noted<T> {
    log: Log,
    name: &'static str,
    left: u32,
    value: Option<T>,
}

impl<T> Unpin for Noted<T> {}

impl<T> Future for Noted<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.log.note(format_args!("poll {}", self.name));
        self.left = self.left.checked_sub(1).expect("polled after it has completed");
        if self.left > 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.value.take().expect("polled after it has completed"))
    }
}

impl<T> Drop for Noted<T> {
    fn drop(&mut self) {
        self.log.note(format_args!("drop {}", self.name));
    }
}

/// Logs its drop.
#[derive(Debug)]
struct Token(Log, &'static str);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.note(format_args!("drop {}", self.1));
    }
}
