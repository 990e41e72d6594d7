//! The story: a sweep of seeds without a bug, with the simulated time that it makes of real time; then each planted bug,
//! found, shrunk and told.
//!
//! `consensus` tells it; `consensus 10000` sweeps so many seeds; `consensus measure` finds the planted bugs from ten other
//! base seeds each. `TIMELOOP_*` is heeded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use consensus::{Bug, scenario};
use timeloop::{Domain, Exploration, Explorer};

/// Seeds of the sweep, unless told otherwise.
const SEEDS: u64 = 1_000;
/// Runs within which a planted bug is to be found.
const RUNS_MAX: u64 = 1_000;

const COMMAND: &str = "cargo run --release --manifest-path examples/consensus/Cargo.toml";

/// Virtual time of all runs so far.
static SIMULATED_MS: AtomicU64 = AtomicU64::new(0);

fn main() {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some("measure") => measure(),
        Some(name) if bug(name).is_some() => println!("{}", planted(name, 0).report()),
        seeds => {
            let seeds = seeds.map_or(Some(SEEDS), |seeds| seeds.parse().ok().filter(|seeds| *seeds > 0));
            let Some(seeds) = seeds else {
                eprintln!("what to do? a number of seeds, `measure`, or one of {NAMES:?} is accepted");
                std::process::exit(2);
            };
            sweep(seeds);
            for name in NAMES {
                println!("\nPlanted: {name}");
                let exploration = planted(name, 0);
                println!("  {}\n\n{}", told(&exploration), exploration.report());
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

/// So many seeds without a bug.
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
        "{} nodes, heartbeats of 50 ms, {} runs, clean: {:.1} simulated hours",
        scenario::NODES,
        exploration.schedules(),
        simulated.as_secs_f64() / 3_600.0,
    );
    if took.is_zero() {
        println!("  (how long this took is known on Linux alone)");
    } else {
        let times = simulated.as_secs_f64() / took.as_secs_f64();
        println!("  in {:.1} s of core time: {times:.0} simulated hours a core-hour", took.as_secs_f64());
    }
}

/// The time that all threads of this process have spent on a core; zero where the system does not say.
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

/// In how many runs it was found, and what it was shrunk to.
fn told(exploration: &Exploration) -> String {
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

/// How many faults deviations are of: a fault is what happens, to whom, when and for how long.
fn faults(deviations: &[timeloop::Deviation]) -> usize {
    let mut faults: Vec<_> = deviations
        .iter()
        .filter(|deviation| deviation.domain == Domain::Fault)
        .map(|deviation| (&deviation.task, deviation.resume))
        .collect();
    faults.dedup();
    faults.len()
}

/// Ten base seeds for each planted bug.
fn measure() {
    for name in NAMES {
        println!("{name}:");
        let mut runs = 0;
        for number in 0..10 {
            let exploration = planted(name, number * 1_000_000);
            println!("  base seed {}: {}", number * 1_000_000, told(&exploration));
            runs += exploration.runs;
        }
        println!("  {} runs on average", runs / 10);
    }
}
