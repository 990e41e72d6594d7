//! The profile: what the quiet run was like, from which the strategies of all other runs get their estimates.
//!
//! An exploration makes the quiet run first, under a source that decides as the quiet schedule does and counts as it goes.
//!
//! Always true: counting reaches no decision, so the run is the quiet run, with its trace hash; how much is counted is
//! bounded, however long the run is; and what a seed means is a function of the seed, the strategy asked for and the
//! profile, whichever worker asks.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::estimates::Told;
use crate::source::{AnySource, Ready, Source};
use crate::strategy::portfolio::{self, Traits};
use crate::{
    Access, DecisionKey, Domain, Estimates, Operation, ResourceKey, Schedule, Seed, StrategySpec, Stream,
    TaskKey, TaskPath,
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
    /// Resumptions and operations, by task.
    work: Counts,
    /// What tasks share, in order of their keys.
    shared: Vec<Shared>,
    /// The sum of the weights of what tasks share.
    weight: u64,
}

/// A resource that two or more tasks touch, and one of them changes.
#[derive(Clone, Debug)]
struct Shared {
    resource: ResourceKey,
    /// How often it is touched.
    weight: u64,
    counts: Counts,
}

/// A number for each task and all its descendants, in order of paths.
#[derive(Clone, Debug, Default)]
struct Counts {
    by_key: Vec<(TaskKey, u32)>,
    by_path: Vec<(TaskPath, u32)>,
}

impl Counts {
    /// Of the own numbers of tasks, each of which comes after its parent.
    fn of(tasks: &[Task], own: impl Fn(usize) -> u64) -> Self {
        let mut sums: Vec<u64> = (0..tasks.len()).map(own).collect();
        for index in (1..tasks.len()).rev() {
            sums[tasks[index].parent] += sums[index];
        }
        let mut largest: Vec<usize> = (0..tasks.len()).filter(|&index| sums[index] > 0).collect();
        // A parent has no less than its children and is spawned before them, so it is never left out before them.
        largest.sort_by_key(|&index| std::cmp::Reverse(sums[index]));
        largest.truncate(Estimates::COUNTS_MAX);
        let mut by_path: Vec<(TaskPath, u32)> = largest
            .into_iter()
            .map(|index| (path(tasks, index), u32::try_from(sums[index]).unwrap_or(u32::MAX)))
            .collect();
        by_path.sort_unstable();
        let mut by_key: Vec<_> = by_path.iter().map(|(path, count)| (path.key(), *count)).collect();
        by_key.sort_unstable();
        Self { by_key, by_path }
    }
}

