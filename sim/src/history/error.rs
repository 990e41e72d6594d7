//! Why a history does not check.
//!
//! Always true: what is told holds strings, so that an error outlives the run that it is about.

use std::fmt;

use super::{CallId, Client};
use crate::{Nanos, grouped};

/// So many operations of the longest order are printed: its last ones.
const ORDER_SHOWN: usize = 12;

/// A history that is not linearizable, or may not be.
///
/// It prints the same with `{}` as with `{:?}`, so that `unwrap` and a test that returns it read well.
#[derive(Clone, PartialEq, Eq)]
pub enum CheckError {
    /// There is no order in which the operations make sense.
    Violation(Box<Violation>),
    /// The search for one took too long.
    Undecided(Undecided),
}

impl CheckError {
    /// What is violated, if that is known.
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

/// A history without an order, and how far one gets.
///
/// It is told as in the example of the [module](super).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key of the object concerned; `None` where there is but one object.
    pub key: Option<String>,
    /// How many operations on that object there are.
    pub operations: usize,
    /// How many of those returned.
    pub returned: usize,
    /// The longest order there is: no other has more operations that returned.
    pub order: Vec<Told>,
    /// The state after these.
    pub state: String,
    /// What might have come next, and could not: those that were under way when the first of them returned, which itself
    /// comes first.
    pub left: Vec<Told>,
    /// Whether the order is the longest only of those that leave the rest a chance: one of those left might have come
    /// next, but not without wronging another later. So it is where the search for the longest order of all met its bound.
    pub foreseen: bool,
}

/// An operation, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which call of the history.
    pub call: CallId,
    /// Who called.
    pub client: Client,
    /// What was asked.
    pub operation: String,
    /// When, nanoseconds of virtual time.
    pub called_ns: u64,
    /// What was answered and when, if that is known.
    pub returned: Option<(String, u64)>,
}

impl fmt::Display for Told {
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
        let placed = self.order.iter().filter(|told| told.returned.is_some()).count();
        match (placed, self.returned == self.operations) {
            _ if self.foreseen => {
                write!(
                    f,
                    "no order of more than {} of them leaves a place for the rest",
                    grouped(placed as u64)
                )?;
            }
            (0, _) => f.write_str("none of them can come first")?,
            (_, true) => {
                write!(f, "no more than {} of them can be put in one order", grouped(placed as u64))?;
            }
            (_, false) => {
                let (placed, returned) = (grouped(placed as u64), grouped(self.returned as u64));
                write!(f, "no more than {placed} of the {returned} that returned can be put in one order")?;
            }
        }
        f.write_str("\n")?;

        if !self.order.is_empty() {
            let shown = self.order.len().min(ORDER_SHOWN);
            let total = grouped(self.order.len() as u64);
            if shown == self.order.len() {
                write!(f, "\n  an order of {total}, the longest there is:")?;
            } else {
                write!(
                    f,
                    "\n  an order of {total}, the longest there is, of which these are the last {shown}:"
                )?;
            }
            for told in &self.order[self.order.len() - shown..] {
                write!(f, "\n    {told}")?;
            }
        }
        let when = if self.order.is_empty() { "at first" } else { "then" };
        write!(f, "\n  {when} the state is {}, and ", self.state)?;
        match &*self.left {
            _ if self.foreseen => {
                f.write_str("one of these had to come next, and none can and leave a place for the rest:")?;
            }
            [_] => f.write_str("this one had to come next, and can't:")?,
            _ => f.write_str("one of these had to come next, and none can:")?,
        }
        self.left.iter().try_for_each(|told| write!(f, "\n    {told}"))
    }
}

/// A history for which the search ended before there was an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The key of the object concerned; `None` where there is but one object.
    pub key: Option<String>,
    /// How many operations on that object there are.
    pub operations: usize,
    /// The bound that was met.
    pub steps: u64,
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_subject(f, self.operations, self.key.as_deref())?;
        write!(
            f,
            " is undecided after {} steps; allow more steps (`check_within`), give the model keys, or have fewer operations \
             under way at once",
            grouped(self.steps)
        )
    }
}

fn write_subject(f: &mut fmt::Formatter<'_>, operations: usize, key: Option<&str>) -> fmt::Result {
    let plural = if operations == 1 { "" } else { "s" };
    write!(f, "the history of {} operation{plural}", grouped(operations as u64))?;
    key.map_or(Ok(()), |key| write!(f, " on {key}"))
}
