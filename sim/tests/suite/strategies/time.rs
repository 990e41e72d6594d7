//! Starvation and stalls: time passes while tasks are ready.

use timeloop_sim::{Seed, Seeded, Stall, Starve};

use super::machine::{self, Go, Line, Program, all, read, write};
use super::profile::Profile;

const RUNS: u64 = 1_000;

/// In what share of its runs something is true.
fn share(program: &Program, strategy: &str, holds: impl Fn(&machine::Outcome) -> bool) -> f64 {
    let profile = Profile::of(program);
    let times = (0..RUNS)
        .filter(|seed| {
            let outcome = machine::run(program, &mut *profile.source(strategy, Seed(*seed)));
            assert!(!outcome.stuck, "{strategy}, seed {seed}: everything ends");
            holds(&outcome)
        })
        .count();
    times as f64 / RUNS as f64
}

#[test]
fn a_victim_is_kept_waiting() {
    let program = all(vec![vec![Line::Yield; 6]; 4]);
    // One of them does nothing before all others have ended.
    let one_is_last = |outcome: &machine::Outcome| {
        let order: Vec<_> = outcome.done.iter().map(|done| done.task).filter(|task| *task > 0).collect();
        let last = order[order.len() - 1];
        order[order.len() - 7..].iter().all(|task| *task == last)
    };
    let random = share(&program, "random", one_is_last);
    let starve = share(&program, "starve", one_is_last);
    assert!(random < 0.02 && starve > 0.3, "{random} {starve}");
}

/// A task writes at once; another one looks after it has slept three times. In the quiet run, and in any in which time
/// moves only when nothing is ready, it sees what was written.
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
    let failed = |outcome: &machine::Outcome| outcome.failed;
    for strategy in ["random", "pct3", "pos", "urw", "surw", "delay2"] {
        assert_eq!(share(&late_write(), strategy, failed), 0.0, "{strategy}");
    }
    for strategy in ["starve", "stall"] {
        let failed = share(&late_write(), strategy, failed);
        assert!(failed > 0.03, "{strategy}: {failed}");
    }
}

#[test]
fn who_waits_for_no_time_waits_for_none() {
    for seed in 0..RUNS {
        let outcome = machine::run(&late_write(), &mut Seeded::new(Seed(seed), Starve::new(3, 0)));
        assert!(!outcome.failed, "{seed}");
    }
}

#[test]
fn all_is_let_go_where_there_is_no_time() {
    let program = all(vec![vec![Line::Yield; 6]; 4]);
    for seed in 0..RUNS {
        for steps in [1, 5, 30] {
            let outcome = machine::run(&program, &mut Seeded::new(Seed(seed), Stall::new(steps)));
            assert!(!outcome.stuck && outcome.moves == 0);
            assert_eq!(outcome.done.len(), 30);
        }
    }
}
