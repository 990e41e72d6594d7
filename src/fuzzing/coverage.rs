//! What a fuzzer learns from a run: which operation of which task followed which on each resource, and at which points
//! the run could have gone another way.
//!
//! Always true: watching reaches no decision; tasks and resources are told apart by what they are in every process (who
//! made them, as the how-many-th), never by an address or an order.

use std::cell::RefCell;
use std::collections::BTreeMap;

use timeloop_sim::{AnySource, DecisionKey, Domain, Operation, Ready, ResourceKey, Source, Stream, TaskKey};

use super::counters;
use super::record::Place;

/// Points of one run that are kept.
const POINTS_MAX: usize = 4_096;

/// Counters that a resource has for who comes after whom. More pairs than that share them: so a resource that many tasks touch
/// is soon no news any more, and does not drown those that are touched for the first time.
const ORDERS: u64 = 64;

/// A decision that a run came to, where it could have gone another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) domain: Domain,
    pub(super) place: Place,
    pub(super) resume: u16,
    pub(super) index: u16,
    /// How many other ways there were: other tasks that were ready, other branches.
    pub(super) others: u16,
}

/// What the mutator wants to know of the last run.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) points: Vec<Point>,
    /// Whether virtual time moved.
    pub(super) time: bool,
    /// Whether the code drew random numbers.
    pub(super) random: bool,
}

thread_local! {
    static LAST: RefCell<Seen> = RefCell::default();
}

/// Calls `look` with what the last run on this thread was like.
pub(super) fn last_run<T>(look: impl FnOnce(&Seen) -> T) -> T {
    LAST.with_borrow(look)
}

pub(super) fn mix(hash: u64, number: u64) -> u64 {
    let mixed = (hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 32
}

/// Watches a run whose decisions come from another source.
#[derive(Debug)]
struct Watching {
    source: AnySource,
    counts: bool,
    /// Where each task is, if a record can say so, and how many children it has.
    tasks: BTreeMap<TaskKey, (Option<Place>, u32)>,
    /// Who did what to a resource last.
    last: BTreeMap<ResourceKey, u64>,
    ready: u16,
    /// The point of the only task that is ready, as long as it is the only one.
    alone: Option<Point>,
    seen: Seen,
}

/// The source, watched.
pub(crate) fn watched(source: AnySource) -> AnySource {
    let mut seen = LAST.take();
    seen.points.clear();
    (seen.time, seen.random) = (false, false);
    let tasks = BTreeMap::from([(TaskKey::ROOT, (Some(Place::default()), 0))]);
    AnySource::Other(Box::new(Watching {
        source,
        counts: counters::are_on(),
        tasks,
        last: BTreeMap::new(),
        ready: 0,
        alone: None,
        seen,
    }))
}

impl Watching {
    fn point(&self, key: DecisionKey, others: u16) -> Option<Point> {
        let (domain, _, resume, index) = key.parts();
        Some(Point {
            domain,
            place: self.tasks.get(&key.task()?)?.0?,
            resume: u16::try_from(resume).ok()?,
            index: u16::try_from(index).ok()?,
            others,
        })
    }

    fn note(&mut self, point: Option<Point>) {
        if let Some(point) = point
            && self.seen.points.len() < POINTS_MAX
        {
            self.seen.points.push(point);
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        // On a thread that ends nobody will ask.
        let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = seen));
    }
}

impl Source for Watching {
    fn ready(&mut self, task: Ready) {
        // Who has given way before an operation has had its point.
        if task.announced.is_none() {
            let point = self.point(task.key(), self.ready);
            if self.ready == 0 {
                self.alone = point;
            } else {
                if let Some(first) = self.alone.take() {
                    self.note(Some(Point { others: 1, ..first }));
                }
                self.note(point);
            }
        }
        self.ready = self.ready.saturating_add(1);
        self.source.ready(task);
    }

    fn woken(&mut self, task: TaskKey) {
        self.source.woken(task);
    }

    fn next(&mut self) -> Option<u32> {
        let next = self.source.next();
        if next.is_some() {
            self.ready = self.ready.saturating_sub(1);
            self.alone = None;
        }
        next
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
        if self.ready > 0 {
            self.note(self.point(key, self.ready));
        }
        self.source.should_preempt(key, operation)
    }

    fn performed(&mut self, task: TaskKey, operation: Operation) {
        if self.counts {
            let does = mix(task.0, operation.access.code().into());
            let before = self.last.insert(operation.resource, does).unwrap_or(0);
            let here = operation.resource.0;
            counters::reached(mix(mix(here, operation.access.code().into()), u64::MAX));
            counters::reached(mix(here, mix(does, before) >> 32 & (ORDERS - 1)));
        }
        self.source.performed(task, operation);
    }

    fn lets_time_pass(&mut self, by_ns: u64) -> bool {
        self.source.lets_time_pass(by_ns)
    }

    fn time_passed(&mut self) {
        self.seen.time = true;
        self.source.time_passed();
    }

    fn release_held(&mut self) -> bool {
        self.source.release_held()
    }

    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        let others = u16::try_from(arity - 1).unwrap_or(u16::MAX);
        self.note(self.point(key, others));
        self.source.choose(key, arity)
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        self.seen.random = true;
        self.source.user_stream(entity)
    }

    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        if let Some((place, children)) = self.tasks.get_mut(&parent) {
            *children += 1;
            let number =
                u8::try_from(*children).ok().filter(|number| parent.child(u32::from(*number)) == child);
            let place = number.zip(*place).and_then(|(number, mut place)| {
                *place.iter_mut().find(|byte| **byte == 0)? = number;
                Some(place)
            });
            self.tasks.insert(child, (place, 0));
        }
        self.source.spawned(parent, child);
    }

    fn finished(&mut self, task: TaskKey) {
        self.tasks.remove(&task);
        self.source.finished(task);
    }

    fn unapplied(&self) -> usize {
        self.source.unapplied()
    }
}
