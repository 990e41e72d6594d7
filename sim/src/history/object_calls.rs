//! [`ObjectCalls`]: the calls on one object, prepared for the search for a linearization.
//!
//! # Invariants
//! Operations are numbered: first those that returned, in the order of their returns, then the *lost* ones, which never
//! returned, in the order of their calls.

use std::collections::BTreeSet;

use super::calls::Entry;
use super::{CallId, Invocation, Model};

/// The number of earlier lost operations that each lost operation is compared with, to find an equal one.
const EQUALS_LOOKED_AT: usize = 256;

/// An operation with the id of its call.
pub(super) type Call<'a, M> = (CallId, &'a Entry<<M as Model>::Operation, <M as Model>::Returned>);

/// The operations on one object.
pub(super) struct ObjectCalls<'a, M: Model> {
    /// First those that returned, then the lost ones.
    operations: Vec<Call<'a, M>>,
    /// The number of operations that returned.
    pub(super) completed: usize,
    /// For each operation that returned: whether it leaves every state unchanged.
    only_reads: Vec<bool>,
    /// For each operation: whether it leads to the same state from every state.
    overwrites: Vec<bool>,
    /// For each operation that returned: where its part of `open` starts.
    starts: Vec<usize>,
    /// For each operation that returned: the ones in progress when it returned, itself included.
    open: Vec<usize>,
    /// For each operation that returned: how many lost operations had been called by then.
    lost: Vec<usize>,
    /// For each lost operation: the latest earlier lost one that is equal to it.
    equal: Vec<Option<usize>>,
    /// The spans from [`Model::spans`]; empty if the model gives none.
    spans: Vec<(u64, u64)>,
    /// The operations with a bounded span, which others may have to follow, in the order of the spans' ends.
    awaited: Vec<usize>,
}

impl<'a, M: Model> ObjectCalls<'a, M> {
    pub(super) fn new(model: &M, mut operations: Vec<Call<'a, M>>) -> Self {
        // A read that never returned constrains nothing.
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

    /// Computes, for each return, which operations were in progress.
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
        let invocations: Vec<_> = self
            .operations
            .iter()
            .map(|(_, entry)| Invocation {
                operation: &entry.operation,
                returned: entry.returned.as_ref().map(|returned| &returned.value),
                called: entry.called,
                ended: entry.returned.as_ref().map_or(u64::MAX, |returned| returned.position),
            })
            .collect();
        self.spans = model.spans(&invocations);
        self.spans.resize(self.spans.len().min(self.operations.len()), (0, u64::MAX));
        let spans = self.spans.iter().enumerate();
        self.awaited = spans.filter(|(_, span)| span.1 < u64::MAX).map(|(number, _)| number).collect();
        self.awaited.sort_by_key(|&number| self.spans[number].1);
    }

    /// Drops the spans. Returns whether any of them could restrict the order.
    pub(super) fn drop_spans(&mut self) -> bool {
        self.spans.clear();
        !std::mem::take(&mut self.awaited).is_empty()
    }

    /// Returns the operations that others may have to follow by their spans, in the order of the spans' ends.
    pub(super) fn awaited(&self) -> &[usize] {
        &self.awaited
    }

    /// Returns whether operation `number` has to follow `other` by their spans.
    pub(super) fn must_follow(&self, number: usize, other: usize) -> bool {
        number != other && self.spans[other].1 < self.spans[number].0
    }

    /// Returns the number of operations.
    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// Returns the number of lost operations.
    pub(super) fn lost_count(&self) -> usize {
        self.operations.len() - self.completed
    }

    /// Returns the operation with the id of its call.
    pub(super) fn get(&self, number: usize) -> Call<'a, M> {
        self.operations[number]
    }

    /// Returns the operation and its answer.
    pub(super) fn invocation(&self, number: usize) -> (&'a M::Operation, Option<&'a M::Returned>) {
        let (_, entry) = self.operations[number];
        (&entry.operation, entry.returned.as_ref().map(|returned| &returned.value))
    }

    /// Returns whether the operation returned and leaves every state unchanged.
    pub(super) fn only_reads(&self, number: usize) -> bool {
        self.only_reads.get(number).is_some_and(|reads| *reads)
    }

    /// Returns whether the operation leads to the same state from every state.
    pub(super) fn overwrites(&self, number: usize) -> bool {
        self.overwrites[number]
    }

    /// Returns whether the operation never returned.
    pub(super) const fn is_lost(&self, number: usize) -> bool {
        number >= self.completed
    }

    /// Returns the operations that were in progress when `first` returned and returned later, `first` included.
    pub(super) fn open(&self, first: usize) -> &[usize] {
        &self.open[self.starts[first]..self.starts[first + 1]]
    }

    /// Returns the lost operations that were called before `first` returned.
    pub(super) fn lost(&self, first: usize) -> std::ops::Range<usize> {
        self.completed..self.completed + self.lost[first]
    }

    /// Returns, for a lost operation, the latest earlier lost one that is equal to it.
    pub(super) fn equal(&self, number: usize) -> Option<usize> {
        self.equal[number - self.completed]
    }
}
