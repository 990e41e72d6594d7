//! [`History`]: the calls and returns of operations.
//!
//! # Invariants
//! Positions count events, so they order events even at equal times. An operation returns at most once, and after its
//! call.

use super::Client;

/// Calls and returns of operations, in the order in which they happened.
///
/// An operation that has not returned may have taken effect at any time after its call, or not at all, as a request whose
/// client crashed or stopped waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<O, R> {
    entries: Vec<Option<Entry<O, R>>>,
    events: u64,
}

/// An operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<O, R> {
    /// The caller.
    pub client: Client,
    /// The operation.
    pub operation: O,
    /// The number of events before the call.
    pub called: u64,
    /// The time of the call, in nanoseconds of virtual time.
    pub called_ns: u64,
    /// The return, if there was one.
    pub returned: Option<Returned<R>>,
}

/// The return of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned<R> {
    /// The answer.
    pub value: R,
    /// The number of events before the return.
    pub position: u64,
    /// The time of the return, in nanoseconds of virtual time.
    pub at_ns: u64,
}

/// The id of a call in a history: calls count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(usize);

impl CallId {
    /// Returns the number of the call.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

impl<O, R> Default for History<O, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O, R> History<O, R> {
    /// Creates an empty history.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), events: 0 }
    }

    /// Records the call of an operation. Calls and returns must be recorded in the order in which they happen. The time, in
    /// nanoseconds, is only for reports.
    ///
    /// A client may have several calls in progress.
    pub fn call(&mut self, client: impl Into<Client>, at_ns: u64, operation: O) -> CallId {
        let called = self.event();
        let entry = Entry { client: client.into(), operation, called, called_ns: at_ns, returned: None };
        self.entries.push(Some(entry));
        CallId(self.entries.len() - 1)
    }

    /// Records the return of a call.
    ///
    /// # Panics
    /// If the call has returned already, was [forgotten](Self::forget), or is not in this history.
    #[track_caller]
    pub fn returned(&mut self, call: CallId, at_ns: u64, value: R) {
        let position = self.event();
        match self.entries.get_mut(call.0) {
            Some(Some(entry)) if entry.returned.is_none() => {
                entry.returned = Some(Returned { value, position, at_ns });
            }
            Some(Some(_)) => panic!("call {} returns for the second time", call.0),
            Some(None) => panic!("call {} returns, but was forgotten", call.0),
            None => panic!("call {} is not in this history of {} calls", call.0, self.entries.len()),
        }
    }

    /// Removes a call that certainly took no effect, such as a refused request.
    pub fn forget(&mut self, call: CallId) {
        if let Some(entry) = self.entries.get_mut(call.0) {
            *entry = None;
        }
    }

    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events - 1
    }

    /// Returns the operations, in the order of their calls.
    pub fn entries(&self) -> impl Iterator<Item = (CallId, &Entry<O, R>)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(index, entry)| entry.as_ref().map(|entry| (CallId(index), entry)))
    }

    /// Returns the number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// Returns whether there are no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// Returns the number of operations that have not returned.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.entries().filter(|(_, entry)| entry.returned.is_none()).count()
    }
}
