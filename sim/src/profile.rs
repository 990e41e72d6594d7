//! The profile of a test: what the baseline run counted, from which the strategies of all other runs get their estimates.
//!
//! An exploration makes the baseline run first, under a source that decides as the baseline schedule does and counts.
//!
//! # Invariants
//! - Counting reaches no decision, so the run is the baseline run, with its trace hash.
//! - The size of a profile is bounded, however long the run is.
//! - The meaning of a seed depends on the seed, the requested strategy and the profile, not on the worker.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::estimates::KeyedEstimates;
use crate::sorting::{pair, sort_by_number};
use crate::source::{AnySource, Seeded, Source};
use crate::stalls::DEADLINE_NS_MAX;
use crate::strategy::portfolio::{self, RunTraits};
#[cfg(feature = "processes")]
use crate::wire::wire_structs;
use crate::{
    Access, DecisionKey, Domain, Estimates, Numbers, Operation, Ready, ResourceKey, Schedule, Scratch, Seed,
    SeedVersion, Stalls, StrategySpec, Stream, TaskKey, TaskPath,
};

/// The maximum number of tasks that are counted separately. Later tasks count as part of their parent.
const TASKS_MAX: usize = 4_096;
/// The maximum number of pairs of a task and a resource that are counted.
const PAIRS_MAX: usize = 65_536;
/// The maximum number of resources among which a strategy's resource is chosen: those with the most accesses.
const RESOURCES_MAX: usize = 256;

/// What the baseline run counted.
///
/// The default is empty, as before any run.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The number of scheduling points at which two or more tasks were ready.
    points: u32,
    /// The number of operations at which another task was ready.
    operation_points: u32,
    tasks: u32,
    instants: u32,
    /// The number of steps and operations: the points at which a stall may begin.
    stall_points: u32,
    /// The longest stall.
    stall_ns: u64,
    /// Whether input and output vary in some of the runs.
    varied_io: bool,
    /// The parent of each task, from which paths are made when needed.
    lineage: Vec<Lineage>,
    /// The number of resumptions and operations of each task.
    work: Counts,
    /// The shared resources, in order of their keys.
    shared: Vec<Shared>,
    /// The sum of the weights of the shared resources.
    weight: u64,
}

/// The parent of a task.
#[derive(Clone, Copy, Debug)]
struct Lineage {
    key: TaskKey,
    /// The index of its parent; for the root, its own.
    parent: usize,
    /// Its number among the children of its parent, from 1.
    number: u32,
}

/// A resource that two or more tasks access, and at least one of them changes.
#[derive(Clone, Debug)]
struct Shared {
    resource: ResourceKey,
    /// The number of announced accesses.
    weight: u64,
    counts: Counts,
}

/// A number for each task including its descendants, in order of keys.
type Counts = Vec<(TaskKey, u32)>;

#[cfg(feature = "processes")]
wire_structs! {
    Profile {
        points, operation_points, tasks, instants, stall_points, stall_ns, varied_io, lineage, work, shared, weight,
    }
    Lineage { key, parent, number }
    Shared { resource, weight, counts }
}

/// Sums numbers of tasks over their descendants. Each task comes after its parent.
struct Summing<'a> {
    tasks: &'a [Task],
    /// The tasks in order of their keys.
    by_key: Vec<usize>,
    sums: Vec<u64>,
}

impl<'a> Summing<'a> {
    fn of(tasks: &'a [Task]) -> Self {
        let mut by_key: Vec<usize> = (0..tasks.len()).collect();
        sort_by_number(&mut by_key, |&index| tasks[index].key.0.into());
        Self { tasks, by_key, sums: vec![0; tasks.len()] }
    }

    /// Sums the numbers in `own`, which are given by the index of the task. Tasks without a number have 0.
    fn counts(&mut self, own: impl Iterator<Item = (usize, u64)>) -> Counts {
        let Self { tasks, by_key, sums } = self;
        own.for_each(|(index, number)| sums[index] = number);
        for index in (1..tasks.len()).rev() {
            sums[tasks[index].parent] += sums[index];
        }
        let entry = |index: usize| (tasks[index].key, u32::try_from(sums[index]).unwrap_or(u32::MAX));
        let counted = || by_key.iter().copied().filter(|&index| sums[index] > 0);
        let mut counts = Vec::with_capacity(tasks.len().min(Estimates::COUNTS_MAX));
        if tasks.len() <= Estimates::COUNTS_MAX {
            counts.extend(counted().map(entry));
        } else {
            let mut largest: Vec<usize> = counted().collect();
            // A parent's sum is at least that of its children, and it is spawned before them, so it is kept if they are.
            sort_by_number(&mut largest, |&index| pair(u64::MAX - sums[index], index as u64));
            largest.truncate(Estimates::COUNTS_MAX);
            sort_by_number(&mut largest, |&index| tasks[index].key.0.into());
            counts.extend(largest.into_iter().map(entry));
        }
        sums.fill(0);
        counts
    }
}

