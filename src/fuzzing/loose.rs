//! A schedule from bytes that know nothing of records: what `Arbitrary` makes of them.
//!
//! Four bytes a deviation, counted from the end, dense in small numbers: most of what a mutation can write there names a
//! decision that a small test has.
//!
//! Always true: any bytes are a schedule; too few for one deviation are the quiet one; a byte that changes is one
//! deviation that changes, and bytes put in before a deviation leave it as it is.

use timeloop_sim::{Domain, Schedule};

use super::record::{self, Place, Record};

/// Bytes of a deviation.
pub(super) const CHUNK: usize = 4;

/// The schedule of these bytes: of [records](super::record) if that is what they end with.
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
    let mut place = Place::default();
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

/// A number below `bound` that is mostly below an eighth of it.
fn small(number: u8, bound: u8) -> u16 {
    u16::from(if number < bound - bound / 4 { number % (bound / 8) } else { number - bound / 2 })
}
