//! Sweeps seeds without a bug and measures the speed, then finds, shrinks and reports each planted bug.
//!
//! `consensus` does both; `consensus 10000` sweeps that many seeds; `consensus measure` finds each planted bug with ten base
//! seeds. The variables `TIMELOOP_*` apply.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use consensus::{Bug, scenario};
use timeloop::{Domain, Exploration, Explorer};

/// The default number of seeds in the sweep.
const SEEDS: u64 = 1_000;
/// The maximum number of runs to find a planted bug.
const RUNS_MAX: u64 = 1_000;

const COMMAND: &str = "cargo run --release --manifest-path examples/consensus/Cargo.toml";

/// The virtual time of all runs so far.
static SIMULATED_MS: AtomicU64 = AtomicU64::new(0);

fn main() {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some("measure") => measure(),
        Some(name) if bug(name).is_some() => println!("{}", planted(name, 0).report()),
        seeds => {
            let seeds = seeds.map_or(Some(SEEDS), |seeds| seeds.parse().ok().filter(|seeds| *seeds > 0));
            let Some(seeds) = seeds else {
                eprintln!("invalid argument; pass a number of seeds, `measure`, or one of {NAMES:?}");
                std::process::exit(2);
            };
            sweep(seeds);
            for name in NAMES {
                println!("\nPlanted: {name}");
                let exploration = planted(name, 0);
                println!("  {}\n\n{}", summary(&exploration), exploration.report());
            }
        }
    }
}

const NAMES: [&str; 2] = ["acknowledges-before-sync", "reads-locally"];

fn bug(name: &str) -> Option<Bug> {
    match name {
        "acknowledges-before-sync" => Some(Bug::AcknowledgesBeforeSync),
        "reads-locally" => Some(Bug::ReadsLocally),
        _ => None,
    }
}

async fn run(bug: Option<Bug>) {
    let start = timeloop::time::Instant::now();
    scenario::run(bug).await;
    SIMULATED_MS.fetch_add(start.elapsed().as_millis() as u64, Ordering::Relaxed);
}

/// Runs that many seeds without a bug.
fn sweep(seeds: u64) {
    let explorer = Explorer::new("consensus").runs(seeds).stalls(false).command(COMMAND);
    let start = core_time();
    let exploration = explorer.run(|| run(None));
    let took = core_time().saturating_sub(start);
    if !exploration.passed() {
        println!("{}", exploration.report());
        std::process::exit(1);
    }
    let simulated = Duration::from_millis(SIMULATED_MS.load(Ordering::Relaxed));
    println!(
        "{} nodes, heartbeats of 50 ms, {} runs passed: {:.1} simulated hours",
        scenario::NODES,
        exploration.schedules(),
        simulated.as_secs_f64() / 3_600.0,
    );
    if took.is_zero() {
        println!("  (the core time is measured on Linux only)");
    } else {
        let times = simulated.as_secs_f64() / took.as_secs_f64();
        println!("  in {:.1} s of core time: {times:.0} simulated hours per core-hour", took.as_secs_f64());
    }
}

/// Returns the core time of all threads of this process; zero if the system does not report it.
fn core_time() -> Duration {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return Duration::ZERO };
    // The name of the program may have spaces; it ends with the last bracket. Ticks are hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|field| field.parse().ok()).unwrap_or(0_u64);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn planted(name: &str, base: u64) -> Exploration {
    let bug = bug(name);
    Explorer::new(format!("consensus::{name}"))
        .runs(RUNS_MAX)
        .seed(base)
        .stalls(false)
        .without_regressions()
        .command(format!("{COMMAND} -- {name}"))
        .run(move || run(bug))
}

/// Describes in which run the bug was found, and the result of shrinking.
fn summary(exploration: &Exploration) -> String {
    let Some(found) = &exploration.found else {
        return format!("not found in {} runs", exploration.runs);
    };
    let deviations = found.shrunk.deviations().unwrap_or_default();
    format!(
        "found in run {}, shrunk from {} deviations to {}, of {} faults",
        exploration.runs,
        found.deviations_before.unwrap_or_default(),
        deviations.len(),
        faults(deviations)
    )
}

/// Returns the number of faults in the deviations. A fault has several: whether it happens, its target, start and duration.
fn faults(deviations: &[timeloop::Deviation]) -> usize {
    let mut faults: Vec<_> = deviations
        .iter()
        .filter(|deviation| deviation.domain == Domain::Fault)
        .map(|deviation| (&deviation.task, deviation.resume))
        .collect();
    faults.dedup();
    faults.len()
}

/// Finds each planted bug with ten base seeds.
fn measure() {
    for name in NAMES {
        println!("{name}:");
        let mut runs = 0;
        for number in 0..10 {
            let exploration = planted(name, number * 1_000_000);
            println!("  base seed {}: {}", number * 1_000_000, summary(&exploration));
            runs += exploration.runs;
        }
        println!("  {} runs on average", runs / 10);
    }
}
