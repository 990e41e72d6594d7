//! Starvation and stalls: virtual time advances while tasks are ready.

use timeloop_sim::{Seed, Seeded, Stall, Starve};

use super::estimates::Profile;
use super::line_programs::{self, Go, Line, Program, all, read, write};

const RUNS: u64 = 1_000;

/// Returns the share of runs for which `holds` is true.
fn share(program: &Program, strategy: &str, holds: impl Fn(&line_programs::Outcome) -> bool) -> f64 {
    let profile = Profile::of(program);
    let times = (0..RUNS)
        .filter(|seed| {
            let outcome = line_programs::run(program, &mut *profile.source(strategy, Seed(*seed)));
            assert!(!outcome.stuck, "{strategy}, seed {seed}: everything ends");
            holds(&outcome)
        })
        .count();
    times as f64 / RUNS as f64
}

#[test]
fn a_victim_is_held_back() {
    let program = all(vec![vec![Line::Yield; 6]; 4]);
    // Whether one of them does nothing before all others have ended.
    let one_is_last = |outcome: &line_programs::Outcome| {
        let order: Vec<_> = outcome.done.iter().map(|done| done.task).filter(|task| *task > 0).collect();
        let last = order[order.len() - 1];
        order[order.len() - 7..].iter().all(|task| *task == last)
    };
    let random = share(&program, "random", one_is_last);
    let starve = share(&program, "starve", one_is_last);
    assert!(random < 0.02 && starve > 0.3, "{random} {starve}");
}

/// One task writes at once; another one reads after three sleeps. In the baseline run, and in any run in which time
/// advances only when no task is ready, it reads what was written.
fn late_write() -> Program {
    all(vec![
        vec![
            Line::Yield,
            write(0, |cells, _| {
                cells[0] = 1;
                Go::On
            }),
        ],
        vec![
            Line::Sleep(10),
            Line::Sleep(10),
            Line::Sleep(10),
            read(0, |cells, _| if cells[0] == 1 { Go::On } else { Go::Fail }),
        ],
    ])
}

#[test]
fn time_passes_while_a_task_is_ready() {
    let failed = |outcome: &line_programs::Outcome| outcome.failed;
    for strategy in ["random", "pct3", "pos", "urw", "surw", "delay2"] {
        assert_eq!(share(&late_write(), strategy, failed), 0.0, "{strategy}");
    }
    for strategy in ["starve", "stall"] {
        let failed = share(&late_write(), strategy, failed);
        assert!(failed > 0.03, "{strategy}: {failed}");
    }
}

#[test]
fn a_victim_without_timers_is_not_held_back_in_time() {
    for seed in 0..RUNS {
        let outcome = line_programs::run(&late_write(), &mut Seeded::new(Seed(seed), Starve::new(3, 0)));
        assert!(!outcome.failed, "{seed}");
    }
}

#[test]
fn held_tasks_are_released_where_time_does_not_advance() {
    let program = all(vec![vec![Line::Yield; 6]; 4]);
    for seed in 0..RUNS {
        for steps in [1, 5, 30] {
            let outcome = line_programs::run(&program, &mut Seeded::new(Seed(seed), Stall::new(steps)));
            assert!(!outcome.stuck && outcome.moves == 0);
            assert_eq!(outcome.done.len(), 30);
        }
    }
}
