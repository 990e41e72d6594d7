//! [`Reach`]: the decisions that the runs of a strategy can make. Shrinking adds no others, because a failure under a decision
//! that is never made may not be a bug.

use super::StrategySpec;
use crate::stalls::SHORT_STALL_NS;

/// The decisions that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Whether tasks can run out of FIFO order.
    pub(crate) reorders: bool,
    /// Whether a task can be preempted before every operation, instead of only before those that the code announces explicitly.
    pub(crate) preempts: bool,
    /// Whether a read or a write can move a part of its bytes.
    pub(crate) varied_io: bool,
    /// A ready task is held back for less than this virtual time; 0 if no virtual time can pass.
    pub(crate) held_ns: u64,
}

impl Reach {
    /// Everything but stalls.
    pub(crate) const WITHOUT_STALLS: Self =
        Self { reorders: true, preempts: true, varied_io: true, held_ns: 0 };
    /// Everything, with short stalls.
    pub(crate) const ALL: Self =
        Self { reorders: true, preempts: true, varied_io: true, held_ns: SHORT_STALL_NS };
}

impl StrategySpec {
    /// Returns the decisions that this strategy can make where virtual time is expected to advance `instants` times, and the
    /// longest stall is `stall_ns` (0 means short stalls), and input and output vary or not.
    pub(crate) fn reach(self, instants: u32, stall_ns: u64, varied_io: bool) -> Reach {
        Reach {
            reorders: self != Self::Fifo,
            preempts: !matches!(self, Self::Fifo | Self::Random),
            varied_io,
            held_ns: self.held_ns(instants, stall_ns),
        }
    }

    /// Returns [`Reach::held_ns`] of this strategy, as [`reach`](Self::reach).
    pub(crate) fn held_ns(self, instants: u32, stall_ns: u64) -> u64 {
        let stalls = match self {
            Self::Stall => true,
            Self::Starve | Self::Portfolio => instants > 0 || stall_ns > 0,
            _ => false,
        };
        match stall_ns {
            _ if !stalls => 0,
            0 => SHORT_STALL_NS,
            longest_ns => longest_ns.saturating_add(1),
        }
    }
}
