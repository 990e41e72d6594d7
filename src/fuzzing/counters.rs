//! Schedule coverage: what a run did, in counters that libFuzzer looks at beside those of the compiler.
//!
//! libFuzzer finds them by the name of their section, clears them before each input, and keeps an input that sets
//! one that no input before it has set.
//!
//! Always true: on Linux the counters lie in that section, and elsewhere they are plain memory that nobody reads; which
//! counter an event has depends on the event alone, so that a corpus means the same in every process.
#![expect(unsafe_code, reason = "names the section that libFuzzer looks for")]

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// How many: a multiple of 8, which libFuzzer reads at a time.
const COUNT: usize = 1 << 14;

// SAFETY: the section holds nothing but counters of one byte each; libFuzzer, the only one to look for it, reads and clears
// it between two runs, on the thread that makes them.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = "__libfuzzer_extra_counters"))]
static COUNTERS: [AtomicU8; COUNT] = [const { AtomicU8::new(0) }; COUNT];

static ON: AtomicBool = AtomicBool::new(true);

pub(super) fn switch(on: bool) {
    ON.store(on, Ordering::Relaxed);
}

pub(super) fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// The event that this hash stands for has happened; how often is not told, which would be news with every run.
#[inline]
pub(super) fn reached(hash: u64) {
    COUNTERS[(hash >> 32) as usize % COUNT].store(1, Ordering::Relaxed);
}

/// How many counters are not zero, and a number for what all of them say.
#[cfg(test)]
pub(super) fn read() -> (usize, u64) {
    let values = || COUNTERS.iter().map(|counter| counter.load(Ordering::Relaxed));
    let hash = values().enumerate().filter(|(_, value)| *value != 0).fold(0, |hash, (index, value)| {
        super::coverage::mix(super::coverage::mix(hash, index as u64), value.into())
    });
    (values().filter(|value| *value != 0).count(), hash)
}

/// Clears them, as libFuzzer does before each input.
#[cfg(test)]
pub(super) fn clear() {
    COUNTERS.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
}
