//! The profile: what the quiet run was like, from which the strategies of all other runs get their estimates.
//!
//! An exploration makes the quiet run first, under a source that decides as the quiet schedule does and counts as it goes.
//!
//! Always true: counting reaches no decision, so the run is the quiet run, with its trace hash; how much is counted is
//! bounded, however long the run is; and what a seed means is a function of the seed, the strategy asked for and the
//! profile, whichever worker asks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::estimates::KeyedEstimates;
use crate::sorting::{pair, sort_by_number};
use crate::source::{AnySource, Seeded, Source};
use crate::strategy::portfolio::{self, RunTraits};
use crate::{
    Access, DecisionKey, Domain, Estimates, Numbers, Operation, Ready, ResourceKey, Schedule, Scratch, Seed,
    StrategySpec, Stream, TaskKey, TaskPath,
};

/// Tasks that are told apart; those that come later count as part of who spawned them.
const TASKS_MAX: usize = 4_096;
/// Pairs of a task and a resource that are counted.
const PAIRS_MAX: usize = 65_536;
/// Resources that a run may be told to attend to: those with the most accesses.
const RESOURCES_MAX: usize = 256;

/// What the quiet run was like.
///
/// The default is what is known before any run: nothing.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Points at which two or more tasks were ready.
    points: u32,
    /// Operations that could have been such points: others were ready.
    operation_points: u32,
    tasks: u32,
    instants: u32,
    /// Who spawned whom, for the paths of tasks: few runs are ever told of by them.
    lineage: Vec<Lineage>,
    /// Resumptions and operations, by task.
    work: Counts,
    /// What tasks share, in order of their keys.
    shared: Vec<Shared>,
    /// The sum of the weights of what tasks share.
    weight: u64,
}

/// Where a task comes from.
#[derive(Clone, Copy, Debug)]
struct Lineage {
    key: TaskKey,
    /// The index of who spawned it; the root's own for the root.
    parent: usize,
    /// As whose how-many-th child.
    number: u32,
}

/// A resource that two or more tasks touch, and one of them changes.
#[derive(Clone, Debug)]
struct Shared {
    resource: ResourceKey,
    /// How often it is touched.
    weight: u64,
    counts: Counts,
}

/// A number for each task and all its descendants, in order of keys.
type Counts = Vec<(TaskKey, u32)>;

/// Sums the own numbers of tasks, each of which comes after its parent, for all their descendants.
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

    /// `own` says which task has which number; those that are not told of have none.
    fn counts(&mut self, own: impl Iterator<Item = (usize, u64)>) -> Counts {
        let Self { tasks, by_key, sums } = self;
        own.for_each(|(index, number)| sums[index] = number);
        for index in (1..tasks.len()).rev() {
            sums[tasks[index].parent] += sums[index];
        }
        let told = |index: usize| (tasks[index].key, u32::try_from(sums[index]).unwrap_or(u32::MAX));
        let counted = || by_key.iter().copied().filter(|&index| sums[index] > 0);
        let mut counts = Vec::with_capacity(tasks.len().min(Estimates::COUNTS_MAX));
        if tasks.len() <= Estimates::COUNTS_MAX {
            counts.extend(counted().map(told));
        } else {
            let mut largest: Vec<usize> = counted().collect();
            // A parent has no less than its children and is spawned before them, so it is never left out before them.
            sort_by_number(&mut largest, |&index| pair(u64::MAX - sums[index], index as u64));
            largest.truncate(Estimates::COUNTS_MAX);
            sort_by_number(&mut largest, |&index| tasks[index].key.0.into());
            counts.extend(largest.into_iter().map(told));
        }
        sums.fill(0);
        counts
    }
}

/// What seeds mean in one exploration.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeedContext {
    /// The strategy that was asked for.
    pub(crate) strategy: StrategySpec,
    /// Where it gets its estimates from.
    pub(crate) profile: Arc<Profile>,
}

impl SeedContext {
    /// The schedule that a seed stands for.
    pub(crate) fn schedule(&self, seed: Seed) -> Schedule {
        self.profile.schedule(self.strategy, seed)
    }
}

impl Profile {
    /// The source of the quiet run, and what it will have counted once it is dropped.
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

    /// The same for a test in which no time may pass while a task is ready: to the strategies it is as if time never moved.
    #[must_use]
    pub fn without_stalls(mut self) -> Self {
        self.instants = 0;
        self
    }

    /// The strategy of the run with `seed` where `strategy` is asked for, and what it is told. For the portfolio that is
    /// the one whose turn it is; any other is itself.
    #[must_use]
    pub fn plan(&self, strategy: StrategySpec, seed: Seed) -> (StrategySpec, Estimates) {
        let (strategy, KeyedEstimates { steps, tasks, instants, resource, counts }) =
            self.choose(strategy, seed);
        let mut counts: Vec<_> = counts.iter().map(|&(key, count)| (self.path(key), count)).collect();
        counts.sort_unstable();
        (strategy, Estimates { steps, tasks, instants, resource, counts })
    }

    /// The schedule of the run with `seed` where `strategy` is asked for.
    #[must_use]
    pub fn schedule(&self, strategy: StrategySpec, seed: Seed) -> Schedule {
        let (strategy, estimates) = self.plan(strategy, seed);
        Schedule::Seeded { seed, strategy, estimates }
    }

