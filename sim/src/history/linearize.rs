//! The search for a linearization: the algorithm of Wing and Gong, with Lowe's cache of visited states.
//!
//! # Invariants
//! The placed operations, in their order, are a linearization of themselves. An operation is placed only after all that had
//! returned before its call. Pruning removes no solution: another branch reaches each pruned state that leads to one.

use std::cmp::Reverse;

use super::Model;
use super::object_calls::ObjectCalls;
use super::visited::{Place, Visited};

/// How the search ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<S> {
    Linearizable,
    Violated(Stuck<S>),
    /// The search reached its bound.
    Undecided,
}

/// The longest partial order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stuck<S> {
    pub(super) order: Vec<usize>,
    /// The number of operations in `order` that returned.
    pub(super) completed: usize,
    /// The state after `order`.
    pub(super) state: S,
    /// The first operation that returned and is not in `order`.
    pub(super) first: usize,
}

/// A placed operation.
struct Placed<S> {
    operation: usize,
    /// The values of the search's fields before the operation was placed.
    first: usize,
    awaited: usize,
    state: S,
    /// The position at which the search continues after backtracking; `None` if no alternative can do better.
    next: Option<usize>,
    /// Other states that the operation may lead to, still to be tried.
    others: Vec<S>,
}

/// The state of a search for a linearization.
struct Linearization<'a, M: Model> {
    model: &'a M,
    calls: &'a ObjectCalls<'a, M>,
    is_placed: Vec<bool>,
    /// The first operation that returned and is not placed.
    first: usize,
    /// The length of the longest prefix of [`ObjectCalls::awaited`] that is placed.
    awaited: usize,
    state: M::State,
    /// A bit for each lost operation: whether it is placed.
    lost_placed: Box<[u64]>,
    order: Vec<Placed<M::State>>,
    visited: Visited<M::State>,
    longest: Option<Stuck<M::State>>,
    /// The number of placed operations that returned.
    completed: usize,
    steps_left: u64,
}

/// The bound on steps was reached.
struct OutOfSteps;

/// The possible states after an operation. Usually there is at most one, which takes no allocation.
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

/// Searches for a linearization of all operations that returned and any of the lost ones.
pub(super) fn linearize<M: Model>(
    model: &M,
    calls: &ObjectCalls<'_, M>,
    steps_max: u64,
) -> Verdict<M::State> {
    let mut search = Linearization {
        model,
        calls,
        is_placed: vec![false; calls.len()],
        first: 0,
        awaited: 0,
        state: model.init(),
        lost_placed: vec![0; calls.lost_count().div_ceil(64)].into(),
        order: Vec::new(),
        visited: Visited::new(),
        longest: None,
        completed: 0,
        steps_left: steps_max,
    };
    search.run().unwrap_or(Verdict::Undecided)
}

