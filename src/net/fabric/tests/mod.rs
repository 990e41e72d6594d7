//! The fabric alone, without a loop, held against plain models of what streams and datagrams promise.
//!
//! Always true: after each thing that happens the fabric's own books are in order, and nothing has happened for which the
//! model knows no reason.

mod books;
mod datagrams;
mod model;
mod streams;

use super::{Dice, Packet, Question};

/// A network in which whoever waits is a number.
type Fabric = super::Fabric<u32, ()>;

/// Dice from a row of numbers, over and over.
struct Row(Vec<u32>, usize);

impl Row {
    fn next(&mut self) -> u32 {
        self.1 += 1;
        self.0.get(self.1 % self.0.len().max(1)).copied().unwrap_or(0)
    }
}

impl Dice for Row {
    fn quantile(&mut self, _: Packet, count: u32, _: &[u64]) -> u32 {
        self.next() % count
    }

    fn happens(&mut self, _: Packet, _: Question, millionths: u32) -> bool {
        self.next() % 1_000_000 < millionths
    }
}
