//! [`Searched`]: the progress of an exhaustive search, as shown to people.
//!
//! # Invariants
//! - Only the text of a complete search says "all".

use std::fmt;

use super::search_run::ASLEEP_MAX;
use super::{Bound, Search};
use crate::{TaskKey, TaskPath, grouped};

/// The progress of an exhaustive search.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Searched {
    /// The bound of the search.
    pub bound: Bound,
    /// Whether everything within the bound has been explored.
    pub complete: bool,
    /// The number of schedules explored, including those of the searches that this one continued. Without a bound, no
    /// two of them are equivalent.
    pub schedules: u64,
    /// The number of further runs, cut short because they would have been equivalent to an earlier one.
    pub redundant: u64,
    /// A task that was polled again and again in a run without anything announced, which was cut short therefore. The search
    /// has gone on with other schedules and can't be complete.
    pub spinning: Option<TaskKey>,
}

impl Searched {
    pub(crate) fn of(search: &Search, bound: Bound) -> Self {
        Self {
            bound,
            complete: search.is_complete(),
            schedules: search.schedules(),
            redundant: search.redundant(),
            spinning: search.spinning(),
        }
    }

    /// Says why the search can't be complete, if a task spins.
    pub(crate) fn why_incomplete(&self) -> Option<String> {
        let key = self.spinning?;
        let task = TaskPath::find(key).map_or_else(|| "a task".to_owned(), |path| format!("`{path}`"));
        Some(format!(
            "{task} was polled {} times in a row without an announced operation, so it probably polls a flag or a counter \
             that the search does not see, and runs in which it does so are cut short",
            grouped(ASLEEP_MAX.into()),
        ))
    }
}

/// Formats the text after "passed in": `all 1,234 schedules (others differ from these only in the order of independent operations)`,
/// `all 56 schedules with at most 2 preemptions`, `100,000 schedules; the search is not complete`.
impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = grouped(self.schedules);
        let schedules = if self.schedules == 1 { "schedule" } else { "schedules" };
        if !self.complete {
            write!(f, "{count} {schedules}; the search is not complete")?;
            return self.why_incomplete().map_or(Ok(()), |why| write!(f, ": {why}"));
        }
        let at_most = |most: u32, one: &str| {
            let s = if most == 1 { "" } else { "s" };
            format!("with at most {} {one}{s}", grouped(most.into()))
        };
        match (self.bound, self.schedules) {
            (Bound::None, 1) => {
                f.write_str("1 schedule (others differ from it only in the order of independent operations)")
            }
            (Bound::None, _) => {
                write!(
                    f,
                    "all {count} schedules (others differ from these only in the order of independent operations)"
                )
            }
            (Bound::Delays(most), _) => write!(f, "all {count} {schedules} {}", at_most(most, "delay")),
            (Bound::Preemptions(most), _) => {
                write!(f, "all {count} {schedules} {}", at_most(most, "preemption"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Searched;
    use crate::Bound;

    #[test]
    fn all_is_said_of_a_complete_search_alone() {
        let text = |bound, complete, schedules| {
            Searched { bound, complete, schedules, redundant: 0, spinning: None }.to_string()
        };
        assert_eq!(
            text(Bound::None, true, 1_234),
            "all 1,234 schedules (others differ from these only in the order of independent operations)"
        );
        assert_eq!(
            text(Bound::None, true, 1),
            "1 schedule (others differ from it only in the order of independent operations)"
        );
        assert_eq!(text(Bound::Preemptions(2), true, 56), "all 56 schedules with at most 2 preemptions");
        assert_eq!(text(Bound::Delays(1), true, 7), "all 7 schedules with at most 1 delay");
        assert_eq!(text(Bound::None, false, 100_000), "100,000 schedules; the search is not complete");
    }
}
