//! Decisions about input and output: how many bytes a transfer moves, and how long the lookup of a name takes.

use std::sync::Arc;

use timeloop_sim::{DecisionKey, WorldEffect};

use super::Engine;

/// The number of values of a decision how many bytes to move. Those above the last one that has a meaning mean all bytes, so
/// that most transfers are whole.
const TRANSFER_VALUES: u32 = 8;

/// How long a lookup of a name may take, in nanoseconds, by the value of the decision.
const LOOKUP_NS: [u64; 8] = [0, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000];

impl Engine {
    /// Decides how many of `whole` bytes a read or a write of the running task moves: at least one, unless there is none.
    #[cold]
    #[inline(never)]
    pub(crate) fn split_transfer(&self, stream: &'static str, reads: bool, whole: usize) -> usize {
        let moved = |value| match value {
            1 => 1,
            2 => whole / 2,
            3 => whole - 1,
            _ => whole,
        };
        if whole < 2 {
            return whole;
        }
        let value = self.decide_io(
            TRANSFER_VALUES,
            |value| if moved(value) == whole { 0 } else { value },
            |value, task| {
                let (bytes, of) = (moved(value) as u64, whole as u64);
                WorldEffect::Transfer { task, stream, reads, bytes, of }
            },
        );
        moved(value)
    }

    /// Decides how long the running task's lookup of a name takes, in nanoseconds.
    pub(crate) fn lookup_ns(&self, name: &str) -> u64 {
        let takes_ns = |value: u32| LOOKUP_NS[value as usize];
        let value = self.decide_io(
            LOOKUP_NS.len() as u32,
            |value| value,
            |value, task| WorldEffect::Lookup { task, name: Arc::from(name), takes_ns: takes_ns(value) },
        );
        takes_ns(value)
    }

    /// Draws a value below `arity` for a decision of the running task about input or output, and returns what `effective` makes
    /// of it. `effect` describes a value other than the baseline's.
    fn decide_io(
        &self,
        arity: u32,
        effective: impl FnOnce(u32) -> u32,
        effect: impl FnOnce(u32, timeloop_sim::TaskLabel) -> WorldEffect,
    ) -> u32 {
        if !self.varies_io {
            return 0;
        }
        let current = self.current.get();
        let mut core = self.core.borrow_mut();
        let core = &mut *core;
        let Some((task, resume, counts)) = core.apart_counts(current) else { return 0 };
        let index = counts.decisions;
        counts.decisions += 1;
        let key = DecisionKey::Io { task, resume, index };
        let value = core.scheduler.source.choose(key, arity);
        assert!(value < arity, "a source decides within the arity");
        let value = effective(value);
        if value != 0 {
            core.scheduler.mix(u64::from(value) << 32 | u64::from(arity));
            core.scheduler.mix_decision(task, resume, index, value);
            core.observer.record(|recorder| recorder.io_deviates(key, value, |task| effect(value, task)));
        }
        value
    }
}
