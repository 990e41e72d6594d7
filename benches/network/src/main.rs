//! Compares timeloop's sockets with those of madsim and turmoil, with the same workload on the same machine.
//!
//! ```text
//! cd benches/network                # Cargo finds madsim's `--cfg` here
//! cargo run --release               # round trips and bulk transfer
//! cargo run --release -- --idle     # also a million idle connections, for timeloop only
//! cargo run --release -- --check    # exit code 1 if a goal is missed
//! ```
//!
//! `--only NETWORK` runs one network only, for profiling.
//!
//! The networks take turns in each round, so a change of the machine's speed affects all of them. Each number is the median
//! of the rounds. A time includes the whole simulation, from creating the first node to dropping the last value.

mod idle;
mod networks;
mod workload;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use workload::Work;

const ROUNDS: usize = 5;
const ROUND_TRIPS: u64 = 100_000;
/// The number of bytes in a bulk transfer, and the sizes of writes in KiB and in bytes.
const BYTES: u64 = 256 << 20;
const WRITES: [(&str, usize); 2] = [("64", 64 << 10), ("1", 1 << 10)];

const NAMES: [&str; 3] = ["timeloop", "madsim", "turmoil"];
const NETWORKS: [fn(Work) -> Duration; 3] = [networks::timeloop, networks::madsim, networks::turmoil];

fn main() -> ExitCode {
    let (mut with_idle, mut check, mut only) = (false, false, None);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--idle" => with_idle = true,
            "--check" => check = true,
            "--only" => {
                let network = given.next().unwrap_or_default();
                let Some(index) = NAMES.iter().position(|name| *name == network) else {
                    eprintln!(
                        "unknown network `{network}`; the networks are `timeloop`, `madsim` and `turmoil`"
                    );
                    return ExitCode::from(2);
                };
                only = Some(index);
            }
            idle::ARGUMENT => {
                idle::child(&given.next().unwrap_or_default());
                return ExitCode::SUCCESS;
            }
            _ => {
                eprintln!(
                    "unknown option `{argument}`; the options are `--idle`, `--check` and `--only NETWORK`"
                );
                return ExitCode::from(2);
            }
        }
    }
    if let Some(index) = only {
        let round_trips = ("round trip".to_owned(), Work::RoundTrips(ROUND_TRIPS));
        let bulk =
            WRITES.map(|(kib, write)| (format!("bulk, {kib} KiB"), Work::Bulk { bytes: BYTES, write }));
        for (name, work) in [round_trips].into_iter().chain(bulk) {
            println!("{}: {}, {name}", NAMES[index], describe_cost(work, measure(&[index], work)[0]));
        }
        return ExitCode::SUCCESS;
    }
    let missed = compare(with_idle);
    if check && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the table. Returns the number of missed goals.
fn compare(with_idle: bool) -> usize {
    let mut missed = 0;
    let mut verdict = |met: bool| {
        missed += usize::from(!met);
        if met { "met" } else { "MISSED" }
    };
    println!("|                             |  timeloop |    madsim |   turmoil | goal |");
    println!("|-----------------------------|----------:|----------:|----------:|------|");

    let work = Work::RoundTrips(ROUND_TRIPS);
    let times = measure(&[0, 1, 2], work);
    let [own, madsim, turmoil] = [0, 1, 2].map(|network| describe_cost(work, times[network]));
    println!("| round trip of 64 bytes      | {own:>9} | {madsim:>9} | {turmoil:>9} | |");
    let [by_madsim, by_turmoil] = [1, 2].map(|network| times[network].real_ns / times[0].real_ns);
    let goals = format!(">= 2.5: {}; >= 10: {}", verdict(by_madsim >= 2.5), verdict(by_turmoil >= 10.0));
    println!("| … times timeloop's          |           | {by_madsim:>9.2} | {by_turmoil:>9.2} | {goals} |");
    let simulated =
        times.iter().map(|took| format!("{:.3} ms", took.simulated.as_secs_f64() * 1e3 / ROUND_TRIPS as f64));
    let [own, madsim, turmoil] = simulated.collect::<Vec<_>>().try_into().expect("three networks");
    println!("| … in simulated time         | {own:>9} | {madsim:>9} | {turmoil:>9} | |");

    for (kib, write) in WRITES {
        let work = Work::Bulk { bytes: BYTES, write };
        let times = measure(&[0, 1, 2], work);
        let [own, madsim, turmoil] = [0, 1, 2].map(|network| describe_cost(work, times[network]));
        let goal = verdict(times[0].bytes_per_second() >= 1e9);
        let name = format!("bulk, writes of {kib} KiB");
        println!("| {name:<27} | {own:>9} | {madsim:>9} | {turmoil:>9} | >= 1 GB/s: {goal} |");
    }

    if with_idle {
        for (mode, name) in [("held", "1M idle connections"), ("read", "… a task reads from each")] {
            let Some(peak) = idle::peak_mb(mode) else {
                println!("| {name:<27} | measured on Linux only |");
                continue;
            };
            // The goal is for connections without tasks.
            let goal = if mode == "held" {
                format!("<= 1 GB: {}", verdict(peak <= idle::GOAL_MB))
            } else {
                String::new()
            };
            println!("| {name:<27} | {:>9} | {:>9} | {:>9} | {goal} |", format!("{peak:.0} MB"), "", "");
        }
    }
    missed
}

/// The real and the simulated time of a workload.
#[derive(Clone, Copy)]
struct Cost {
    real_ns: f64,
    simulated: Duration,
}

impl Cost {
    fn bytes_per_second(self) -> f64 {
        BYTES as f64 / (self.real_ns / 1e9)
    }
}

fn describe_cost(work: Work, took: Cost) -> String {
    match work {
        Work::RoundTrips(count) => format!("{:.0} ns", took.real_ns / count as f64),
        Work::Bulk { .. } => format!("{:.2} GB/s", took.bytes_per_second() / 1e9),
    }
}

/// Measures the networks in turn and returns their medians.
fn measure(networks: &[usize], work: Work) -> Vec<Cost> {
    let mut rounds: Vec<Vec<Cost>> = Vec::new();
    // The first round warms up.
    for _ in 0..=ROUNDS {
        let round = networks.iter().map(|&network| {
            // Measured outside of the simulation, because madsim replaces the system's clock in it.
            let start = now();
            let simulated = NETWORKS[network](work);
            Cost { real_ns: start.elapsed().as_nanos() as f64, simulated }
        });
        rounds.push(round.collect());
    }
    rounds.remove(0);
    let median = |network: usize| {
        let mut costs: Vec<Cost> = rounds.iter().map(|round| round[network]).collect();
        costs.sort_by(|one, other| one.real_ns.total_cmp(&other.real_ns));
        costs[costs.len() / 2]
    };
    (0..networks.len()).map(median).collect()
}

#[expect(clippy::disallowed_methods, reason = "the benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