/// The strategy and the profile of an exploration, which together give each seed its schedule.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeedContext {
    /// The requested strategy.
    pub(crate) strategy: StrategySpec,
    /// The profile that the estimates come from.
    pub(crate) profile: Arc<Profile>,
}

impl SeedContext {
    /// Returns the schedule of a seed.
    pub(crate) fn schedule(&self, seed: Seed) -> Schedule {
        self.profile.schedule(self.strategy, seed)
    }
}

impl Profile {
    /// Returns the number of tasks in the baseline run; 0 before it.
    pub(crate) fn tasks(&self) -> u32 {
        self.tasks
    }

    /// Creates the source of the baseline run, and a handle to its counts, which are complete when the source is dropped.
    #[must_use]
    pub fn watching() -> (AnySource, Watched) {
        let watched = Watched::default();
        let source = Watching {
            ready: VecDeque::with_capacity(FEW),
            counted: Counted::default(),
            watched: Watched(Rc::clone(&watched.0)),
        };
        (AnySource::Other(Box::new(source)), watched)
    }

    /// Returns the profile for a test with these stalls. Without any, it is for the strategies as if virtual time never
    /// advanced.
    #[must_use]
    pub fn with_stalls(mut self, stalls: Stalls) -> Self {
        match stalls {
            Stalls::Deadlines => {}
            Stalls::UpTo(longest) if stalls.are_possible() => {
                self.stall_ns = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
            }
            Stalls::Never | Stalls::UpTo(_) => (self.instants, self.stall_ns) = (0, 0),
        }
        self
    }

    /// Returns the profile for a test whose input and output do not vary.
    #[must_use]
    pub fn without_varied_io(mut self) -> Self {
        self.varied_io = false;
        self
    }

    /// Returns whether input and output vary in the run with `seed`: in one of four. Multiples of the golden ratio spread
    /// them evenly over consecutive seeds.
    #[inline]
    fn varies_io(&self, seed: Seed) -> bool {
        self.varied_io && seed.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62 == 3
    }

    /// Returns the strategy and the estimates of the run with `seed`, if `strategy` is requested. For the portfolio, the seed
    /// chooses the strategy.
    #[must_use]
    pub fn plan(&self, strategy: StrategySpec, seed: Seed) -> (StrategySpec, Estimates) {
        let (strategy, estimates) = self.choose(strategy, seed);
        let KeyedEstimates { steps, tasks, instants, stall_ns, varied_io, resource, counts } = estimates;
        let mut counts: Vec<_> = counts.iter().map(|&(key, count)| (self.path(key), count)).collect();
        counts.sort_unstable();
        (strategy, Estimates { steps, tasks, instants, stall_ns, varied_io, resource, counts })
    }

    /// Returns the schedule of the run with `seed`, if `strategy` is requested.
    #[must_use]
    pub fn schedule(&self, strategy: StrategySpec, seed: Seed) -> Schedule {
        let (strategy, estimates) = self.plan(strategy, seed);
        Schedule::Seeded { seed, strategy, estimates, version: SeedVersion::default() }
    }

    /// Creates the source of that schedule, without the schedule itself.
    #[must_use]
    pub fn source(&self, strategy: StrategySpec, seed: Seed) -> AnySource {
        let (strategy, keyed) = self.choose(strategy, seed);
        AnySource::Seeded(Seeded::with_estimates(seed, strategy, &keyed))
    }

    /// Creates the source in the memory of earlier sources.
    #[must_use]
    #[inline]
    pub fn source_in(&self, scratch: &Scratch, strategy: StrategySpec, seed: Seed) -> AnySource {
        if strategy == StrategySpec::Random {
            return AnySource::Seeded(Seeded::random_in(scratch, seed, self.varies_io(seed)));
        }
        let (strategy, keyed) = self.choose(strategy, seed);
        AnySource::Seeded(Seeded::with_estimates_in(scratch, seed, strategy, &keyed))
    }