impl<M: Model> Linearization<'_, M> {
    fn run(&mut self) -> Result<Verdict<M::State>, OutOfSteps> {
        let mut next = 0;
        while self.first < self.calls.completed {
            if next == 0 && self.place_a_read()? || self.place_another(next)? {
                next = 0;
                continue;
            }
            self.note_if_longest();
            match self.backtrack() {
                Some(position) => next = position,
                None => {
                    let longest = self.longest.take().expect("noted before the first backtracking");
                    return Ok(Verdict::Violated(longest));
                }
            }
        }
        Ok(Verdict::Linearizable)
    }

    /// Places a read that fits. This loses no solution: whatever fits before the read also fits after it.
    fn place_a_read(&mut self) -> Result<bool, OutOfSteps> {
        for &operation in self.calls.open(self.first) {
            if !self.is_placed[operation] && self.calls.only_reads(operation) && !self.has_to_wait(operation)
            {
                let fits = successors(self.model, self.calls, &mut self.steps_left, &self.state, operation)?;
                if !fits.is_empty() {
                    self.place(operation, self.state.clone(), None, Vec::new());
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Places the first operation from position `next` on that fits and leads to a state not visited yet.
    fn place_another(&mut self, next: usize) -> Result<bool, OutOfSteps> {
        let calls = self.calls;
        let (open, lost) = (calls.open(self.first), calls.lost(self.first));
        let after_lost = self.order.last().is_some_and(|latest| calls.is_lost(latest.operation));
        for position in next..open.len() + lost.len() {
            let operation = open.get(position).copied().unwrap_or_else(|| lost.start + position - open.len());
            // `place_a_read` has tried all reads.
            if self.is_placed[operation] || calls.only_reads(operation) || self.has_to_wait(operation) {
                continue;
            }
            // The same pruning as in `drop_states_without_lost`, without calling the model.
            if after_lost && calls.overwrites(operation) {
                continue;
            }
            if calls.is_lost(operation) && calls.equal(operation).is_some_and(|equal| !self.is_placed[equal])
            {
                continue;
            }
            let mut states = successors(self.model, calls, &mut self.steps_left, &self.state, operation)?;
            if calls.is_lost(operation) {
                // A lost operation without an effect can be left out.
                states.retain(|state| *state != self.state);
            }
            self.drop_states_without_lost(operation, &mut states)?;
            self.drop_visited(operation, &mut states);
            if let Some(state) = states.one.take().or_else(|| states.others.pop()) {
                self.place(operation, state, Some(position + 1), states.others);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Drops the states that `operation` also leads to without the latest operation, if that one is lost: leaving the lost
    /// one out keeps more choices open.
    fn drop_states_without_lost(
        &mut self,
        operation: usize,
        states: &mut Successors<M::State>,
    ) -> Result<(), OutOfSteps> {
        if states.is_empty() {
            return Ok(());
        }
        if let Some(latest) = self.order.last().filter(|latest| self.calls.is_lost(latest.operation)) {
            let without = successors(self.model, self.calls, &mut self.steps_left, &latest.state, operation)?;
            states.retain(|state| without.one.as_ref() != Some(state) && !without.others.contains(state));
        }
        Ok(())
    }

    fn drop_visited(&mut self, operation: usize, states: &mut Successors<M::State>) {
        if states.is_empty() {
            return;
        }
        let (first, awaited) = (self.first, self.awaited);
        self.mark(operation);
        if self.first < self.calls.completed {
            let others = self.others();
            states.retain(|state| {
                let place = Place { first: self.first, others: others.clone(), state: state.clone() };
                self.visited.is_new(place)
            });
        }
        self.unmark(operation, first, awaited);
    }

    /// Returns a bit for each operation that returned after `first` or never: whether it is placed.
    fn others(&self) -> Box<[u64]> {
        let open = self.calls.open(self.first);
        let words = open.len().div_ceil(64);
        let mut others = Vec::with_capacity(words + self.lost_placed.len());
        others.extend(open.chunks(64).map(|chunk| {
            let bits = chunk.iter().zip(0..).filter(|(operation, _)| self.is_placed[**operation]);
            bits.fold(0_u64, |word, (_, bit)| word | 1 << bit)
        }));
        others.extend(&self.lost_placed);
        others.into()
    }

    fn place(&mut self, operation: usize, state: M::State, next: Option<usize>, others: Vec<M::State>) {
        let (first, awaited) = (self.first, self.awaited);
        self.mark(operation);
        let state = std::mem::replace(&mut self.state, state);
        self.order.push(Placed { operation, first, awaited, state, next, others });
    }

    /// Marks an operation as placed.
    fn mark(&mut self, operation: usize) {
        self.is_placed[operation] = true;
        match operation.checked_sub(self.calls.completed) {
            Some(lost) => self.lost_placed[lost / 64] |= 1 << (lost % 64),
            None => self.completed += 1,
        }
        while self.first < self.calls.completed && self.is_placed[self.first] {
            self.first += 1;
        }
        while self.calls.awaited().get(self.awaited).is_some_and(|operation| self.is_placed[*operation]) {
            self.awaited += 1;
        }
    }

    /// Returns whether another operation has to come first by the model's spans.
    fn has_to_wait(&self, operation: usize) -> bool {
        self.calls.awaited().get(self.awaited).is_some_and(|first| self.calls.must_follow(operation, *first))
    }

    fn unmark(&mut self, operation: usize, first: usize, awaited: usize) {
        self.is_placed[operation] = false;
        match operation.checked_sub(self.calls.completed) {
            Some(lost) => self.lost_placed[lost / 64] &= !(1 << (lost % 64)),
            None => self.completed -= 1,
        }
        self.first = first;
        self.awaited = awaited;
    }

    /// Removes operations up to the latest that has an alternative. Returns the position at which the search continues.
    fn backtrack(&mut self) -> Option<usize> {
        loop {
            let Placed { operation, first, awaited, state, next, mut others } = self.order.pop()?;
            self.unmark(operation, first, awaited);
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

    /// Keeps the current order if it has more operations that returned than any other; among equals, the one with the
    /// fewest lost operations.
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

/// Returns the possible states after `operation`.
fn successors<M: Model>(
    model: &M,
    calls: &ObjectCalls<'_, M>,
    steps_left: &mut u64,
    state: &M::State,
    operation: usize,
) -> Result<Successors<M::State>, OutOfSteps> {
    *steps_left = steps_left.checked_sub(1).ok_or(OutOfSteps)?;
    let (operation, returned) = calls.invocation(operation);
    let mut others = Vec::new();
    let one = model.step(state, operation, returned);
    model.other_steps(state, operation, returned, &mut others);
    Ok(Successors { one, others })
}
