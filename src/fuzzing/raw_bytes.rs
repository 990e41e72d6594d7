//! Decodes a schedule from bytes without records, for `Arbitrary`.
//!
//! A deviation takes four bytes, counted from the end. Small numbers are likely, so that most mutations name a decision
//! that a small test has.
//!
//! # Invariants
//! Any bytes are a schedule, and too few for one deviation are the baseline schedule. Changing a byte changes one
//! deviation. Inserting bytes before a deviation does not change it.

use timeloop_sim::{Domain, Schedule};

use super::record::{self, Record, ShortPath};

/// The number of bytes of a deviation.
pub(super) const CHUNK: usize = 4;

/// Decodes the schedule. If the bytes end with [records](super::record), uses those.
pub(super) fn schedule(bytes: &[u8]) -> Schedule {
    let (loose, records) = record::split(bytes);
    if !records.is_empty() {
        return record::schedule(records);
    }
    record::schedule(
        loose.rchunks_exact(CHUNK).rev().map(|chunk| deviation(chunk.try_into().expect("of this size"))),
    )
}

fn deviation([who, when, value, below]: [u8; CHUNK]) -> Record {
    let domain = match who >> 5 {
        0..3 => Domain::Operation,
        3..6 => Domain::Schedule,
        6 => Domain::Select,
        _ => Domain::Stall,
    };
    let mut place = ShortPath::default();
    place[0] = small(who % 32, 32) as u8;
    if place[0] != 0 && below >= 192 {
        place[1] = 1 + small(below % 16, 16) as u8;
    }
    let (resume, index) = match domain {
        Domain::Schedule => (small(when % 64, 64), 0),
        _ => (small(when % 16, 16), small(when / 16, 16)),
    };
    let value = match value {
        0 => 0,
        1..192 => 1 + u16::from(value) % 8,
        _ => 1 + u16::from(value - 192),
    };
    Record::new(domain, place, resume, index, value)
}

/// Maps to a number below `bound` that is usually below an eighth of it.
fn small(number: u8, bound: u8) -> u16 {
    u16::from(if number < bound - bound / 4 { number % (bound / 8) } else { number - bound / 2 })
}