    /// Returns the longest stall, in nanoseconds of virtual time; 0 means short stalls.
    pub(crate) fn stall_ns(&self) -> u64 {
        self.stall_ns
    }

    /// Returns the path of a task that has been counted.
    fn path(&self, key: TaskKey) -> TaskPath {
        let mut index = self.lineage.iter().position(|lineage| lineage.key == key).unwrap_or(0);
        let mut numbers = Vec::new();
        while index > 0 {
            numbers.push(self.lineage[index].number);
            index = self.lineage[index].parent;
        }
        numbers.into_iter().rev().collect()
    }

    fn choose(&self, strategy: StrategySpec, seed: Seed) -> (StrategySpec, KeyedEstimates<'_>) {
        let has_time = self.instants > 0 || self.stall_ns > 0;
        let announces = self.operation_points > 0;
        let traits = RunTraits { shares: !self.shared.is_empty(), announces, has_time };
        let asked_for = strategy;
        let strategy = match asked_for {
            StrategySpec::Portfolio => portfolio::choose(seed, traits),
            strategy => strategy,
        };
        let turn = || match asked_for {
            StrategySpec::Portfolio => portfolio::ordinal(seed, traits),
            _ => seed.0,
        };
        let (resource, counts): (_, &[_]) = match strategy {
            StrategySpec::Urw => (None, &self.work),
            StrategySpec::Surw => match self.resource_in_turn(turn()) {
                Some(shared) => (Some(shared.resource), &shared.counts),
                None => (None, &[]),
            },
            _ => (None, &[]),
        };
        let steps = match strategy {
            // A task that runs alone can be held back, too.
            StrategySpec::Stall if self.stall_ns > 0 => self.stall_points,
            _ => self.points.saturating_add(self.operation_points),
        };
        let keyed = KeyedEstimates {
            steps,
            tasks: self.tasks,
            instants: self.instants,
            stall_ns: self.stall_ns,
            varied_io: self.varies_io(seed),
            resource,
            counts,
        };
        (strategy, strategy.uses(keyed))
    }

    /// Returns the resource for the run in this turn. Each resource is chosen in proportion to its accesses, spread evenly over
    /// the turns.
    fn resource_in_turn(&self, turn: u64) -> Option<&Shared> {
        // Multiples of the golden ratio, modulo 1, are spread evenly.
        let turn = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut at = ((u128::from(turn) * u128::from(self.weight)) >> 64) as u64;
        self.shared.iter().find(|shared| match at.checked_sub(shared.weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        })
    }
}

/// A handle to the counts of the baseline run.
#[derive(Debug, Default)]
pub struct Watched(Rc<RefCell<Option<Box<Counted>>>>);

impl Watched {
    /// Returns the profile. Call it when the run has ended.
    #[must_use]
    pub fn into_profile(self) -> Profile {
        self.0.take().map_or_else(Profile::default, |counted| counted.profile())
    }
}

/// The source of the baseline run: it decides as the baseline schedule does, and counts.
#[derive(Debug)]
struct Watching {
    /// The slots of the ready tasks, in order of arrival.
    ready: VecDeque<u32>,
    counted: Counted,
    watched: Watched,
}

impl Drop for Watching {
    fn drop(&mut self) {
        *self.watched.0.borrow_mut() = Some(Box::new(std::mem::take(&mut self.counted)));
    }
}

/// A task of the baseline run.
#[derive(Debug)]
struct Task {
    key: TaskKey,
    /// The index of its parent; for the root, its own.
    parent: usize,
    /// Its number among the children of its parent, from 1.
    number: u32,
    children: u32,
    resumes: u64,
    operations: u64,
}

/// The accesses of a task to a resource.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    /// The number of operations before which the task could have been preempted.
    announced: u32,
    /// Whether any operation did more than read.
    changes: bool,
}

/// Numbers keys in the order in which they are first seen.
#[derive(Debug, Default)]
struct Numbered {
    keys: Vec<u128>,
    /// The number that was looked up last, which is often looked up next.
    last: usize,
    /// The numbers of all but the first [`FEW`] keys.
    rest: Numbers,
}

/// The number of keys that are searched linearly, which is faster than a map.
const FEW: usize = 16;