    /// The source of that schedule, made more cheaply.
    #[must_use]
    pub fn source(&self, strategy: StrategySpec, seed: Seed) -> AnySource {
        let (strategy, keyed) = self.choose(strategy, seed);
        AnySource::Seeded(Seeded::with_estimates(seed, strategy, &keyed))
    }

    /// The same in the memory of earlier sources.
    #[must_use]
    #[inline]
    pub fn source_in(&self, scratch: &Scratch, strategy: StrategySpec, seed: Seed) -> AnySource {
        if strategy == StrategySpec::Random {
            return AnySource::Seeded(Seeded::random_in(scratch, seed));
        }
        let (strategy, keyed) = self.choose(strategy, seed);
        AnySource::Seeded(Seeded::with_estimates_in(scratch, seed, strategy, &keyed))
    }

    /// The path of a task that has been counted.
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
        let traits = RunTraits { shares: !self.shared.is_empty(), has_time: self.instants > 0 };
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
        let keyed = KeyedEstimates {
            steps: self.points.saturating_add(self.operation_points),
            tasks: self.tasks,
            instants: self.instants,
            resource,
            counts,
        };
        (strategy, strategy.uses(keyed))
    }

    /// What the run whose turn it is attends to: each resource as often as it is touched, spread evenly over the turns.
    fn resource_in_turn(&self, turn: u64) -> Option<&Shared> {
        // Steps of the golden ratio around a circle: any few of them are spread over it as evenly as can be.
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

/// Where the source of the quiet run leaves what it has counted.
#[derive(Debug, Default)]
pub struct Watched(Rc<RefCell<Option<Box<Counted>>>>);

impl Watched {
    /// The profile, once the run is over.
    #[must_use]
    pub fn into_profile(self) -> Profile {
        self.0.take().map_or_else(Profile::default, |counted| counted.profile())
    }
}

/// Decides as the quiet schedule does, and counts.
#[derive(Debug)]
struct Watching {
    /// Slots, in order of arrival.
    ready: VecDeque<u32>,
    counted: Counted,
    watched: Watched,
}

impl Drop for Watching {
    fn drop(&mut self) {
        *self.watched.0.borrow_mut() = Some(Box::new(std::mem::take(&mut self.counted)));
    }
}

/// A task of the quiet run.
#[derive(Debug)]
struct Task {
    key: TaskKey,
    /// The index of who spawned it; the root's own for the root.
    parent: usize,
    /// As whose how-many-th child.
    number: u32,
    children: u32,
    resumes: u64,
    operations: u64,
}

/// What a task did to a resource.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    /// Operations before which it could have given way.
    announced: u32,
    /// Any of its operations did more than read.
    changes: bool,
}

/// Numbers keys in the order in which they are first seen.
#[derive(Debug, Default)]
struct Numbered {
    keys: Vec<u128>,
    /// The number that was asked for last: most often it is the next one, too.
    last: usize,
    /// The numbers of all but the first [`FEW`] keys.
    rest: Numbers,
}

/// So many keys are looked for one by one, which is faster.
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

    /// Numbers a key that has none.
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

/// What has been counted so far.
#[derive(Debug, Default)]
struct Counted {
    points: u32,
    operation_points: u32,
    instants: u32,
    spawned: u32,
    /// In order of spawning, the root first.
    tasks: Vec<Task>,
    /// The same, by key.
    indices: Numbered,
    /// As whom tasks count that are not among these.
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
            // Whoever is seen first is the root.
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
            // Only where two tasks or more can give way before they touch it can their order be chosen at will.
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
        self.ready.pop_front()
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn should_preempt(&mut self, key: DecisionKey, operation: Operation) -> bool {
        if !self.ready.is_empty() {
            self.counted.operation_points = self.counted.operation_points.saturating_add(1);
        }
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
        // A key is never used again; without this a long run with many tasks would keep them all.
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

    /// A run as a simulation would make it: who does what to which resource, in which order.
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
        assert_eq!((urw.steps, urw.tasks, urw.resource), (0, 0, None), "nothing that it has no use for");

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
    fn what_is_only_read_is_not_attended_to() {
        let read = [("root.1", A, Access::Read), ("root.2", A, Access::Read), ("root.1", B, Access::Write)];
        let profile = profile(&["root", "root.1", "root.2"], &read);
        assert_eq!(profile.plan(StrategySpec::Surw, Seed(0)).1, Estimates::default());
        for seed in 0..64 {
            assert_ne!(profile.plan(StrategySpec::Portfolio, Seed(seed)).0, StrategySpec::Surw);
        }
    }

    #[test]
    fn resources_are_attended_to_as_often_as_they_are_touched() {
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
    fn of_many_tasks_the_busiest_are_told() {
        let paths: Vec<String> =
            std::iter::once("root".to_owned()).chain((1..=200).map(|n| format!("root.{n}"))).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let operations = [("root.150", A, Access::Write), ("root.7", A, Access::Write)];
        let (_, estimates) = profile(&paths, &operations).plan(StrategySpec::Urw, Seed(0));
        let told = counts(&estimates);
        assert_eq!(told.len(), Estimates::COUNTS_MAX);
        assert!(estimates.counts.is_sorted_by(|(path, _), (next, _)| path < next));
        for (path, count) in [("root", 203), ("root.7", 2), ("root.150", 2), ("root.1", 1)] {
            assert!(told.contains(&(path.to_owned(), count)), "{path} in {told:?}");
        }
    }
}
