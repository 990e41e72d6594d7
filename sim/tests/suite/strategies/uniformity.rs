//! URW is uniform over interleavings, SURW over the orders of accesses to one resource, and POS over the orders of a
//! race.
//!
//! Seeds are fixed, so a test always passes or always fails. A fair sampler would break the bounds with a chance of one
//! in ten thousand.

use std::collections::BTreeMap;

use timeloop_sim::{Fifo, Pos, Random, Seed, Seeded, Source, Surw, Urw};

use super::line_programs::{self, Go, Line, Outcome, Program, all, cell, write};

const RUNS: u64 = 10_000;

/// Counts how often each order of tasks occurs, where `look` extracts the order from a run.
fn orders<S: Source>(
    program: &Program,
    source: impl Fn(Seed) -> S,
    look: impl Fn(&Outcome) -> Vec<usize>,
) -> BTreeMap<Vec<usize>, u64> {
    let mut orders = BTreeMap::new();
    for seed in 0..RUNS {
        *orders.entry(look(&line_programs::run(program, &mut source(Seed(seed))))).or_insert(0) += 1;
    }
    orders
}

/// Returns chi-square of counts over this many orders that should be equally frequent, in standard deviations above the
/// expected value.
fn bias(orders: &BTreeMap<Vec<usize>, u64>, many: usize) -> f64 {
    let expected = RUNS as f64 / many as f64;
    let seen: f64 = orders.values().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    let unseen = (many - orders.len()) as f64 * expected;
    let freedom = (many - 1) as f64;
    (seen + unseen - freedom) / (2.0 * freedom).sqrt()
}

const BIAS_MAX: f64 = 4.5;

fn baseline(program: &Program) -> Outcome {
    line_programs::run(program, &mut Seeded::new(Seed(0), Fifo::default()))
}

/// The order of all operations except the root's.
fn tasks(outcome: &Outcome) -> Vec<usize> {
    outcome.done.iter().map(|done| done.task).filter(|task| *task > 0).collect()
}

fn touch(number: usize) -> Line {
    write(number, |_, _| Go::On)
}

#[test]
fn interleavings_are_uniform_under_urw() {
    let yields = |times: usize| all(vec![vec![Line::Yield; times - 1]; 6 / times]);
    // The first resumption of each task is a step, too.
    let operations = |times: usize| all((1..=6 / times).map(|task| vec![touch(task); times - 1]).collect());
    for (program, many) in [(yields(3), 20), (yields(2), 90), (operations(3), 20), (operations(2), 90)] {
        let counts = baseline(&program).counts(|_| true);
        let seen = orders(&program, |seed| Seeded::new(seed, Urw::new(&counts)), tasks);
        assert_eq!(seen.len(), many);
        let off = bias(&seen, many);
        assert!(off < BIAS_MAX, "{off}");
    }
    // A random walk is not uniform where tasks differ in length, so the check can fail.
    let uneven = all(vec![vec![Line::Yield; 3], vec![Line::Yield; 1]]);
    let counts = baseline(&uneven).counts(|_| true);
    let off = bias(&orders(&uneven, |seed| Seeded::new(seed, Urw::new(&counts)), tasks), 15);
    assert!(off < BIAS_MAX, "{off}");
    let off = bias(&orders(&uneven, |seed| Seeded::new(seed, Random::default()), tasks), 15);
    assert!(off > 50.0, "{off}");
}

#[test]
fn a_task_counts_its_future_children_under_urw() {
    // One task has three steps and a child with two, of which the first comes after its own second; another task has
    // two.
    let parent = vec![Line::Yield, Line::Spawn(vec![vec![Line::Yield]]), Line::Yield];
    let program = vec![Line::Spawn(vec![parent, vec![Line::Yield]])];
    let counts = baseline(&program).counts(|_| true);
    let seen = orders(&program, |seed| Seeded::new(seed, Urw::new(&counts)), tasks);
    // Two steps of the parent, then its last one with the child's two: 3 orders of 5 steps, and 21 ways to merge the
    // other task's two.
    assert_eq!(seen.len(), 63);
    let off = bias(&seen, 63);
    assert!(off < BIAS_MAX, "{off}");
}