impl Numbered {
    #[inline]
    fn find(&mut self, key: u128) -> Option<usize> {
        if self.keys.get(self.last) == Some(&key) {
            return Some(self.last);
        }
        let first = &self.keys[..self.keys.len().min(FEW)];
        let number = match first.iter().position(|known| *known == key) {
            None if self.keys.len() > FEW => self.rest.get(&key).map(|&number| number as usize),
            found => found,
        }?;
        self.last = number;
        Some(number)
    }

    /// Numbers a new key.
    fn add(&mut self, key: u128) -> usize {
        let number = self.keys.len();
        if number == 0 {
            self.keys.reserve(FEW);
        }
        self.keys.push(key);
        if number >= FEW {
            self.rest.insert(key, number as u32);
        }
        self.last = number;
        number
    }
}

/// The counts of a run so far.
#[derive(Debug, Default)]
struct Counted {
    points: u32,
    operation_points: u32,
    instants: u32,
    stall_points: u32,
    longest_wait_ns: u64,
    spawned: u32,
    /// In order of spawning, the root first.
    tasks: Vec<Task>,
    /// Their indices, by key.
    indices: Numbered,
    /// For tasks that are not among these, the index of the task as which they count.
    others: Numbers,
    /// The pairs of a resource and the index of a task, as [`pair`] has it.
    pairs: Numbered,
    /// Of each of these.
    touched: Vec<Touched>,
}

impl Counted {
    fn add(&mut self, key: TaskKey, parent: usize, number: u32) {
        if self.tasks.is_empty() {
            self.tasks.reserve(FEW);
        }
        self.tasks.push(Task { key, parent, number, children: 0, resumes: 0, operations: 0 });
        self.indices.add(key.0.into());
    }

    #[inline]
    fn index(&mut self, key: TaskKey) -> usize {
        match self.indices.find(key.0.into()) {
            Some(index) => index,
            None => self.index_of_other(key),
        }
    }

    fn index_of_other(&mut self, key: TaskKey) -> usize {
        if self.tasks.is_empty() {
            // The root is seen first.
            self.add(key, 0, 0);
        }
        self.others.get(&u128::from(key.0)).map_or(0, |&index| index as usize)
    }

    fn spawn(&mut self, parent: TaskKey, child: TaskKey) {
        self.spawned = self.spawned.saturating_add(1);
        let parent = self.index(parent);
        self.tasks[parent].children += 1;
        let number = self.tasks[parent].children;
        if self.tasks.len() < TASKS_MAX && self.tasks[parent].key.child(number) == child {
            self.add(child, parent, number);
        } else {
            self.others.insert(child.0.into(), parent as u32);
        }
    }

    #[inline]
    fn touch(&mut self, index: usize, operation: Operation, count: impl FnOnce(&mut Touched)) {
        let pair = pair(operation.resource.0, index as u64);
        let number = match self.pairs.find(pair) {
            Some(number) => number,
            None if self.touched.len() < PAIRS_MAX => {
                if self.touched.is_empty() {
                    self.touched.reserve(FEW);
                }
                self.touched.push(Touched::default());
                self.pairs.add(pair)
            }
            None => return,
        };
        count(&mut self.touched[number]);
    }

