//! The search for an order: Wing and Gong's, with Lowe's memory.
//!
//! Always true: the operations that are in, in their order, are a linearization of themselves; an operation is put in only
//! after all that had returned before its call; and what is cut off is reached in another way if it leads anywhere.

use std::cmp::Reverse;

use super::Model;
use super::memory::{Memory, Place};
use super::part::Part;

/// How the search ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<S> {
    /// There is an order.
    Linearizable,
    /// There is none.
    Violated(Stuck<S>),
    /// The bound was met first.
    Undecided,
}

/// The longest partial order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stuck<S> {
    /// Its operations.
    pub(super) order: Vec<usize>,
    /// How many of them returned.
    pub(super) completed: usize,
    /// The state after them.
    pub(super) state: S,
    /// Of those that are not in it, the first that returned.
    pub(super) first: usize,
}

/// An operation that has been put in.
struct Placed<S> {
    operation: usize,
    /// What was so before it.
    first: usize,
    awaited: usize,
    state: S,
    /// Where to go on when it is taken out again; `None` if nothing else can do better.
    next: Option<usize>,
    /// Other states that it may lead to.
    others: Vec<S>,
}

struct Search<'a, M: Model> {
    model: &'a M,
    part: &'a Part<'a, M>,
    is_in: Vec<bool>,
    /// The first that returned and is not in.
    first: usize,
    /// How many of those that others wait for are in, from the first on.
    awaited: usize,
    state: M::State,
    /// A bit for each that never returned.
    pending: Box<[u64]>,
    order: Vec<Placed<M::State>>,
    memory: Memory<M::State>,
    longest: Option<Stuck<M::State>>,
    /// How many of those that returned are in.
    completed: usize,
    steps_left: u64,
}

/// The bound on steps was met.
struct Exhausted;

/// What may follow. There is mostly one state at most, which takes no allocation.
struct Successors<S> {
    one: Option<S>,
    others: Vec<S>,
}

impl<S> Successors<S> {
    fn retain(&mut self, mut keep: impl FnMut(&S) -> bool) {
        self.one = self.one.take().filter(&mut keep);
        self.others.retain(keep);
    }

    const fn is_empty(&self) -> bool {
        self.one.is_none() && self.others.is_empty()
    }
}

/// Looks for an order of all operations that returned, and any of the others.
pub(super) fn search<M: Model>(model: &M, part: &Part<'_, M>, steps_max: u64) -> Verdict<M::State> {
    let mut search = Search {
        model,
        part,
        is_in: vec![false; part.len()],
        first: 0,
        awaited: 0,
        state: model.init(),
        pending: vec![0; part.pending().div_ceil(64)].into(),
        order: Vec::new(),
        memory: Memory::new(),
        longest: None,
        completed: 0,
        steps_left: steps_max,
    };
    search.run().unwrap_or(Verdict::Undecided)
}

