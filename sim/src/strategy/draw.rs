//! The random draws of a strategy: [`Draw`] wraps the run's schedule stream.

use super::{Scratch, StrategyState};
use crate::{Domain, Seed, Stream};

/// The schedule stream of a run. The stream is created by the first draw.
#[derive(Debug)]
pub struct Draw {
    seed: Seed,
    stream: Option<Box<Stream>>,
    /// Where the run's memory is kept for the next run.
    scratch: Option<Scratch>,
}

impl Draw {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, stream: None, scratch: None }
    }

    /// As [`new`](Self::new), reusing the memory of earlier runs.
    #[inline]
    pub(crate) fn within(scratch: &Scratch, seed: Seed) -> Self {
        Self { seed, stream: None, scratch: Some(scratch.clone()) }
    }

    /// Returns the run's seed.
    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    /// Ends the run and keeps the memory of its stream and of its strategy's state.
    #[inline]
    pub(crate) fn end(&mut self, state: &mut StrategyState) {
        if let Some(scratch) = self.scratch.take() {
            scratch.keep(state, self.stream.take());
        }
    }

    #[cfg(test)]
    pub(super) fn has_not_begun(&self) -> bool {
        self.stream.is_none()
    }

    /// Draws a number below `bound`.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        match &mut self.stream {
            Some(stream) => stream.below(bound),
            None => self.begin().below(bound),
        }
    }

    /// Draws an index below `many`.
    #[inline]
    pub(super) fn index(&mut self, many: usize) -> usize {
        debug_assert!(many <= u32::MAX as usize, "fewer than 2^32 tasks are ready");
        self.below(many as u32) as usize
    }

    /// Draws a nonzero number of 32 bits: a short-lived priority, for which ties hardly matter.
    #[inline]
    pub(super) fn priority(&mut self) -> u32 {
        self.stream().next_u32().max(1)
    }

    /// Draws a number of 64 bits.
    #[inline]
    pub fn number(&mut self) -> u64 {
        self.stream().next_u64()
    }

    #[inline]
    fn stream(&mut self) -> &mut Stream {
        // Not `if let`: its borrow would extend to the `else` branch.
        if self.stream.is_none() {
            self.begin();
        }
        self.stream.as_mut().expect("it has begun")
    }

    /// Creates the stream. Kept out of line, because the code before it runs at every step.
    #[cold]
    #[inline(never)]
    fn begin(&mut self) -> &mut Stream {
        let stream = match self.scratch.as_ref().and_then(Scratch::stream) {
            Some(mut stream) => {
                stream.reset(self.seed, Domain::Schedule, 0);
                stream
            }
            None => Box::new(Stream::new(self.seed, Domain::Schedule, 0)),
        };
        self.stream.insert(stream)
    }
}
