//! timeloop beside tokio's current-thread runtime with paused time: the same workloads, in the same run.
//!
//! ```text
//! cargo bench --bench compare                    # a release build: every workload, and memory
//! cargo bench --bench compare --profile dev      # a debug build, as tests are
//! cargo bench --bench compare -- mutex           # the workloads whose names contain this
//! cargo bench --bench compare -- --quick         # fewer and shorter rounds, for CI
//! cargo bench --bench compare -- --check         # exit code 1 if a goal is missed
//! ```
//!
//! Always true: the sides take turns, round by round, so that a machine that slows down slows both; a number is the
//! median of the rounds; timeloop runs under the strategy `random`.

mod memory;
mod workloads;

use std::process::ExitCode;
use std::time::Instant;

use workloads::Workload;

/// How many times each side takes its turn.
const ROUNDS: usize = 9;
const QUICK_ROUNDS: usize = 3;

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    quick: bool,
    check: bool,
    names: Vec<String>,
}

impl Arguments {
    fn ask_for(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part.as_str()))
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::default();
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            // What Cargo itself passes.
            "--bench" => {}
            "--quick" => arguments.quick = true,
            "--check" => arguments.check = true,
            memory::ARGUMENT => {
                memory::child(&given.next().unwrap_or_default());
                return ExitCode::SUCCESS;
            }
            flag if flag.starts_with('-') => {
                eprintln!(
                    "`{flag}` is not an option; accepted are `--quick`, `--check` and parts of workloads' names"
                );
                return ExitCode::from(2);
            }
            part => arguments.names.push(part.to_owned()),
        }
    }
    let missed = compare(&arguments);
    if missed > 0 && arguments.check { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the table; returns how many goals were missed, nothing to measure counting as one.
fn compare(arguments: &Arguments) -> usize {
    let rounds = if arguments.quick { QUICK_ROUNDS } else { ROUNDS };
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{build} build; ns per operation, medians of {rounds} rounds taken in turn");
    println!();
    println!("| {:<24} | {:>9} | {:>9} | {:>7} | {:>7} |        |", "", "tokio", "timeloop", "ratio", "goal");
    println!("|{:-<26}|{:->10}:|{:->10}:|{:->8}:|{:->8}:|--------|", "", "", "", "", "");
    let mut missed = 0;
    let mut line =
        |name: &str, tokio: String, timeloop: String, ratio: String, goal: Option<String>, met: bool| {
            let verdict = match (&goal, met) {
                (None, _) => "",
                (Some(_), true) => "met",
                (Some(_), false) => "MISSED",
            };
            missed += usize::from(verdict == "MISSED");
            let goal = goal.unwrap_or_default();
            println!("| {name:<24} | {tokio:>9} | {timeloop:>9} | {ratio:>7} | {goal:>7} | {verdict:<6} |");
        };
    let mut any = false;
    for workload in workloads::all().into_iter().filter(|workload| arguments.ask_for(workload.name)) {
        any = true;
        let (tokio_ns, timeloop_ns) = measure(&workload, rounds, arguments.quick);
        let ratio = tokio_ns / timeloop_ns;
        let goal = if cfg!(debug_assertions) { workload.debug_goal } else { workload.goal };
        line(
            workload.name,
            format!("{tokio_ns:.1}"),
            format!("{timeloop_ns:.1}"),
            format!("{ratio:.2}"),
            goal.map(|goal| format!(">= {goal:.1}")),
            goal.is_none_or(|goal| ratio >= goal),
        );
    }
    if arguments.ask_for(memory::NAME) {
        any = true;
        match (memory::peak_mb("tokio"), memory::peak_mb("timeloop")) {
            (Some(tokio), Some(timeloop)) => line(
                memory::NAME,
                format!("{:.0}", tokio),
                format!("{:.0}", timeloop),
                format!("{:.2}", tokio / timeloop),
                Some(format!("<= {:.0}", memory::GOAL_MB)),
                timeloop <= memory::GOAL_MB,
            ),
            _ => println!("| {:<24} | can be told on Linux alone", memory::NAME),
        }
    }
    if !any {
        eprintln!("no workload's name contains any of {:?}", arguments.names);
        return 1;
    }
    missed
}

/// Nanoseconds per operation of tokio and of timeloop.
fn measure(workload: &Workload, rounds: usize, quick: bool) -> (f64, f64) {
    let shorter = if cfg!(debug_assertions) { 10 } else { 1 } * if quick { 5 } else { 1 };
    // A multiple of all the numbers that workloads divide theirs by.
    let operations = (workload.operations / shorter).next_multiple_of(1_000);
    #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
    let time = |side: fn(u64)| {
        let start = Instant::now();
        side(operations);
        start.elapsed().as_nanos() as f64 / operations as f64
    };
    let (mut tokio, mut timeloop) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=rounds {
        let (tokio_ns, timeloop_ns) = (time(workload.tokio), time(workload.timeloop));
        if round > 0 {
            tokio.push(tokio_ns);
            timeloop.push(timeloop_ns);
        }
    }
    (median(tokio), median(timeloop))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
