//! The corpus that measures search: each program has a bug, and each fixed variant has none.

#[path = "../../benches/search/programs/mod.rs"]
#[expect(dead_code, reason = "the figures are for the table")]
mod programs;

use programs::{ALL, Body, Program};
use timeloop::{Explorer, StrategySpec};

fn explorer(program: &Program, runs: u64) -> Explorer {
    Explorer::new(program.name).without_regressions().without_environment().silent().runs(runs)
}

/// Explores under the default strategy.
fn fails(body: &Body, explorer: Explorer) -> bool {
    (body.explore)(&explorer.shrink_runs(1)).found.is_some()
}

#[test]
fn every_bug_is_found() {
    for program in &ALL {
        let explorer = explorer(program, 1_000);
        assert!(fails(&program.buggy, explorer), "`{}` passes 1,000 schedules", program.name);
    }
}

/// Otherwise there would be nothing to search for. In one exception, the original's order is the failing one.
#[test]
fn the_baseline_run_finds_no_bug() {
    for program in ALL.iter().filter(|program| program.name != "lazy01") {
        let explorer = explorer(program, 1).strategy(StrategySpec::Fifo);
        assert!(!fails(&program.buggy, explorer), "`{}` fails in the baseline run", program.name);
    }
}

#[test]
fn fixed_variants_pass() {
    const RUNS: u64 = 10_000;

    let fixed = ALL.iter().filter_map(|program| Some((program, program.fixed?)));
    assert!(fixed.clone().count() >= 10);
    for (program, fixed) in fixed {
        let exploration = (fixed.explore)(&explorer(program, RUNS));
        if let Some(found) = exploration.found {
            panic!("`{}` fails though it is fixed: {}", program.name, found.report);
        }
    }
}

/// Each program passes under some schedule, so the report can name the difference.
#[test]
fn every_report_names_the_critical_pair_or_choice() {
    for program in &ALL {
        let exploration = (program.buggy.explore)(&explorer(program, 1_000));
        let found = exploration.found.expect("the bug is found");
        let critical =
            found.critical.as_ref().or(found.rescue.as_ref()).unwrap_or_else(|| panic!("{}", found.report));
        assert_eq!(critical.otherwise, None, "the other way it passes: {}", found.report);
    }
}
