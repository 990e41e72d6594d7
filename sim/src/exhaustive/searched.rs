//! How far an exhaustive search has come, for people.
//!
//! Always true: it says "all" only of a search that is complete.

use std::fmt;

use super::{Bound, Search};
use crate::grouped;

/// How far an exhaustive search has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Searched {
    /// What bounded it.
    pub bound: Bound,
    /// Whether everything within that bound has been explored.
    pub complete: bool,
    /// Schedules explored, those of the searches that this one went on from included. Without a bound no two of them differ
    /// merely in the order of what does not matter.
    pub schedules: u64,
    /// Runs besides that were cut short, because they were going to be like an earlier one.
    pub redundant: u64,
}

impl Searched {
    pub(crate) fn of(search: &Search, bound: Bound) -> Self {
        Self {
            bound,
            complete: search.is_complete(),
            schedules: search.schedules(),
            redundant: search.redundant(),
        }
    }
}

/// What comes after "passes in": `all 1,234 schedules that differ in the order of operations`,
/// `all 56 schedules with at most 2 preemptions`, `100,000 schedules, and there are more`.
impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = grouped(self.schedules);
        let schedules = if self.schedules == 1 { "schedule" } else { "schedules" };
        if !self.complete {
            return write!(f, "{count} {schedules}, and there are more");
        }
        let at_most = |most: u32, one: &str| {
            let s = if most == 1 { "" } else { "s" };
            format!("with at most {} {one}{s}", grouped(most.into()))
        };
        match (self.bound, self.schedules) {
            (Bound::None, 1) => {
                f.write_str("the only schedule that there is, up to the order of what does not matter")
            }
            (Bound::None, _) => write!(f, "all {count} schedules that differ in the order of operations"),
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
        let told =
            |bound, complete, schedules| Searched { bound, complete, schedules, redundant: 0 }.to_string();
        assert_eq!(
            told(Bound::None, true, 1_234),
            "all 1,234 schedules that differ in the order of operations"
        );
        assert_eq!(
            told(Bound::None, true, 1),
            "the only schedule that there is, up to the order of what does not matter"
        );
        assert_eq!(told(Bound::Preemptions(2), true, 56), "all 56 schedules with at most 2 preemptions");
        assert_eq!(told(Bound::Delays(1), true, 7), "all 7 schedules with at most 1 delay");
        assert_eq!(told(Bound::None, false, 100_000), "100,000 schedules, and there are more");
    }
}