impl Profile {
    /// The source of the quiet run, and what it will have counted once it is dropped.
    #[must_use]
    pub fn watching() -> (AnySource, Watched) {
        let watched = Watched::default();
        let source = Watching {
            ready: VecDeque::new(),
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
        let (strategy, told, counts) = self.choose(strategy, seed);
        let Told { steps, tasks, instants, resource, .. } = told;
        let counts = counts.map_or_else(Vec::new, |counts| counts.by_path.clone());
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
    #[inline]
    pub fn source(&self, strategy: StrategySpec, seed: Seed) -> AnySource {
        if strategy == StrategySpec::Random {
            return StrategySpec::Random.source(seed);
        }
        let (strategy, told, _) = self.choose(strategy, seed);
        strategy.source_told(seed, &told)
    }

    fn choose(&self, strategy: StrategySpec, seed: Seed) -> (StrategySpec, Told<'_>, Option<&Counts>) {
        let traits = Traits { shares: !self.shared.is_empty(), has_time: self.instants > 0 };
        let (strategy, turn) = match strategy {
            StrategySpec::Portfolio => (portfolio::choose(seed, traits), portfolio::ordinal(seed, traits)),
            strategy => (strategy, seed.0),
        };
        let (resource, counts) = match strategy {
            StrategySpec::Urw => (None, Some(&self.work)),
            StrategySpec::Surw => match self.resource_in_turn(turn) {
                Some(shared) => (Some(shared.resource), Some(&shared.counts)),
                None => (None, None),
            },
            _ => (None, None),
        };
        let told = Told {
            steps: self.points.saturating_add(self.operation_points),
            tasks: self.tasks,
            instants: self.instants,
            resource,
            counts: counts.map_or(&[], |counts| &counts.by_key),
        };
        (strategy, told.to(strategy), counts)
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

fn path(tasks: &[Task], mut index: usize) -> TaskPath {
    let mut numbers = Vec::new();
    while index > 0 {
        numbers.push(tasks[index].number);
        index = tasks[index].parent;
    }
    numbers.into_iter().rev().collect()
}

/// What a task did to a resource.
#[derive(Clone, Copy, Debug, Default)]
struct Touched {
    /// Operations before which it could have given way.
    announced: u32,
    /// Any of its operations did more than read.
    changes: bool,
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
    /// Where a task is counted.
    indices: BTreeMap<TaskKey, usize>,
    touched: BTreeMap<(ResourceKey, usize), Touched>,
}

impl Counted {
    fn index(&mut self, key: TaskKey) -> usize {
        if self.tasks.is_empty() {
            // Whoever is seen first is the root.
            self.tasks.push(Task { key, parent: 0, number: 0, children: 0, resumes: 0, operations: 0 });
            self.indices.insert(key, 0);
        }
        self.indices.get(&key).copied().unwrap_or(0)
    }

    fn spawn(&mut self, parent: TaskKey, child: TaskKey) {
        self.spawned = self.spawned.saturating_add(1);
        let parent = self.index(parent);
        self.tasks[parent].children += 1;
        let number = self.tasks[parent].children;
        let index = if self.tasks.len() < TASKS_MAX && self.tasks[parent].key.child(number) == child {
            self.tasks.push(Task { key: child, parent, number, children: 0, resumes: 0, operations: 0 });
            self.tasks.len() - 1
        } else {
            parent
        };
        self.indices.insert(child, index);
    }

    fn touch(&mut self, task: TaskKey, operation: Operation, count: impl FnOnce(&mut Touched)) {
        let key = (operation.resource, self.index(task));
        if let Some(touched) = self.touched.get_mut(&key) {
            count(touched);
        } else if self.touched.len() < PAIRS_MAX {
            count(self.touched.entry(key).or_default());
        }
    }

    fn profile(&self) -> Profile {
        let tasks = &self.tasks;
        let mut shared = Vec::new();
        let mut rest: &[((ResourceKey, usize), Touched)] =
            &self.touched.iter().map(|(key, touched)| (*key, *touched)).collect::<Vec<_>>();
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
        shared.sort_by_key(|(weight, ..)| std::cmp::Reverse(*weight));
        shared.truncate(RESOURCES_MAX);
        shared.sort_by_key(|(_, resource, _)| *resource);
        let shared: Vec<Shared> = shared
            .into_iter()
            .map(|(weight, resource, by)| {
                let counts = Counts::of(tasks, |index| {
                    by.binary_search_by_key(&index, |((_, task), _)| *task)
                        .map_or(0, |found| by[found].1.announced.into())
                });
                Shared { resource, weight, counts }
            })
            .collect();
        Profile {
            points: self.points,
            operation_points: self.operation_points,
            tasks: self.spawned.saturating_add(1),
            instants: self.instants,
            work: Counts::of(tasks, |index| tasks[index].resumes + tasks[index].operations),
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

    fn gives_way(&mut self, key: DecisionKey, operation: Operation) -> bool {
        if !self.ready.is_empty() {
            self.counted.operation_points = self.counted.operation_points.saturating_add(1);
        }
        let index = self.counted.index(key.task);
        self.counted.tasks[index].operations += 1;
        self.counted.touch(key.task, operation, |touched| touched.announced += 1);
        false
    }

    fn performed(&mut self, task: TaskKey, operation: Operation) {
        self.counted.touch(task, operation, |touched| touched.changes |= operation.access != Access::Read);
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
            self.counted.indices.remove(&task);
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
            let key = DecisionKey { domain: Domain::Operation, task: key(path), resume: 0, index: 0 };
            assert!(!source.gives_way(key, operation), "the quiet run goes straight on");
            source.performed(key.task, operation);
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
