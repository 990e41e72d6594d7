//! Property tests of the fabric alone, against models of streams and datagrams.
//!
//! After each step the invariants of the fabric are checked, and each observable result must be one that the model
//! allows.

mod invariants;
mod model;
mod streams;
mod udp;

use super::{Packet, PacketDecider, PacketDecision, Transfer};

/// A fabric whose waiters are numbers.
type Fabric = super::Fabric<u32, ()>;

/// Repeats a fixed sequence of numbers.
struct Repeat(Vec<u32>, usize);

impl Repeat {
    fn next(&mut self) -> u32 {
        self.1 += 1;
        self.0.get(self.1 % self.0.len().max(1)).copied().unwrap_or(0)
    }
}

impl PacketDecider for Repeat {
    fn quantile(&mut self, _: Packet, count: u32, _: &[u64]) -> u32 {
        self.next() % count
    }

    fn transfer(&mut self, _: Transfer, whole: usize) -> usize {
        (self.next() as usize % (whole + 1)).max(1).min(whole)
    }

    fn happens(&mut self, _: Packet, _: PacketDecision, millionths: u32) -> bool {
        self.next() % 1_000_000 < millionths
    }
}
