//! [`FaultCounts`]: how many faults of fault plans began, and how many of them hit a busy task.

/// The faults of the fault plans of one or more runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// The number of faults that were drawn.
    pub planned: u64,
    /// The number of those that began.
    pub begun: u64,
    /// The number of those that hit no busy task: while the fault lasted, no task ran, except the plan's own and those on nodes
    /// that the plan had crashed.
    pub idle: u64,
}

impl FaultCounts {
    /// Returns the number of faults that hit a busy task.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.begun - self.idle
    }

    /// Adds the faults of other runs.
    pub(crate) fn add(&mut self, other: Self) {
        self.planned += other.planned;
        self.begun += other.begun;
        self.idle += other.idle;
    }
}
