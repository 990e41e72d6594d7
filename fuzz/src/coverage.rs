//! Extra coverage counters for libFuzzer, besides the compiler's own, if there are any.
//!
//! # Invariants
//! On Linux, libFuzzer finds the counters by the name of their section, and clears them before each input.

use std::sync::atomic::{AtomicU8, Ordering};

const COUNTERS: usize = 1 << 14;

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = "__libfuzzer_extra_counters"))]
static SEEN: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

/// Counts an event, which these numbers describe.
pub fn cover(numbers: &[u64]) {
    let hash = numbers.iter().fold(0_u64, |hash, number| {
        let mixed = (hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ mixed >> 32
    });
    let counter = &SEEN[hash as usize % COUNTERS];
    counter.store(counter.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
}
