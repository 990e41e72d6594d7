//! The source for fuzzing, [`Bytes`]: each choice takes bytes from the input, in order.
//!
//! # Invariants
//! - After the last byte, every choice is the baseline one, so a short input means a run close to the baseline.
//! - Any sequence of bytes is a valid run.

use super::Source;
use crate::{DecisionKey, Domain, Operation, Ready, Seed, Stream};

/// Makes decisions from a fuzzer's bytes.
#[derive(Debug)]
pub struct Bytes {
    bytes: Vec<u8>,
    taken: usize,
    /// The slots of the ready tasks, in order of arrival.
    ready: Vec<u32>,
}

impl Bytes {
    /// Creates a source that takes its choices from `bytes`.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), taken: 0, ready: Vec::new() }
    }

    /// Takes a number below `bound` from one byte if that suffices, else from four.
    fn below(&mut self, bound: u32) -> u32 {
        let width = if bound <= 256 { 1 } else { 4 };
        let end = self.bytes.len().min(self.taken + width);
        let number = self.bytes[self.taken..end].iter().fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte));
        self.taken = end;
        number % bound
    }
}

impl Source for Bytes {
    fn ready(&mut self, task: Ready) {
        self.ready.push(task.slot);
    }

    fn next(&mut self) -> Option<u32> {
        match self.ready.len() {
            0 => None,
            1 => self.ready.pop(),
            count => {
                let index = self.below(u32::try_from(count).expect("fewer than 2^32 tasks are ready"));
                Some(self.ready.remove(index as usize))
            }
        }
    }

    fn varies_io(&self) -> bool {
        true
    }

    fn should_preempt(&mut self, _key: DecisionKey, _operation: Operation) -> bool {
        self.taken < self.bytes.len()
    }

    fn choose(&mut self, _key: DecisionKey, arity: u32) -> u32 {
        self.below(arity)
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), Domain::User, entity)
    }
}
