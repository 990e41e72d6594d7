//! The operations on one object, made ready for the search.
//!
//! Always true: operations that returned come in the order of their returns, then the others in the order of their calls;
//! operations are named by their place in that order.

use std::collections::BTreeSet;

use super::record::Entry;
use super::{Asked, CallId, Model};

/// So many earlier calls without a return are compared with each one, to find equal ones.
const EQUALS_LOOKED_AT: usize = 256;

/// An operation, and which call of the history it is.
pub(super) type Operation<'a, M> = (CallId, &'a Entry<<M as Model>::Operation, <M as Model>::Returned>);

/// The operations on one object.
pub(super) struct Part<'a, M: Model> {
    /// First those that returned, then those that did not.
    operations: Vec<Operation<'a, M>>,
    /// How many returned.
    pub(super) completed: usize,
    /// Of those that returned, which leave every state as it is.
    only_reads: Vec<bool>,
    /// Which lead to the same state from each.
    overwrites: Vec<bool>,
    /// Who may be next, by the first that returned and is not yet in: where its part of `open` starts.
    starts: Vec<usize>,
    /// Those that were called before that one returned, and did not return before.
    open: Vec<usize>,
    /// How many of those that never returned were called before it did.
    lost: Vec<usize>,
    /// Of those that never returned, the latest earlier one that asked for the same.
    equal: Vec<Option<usize>>,
    /// What the model knows of the order besides; empty if nothing.
    spans: Vec<(u64, u64)>,
    /// Those that others have to wait for by their spans, in the order of the ends of these.
    awaited: Vec<usize>,
}

impl<'a, M: Model> Part<'a, M> {
    pub(super) fn new(model: &M, mut operations: Vec<Operation<'a, M>>) -> Self {
        // What never returned and only read takes part in no order.
        operations.retain(|(_, entry)| entry.returned.is_some() || !model.only_reads(&entry.operation, None));
        operations.sort_by_key(|(_, entry)| match &entry.returned {
            Some(returned) => (0, returned.position),
            None => (1, entry.called),
        });
        let completed = operations.partition_point(|(_, entry)| entry.returned.is_some());
        let (returned, lost) = operations.split_at(completed);

        let overwrites = operations.iter().map(|(_, entry)| {
            model.overwrites(&entry.operation, entry.returned.as_ref().map(|returned| &returned.value))
        });
        let only_reads = returned.iter().map(|(_, entry)| {
            model.only_reads(&entry.operation, entry.returned.as_ref().map(|returned| &returned.value))
        });
        let equal = lost.iter().enumerate().map(|(number, (_, entry))| {
            let earlier = number.saturating_sub(EQUALS_LOOKED_AT)..number;
            earlier.rev().find(|&other| lost[other].1.operation == entry.operation)
        });
        let mut part = Self {
            completed,
            overwrites: overwrites.collect(),
            only_reads: only_reads.collect(),
            starts: Vec::with_capacity(completed + 1),
            open: Vec::new(),
            lost: Vec::with_capacity(completed),
            equal: equal.map(|equal| equal.map(|number| completed + number)).collect(),
            spans: Vec::new(),
            awaited: Vec::new(),
            operations,
        };
        part.find_open();
        part.look_ahead(model);
        part
    }

    /// Goes through calls and returns, and notes at each return who was under way.
    fn find_open(&mut self) {
        let (returned, lost) = self.operations.split_at(self.completed);
        let mut calls: Vec<usize> = (0..self.completed).collect();
        calls.sort_by_key(|&number| returned[number].1.called);
        let mut calls = calls.into_iter().peekable();
        let mut lost = lost.iter().map(|(_, entry)| entry.called).peekable();
        let mut lost_so_far = 0;
        let mut open = BTreeSet::new();
        for (number, (_, entry)) in returned.iter().enumerate() {
            let position = entry.returned.as_ref().map_or(u64::MAX, |returned| returned.position);
            while let Some(call) = calls.next_if(|&call| returned[call].1.called < position) {
                open.insert(call);
            }
            while lost.next_if(|called| *called < position).is_some() {
                lost_so_far += 1;
            }
            self.starts.push(self.open.len());
            self.open.extend(&open);
            self.lost.push(lost_so_far);
            open.remove(&number);
        }
        self.starts.push(self.open.len());
    }

    fn look_ahead(&mut self, model: &M) {
        let asked: Vec<_> = self
            .operations
            .iter()
            .map(|(_, entry)| Asked {
                operation: &entry.operation,
                returned: entry.returned.as_ref().map(|returned| &returned.value),
                called: entry.called,
                ended: entry.returned.as_ref().map_or(u64::MAX, |returned| returned.position),
            })
            .collect();
        self.spans = model.spans(&asked);
        self.spans.resize(self.spans.len().min(self.operations.len()), (0, u64::MAX));
        let spans = self.spans.iter().enumerate();
        self.awaited = spans.filter(|(_, span)| span.1 < u64::MAX).map(|(number, _)| number).collect();
        self.awaited.sort_by_key(|&number| self.spans[number].1);
    }

    /// Forgets what the model knows of the order; says whether it knew anything.
    pub(super) fn look_no_further(&mut self) -> bool {
        self.spans.clear();
        !std::mem::take(&mut self.awaited).is_empty()
    }

    /// Those that others have to wait for by what the model knows, in the order in which they may be let go.
    pub(super) fn awaited(&self) -> &[usize] {
        &self.awaited
    }

    /// Whether the first of two has to wait for the other by what the model knows.
    pub(super) fn waits_for(&self, number: usize, other: usize) -> bool {
        number != other && self.spans[other].1 < self.spans[number].0
    }

    /// How many operations take part.
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// How many of them never returned.
    pub(super) fn pending(&self) -> usize {
        self.operations.len() - self.completed
    }

    /// Which call of the history this is, and what was asked and answered.
    pub(super) fn get(&self, number: usize) -> Operation<'a, M> {
        self.operations[number]
    }

    /// The operation, and what its client was told.
    pub(super) fn asked(&self, number: usize) -> (&'a M::Operation, Option<&'a M::Returned>) {
        let (_, entry) = self.operations[number];
        (&entry.operation, entry.returned.as_ref().map(|returned| &returned.value))
    }

    /// Whether it returned and leaves every state as it is.
    pub(super) fn only_reads(&self, number: usize) -> bool {
        self.only_reads.get(number).is_some_and(|reads| *reads)
    }

    /// Whether it leads to the same state from each.
    pub(super) fn overwrites(&self, number: usize) -> bool {
        self.overwrites[number]
    }

    /// Whether it never returned.
    pub(super) const fn is_pending(&self, number: usize) -> bool {
        number >= self.completed
    }

    /// Those that returned and were under way when `first` returned, itself included.
    pub(super) fn open(&self, first: usize) -> &[usize] {
        &self.open[self.starts[first]..self.starts[first + 1]]
    }

    /// Those that never returned and were called before `first` returned.
    pub(super) fn lost(&self, first: usize) -> std::ops::Range<usize> {
        self.completed..self.completed + self.lost[first]
    }

    /// For one that never returned: the latest earlier one that asked for the same.
    pub(super) fn equal(&self, number: usize) -> Option<usize> {
        self.equal[number - self.completed]
    }
}
