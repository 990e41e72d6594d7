//! [`Model`]: the sequential object that a history is checked against.
//!
//! # Invariants
//! A model is a pure function. It knows nothing of clients or time.

use std::fmt;
use std::hash::Hash;

/// A sequential object that a history is checked against.
///
/// A model describes the object under one key; [`key`](Self::key) returns the key of an operation. A single object uses the
/// key `()`.
///
/// ```
/// use timeloop_sim::history::{History, Model};
///
/// /// Hands out tickets: 1, 2, 3, …
/// struct Tickets;
///
/// #[derive(Debug, PartialEq)]
/// struct Take;
///
/// impl Model for Tickets {
///     type State = u64;
///     type Operation = Take;
///     type Returned = u64;
///     type Key = ();
///
///     fn key(&self, _: &Take) {}
///
///     fn init(&self) -> u64 {
///         0
///     }
///
///     fn step(&self, last: &u64, _: &Take, returned: Option<&u64>) -> Option<u64> {
///         let ticket = last + 1;
///         returned.is_none_or(|returned| *returned == ticket).then_some(ticket)
///     }
/// }
///
/// let mut history = History::new();
/// let (one, other) = (history.call(1, 0, Take), history.call(2, 0, Take));
/// history.returned(one, 5, 1);
/// history.returned(other, 9, 1);
/// assert!(history.check(&Tickets).is_err(), "both were given ticket 1");
/// ```
pub trait Model {
    /// The state of an object. Equal states must behave alike from then on.
    type State: Clone + Eq + Hash + fmt::Debug;
    /// The operations that clients call.
    type Operation: PartialEq + fmt::Debug;
    /// The answers that clients get.
    type Returned: fmt::Debug;
    /// The key of an object. Objects with different keys are independent.
    type Key: Ord + fmt::Debug;

    /// Returns the key of the object that the operation is for.
    ///
    /// Keys make checking faster: each is checked alone, and the time grows fast with the number of operations in progress
    /// at once. If an operation concerns two keys, give all operations the same key.
    fn key(&self, operation: &Self::Operation) -> Self::Key;

    /// Returns the state of each object before the first operation.
    fn init(&self) -> Self::State;

    /// Returns the state after the operation, or `None` if the operation can't return `returned` in this state.
    ///
    /// `returned` is `None` if the call never returned: any answer is possible then.
    fn step(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        returned: Option<&Self::Returned>,
    ) -> Option<Self::State>;

    /// Adds other possible states after the operation to `states`, for models of nondeterministic objects.
    ///
    /// It is called whether or not [`step`](Self::step) returned a state. By default it adds none.
    fn other_steps(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        returned: Option<&Self::Returned>,
        states: &mut Vec<Self::State>,
    ) {
        let _ = (state, operation, returned, states);
    }

    /// Returns whether an operation with this answer leaves *every* state unchanged.
    ///
    /// This is an optimization: `true` makes checking much faster, and `false`, the default, is always correct. A read may
    /// return `true`, and so may a compare-and-swap that failed. If it is wrongly `true`, verdicts are wrong.
    fn only_reads(&self, operation: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        let _ = (operation, returned);
        false
    }

    /// Returns whether an operation with this answer is possible in *every* state and leads to the same state from each.
    ///
    /// This is an optimization: `true` makes checking faster where many calls never returned, and `false`, the default, is
    /// always correct. A write may return `true`. If it is wrongly `true`, verdicts are wrong.
    fn overwrites(&self, operation: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        let _ = (operation, returned);
        false
    }

    /// Returns a span, a first and a last position, for each of the operations, which are all on one key. By default it
    /// returns no spans.
    ///
    /// Spans restrict the order: if the last position of one operation is less than the first position of another, the
    /// one comes before the other in *every* linearization.
    ///
    /// This is an optimization for models that can look ahead. A queue returns items in the order in which they were put
    /// in, so the calls that took them out reveal that order. Without spans, a wrong order is detected only much later.
    fn spans(&self, operations: &[Invocation<'_, Self::Operation, Self::Returned>]) -> Vec<(u64, u64)> {
        let _ = operations;
        Vec::new()
    }
}

/// An operation of a history, for [`Model::spans`].
#[derive(Debug)]
pub struct Invocation<'a, O, R> {
    /// The operation.
    pub operation: &'a O,
    /// The answer; `None` if the call never returned.
    pub returned: Option<&'a R>,
    /// The position of its call in the history.
    pub called: u64,
    /// The position of its return; `u64::MAX` if it never returned.
    pub ended: u64,
}
