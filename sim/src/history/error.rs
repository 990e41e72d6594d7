//! Errors of checking a history. They hold strings, so that an error outlives the run it describes.

use std::fmt;

use super::{CallId, Client};
use crate::{Nanos, grouped};

/// The number of operations of the longest order that are printed: its last ones.
const ORDER_SHOWN: usize = 12;

/// A history that is not linearizable, or may not be.
///
/// It prints the same with `{}` as with `{:?}`, so that `unwrap` and a test that returns it read well.
#[derive(Clone, PartialEq, Eq)]
pub enum CheckError {
    /// The history is not linearizable.
    Violation(Box<Violation>),
    /// The search reached its bound on steps.
    Undecided(Undecided),
}

impl CheckError {
    /// Returns the violation, unless the history is undecided.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Violation(violation) => Some(violation),
            Self::Undecided(_) => None,
        }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::Undecided(undecided) => undecided.fmt(f),
        }
    }
}

impl fmt::Debug for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for CheckError {}

/// A history that is not linearizable, with the longest partial order that the search found.
///
/// The [module](super) has an example of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key of the object concerned; `None` where there is but one object.
    pub key: Option<String>,
    /// How many operations on that object there are.
    pub operations: usize,
    /// How many of those returned.
    pub returned: usize,
    /// The longest order: no other has more operations that returned.
    pub order: Vec<ReportedOperation>,
    /// The state after these operations.
    pub state: String,
    /// The operations of which one had to come next, and none can: those in progress when the first of them returned. That
    /// one comes first in the list.
    pub left: Vec<ReportedOperation>,
    /// Whether `order` is the longest only among the orders that [`Model::spans`](super::Model::spans) permits. An operation
    /// of `left` may then fit next, but makes a later one impossible. It is true when the search without spans reached
    /// its bound.
    pub with_lookahead: bool,
}

/// An operation as text, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedOperation {
    /// The call in the history.
    pub call: CallId,
    /// The caller.
    pub client: Client,
    /// The operation's `Debug` text.
    pub operation: String,
    /// The time of the call, in nanoseconds of virtual time.
    pub called_ns: u64,
    /// The `Debug` text of the answer and the time of the return in nanoseconds, if the operation returned.
    pub returned: Option<(String, u64)>,
}

impl fmt::Display for ReportedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, operation, called_ns, returned, .. } = self;
        let called = Nanos(*called_ns);
        match returned {
            Some((value, at_ns)) => {
                write!(f, "{client}: {operation} returned {value} ({called} to {})", Nanos(*at_ns))
            }
            None => write!(f, "{client}: {operation} never returned (called at {called})"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_subject(f, self.operations, self.key.as_deref())?;
        f.write_str(" is not linearizable: ")?;
        let placed = self.order.iter().filter(|operation| operation.returned.is_some()).count();
        match (placed, self.returned == self.operations) {
            _ if self.with_lookahead => {
                write!(
                    f,
                    "a valid order has at most {} of them; in every longer order, an operation that must follow is not valid",
                    grouped(placed as u64)
                )?;
            }
            (0, true) => f.write_str("no operation can come first in a valid order")?,
            (0, false) => f.write_str("no operation that returned can come first in a valid order")?,
            (_, true) => {
                write!(f, "a valid order has at most {} of them", grouped(placed as u64))?;
            }
            (_, false) => {
                let (placed, returned) = (grouped(placed as u64), grouped(self.returned as u64));
                write!(f, "a valid order has at most {placed} of the {returned} operations that returned")?;
            }
        }
        f.write_str("\n")?;

        if !self.order.is_empty() {
            let shown = self.order.len().min(ORDER_SHOWN);
            let total = crate::text::counted(self.order.len() as u64, "operation");
            if shown == self.order.len() {
                write!(f, "\n  the longest such order has {total}:")?;
            } else {
                write!(f, "\n  the longest such order has {total}; the last {shown} are:")?;
            }
            for operation in &self.order[self.order.len() - shown..] {
                write!(f, "\n    {operation}")?;
            }
        }
        let when = if self.order.is_empty() { "the initial state is" } else { "after them, the state is" };
        write!(f, "\n  {when} {}. ", self.state)?;
        match &*self.left {
            _ if self.with_lookahead => {
                f.write_str(
                    "The model rejects each operation that can come next, or one that must come after it:",
                )?;
            }
            [_] => f.write_str("The model rejects the only operation that can come next:")?,
            _ => f.write_str("The model rejects each operation that can come next:")?,
        }
        self.left.iter().try_for_each(|operation| write!(f, "\n    {operation}"))
    }
}

/// A history for which the search reached its bound before it found an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The key of the object concerned; `None` where there is but one object.
    pub key: Option<String>,
    /// How many operations on that object there are.
    pub operations: usize,
    /// The bound on steps.
    pub steps: u64,
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_subject(f, self.operations, self.key.as_deref())?;
        write!(
            f,
            " could not be checked within {} steps of the search; allow more (`check_within`), divide the model into more \
             objects (`Model::key`), or run fewer operations concurrently",
            grouped(self.steps)
        )
    }
}

fn write_subject(f: &mut fmt::Formatter<'_>, operations: usize, key: Option<&str>) -> fmt::Result {
    let plural = if operations == 1 { "" } else { "s" };
    write!(f, "the history of {} operation{plural}", grouped(operations as u64))?;
    key.map_or(Ok(()), |key| write!(f, " on {key}"))
}
