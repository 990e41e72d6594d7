//! Collects what a fuzzer learns from a run: the order of tasks' operations on each resource, and the decisions that
//! could have been made differently.
//!
//! # Invariants
//! - Collecting never affects a decision.
//! - Tasks and resources are identified by their creator and their number among its children, never by an address or a
//!   global order. Identities are therefore the same in every process.

use std::cell::RefCell;
use std::collections::BTreeMap;

use timeloop_sim::{
    AnySource, DecisionKey, Domain, Operation, Ready, ResourceKey, SeedVersion, Source, Stream, TaskKey,
};

use super::counters;
use super::record::ShortPath;

/// The maximum number of points recorded per run.
const POINTS_MAX: usize = 4_096;

/// The number of counters per resource for pairs of consecutive tasks. Further pairs share counters. A resource with
/// many tasks therefore soon stops adding coverage, and does not hide resources that are used for the first time.
const ORDERS: u64 = 64;

/// A decision that the run reached and that could have been made differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) domain: Domain,
    pub(super) place: ShortPath,
    pub(super) resume: u16,
    pub(super) index: u16,
    /// The number of alternatives: other ready tasks, or other branches.
    pub(super) others: u16,
}

/// What the mutator uses of the last run.
#[derive(Debug, Default)]
pub(super) struct RunSummary {
    pub(super) points: Vec<Point>,
    /// Whether virtual time advanced.
    pub(super) time: bool,
    /// Whether the code under test drew random numbers.
    pub(super) random: bool,
}

thread_local! {
    static LAST: RefCell<RunSummary> = RefCell::default();
}

/// Calls `look` with the data of the last run on this thread.
pub(super) fn last_run<T>(look: impl FnOnce(&RunSummary) -> T) -> T {
    LAST.with_borrow(look)
}

pub(super) fn mix(hash: u64, number: u64) -> u64 {
    let mixed = (hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 32
}

/// A source that passes decisions through from another source and collects coverage.
#[derive(Debug)]
struct CoverageSource {
    source: AnySource,
    counts: bool,
    /// Each task's path, if a record can represent it, and its number of children.
    tasks: BTreeMap<TaskKey, (Option<ShortPath>, u32)>,
    /// The last operation on each resource.
    last: BTreeMap<ResourceKey, u64>,
    ready: u16,
    /// The point of the only ready task, while no other task is ready.
    alone: Option<Point>,
    seen: RunSummary,
}

/// Wraps a source so that its run collects coverage.
pub(crate) fn with_coverage(source: AnySource) -> AnySource {
    let mut seen = LAST.take();
    seen.points.clear();
    (seen.time, seen.random) = (false, false);
    let tasks = BTreeMap::from([(TaskKey::ROOT, (Some(ShortPath::default()), 0))]);
    AnySource::Other(Box::new(CoverageSource {
        source,
        counts: counters::are_on(),
        tasks,
        last: BTreeMap::new(),
        ready: 0,
        alone: None,
        seen,
    }))
}

impl CoverageSource {
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

    fn add_point(&mut self, point: Option<Point>) {
        if let Some(point) = point
            && self.seen.points.len() < POINTS_MAX
        {
            self.seen.points.push(point);
        }
    }
}

impl Drop for CoverageSource {
    fn drop(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        // The thread is ending, so nothing will read the data.
        let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = seen));
    }
}

impl Source for CoverageSource {
    fn ready(&mut self, task: Ready) {
        // A task that was preempted before an operation has its point already.
        if task.announced.is_none() {
            let point = self.point(task.key(), self.ready);
            if self.ready == 0 {
                self.alone = point;
            } else {
                if let Some(first) = self.alone.take() {
                    self.add_point(Some(Point { others: 1, ..first }));
                }
                self.add_point(point);
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

    fn varies_io(&self) -> bool {
        self.source.varies_io()
    }

    fn version(&self) -> SeedVersion {
        self.source.version()
    }

    fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
        if self.ready > 0 {
            self.add_point(self.point(key, self.ready));
        }
        self.source.should_preempt(key, operation)
    }

    fn performed(&mut self, task: TaskKey, operation: Operation) {
        if self.counts {
            let does = mix(task.0, operation.access.code().into());
            let before = self.last.insert(operation.resource, does).unwrap_or(0);
            let here = operation.resource.0;
            counters::mark(mix(mix(here, operation.access.code().into()), u64::MAX));
            counters::mark(mix(here, mix(does, before) >> 32 & (ORDERS - 1)));
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
        self.add_point(self.point(key, others));
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

    fn held_ns(&self) -> u64 {
        self.source.held_ns()
    }
}
