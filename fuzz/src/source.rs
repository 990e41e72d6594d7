//! A source that does all that a source may: it picks any ready task, lets tasks give way before operations, and holds
//! tasks back while time passes.
//!
//! Always true: where the bytes are exhausted it decides as the quiet run does, and lets go of what it has held back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use timeloop_sim::{DecisionKey, Domain, Operation, Ready, Seed, Source, Stream};

/// What a run has heard of its source, for the code of the run itself to look at.
#[derive(Debug, Default)]
pub struct Heard {
    /// How many tasks have given way before an operation.
    pub preemptions: Cell<u32>,
    /// How many steps began other than by going on after that.
    pub rounds: Cell<u32>,
    /// The arity and the value of every choice, in order.
    pub choices: RefCell<Vec<(u32, u32)>>,
}

/// Decides by a fuzzer's bytes.
#[derive(Debug)]
pub struct Wild {
    bytes: Vec<u8>,
    taken: usize,
    preempts: bool,
    holds_back: bool,
    always: Option<u32>,
    ready: Vec<Ready>,
    held: Vec<Ready>,
    heard: Rc<Heard>,
}

impl Wild {
    /// A source that takes its decisions from `bytes`.
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
            heard: Rc::default(),
        }
    }

    /// Whether tasks give way before operations.
    #[must_use]
    pub fn preempts(mut self, preempts: bool) -> Self {
        self.preempts = preempts;
        self
    }

    /// Whether tasks are held back while time passes.
    #[must_use]
    pub fn holds_back(mut self, holds_back: bool) -> Self {
        self.holds_back = holds_back;
        self
    }

    /// Every choice other than which task runs has this value, modulo how many possibilities there are.
    #[must_use]
    pub fn always_chooses(mut self, value: u32) -> Self {
        self.always = Some(value);
        self
    }

    /// What it will have heard.
    #[must_use]
    pub fn heard(&self) -> Rc<Heard> {
        Rc::clone(&self.heard)
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

impl Source for Wild {
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
            self.heard.rounds.set(self.heard.rounds.get() + 1);
        }
        Some(chosen.slot)
    }

    fn wants_operations(&self) -> bool {
        self.preempts
    }

    fn should_preempt(&mut self, _key: DecisionKey, _operation: Operation) -> bool {
        let preempts = self.preempts && self.byte() % 2 == 1;
        self.heard.preemptions.set(self.heard.preemptions.get() + u32::from(preempts));
        preempts
    }

    fn time_passed(&mut self) {
        if self.is_exhausted() || self.byte().is_multiple_of(2) {
            self.let_go();
        }
    }

    fn let_go(&mut self) -> bool {
        let any = !self.held.is_empty();
        self.ready.append(&mut self.held);
        any
    }

    fn choose(&mut self, _key: DecisionKey, arity: u32) -> u32 {
        let value = match self.always {
            Some(value) => value,
            None => u32::from(self.byte()),
        } % arity;
        self.heard.choices.borrow_mut().push((arity, value));
        value
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), Domain::User, entity)
    }
}
