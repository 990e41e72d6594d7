//! Records the operations of concurrent clients on a shared object and checks them for linearizability.
//!
//! A register, a queue or a table is *linearizable* if each operation seems to take effect at one instant between its call
//! and its return. That is so if the operations can be put in one order with two properties. An operation that returned
//! before another was called comes first, and a sequential object would have given the same answers in that order
//! (Herlihy and Wing, *Linearizability: A Correctness Condition for Concurrent Objects*, TOPLAS 1990). A [`History`]
//! holds the calls and returns, a [`Model`] is the sequential object, and [`History::check`] looks for the order.
//!
//! ```
//! use timeloop_sim::history::{History, models::Register};
//! use timeloop_sim::history::models::RegisterOperation::{Read, Write};
//! use timeloop_sim::history::models::RegisterReturned::{Value, Written};
//!
//! let mut history = History::new();
//! let write = history.call("alice", 0, Write(7));
//! let read = history.call("bob", 10, Read);
//! history.returned(read, 20, Value(7)); // the write has not returned, but may have taken effect
//! history.returned(write, 30, Written);
//! history.check(&Register::new(0)).unwrap();
//!
//! let late = history.call("bob", 40, Read);
//! history.returned(late, 50, Value(0));
//! assert_eq!(
//!     history.check(&Register::new(0)).unwrap_err().to_string(),
//!     "the history of 3 operations is not linearizable: a valid order has at most 2 of them\n\
//!      \n  the longest such order has 2 operations:\
//!      \n    client `alice`: Write(7) returned Written (0 s to 30 ns)\
//!      \n    client `bob`: Read returned Value(7) (10 ns to 20 ns)\
//!      \n  after them, the state is 7. The model rejects the only operation that can come next:\
//!      \n    client `bob`: Read returned Value(0) (40 ns to 50 ns)"
//! );
//! ```
//!
//! # How it is checked
//!
//! The search is that of Wing and Gong (*Testing and Verifying Concurrent Objects*, JPDC 1993) with the cache that Lowe
//! added (*Testing for Linearizability*, Concurrency and Computation 2017). It extends a partial order by one operation at
//! a time, and backtracks once the same operations have led to the same state before. Operations on different keys are
//! checked separately, since a history is linearizable if and only if its part for each object is (Horn and Kroening,
//! *Faster Linearizability Checking via P-Compositionality*, FORTE 2015). In addition:
//!
//! - Reads ([`Model::only_reads`]) are placed as soon as they fit, and never tried elsewhere.
//! - An operation that never returned is placed only where it changes the effect of the next operation.
//!   ([`Model::overwrites`] rules that out early.) Of several equal ones, the oldest is placed first.
//! - A model may know from later answers in which order operations took effect ([`Model::spans`]), as a queue does.
//!
//! The problem is NP-complete, so the search is bounded ([`STEPS_MAX`], [`History::check_within`]) and reports when it
//! reaches the bound. In practice the time is linear in the length of the history and exponential in the number of
//! operations that are in progress at once.
//!
//! # Invariants
//! The same history and model give the same verdict, including its text. Nothing here waits or reads a clock.

mod calls;
mod checking;
mod client;
mod error;
mod linearize;
mod model;
pub mod models;
mod object_calls;
mod visited;

pub use calls::{CallId, Entry, History, Returned};
pub use checking::STEPS_MAX;
pub use client::Client;
pub use error::{CheckError, ReportedOperation, Undecided, Violation};
pub use model::{Invocation, Model};
