//! Shows the fuzzer what an input does, where the compiler's own counters (if there are any) can't.
//!
//! Always true: on Linux, libFuzzer finds the counters by the name of their section, and clears them before each input.

use std::sync::atomic::{AtomicU8, Ordering};

const COUNTERS: usize = 1 << 14;

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = "__libfuzzer_extra_counters"))]
static SEEN: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

/// Something happened that is described by these numbers.
pub fn saw(numbers: &[u64]) {
    let hash = numbers.iter().fold(0_u64, |hash, number| {
        let mixed = (hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ mixed >> 32
    });
    let counter = &SEEN[hash as usize % COUNTERS];
    counter.store(counter.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
}
