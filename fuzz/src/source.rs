//! [`FuzzSource`]: a source that uses everything a source may do. It picks any ready task, preempts tasks before operations,
//! and stalls tasks while time passes.
//!
//! # Invariants
//! After the end of the bytes it decides as in the baseline run, and releases the tasks that it has stalled.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use timeloop_sim::{DecisionKey, Domain, Operation, Ready, Seed, Source, Stream};

/// Observations of the decisions of a run, for the code of the run.
#[derive(Debug, Default)]
pub struct Observations {
    /// The number of preemptions.
    pub preemptions: Cell<u32>,
    /// The number of steps, without those that continue after a preemption.
    pub rounds: Cell<u32>,
    /// The arity and the value of every choice, in order.
    pub choices: RefCell<Vec<(u32, u32)>>,
}

/// A source that makes decisions from a fuzzer's bytes.
#[derive(Debug)]
pub struct FuzzSource {
    bytes: Vec<u8>,
    taken: usize,
    preempts: bool,
    holds_back: bool,
    always: Option<u32>,
    ready: Vec<Ready>,
    held: Vec<Ready>,
    observations: Rc<Observations>,
}

impl FuzzSource {
    /// Creates a source that makes its decisions from `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            taken: 0,
            preempts: false,
            holds_back: false,
            always: None,
            ready: Vec::new(),
            held: Vec::new(),
            observations: Rc::default(),
        }
    }

    /// Sets whether tasks may be preempted before operations.
    #[must_use]
    pub fn preempts(mut self, preempts: bool) -> Self {
        self.preempts = preempts;
        self
    }

    /// Sets whether tasks may be stalled while time passes.
    #[must_use]
    pub fn holds_back(mut self, holds_back: bool) -> Self {
        self.holds_back = holds_back;
        self
    }

    /// Makes every choice, other than which task runs, this value modulo the arity.
    #[must_use]
    pub fn always_chooses(mut self, value: u32) -> Self {
        self.always = Some(value);
        self
    }

    /// Returns the observations, which are updated during the run.
    #[must_use]
    pub fn observations(&self) -> Rc<Observations> {
        Rc::clone(&self.observations)
    }

    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.taken).copied().unwrap_or(0);
        self.taken += 1;
        byte
    }

    fn is_exhausted(&self) -> bool {
        self.taken >= self.bytes.len()
    }
}

impl Source for FuzzSource {
    fn ready(&mut self, task: Ready) {
        if self.holds_back && !self.is_exhausted() && self.byte() % 4 == 1 {
            self.held.push(task);
        } else {
            self.ready.push(task);
        }
    }

    fn next(&mut self) -> Option<u32> {
        let chosen = match self.ready.len() {
            0 => return None,
            1 => self.ready.remove(0),
            count => {
                let index = usize::from(self.byte()) % count;
                self.ready.remove(index)
            }
        };
        if chosen.announced.is_none() {
            self.observations.rounds.set(self.observations.rounds.get() + 1);
        }
        Some(chosen.slot)
    }

    fn wants_operations(&self) -> bool {
        self.preempts
    }

    fn should_preempt(&mut self, _key: DecisionKey, _operation: Operation) -> bool {
        let preempts = self.preempts && self.byte() % 2 == 1;
        self.observations.preemptions.set(self.observations.preemptions.get() + u32::from(preempts));
        preempts
    }

    fn time_passed(&mut self) {
        if self.is_exhausted() || self.byte().is_multiple_of(2) {
            self.release_held();
        }
    }

    fn release_held(&mut self) -> bool {
        let any = !self.held.is_empty();
        self.ready.append(&mut self.held);
        any
    }

    fn choose(&mut self, _key: DecisionKey, arity: u32) -> u32 {
        let value = match self.always {
            Some(value) => value,
            None => u32::from(self.byte()),
        } % arity;
        self.observations.choices.borrow_mut().push((arity, value));
        value
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), Domain::User, entity)
    }
}
