//! What was asked and answered, in order.
//!
//! Always true: positions count events, so of two events one came first even where their times are equal; an operation
//! returns at most once, and after its call.

use super::Client;

/// Calls and returns of operations, in the order in which they happened.
///
/// An operation that has not returned *may* have taken effect, at any time after its call, or not at all: that is what is
/// known of a request whose client crashed or gave up waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<O, R> {
    entries: Vec<Option<Entry<O, R>>>,
    events: u64,
}

/// An operation of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<O, R> {
    /// Who called.
    pub client: Client,
    /// What was asked.
    pub operation: O,
    /// How many events came before the call.
    pub called: u64,
    /// When it was called, nanoseconds of virtual time.
    pub called_ns: u64,
    /// The answer, if one came.
    pub returned: Option<Returned<R>>,
}

/// The return of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned<R> {
    /// What the client was told.
    pub value: R,
    /// How many events came before the return.
    pub position: u64,
    /// When it returned, nanoseconds of virtual time.
    pub at_ns: u64,
}

/// Which call of a history: they count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(usize);

impl CallId {
    /// The number of the call.
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
    /// A history in which nothing has happened.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), events: 0 }
    }

    /// A client calls an operation. Calls and returns are to be told in the order in which they happen; the time, in
    /// nanoseconds, is for reports alone.
    ///
    /// A client may have several calls under way.
    pub fn call(&mut self, client: impl Into<Client>, at_ns: u64, operation: O) -> CallId {
        let called = self.event();
        let entry = Entry { client: client.into(), operation, called, called_ns: at_ns, returned: None };
        self.entries.push(Some(entry));
        CallId(self.entries.len() - 1)
    }

    /// The call returned.
    ///
    /// # Panics
    /// If it has returned already, or was [forgotten](Self::forget), or is none of this history.
    #[track_caller]
    pub fn returned(&mut self, call: CallId, at_ns: u64, value: R) {
        let position = self.event();
        match self.entries.get_mut(call.0) {
            Some(Some(entry)) if entry.returned.is_none() => {
                entry.returned = Some(Returned { value, position, at_ns });
            }
            Some(Some(_)) => panic!("call {} returns for the second time", call.0),
            Some(None) => panic!("call {} returns, but was forgotten", call.0),
            None => panic!("call {} is none of this history, which has {}", call.0, self.entries.len()),
        }
    }

    /// Takes a call out, as one that certainly took no effect: a request that was refused, say.
    pub fn forget(&mut self, call: CallId) {
        if let Some(entry) = self.entries.get_mut(call.0) {
            *entry = None;
        }
    }

    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events - 1
    }

    /// Its operations, in the order in which they were called.
    pub fn entries(&self) -> impl Iterator<Item = (CallId, &Entry<O, R>)> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(index, entry)| entry.as_ref().map(|entry| (CallId(index), entry)))
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// How many operations have not returned.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.entries().filter(|(_, entry)| entry.returned.is_none()).count()
    }
}