    fn profile(&self) -> Profile {
        let tasks = &self.tasks;
        let mut shared = Vec::with_capacity(FEW.min(self.touched.len()));
        let pairs = self.pairs.keys.iter().map(|&pair| (ResourceKey((pair >> 64) as u64), pair as usize));
        let mut touched: Vec<((ResourceKey, usize), Touched)> =
            pairs.zip(self.touched.iter().copied()).collect();
        sort_by_number(&mut touched, |((resource, index), _)| pair(resource.0, *index as u64));
        let mut rest = &touched[..];
        while let Some(((resource, _), _)) = rest.first() {
            let (by, others) = rest.split_at(rest.partition_point(|((other, _), _)| other <= resource));
            rest = others;
            // The order of accesses can be chosen freely only if at least two tasks can be preempted before theirs.
            let announcers = by.iter().filter(|(_, touched)| touched.announced > 0).count();
            if announcers >= 2 && by.iter().any(|(_, touched)| touched.changes) {
                let weight: u64 = by.iter().map(|(_, touched)| u64::from(touched.announced)).sum();
                shared.push((weight, *resource, by));
            }
        }
        if shared.len() > RESOURCES_MAX {
            sort_by_number(&mut shared, |(weight, ..)| (u64::MAX - *weight).into());
            shared.truncate(RESOURCES_MAX);
            sort_by_number(&mut shared, |(_, resource, _)| resource.0.into());
        }
        let mut summing = Summing::of(tasks);
        let shared: Vec<Shared> = shared
            .into_iter()
            .map(|(weight, resource, by)| {
                let own = by.iter().map(|((_, index), touched)| (*index, touched.announced.into()));
                let counts = summing.counts(own);
                Shared { resource, weight, counts }
            })
            .collect();
        Profile {
            points: self.points,
            operation_points: self.operation_points,
            tasks: self.spawned.saturating_add(1),
            instants: self.instants,
            stall_points: self.stall_points,
            // Twice, so that a task may also be late for a deadline that another one has prolonged.
            stall_ns: (2 * self.longest_wait_ns).min(DEADLINE_NS_MAX),
            varied_io: true,
            lineage: tasks
                .iter()
                .map(|&Task { key, parent, number, .. }| Lineage { key, parent, number })
                .collect(),
            work: summing.counts(tasks.iter().map(|task| task.resumes + task.operations).enumerate()),
            weight: shared.iter().map(|shared| shared.weight).sum(),
            shared,
        }
    }
}

impl Source for Watching {
    fn ready(&mut self, task: Ready) {
        let index = self.counted.index(task.task);
        self.counted.tasks[index].resumes += 1;
        self.ready.push_back(task.slot);
    }

    fn next(&mut self) -> Option<u32> {
        if self.ready.len() >= 2 {
            self.counted.points = self.counted.points.saturating_add(1);
        }
        let next = self.ready.pop_front();
        self.counted.stall_points = self.counted.stall_points.saturating_add(u32::from(next.is_some()));
        next
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
        if !self.ready.is_empty() {
            self.counted.operation_points = self.counted.operation_points.saturating_add(1);
        }
        self.counted.stall_points = self.counted.stall_points.saturating_add(1);
        let DecisionKey::Operation { task, .. } = key else { return false };
        let index = self.counted.index(task);
        self.counted.tasks[index].operations += 1;
        self.counted.touch(index, operation, |touched| touched.announced += 1);
        false
    }

    fn performed(&mut self, task: TaskKey, operation: Operation) {
        let index = self.counted.index(task);
        self.counted.touch(index, operation, |touched| touched.changes |= operation.access != Access::Read);
    }

    fn time_passed(&mut self) {
        self.counted.instants = self.counted.instants.saturating_add(1);
    }

    fn longest_wait(&mut self, ns: u64) {
        self.counted.longest_wait_ns = ns;
    }

