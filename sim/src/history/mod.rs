//! Histories: what clients asked of a shared object and what they were told, and whether the answers make sense.
//!
//! A register, a queue or a table that several clients use at once is *linearizable* if each operation seems to take
//! effect at one instant between its call and its return: if the operations can be put in one order that respects which
//! of them had returned before which was called, and in which a plain sequential object would have given the same answers
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
//!     "the history of 3 operations is not linearizable: no more than 2 of them can be put in one order\n\
//!      \n  an order of 2, the longest there is:\
//!      \n    client `alice`: Write(7) returned Written (0 s to 30 ns)\
//!      \n    client `bob`: Read returned Value(7) (10 ns to 20 ns)\
//!      \n  then the state is 7, and this one had to come next, and can't:\
//!      \n    client `bob`: Read returned Value(0) (40 ns to 50 ns)"
//! );
//! ```
//!
//! # How it is checked
//!
//! The search is that of Wing and Gong (*Testing and Verifying Concurrent Objects*, JPDC 1993) with the memory that Lowe
//! added (*Testing for Linearizability*, Concurrency and Computation 2017): a partial order is extended by one operation
//! at a time, and given up once the same operations have led to the same state before. Operations on different keys are
//! checked apart, since a history is linearizable if and only if its part for each object is (Horn and Kroening, *Faster
//! Linearizability Checking via P-Compositionality*, FORTE 2015). On top of that:
//!
//! - operations that only look ([`Model::only_reads`]) are placed as soon as they fit, and never tried elsewhere;
//! - one that never returned is placed only where it makes a difference to what comes right after it
//!   ([`Model::overwrites`] tells early that it does not), and of several that are equal the oldest goes first;
//! - a model may know from later answers in which order operations took effect ([`Model::spans`]), as a queue does.
//!
//! Deciding this is NP-complete, so the search has a bound ([`STEPS_MAX`], [`History::check_within`]), and says so when it
//! meets it. In practice the time is linear in the length of the history and exponential in how many operations are under
//! way at once.
//!
//! Always true: the same history and model give the same verdict, text included; nothing here waits or asks for the time.

mod checking;
mod client;
mod error;
mod memory;
mod model;
pub mod models;
mod part;
mod record;
mod search;

pub use checking::STEPS_MAX;
pub use client::Client;
pub use error::{CheckError, Told, Undecided, Violation};
pub use model::{Asked, Model};
pub use record::{CallId, Entry, History, Returned};
