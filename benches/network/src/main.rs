//! timeloop's sockets beside those of madsim and turmoil: the same work, on the same machine, in the same run.
//!
//! ```text
//! cd benches/network                # where Cargo finds what madsim needs to simulate
//! cargo run --release               # round trips and bulk transfer
//! cargo run --release -- --idle     # and a million idle connections, of timeloop alone
//! cargo run --release -- --check    # exit code 1 if a goal is missed
//! ```
//!
//! Further options: `--only SIDE`, for profiles.
//!
//! Always true: the sides take turns, round by round, so that a machine that slows down slows all; a number is the median
//! of the rounds; a side's time holds its whole simulation, from the first node to the last drop.

mod idle;
mod sides;
mod workload;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use workload::Work;

const ROUNDS: usize = 5;
const ROUND_TRIPS: u64 = 100_000;
/// What is transferred, with writes of which length.
const BYTES: u64 = 256 << 20;
const WRITES: [(&str, usize); 2] = [("64", 64 << 10), ("1", 1 << 10)];

const NAMES: [&str; 3] = ["timeloop", "madsim", "turmoil"];
const SIDES: [fn(Work) -> Duration; 3] = [sides::timeloop, sides::madsim, sides::turmoil];

fn main() -> ExitCode {
    let (mut with_idle, mut check, mut only) = (false, false, None);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--idle" => with_idle = true,
            "--check" => check = true,
            "--only" => {
                let side = given.next().unwrap_or_default();
                let Some(index) = NAMES.iter().position(|name| *name == side) else {
                    eprintln!("`{side}` is no side; accepted are `timeloop`, `madsim` and `turmoil`");
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
                    "`{argument}` is not an option; accepted are `--idle`, `--check` and `--only SIDE`"
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
            println!("{}: {}, {name}", NAMES[index], tell(work, measure(&[index], work)[0]));
        }
        return ExitCode::SUCCESS;
    }
    let missed = compare(with_idle);
    if check && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the table; gives how many goals were missed.
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
    let [own, madsim, turmoil] = [0, 1, 2].map(|side| tell(work, times[side]));
    println!("| round trip of 64 bytes      | {own:>9} | {madsim:>9} | {turmoil:>9} | |");
    let [by_madsim, by_turmoil] = [1, 2].map(|side| times[side].real_ns / times[0].real_ns);
    let goals = format!(">= 2.5: {}; >= 10: {}", verdict(by_madsim >= 2.5), verdict(by_turmoil >= 10.0));
    println!("| … so many times timeloop's  |           | {by_madsim:>9.2} | {by_turmoil:>9.2} | {goals} |");
    let simulated =
        times.iter().map(|took| format!("{:.3} ms", took.simulated.as_secs_f64() * 1e3 / ROUND_TRIPS as f64));
    let [own, madsim, turmoil] = simulated.collect::<Vec<_>>().try_into().expect("three sides");
    println!("| … in simulated time         | {own:>9} | {madsim:>9} | {turmoil:>9} | |");

    for (kib, write) in WRITES {
        let work = Work::Bulk { bytes: BYTES, write };
        let times = measure(&[0, 1, 2], work);
        let [own, madsim, turmoil] = [0, 1, 2].map(|side| tell(work, times[side]));
        let goal = verdict(times[0].bytes_per_second() >= 1e9);
        let name = format!("bulk, writes of {kib} KiB");
        println!("| {name:<27} | {own:>9} | {madsim:>9} | {turmoil:>9} | >= 1 GB/s: {goal} |");
    }

    if with_idle {
        for (way, name) in [("held", "1M idle connections"), ("read", "… a task reads from each")] {
            let Some(peak) = idle::peak_mb(way) else {
                println!("| {name:<27} | can be told on Linux alone |");
                continue;
            };
            // The goal speaks of connections, not of tasks.
            let goal = if way == "held" {
                format!("<= 1 GB: {}", verdict(peak <= idle::GOAL_MB))
            } else {
                String::new()
            };
            println!("| {name:<27} | {:>9} | {:>9} | {:>9} | {goal} |", format!("{peak:.0} MB"), "", "");
        }
    }
    missed
}

/// What one side took.
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

fn tell(work: Work, took: Cost) -> String {
    match work {
        Work::RoundTrips(count) => format!("{:.0} ns", took.real_ns / count as f64),
        Work::Bulk { .. } => format!("{:.2} GB/s", took.bytes_per_second() / 1e9),
    }
}

/// The medians of the sides, in turn.
fn measure(sides: &[usize], work: Work) -> Vec<Cost> {
    let mut rounds: Vec<Vec<Cost>> = Vec::new();
    // The first round warms up.
    for _ in 0..=ROUNDS {
        let round = sides.iter().map(|&side| {
            // Outside of any simulation: within its own, madsim answers for the system's clock.
            let start = now();
            let simulated = SIDES[side](work);
            Cost { real_ns: start.elapsed().as_nanos() as f64, simulated }
        });
        rounds.push(round.collect());
    }
    rounds.remove(0);
    let median = |side: usize| {
        let mut costs: Vec<Cost> = rounds.iter().map(|round| round[side]).collect();
        costs.sort_by(|one, other| one.real_ns.total_cmp(&other.real_ns));
        costs[costs.len() / 2]
    };
    (0..sides.len()).map(median).collect()
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn now() -> Instant {
    Instant::now()
}