    fn choose(&mut self, _key: DecisionKey, _arity: u32) -> u32 {
        0
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), Domain::User, entity)
    }

    fn spawned(&mut self, parent: TaskKey, child: TaskKey) {
        self.counted.spawn(parent, child);
    }

    fn finished(&mut self, task: TaskKey) {
        // The key is never used again. Without this, a long run with many tasks would keep every key.
        if self.counted.tasks.len() >= TASKS_MAX {
            self.counted.others.remove(&u128::from(task.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Announced;

    const A: ResourceKey = ResourceKey(10);
    const B: ResourceKey = ResourceKey(11);

    fn key(path: &str) -> TaskKey {
        path.parse::<TaskPath>().unwrap().key()
    }

    /// The profile of a run with these tasks and operations, in order.
    fn profile(tasks: &[&str], operations: &[(&str, ResourceKey, Access)]) -> Profile {
        let (mut source, watched) = Profile::watching();
        let mut resumes = 0;
        let mut ready = |source: &mut AnySource, task: TaskKey, announced: Option<Announced>| {
            resumes += 1;
            source.ready(Ready { slot: resumes, resume: resumes, task, announced });
        };
        ready(&mut source, TaskKey::ROOT, None);
        source.next();
        for path in &tasks[1..] {
            let parent = path.rsplit_once('.').unwrap().0;
            source.spawned(key(parent), key(path));
            ready(&mut source, key(path), None);
        }
        while source.next().is_some() {}
        for (path, resource, access) in operations {
            let operation = Operation { resource: *resource, access: *access };
            let task = key(path);
            let key = DecisionKey::Operation { task, resume: 0, index: 0 };
            assert!(!source.should_preempt(key, operation), "the baseline run preempts no task");
            source.performed(task, operation);
        }
        source.time_passed();
        drop(source);
        watched.into_profile()
    }

    fn counts(estimates: &Estimates) -> Vec<(String, u32)> {
        estimates.counts.iter().map(|(path, count)| (path.to_string(), *count)).collect()
    }

    #[test]
    fn a_task_counts_with_its_descendants() {
        use Access::{Read, Write};
        let profile = profile(
            &["root", "root.1", "root.2", "root.1.1"],
            &[("root.1", A, Write), ("root.1.1", A, Read), ("root.1.1", A, Write), ("root.2", B, Write)],
        );
        let (strategy, urw) = profile.plan(StrategySpec::Urw, Seed(3));
        assert_eq!(strategy, StrategySpec::Urw);
        let expected = [("root", 8), ("root.1", 5), ("root.1.1", 3), ("root.2", 2)]
            .map(|(path, n)| (path.to_owned(), n));
        assert_eq!(counts(&urw), expected);
        assert_eq!(
            (urw.steps, urw.tasks, urw.resource),
            (0, 0, None),
            "nothing that the strategy does not use"
        );

        // Only one of the two resources is shared.
        for seed in 0..32 {
            let (_, surw) = profile.plan(StrategySpec::Surw, Seed(seed));
            assert_eq!(surw.resource, Some(A));
            let expected =
                [("root", 3), ("root.1", 3), ("root.1.1", 2)].map(|(path, n)| (path.to_owned(), n));
            assert_eq!(counts(&surw), expected);
        }
        let (_, pct) = profile.plan(StrategySpec::Pct { depth: 3 }, Seed(0));
        // Three tasks were ready together, then two.
        assert_eq!((pct.steps, pct.tasks, pct.instants), (2, 0, 0));
        let (_, starve) = profile.plan(StrategySpec::Starve, Seed(0));
        assert_eq!((starve.steps, starve.tasks, starve.instants), (0, 4, 1));
    }

    #[test]
    fn resources_that_are_only_read_are_not_chosen() {
        let read = [("root.1", A, Access::Read), ("root.2", A, Access::Read), ("root.1", B, Access::Write)];
        let profile = profile(&["root", "root.1", "root.2"], &read);
        assert_eq!(profile.plan(StrategySpec::Surw, Seed(0)).1, Estimates::default());
        for seed in 0..64 {
            assert_ne!(profile.plan(StrategySpec::Portfolio, Seed(seed)).0, StrategySpec::Surw);
        }
    }

    #[test]
    fn resources_are_chosen_as_often_as_they_are_accessed() {
        let mut operations = Vec::new();
        for _ in 0..3 {
            operations.extend([("root.1", A, Access::Write), ("root.2", A, Access::Write)]);
        }
        operations.extend([("root.1", B, Access::Write), ("root.2", B, Access::Write)]);
        let profile = profile(&["root", "root.1", "root.2"], &operations);
        for base in [0, 1_000_003, u64::MAX - 100] {
            let seeds = (0..256).map(|index| Seed(base).of_run(index));
            let surw = |seed| {
                let (strategy, estimates) = profile.plan(StrategySpec::Portfolio, seed);
                (strategy == StrategySpec::Surw).then(|| estimates.resource.unwrap())
            };
            let chosen: Vec<_> = seeds.filter_map(surw).collect();
            let a = chosen.iter().filter(|resource| **resource == A).count();
            let share = a as f64 / chosen.len() as f64;
            assert!(chosen.len() >= 16 && (0.7..=0.8).contains(&share), "{share} of {}", chosen.len());
        }
    }

    #[test]
    fn the_busiest_of_many_tasks_are_kept() {
        let paths: Vec<String> =
            std::iter::once("root".to_owned()).chain((1..=200).map(|n| format!("root.{n}"))).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let operations = [("root.150", A, Access::Write), ("root.7", A, Access::Write)];
        let (_, estimates) = profile(&paths, &operations).plan(StrategySpec::Urw, Seed(0));
        let kept = counts(&estimates);
        assert_eq!(kept.len(), Estimates::COUNTS_MAX);
        assert!(estimates.counts.is_sorted_by(|(path, _), (next, _)| path < next));
        for (path, count) in [("root", 203), ("root.7", 2), ("root.150", 2), ("root.1", 1)] {
            assert!(kept.contains(&(path.to_owned(), count)), "{path} in {kept:?}");
        }
    }
}
