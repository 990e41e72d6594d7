//! Decodes bytes into schedules, and into tokens with a correct checksum.
//!
//! # Invariants
//! The checksum and the alphabet are implemented here again, to detect a change of them in the library.

use std::collections::BTreeMap;

use timeloop_fuzz::Reader;
use timeloop_sim::{
    Bound, Deviation, Domain, Estimates, ResourceKey, Schedule, Seed, SeedVersion, StrategySpec, TaskPath,
};

/// Reads schedules.
pub(crate) struct Schedules<'a, 'b>(pub(crate) &'a mut Reader<'b>);

impl Schedules<'_, '_> {
    pub(crate) fn schedule(&mut self) -> Schedule {
        if self.0.byte().is_multiple_of(4) {
            let strategy = self.strategy();
            let version = if self.0.flag() { SeedVersion::V1 } else { SeedVersion::V2 };
            let (seed, estimates) = (Seed(self.0.number()), self.estimates());
            return Schedule::Seeded { seed, strategy, estimates, version };
        }
        let randomness = Seed(self.0.number());
        let mut deviations: Vec<Deviation> = Vec::new();
        for _ in 0..self.0.byte() % 16 {
            let deviation = self.deviation();
            // A schedule has no two decisions with the same key.
            if deviations.iter().all(|other| other.key() != deviation.key()) {
                deviations.push(deviation);
            }
        }
        Schedule::Deviations { randomness, deviations }
    }

    fn strategy(&mut self) -> StrategySpec {
        match StrategySpec::ALL[usize::from(self.0.byte()) % StrategySpec::ALL.len()] {
            StrategySpec::Pct { .. } => StrategySpec::Pct { depth: self.0.number_u32().max(1) },
            StrategySpec::Delay { .. } => StrategySpec::Delay { bound: self.0.number_u32().max(1) },
            StrategySpec::Exhaustive { .. } => StrategySpec::Exhaustive {
                bound: match self.0.byte() % 3 {
                    0 => Bound::None,
                    1 => Bound::Delays(self.0.number_u32()),
                    _ => Bound::Preemptions(self.0.number_u32()),
                },
            },
            other => other,
        }
    }

    fn estimates(&mut self) -> Estimates {
        let mut estimates = Estimates::default();
        estimates.steps = self.0.number_u32();
        estimates.tasks = self.0.number_u32();
        estimates.instants = self.0.number_u32();
        estimates.stall_ns = self.0.number();
        estimates.varied_io = self.0.flag();
        estimates.resource = (self.0.byte() % 2 == 1).then(|| ResourceKey(self.0.number()));
        let counts: BTreeMap<TaskPath, u32> =
            (0..self.0.byte() % 8).map(|_| (self.path(), self.0.number_u32())).collect();
        estimates.counts = counts.into_iter().collect();
        estimates
    }

    fn path(&mut self) -> TaskPath {
        let depth = self.0.byte() % 6;
        (0..depth).map(|_| self.0.number_u32().max(1)).collect()
    }

    fn deviation(&mut self) -> Deviation {
        let task = self.path();
        let domain = Domain::ALL[usize::from(self.0.byte()) % Domain::ALL.len()];
        let resume = self.0.number_u32();
        let index = if domain == Domain::Schedule { 0 } else { self.0.number_u32() };
        Deviation { task, resume, domain, index, value: self.0.number_u32().max(1) }
    }
}

/// Returns a token with these bytes, and a correct length and checksum.
pub(crate) fn sealed(body: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(body);
    let sum = crc32(&[b"TL1", &bytes[..]].concat());
    bytes.extend(sum.to_be_bytes());

    let mut text = "TL1".to_owned();
    for chunk in bytes.chunks(5) {
        let bits = (0..5).fold(0_u64, |bits, place| bits << 8 | u64::from(*chunk.get(place).unwrap_or(&0)));
        for place in 0..(chunk.len() * 8).div_ceil(5) {
            let digit = bits >> (35 - 5 * place) & 31;
            text.push(char::from(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[digit as usize]));
        }
    }
    text
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
