//! [`Coverage`]: what the runs of an exploration covered, so that a passing test shows how much it has tested.
//!
//! # Invariants
//! - The result does not depend on the number of workers.
//! - Counting makes no runs. Runs that are recorded for it take the same steps as without.

use std::borrow::Cow;

use crate::fault_counts::FaultCounts;
use crate::fnv::Fnv;
use crate::int_map::{IntMap, IntSet};
use crate::sorting::pair;
use crate::{BranchKind, CompletedBranch, Ended, Record, ResourceKey, ResourceKind, Site, TaskKey};

/// The number of runs of seeds, spread over an exploration, that are recorded.
pub(crate) const RECORDED_RUNS: u64 = 64;
/// The number of runs whose schedules are compared.
const COMPARED_RUNS: u64 = 65_536;
/// The maximum number of ordered pairs of operations that are kept.
const PAIRS_MAX: usize = 65_536;
/// The maximum number of places of `select!`s and timeouts.
const PLACES_MAX: usize = 1_000;
/// A longer baseline run means that no run is recorded.
pub(crate) const RECORDED_STEPS_MAX: u64 = 100_000;

/// What the runs of an exploration covered: the baseline run and the runs of seeds, up to the first that fails.
///
/// The first two fields are always counted. The others need recorded runs: see [`Config::coverage`](crate::Config::coverage).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// The number of distinct schedules: of runs that differ in a step, in virtual time or in a choice. Only the first
    /// 65,536 runs are compared. For an exhaustive search, the number of its schedules.
    pub distinct_schedules: u64,
    /// The faults of fault plans.
    pub faults: FaultCounts,
    /// The number of recorded runs, from which the other fields are counted: the baseline run and at most 64 of the others.
    pub recorded_runs: u64,
    /// The number of racing pairs: two operations of different tasks on one resource, one after the other, of which at least one
    /// does more than read. An operation is a task and a place in the code. At most 65,536 pairs are counted.
    pub racing_pairs: u64,
    /// The number of racing pairs that ran in both orders.
    pub racing_pairs_both_ways: u64,
    /// The `select!`s and timeouts that completed, in order of their places. At most 1,000 places are counted.
    pub branches: Vec<BranchCoverage>,
}

/// How often each branch of a `select!` or of a timeout completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchCoverage {
    /// Whether it is a `select!` or a timeout.
    pub kind: BranchKind,
    /// Where it is.
    pub site: Site,
    /// How often each branch completed, in order. A timeout has two: its future, and its deadline.
    pub completed: Vec<u64>,
}

/// The number of an operation: a task, a resource, and a place in the code.
type OperationNumber = u64;

/// The place of a `select!` or a timeout: file, line, column.
type BranchPlace = (Cow<'static, str>, u32, u32, BranchKind);

/// What some runs covered.
#[derive(Debug, Default)]
pub(crate) struct Covered {
    /// The trace hashes of the runs.
    hashes: Vec<u64>,
    faults: FaultCounts,
    recorded_runs: u64,
    /// The pairs of operations that raced, in the order in which they ran.
    pairs: IntSet,
    /// How often each branch completed, in the order of the places.
    branches: Vec<(BranchPlace, Vec<u64>)>,
}

impl Covered {
    /// Adds the run with this index.
    pub(crate) fn add(&mut self, index: u64, ended: &Ended) {
        if index < COMPARED_RUNS {
            self.hashes.push(ended.trace_hash);
        }
        self.faults.add(ended.faults);
        if let Some(record) = &ended.record {
            self.recorded_runs += 1;
            self.add_pairs(record);
            self.add_branches(record);
        }
    }

    /// Adds other runs.
    pub(crate) fn merge(&mut self, other: Self) {
        self.hashes.extend(other.hashes);
        self.faults.add(other.faults);
        self.recorded_runs += other.recorded_runs;
        let free = PAIRS_MAX.saturating_sub(self.pairs.len());
        for pair in other.pairs.keys().take(free) {
            self.pairs.insert(pair);
        }
        for (place, counts) in other.branches {
            if let Some(completed) = self.branches_at(place, counts.len()) {
                completed.iter_mut().zip(counts).for_each(|(completed, count)| *completed += count);
            }
        }
    }

    fn add_pairs(&mut self, record: &Record) {
        let mut ends = IntSet::default();
        for resource in record.resources.iter().filter(|resource| resource.kind == ResourceKind::TaskEnd) {
            ends.insert(resource.key.0);
        }
        let mut last = IntMap::new();
        // An operation that is not announced is a consequence: a release, for example.
        for performed in record.operations.iter().filter(|performed| performed.index.is_some()) {
            let operation = performed.operation;
            let Some(step) = record.steps.get(performed.step as usize) else { continue };
            if ends.contains(operation.resource.0) {
                continue;
            }
            let task = record.task_of(step).key;
            let number = number(task, operation.resource, performed.site.as_ref());
            if let Some((other, earlier, before)) =
                last.insert(operation.resource.0, (task, operation, number))
                && other != task
                && operation.races_with(earlier)
                && self.pairs.len() < PAIRS_MAX
            {
                self.pairs.insert(pair(before, number));
            }
        }
    }

    fn add_branches(&mut self, record: &Record) {
        for CompletedBranch { kind, site, branch, branches } in &record.branches {
            let completed =
                self.branches_at((site.file.clone(), site.line, site.column, *kind), *branches as usize);
            if let Some(count) = completed.and_then(|completed| completed.get_mut(*branch as usize)) {
                *count += 1;
            }
        }
    }

    /// Returns the counts of the branches at a place; `None` if there are too many places.
    fn branches_at(&mut self, place: BranchPlace, branches: usize) -> Option<&mut Vec<u64>> {
        let index = match self.branches.binary_search_by(|(other, _)| other.cmp(&place)) {
            Ok(index) => index,
            Err(_) if self.branches.len() >= PLACES_MAX => return None,
            Err(index) => {
                self.branches.insert(index, (place, Vec::new()));
                index
            }
        };
        let completed = &mut self.branches[index].1;
        if completed.len() < branches {
            completed.resize(branches, 0);
        }
        Some(completed)
    }

    pub(crate) fn coverage(mut self) -> Coverage {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        // The other order of a pair has its halves swapped.
        let both_ways =
            self.pairs.keys().filter(|pair| self.pairs.contains(pair.rotate_left(64))).count() / 2;
        let branches = self.branches.into_iter();
        let branches = branches.map(|((file, line, column, kind), completed)| BranchCoverage {
            kind,
            site: Site { file, line, column },
            completed,
        });
        let branches = branches.collect();
        Coverage {
            distinct_schedules: self.hashes.len() as u64,
            faults: self.faults,
            recorded_runs: self.recorded_runs,
            racing_pairs: (self.pairs.len() - both_ways) as u64,
            racing_pairs_both_ways: both_ways as u64,
            branches,
        }
    }
}

/// Hashes an operation.
fn number(task: TaskKey, resource: ResourceKey, site: Option<&Site>) -> OperationNumber {
    let (file, line, column) = site.map_or(("", 0, 0), |site| (&*site.file, site.line, site.column));
    let mut hash = Fnv::default();
    for number in [task.0, resource.0, line.into(), column.into()] {
        hash.mix(&number.to_le_bytes());
    }
    hash.mix(file.as_bytes());
    hash.get()
}
