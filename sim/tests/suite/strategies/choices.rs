//! What PCT and delay bounding promise of their choices.

use timeloop_sim::{Delay, Fifo, Pct, Seed, Seeded};

use super::machine::{self, Go, Line, Program, all, read, write};
use super::profile::Profile;

fn noise(operations: usize) -> Program {
    vec![write(3, |_, _| Go::On); operations]
}

/// Fails if the one task sees what the other shows for one step: two orders.
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

/// Fails if the one task sees first what is shown for one step, and later what is shown at last: three orders.
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
        let baseline = machine::run(&program, &mut Seeded::new(Seed(0), Fifo::default()));
        let (tasks, steps) = (baseline.tasks.len(), baseline.done.len());
        let bound = 1.0 / (tasks * steps.pow(depth - 1)) as f64;
        let run = |seed| {
            let strategy = Pct::new(depth, u32::try_from(steps).expect("a few"));
            machine::run(&program, &mut Seeded::new(Seed(seed), strategy))
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
        let outcome = machine::run(&program, &mut Seeded::new(Seed(seed), Pct::new(1, 20)));
        let mut order: Vec<_> = outcome.done.iter().map(|done| done.task).collect();
        first[order[1]] += 1;
        order.dedup();
        // The root, each of them in one go, and the root.
        assert_eq!(order.len(), 5, "{order:?}");
    }
    assert!(first[1..].iter().all(|times| *times > 60), "{first:?}");
}

#[test]
fn one_change_point_is_one_switch() {
    let program = all(vec![noise(5), noise(5), noise(5)]);
    let mut switched = [0; 2];
    for seed in 0..300 {
        let outcome = machine::run(&program, &mut Seeded::new(Seed(seed), Pct::new(2, 20)));
        let mut order: Vec<_> = outcome.done.iter().map(|done| done.task).collect();
        order.dedup();
        assert!(order.len() <= 6, "{order:?}");
        switched[order.len() - 5] += 1;
    }
    assert!(switched[1] > 60, "{switched:?}");
}

#[test]
fn whoever_spins_does_not_spin_for_ever() {
    // It is first in half of the runs, and never stops by itself.
    let program = all(vec![
        vec![Line::Spin(0)],
        vec![write(0, |cells, _| {
            cells[0] = 1;
            Go::On
        })],
    ]);
    for seed in 0..50 {
        for strategy in ["pct3", "starve", "surw, told nothing", "pos"] {
            // The quiet run ends, and tells how long it was.
            let profile = Profile::of(&program);
            let outcome = machine::run(&program, &mut *profile.source(strategy, Seed(seed)));
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
    let baseline = machine::run(&program, &mut Seeded::new(Seed(0), Fifo::default()));
    let choices = Profile::of(&program).choices();
    let mut others = 0;
    for seed in 0..100 {
        let same = machine::run(&program, &mut Seeded::new(Seed(seed), Delay::new(0, choices)));
        assert_eq!(same.done, baseline.done);
        let delayed = machine::run(&program, &mut Seeded::new(Seed(seed), Delay::new(2, choices)));
        others += usize::from(delayed.done != baseline.done);
    }
    assert!(others > 80, "{others}");
}

#[test]
fn one_delay_is_one_switch() {
    let program = all(vec![noise(4), noise(4)]);
    for seed in 0..200 {
        let outcome = machine::run(&program, &mut Seeded::new(Seed(seed), Delay::new(1, 10)));
        let mut order: Vec<_> = outcome.done.iter().map(|done| done.task).collect();
        order.dedup();
        let expected: [&[usize]; 3] = [&[0, 1, 2, 0], &[0, 2, 1, 0], &[0, 1, 2, 1, 0]];
        assert!(expected.contains(&&order[..]), "{order:?}");
    }
}