impl<M: Model> Search<'_, M> {
    fn run(&mut self) -> Result<Verdict<M::State>, Exhausted> {
        let mut next = 0;
        while self.first < self.part.completed {
            if next == 0 && self.place_a_read()? || self.place_another(next)? {
                next = 0;
                continue;
            }
            self.note_if_longest();
            match self.take_back() {
                Some(position) => next = position,
                None => {
                    let longest = self.longest.take().expect("noted before the first was taken back");
                    return Ok(Verdict::Violated(longest));
                }
            }
        }
        Ok(Verdict::Linearizable)
    }

    /// Puts in an operation that fits and changes no state. Wherever else it might go, the others may go as well.
    fn place_a_read(&mut self) -> Result<bool, Exhausted> {
        for &operation in self.part.open(self.first) {
            if !self.is_in[operation] && self.part.only_reads(operation) && !self.has_to_wait(operation) {
                let fits = successors(self.model, self.part, &mut self.steps_left, &self.state, operation)?;
                if !fits.is_empty() {
                    self.place(operation, self.state.clone(), None, Vec::new());
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Puts in the next operation, counted from `next`, that fits and leads somewhere new.
    fn place_another(&mut self, next: usize) -> Result<bool, Exhausted> {
        let part = self.part;
        let (open, lost) = (part.open(self.first), part.lost(self.first));
        let after_lost = self.order.last().is_some_and(|latest| part.is_pending(latest.operation));
        for position in next..open.len() + lost.len() {
            let operation = open.get(position).copied().unwrap_or_else(|| lost.start + position - open.len());
            // Whatever only reads did not fit: `place_a_read` has tried.
            if self.is_in[operation] || part.only_reads(operation) || self.has_to_wait(operation) {
                continue;
            }
            // As `drop_those_that_need_no_lost` does, without a step.
            if after_lost && part.overwrites(operation) {
                continue;
            }
            if part.is_pending(operation) && part.equal(operation).is_some_and(|equal| !self.is_in[equal]) {
                continue;
            }
            let mut states = successors(self.model, part, &mut self.steps_left, &self.state, operation)?;
            if part.is_pending(operation) {
                // Without an effect, it need not have happened.
                states.retain(|state| *state != self.state);
            }
            self.drop_those_that_need_no_lost(operation, &mut states)?;
            self.drop_those_seen(operation, &mut states);
            if let Some(state) = states.one.take().or_else(|| states.others.pop()) {
                self.place(operation, state, Some(position + 1), states.others);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// If the latest operation never returned, and this one leads to the same state without it, then it did not matter:
    /// without it there is more left to choose from.
    fn drop_those_that_need_no_lost(
        &mut self,
        operation: usize,
        states: &mut Successors<M::State>,
    ) -> Result<(), Exhausted> {
        if states.is_empty() {
            return Ok(());
        }
        if let Some(latest) = self.order.last().filter(|latest| self.part.is_pending(latest.operation)) {
            let without = successors(self.model, self.part, &mut self.steps_left, &latest.state, operation)?;
            states.retain(|state| without.one.as_ref() != Some(state) && !without.others.contains(state));
        }
        Ok(())
    }

    fn drop_those_seen(&mut self, operation: usize, states: &mut Successors<M::State>) {
        if states.is_empty() {
            return;
        }
        let (first, awaited) = (self.first, self.awaited);
        self.put(operation);
        if self.first < self.part.completed {
            let others = self.others();
            states.retain(|state| {
                let place = Place { first: self.first, others: others.clone(), state: state.clone() };
                self.memory.is_new(place)
            });
        }
        self.unput(operation, first, awaited);
    }

    /// Of those that returned after `first` or never, which are in.
    fn others(&self) -> Box<[u64]> {
        let open = self.part.open(self.first);
        let words = open.len().div_ceil(64);
        let mut others = Vec::with_capacity(words + self.pending.len());
        others.extend(open.chunks(64).map(|chunk| {
            let bits = chunk.iter().zip(0..).filter(|(operation, _)| self.is_in[**operation]);
            bits.fold(0_u64, |word, (_, bit)| word | 1 << bit)
        }));
        others.extend(&self.pending);
        others.into()
    }

    fn place(&mut self, operation: usize, state: M::State, next: Option<usize>, others: Vec<M::State>) {
        let (first, awaited) = (self.first, self.awaited);
        self.put(operation);
        let state = std::mem::replace(&mut self.state, state);
        self.order.push(Placed { operation, first, awaited, state, next, others });
    }

    /// Marks an operation as in.
    fn put(&mut self, operation: usize) {
        self.is_in[operation] = true;
        match operation.checked_sub(self.part.completed) {
            Some(lost) => self.pending[lost / 64] |= 1 << (lost % 64),
            None => self.completed += 1,
        }
        while self.first < self.part.completed && self.is_in[self.first] {
            self.first += 1;
        }
        while self.part.awaited().get(self.awaited).is_some_and(|operation| self.is_in[*operation]) {
            self.awaited += 1;
        }
    }

    /// Whether another has to come first, by what the model knows of the order.
    fn has_to_wait(&self, operation: usize) -> bool {
        self.part.awaited().get(self.awaited).is_some_and(|first| self.part.waits_for(operation, *first))
    }

    fn unput(&mut self, operation: usize, first: usize, awaited: usize) {
        self.is_in[operation] = false;
        match operation.checked_sub(self.part.completed) {
            Some(lost) => self.pending[lost / 64] &= !(1 << (lost % 64)),
            None => self.completed -= 1,
        }
        self.first = first;
        self.awaited = awaited;
    }

    /// Takes out the latest operation for which there is something else to try; says where to go on.
    fn take_back(&mut self) -> Option<usize> {
        loop {
            let Placed { operation, first, awaited, state, next, mut others } = self.order.pop()?;
            self.unput(operation, first, awaited);
            self.state = state;
            if let Some(state) = others.pop() {
                self.place(operation, state, next, others);
                return Some(0);
            }
            if next.is_some() {
                return next;
            }
        }
    }

    /// Keeps the order so far if no other had as many operations that returned; of equals, the one that needs fewest
    /// of those that did not.
    fn note_if_longest(&mut self) {
        let rank = |completed, length| (completed, Reverse(length));
        let is_longest = self.longest.as_ref().is_none_or(|longest| {
            rank(self.completed, self.order.len()) > rank(longest.completed, longest.order.len())
        });
        if is_longest {
            self.longest = Some(Stuck {
                order: self.order.iter().map(|placed| placed.operation).collect(),
                completed: self.completed,
                state: self.state.clone(),
                first: self.first,
            });
        }
    }
}

/// The states that may follow.
fn successors<M: Model>(
    model: &M,
    part: &Part<'_, M>,
    steps_left: &mut u64,
    state: &M::State,
    operation: usize,
) -> Result<Successors<M::State>, Exhausted> {
    *steps_left = steps_left.checked_sub(1).ok_or(Exhausted)?;
    let (asked, told) = part.asked(operation);
    let mut others = Vec::new();
    let one = model.step(state, asked, told);
    model.other_steps(state, asked, told, &mut others);
    Ok(Successors { one, others })
}
