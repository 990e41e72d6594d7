//! The guarantees of PCT and delay bounding.

use timeloop_sim::{Delay, Fifo, Pct, Seed, Seeded};

use super::estimates::Profile;
use super::line_programs::{self, Go, Line, Program, all, read, write};

fn noise(operations: usize) -> Program {
    vec![write(3, |_, _| Go::On); operations]
}

/// Fails if one task observes a value that the other shows for one step: two orderings.
fn glimpse() -> Program {
    let shows = [
        noise(6),
        vec![
            write(0, |cells, _| {
                cells[0] = 1;
                Go::On
            }),
            write(0, |cells, _| {
                cells[0] = 0;
                Go::On
            }),
        ],
        noise(2),
    ];
    let looks = vec![read(0, |cells, _| if cells[0] == 0 { Go::On } else { Go::Fail })];
    all(vec![shows.concat(), looks, noise(5), noise(4)])
}

/// Fails if one task first observes a value shown for one step, and later the final one: three orderings.
fn glimpse_and_end() -> Program {
    let show: fn(i64) -> Line = |value| match value {
        0 => write(0, |cells, _| {
            cells[0] = 0;
            Go::On
        }),
        1 => write(0, |cells, _| {
            cells[0] = 1;
            Go::On
        }),
        _ => write(0, |cells, _| {
            cells[0] = 2;
            Go::On
        }),
    };
    let shows = [noise(2), vec![show(1), show(0)], noise(2), vec![show(2)]].concat();
    let looks = vec![
        read(0, |cells, _| if cells[0] == 1 { Go::On } else { Go::End }),
        read(0, |cells, _| if cells[0] == 2 { Go::Fail } else { Go::On }),
    ];
    all(vec![shows, looks, noise(3)])
}

#[test]
fn pct_keeps_its_bound() {
    const RUNS: u64 = 30_000;
    for (program, depth) in [(glimpse(), 2), (glimpse_and_end(), 3)] {
        let baseline = line_programs::run(&program, &mut Seeded::new(Seed(0), Fifo::default()));
        let (tasks, steps) = (baseline.tasks.len(), baseline.done.len());
        let bound = 1.0 / (tasks * steps.pow(depth - 1)) as f64;
        let run = |seed| {
            let strategy = Pct::new(depth, u32::try_from(steps).expect("a few"));
            line_programs::run(&program, &mut Seeded::new(Seed(seed), strategy))
        };
        let failed = (0..RUNS).filter(|seed| run(*seed).failed).count();
        let rate = failed as f64 / RUNS as f64;
        println!("depth {depth}: {rate:.5}, bound {bound:.5}");
        assert!(rate >= bound, "{rate} < {bound}");
    }
}

#[test]
fn pct_without_change_points_runs_one_task_after_the_other() {
    let program = all(vec![noise(5), noise(5), noise(5)]);
    let mut first = [0; 4];
    for seed in 0..300 {
        let outcome = line_programs::run(&program, &mut Seeded::new(Seed(seed), Pct::new(1, 20)));
        let mut order: Vec<_> = outcome.done.iter().map(|done| done.task).collect();
        first[order[1]] += 1;
        order.dedup();
        // The root, each of the tasks without interruption, and the root.
        assert_eq!(order.len(), 5, "{order:?}");
    }
    assert!(first[1..].iter().all(|times| *times > 60), "{first:?}");
}

#[test]
fn one_change_point_is_one_switch() {
    let program = all(vec![noise(5), noise(5), noise(5)]);
    let mut switched = [0; 2];
    for seed in 0..300 {
        let outcome = line_programs::run(&program, &mut Seeded::new(Seed(seed), Pct::new(2, 20)));
        let mut order: Vec<_> = outcome.done.iter().map(|done| done.task).collect();
        order.dedup();
        assert!(order.len() <= 6, "{order:?}");
        switched[order.len() - 5] += 1;
    }
    assert!(switched[1] > 60, "{switched:?}");
}

#[test]
fn a_spinning_task_does_not_run_for_ever() {
    // The spinning task is first in half of the runs, and never stops by itself.
    let program = all(vec![
        vec![Line::Spin(0)],
        vec![write(0, |cells, _| {
            cells[0] = 1;
            Go::On
        })],
    ]);
    for seed in 0..50 {
        for strategy in ["pct3", "starve", "surw, no resource", "pos"] {
            // The baseline run ends, and its length is the estimate.
            let profile = Profile::of(&program);
            let outcome = line_programs::run(&program, &mut *profile.source(strategy, Seed(seed)));
            assert!(!outcome.stuck, "{strategy} {seed}");
            assert!(outcome.done.len() < 5_000, "{strategy} {seed}: {} steps", outcome.done.len());
        }
    }
}

#[test]
fn without_delays_the_run_is_the_baseline_run() {
    let spawns =
        vec![Line::Spawn(vec![noise(2), vec![Line::Sleep(5), Line::Yield]]), Line::Yield, Line::Join];
    let locks = vec![Line::Lock(0), Line::Yield, write(0, |_, _| Go::On), Line::Unlock(0)];
    let program = all(vec![spawns, locks.clone(), noise(3), locks]);
    let baseline = line_programs::run(&program, &mut Seeded::new(Seed(0), Fifo::default()));
    let choices = Profile::of(&program).choices();
    let mut others = 0;
    for seed in 0..100 {
        let same = line_programs::run(&program, &mut Seeded::new(Seed(seed), Delay::new(0, choices)));
        assert_eq!(same.done, baseline.done);
        let delayed = line_programs::run(&program, &mut Seeded::new(Seed(seed), Delay::new(2, choices)));
        others += usize::from(delayed.done != baseline.done);
    }
    assert!(others > 80, "{others}");
}

#[test]
fn one_delay_is_one_switch() {
    let program = all(vec![noise(4), noise(4)]);
    for seed in 0..200 {
        let outcome = line_programs::run(&program, &mut Seeded::new(Seed(seed), Delay::new(1, 10)));
        let mut order: Vec<_> = outcome.done.iter().map(|done| done.task).collect();
        order.dedup();
        let expected: [&[usize]; 3] = [&[0, 1, 2, 0], &[0, 2, 1, 0], &[0, 1, 2, 1, 0]];
        assert!(expected.contains(&&order[..]), "{order:?}");
    }
}
