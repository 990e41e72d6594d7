//! What the object is, when one client at a time uses it.
//!
//! Always true: a model is a pure function; it knows nothing of clients or time.

use std::fmt;
use std::hash::Hash;

/// A sequential object: what a history is checked against.
///
/// It describes the object under one key; [`key`](Self::key) says which object an operation is for. An object that has no
/// parts takes `()`.
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
    /// What the object is made of. Two that are equal must behave alike ever after.
    type State: Clone + Eq + Hash + fmt::Debug;
    /// What clients ask for.
    type Operation: PartialEq + fmt::Debug;
    /// What they are told.
    type Returned: fmt::Debug;
    /// What tells apart objects that have nothing to do with each other.
    type Key: Ord + fmt::Debug;

    /// Which object the operation is for.
    ///
    /// Keys are worth having: each is checked alone, and the time that takes grows fast with the number of operations that
    /// are under way at once. An operation that concerns two keys does not fit; give all operations one key then.
    fn key(&self, operation: &Self::Operation) -> Self::Key;

    /// The state of each object before the first operation.
    fn init(&self) -> Self::State;

    /// The state after the operation, or `None` if a client that asks for this in this state is never told `returned`.
    ///
    /// `returned` is `None` if nobody knows what the client would have been told, since the call never returned: then any
    /// answer will do.
    fn step(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        returned: Option<&Self::Returned>,
    ) -> Option<Self::State>;

    /// Other states that may follow as well, for models of objects that have a choice; each is added to `states`.
    ///
    /// It is asked whether or not [`step`](Self::step) gave a state. By default there are none.
    fn other_steps(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        returned: Option<&Self::Returned>,
        states: &mut Vec<Self::State>,
    ) {
        let _ = (state, operation, returned, states);
    }

    /// Whether an operation with this answer leaves *every* state as it is.
    ///
    /// It makes checking much faster where it is true, and is never needed: by default it is `false`. A read says `true`,
    /// and so may a compare-and-swap that was told that it failed. Where it is wrongly `true`, verdicts are wrong.
    fn only_reads(&self, operation: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        let _ = (operation, returned);
        false
    }

    /// Whether an operation with this answer fits *every* state and leads to the same state from each.
    ///
    /// It makes checking faster where many calls never returned, and is never needed: by default it is `false`. A write
    /// says `true`. Where it is wrongly `true`, verdicts are wrong.
    fn overwrites(&self, operation: &Self::Operation, returned: Option<&Self::Returned>) -> bool {
        let _ = (operation, returned);
        false
    }

    /// More that is known of the order, for models that can look ahead: for each operation a first and a last position,
    /// such that of any two operations where the last of the one is less than the first of the other, the one comes
    /// before the other in *every* order that makes sense.
    ///
    /// A queue gives back in order what was put in, so the calls and returns that took things out say in which order they
    /// were put in; without that, wrong orders are noticed only long after. The operations are those on one key.
    /// By default nothing is known: no positions at all.
    fn spans(&self, operations: &[Asked<'_, Self::Operation, Self::Returned>]) -> Vec<(u64, u64)> {
        let _ = operations;
        Vec::new()
    }
}

/// An operation of a history, for [`Model::spans`].
#[derive(Debug)]
pub struct Asked<'a, O, R> {
    /// What was asked.
    pub operation: &'a O,
    /// What was answered, if anything was.
    pub returned: Option<&'a R>,
    /// The position of its call in the history.
    pub called: u64,
    /// The position of its return; `u64::MAX` if it never returned.
    pub ended: u64,
}