#[test]
fn orders_of_accesses_are_uniform_under_surw() {
    // Two accesses each, among a varying number of other operations.
    let task = |before: usize, between: usize, after: usize| {
        let noise = |times| vec![touch(1); times];
        [noise(before), vec![touch(0)], noise(between), vec![touch(0), Line::Yield], noise(after)].concat()
    };
    let program = all(vec![task(0, 5, 0), task(3, 0, 1), task(1, 1, 4)]);
    let about =
        |done: &line_programs::Done| done.operation.is_some_and(|operation| operation.resource == cell(0));
    let counts = baseline(&program).counts(about);
    let look = |outcome: &Outcome| outcome.order_of(cell(0));
    let seen = orders(&program, |seed| Seeded::new(seed, Surw::new(Some(cell(0)), &counts)), look);
    assert_eq!(seen.len(), 90);
    let off = bias(&seen, 90);
    assert!(off < BIAS_MAX, "{off}");
    // The same program without a resource.
    let off = bias(&orders(&program, |seed| Seeded::new(seed, Surw::new(None, &counts)), look), 90);
    assert!(off > 50.0, "{off}");
}

#[test]
fn surw_runs_other_operations_in_any_order() {
    // Besides its accesses to the resource, each task performs one operation: all 6 orders of those occur.
    let program = all(vec![vec![touch(0), touch(1)], vec![touch(1), touch(0)], vec![touch(1)]]);
    let about =
        |done: &line_programs::Done| done.operation.is_some_and(|operation| operation.resource == cell(0));
    let counts = baseline(&program).counts(about);
    let look = |outcome: &Outcome| {
        outcome.done.iter().filter(|done| done.operation.is_some()).map(|done| done.task).collect()
    };
    let seen = orders(&program, |seed| Seeded::new(seed, Surw::new(Some(cell(0)), &counts)), look);
    // 5!/(2! 2!) interleavings.
    assert_eq!(seen.len(), 30);
}

#[test]
fn a_child_inherits_the_intention() {
    // All accesses of the first task are its child's; it is drawn as the intended one before there is a child.
    let parent = vec![touch(1), touch(1), Line::Spawn(vec![vec![touch(0), touch(0)]])];
    let program = vec![Line::Spawn(vec![parent, vec![touch(0)]])];
    let about =
        |done: &line_programs::Done| done.operation.is_some_and(|operation| operation.resource == cell(0));
    let counts = baseline(&program).counts(about);
    let look = |outcome: &Outcome| outcome.order_of(cell(0));
    let seen = orders(&program, |seed| Seeded::new(seed, Surw::new(Some(cell(0)), &counts)), look);
    assert_eq!(seen.len(), 3);
    let off = bias(&seen, 3);
    assert!(off < BIAS_MAX, "{off}");
}

#[test]
fn a_race_is_redrawn_at_each_operation_under_pos() {
    // Two operations race with one. If each race is redrawn, the one is as often between the two as after both. If a
    // task that lost once kept its low priority, it would be between them only half as often. (Not exactly, since some
    // runs do not prefer woken tasks.)
    let program = all(vec![vec![touch(0), touch(0)], vec![touch(0)]]);
    let look = |outcome: &Outcome| outcome.order_of(cell(0));
    let seen = orders(&program, |seed| Seeded::new(seed, Pos::new()), look);
    let share = |order: &[usize]| seen[order] as f64 / RUNS as f64;
    assert!(share(&[1, 2, 1]) > 0.7 * share(&[1, 1, 2]), "{seen:?}");
}

#[test]
fn a_late_access_is_not_rare_under_pos() {
    // Whether the first task's access comes after the nine steps of the other task.
    let late = |outcome: &Outcome| vec![usize::from(outcome.order_of(cell(0))[0] == 2)];
    let program = all(vec![vec![touch(0)], [vec![touch(1); 8], vec![touch(0)]].concat()]);
    let share =
        |orders: BTreeMap<Vec<usize>, u64>| orders.get(&vec![1]).copied().unwrap_or(0) as f64 / RUNS as f64;
    let random = share(orders(&program, |seed| Seeded::new(seed, Random::default()), late));
    let pos = share(orders(&program, |seed| Seeded::new(seed, Pos::new()), late));
    assert!(random < 0.02 && pos > 0.05, "{random} {pos}");
}
