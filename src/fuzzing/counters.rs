//! Schedule coverage counters, which libFuzzer reads in addition to the compiler's.
//!
//! libFuzzer finds the counters by the name of their section. It clears them before each input, and keeps an input that
//! sets a counter that no earlier input has set.
//!
//! # Invariants
//! - On Linux the counters are in that section. Elsewhere they are plain memory that nothing reads.
//! - An event's counter depends on the event alone, so a corpus means the same in every process.
#![expect(unsafe_code, reason = "names the section that libFuzzer looks for")]

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// The number of counters: a multiple of 8, because libFuzzer reads 8 at a time.
const COUNT: usize = 1 << 14;

// SAFETY: the section contains only one-byte counters. Only libFuzzer looks for it, and it reads and clears the section
// between runs, on the thread that makes the runs.
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

/// Records that the event with this hash has happened. The number of times is not recorded: it would differ in every
/// run.
#[inline]
pub(super) fn mark(hash: u64) {
    COUNTERS[(hash >> 32) as usize % COUNT].store(1, Ordering::Relaxed);
}

/// Returns the number of non-zero counters, and a hash of all counters.
#[cfg(test)]
pub(super) fn read() -> (usize, u64) {
    let values = || COUNTERS.iter().map(|counter| counter.load(Ordering::Relaxed));
    let hash = values().enumerate().filter(|(_, value)| *value != 0).fold(0, |hash, (index, value)| {
        super::coverage::mix(super::coverage::mix(hash, index as u64), value.into())
    });
    (values().filter(|value| *value != 0).count(), hash)
}

/// Clears the counters, as libFuzzer does before each input.
#[cfg(test)]
pub(super) fn clear() {
    COUNTERS.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
}
