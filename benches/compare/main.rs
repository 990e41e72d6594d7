//! Compares timeloop with tokio's current-thread runtime with paused time: the same workloads, in the same process.
//!
//! ```text
//! cargo bench --bench compare                    # a release build: every workload, and memory
//! cargo bench --bench compare --profile dev      # a debug build, as in tests
//! cargo bench --bench compare -- mutex           # the workloads whose names contain this
//! cargo bench --bench compare -- announcing      # the cost of announcing where nothing observes it
//! cargo bench --bench compare -- --quick         # fewer and shorter rounds, for CI
//! cargo bench --bench compare -- --check         # exit code 1 if a goal is missed
//! ```
//!
//! # Invariants
//! - The sides take turns, round by round, so that a slower machine affects both.
//! - A number is the median of the rounds.
//! - timeloop runs under the strategy `random`.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a benchmark prints what it measures")]

mod announcing;
mod memory;
mod workloads;

use std::process::ExitCode;
use std::time::Instant;

/// The number of rounds of each side.
const ROUNDS: usize = 9;
const QUICK_ROUNDS: usize = 3;

/// The command line's options.
#[derive(Default)]
struct Arguments {
    quick: bool,
    check: bool,
    /// Only the table with the cost of announcing.
    announcing: bool,
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
            // Passed by Cargo itself.
            "--bench" => {}
            "--quick" => arguments.quick = true,
            "--check" => arguments.check = true,
            "announcing" => arguments.announcing = true,
            memory::ARGUMENT => {
                memory::child(&given.next().unwrap_or_default());
                return ExitCode::SUCCESS;
            }
            flag if flag.starts_with('-') => {
                eprintln!(
                    "`{flag}` is not an option; accepted are `--quick`, `--check`, `announcing` and parts of \
                     workloads' names"
                );
                return ExitCode::from(2);
            }
            part => arguments.names.push(part.to_owned()),
        }
    }
    let missed = compare(&arguments);
    if missed > 0 && arguments.check { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the tables; returns the number of missed goals. If there is nothing to measure, that counts as one.
fn compare(arguments: &Arguments) -> usize {
    let rounds = if arguments.quick { QUICK_ROUNDS } else { ROUNDS };
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{build} build; ns per operation, medians of {rounds} rounds taken in turn");
    let mut table = Table::default();
    if !arguments.announcing {
        beside_tokio(arguments, rounds, &mut table);
    }
    if arguments.announcing || arguments.names.is_empty() {
        cost_of_announcing(arguments, rounds, &mut table);
    }
    if table.lines == 0 {
        eprintln!("no workload's name contains any of {:?}", arguments.names);
        return 1;
    }
    table.missed
}

/// Compares tokio's runtime with timeloop.
fn beside_tokio(arguments: &Arguments, rounds: usize, table: &mut Table) {
    table.head(["", "tokio", "timeloop", "ratio"]);
    for workload in workloads::all().into_iter().filter(|workload| arguments.ask_for(workload.name)) {
        let sides = [workload.tokio, workload.timeloop];
        let [tokio_ns, timeloop_ns] = measure(sides, workload.operations, rounds, arguments.quick);
        let ratio = tokio_ns / timeloop_ns;
        let goal = if cfg!(debug_assertions) { workload.debug_goal } else { workload.goal };
        table.line(
            workload.name,
            [format!("{tokio_ns:.1}"), format!("{timeloop_ns:.1}"), format!("{ratio:.2}")],
            goal.map(|goal| (format!(">= {goal:.1}"), ratio >= goal)),
        );
    }
    if arguments.ask_for(memory::NAME) {
        match (memory::peak_mb("tokio"), memory::peak_mb("timeloop")) {
            (Some(tokio), Some(timeloop)) => table.line(
                memory::NAME,
                [format!("{tokio:.0}"), format!("{timeloop:.0}"), format!("{:.2}", tokio / timeloop)],
                Some((format!("<= {:.0}", memory::GOAL_MB), timeloop <= memory::GOAL_MB)),
            ),
            _ => println!("| {:<24} | measured on Linux only", memory::NAME),
        }
    }
}

/// Compares tokio's bare primitives in timeloop's event loop with timeloop's own.
fn cost_of_announcing(arguments: &Arguments, rounds: usize, table: &mut Table) {
    table.head(["announcing", "bare", "announced", "cost"]);
    for workload in announcing::all().into_iter().filter(|workload| arguments.ask_for(workload.name)) {
        let sides = [workload.bare, workload.announced];
        let [bare_ns, announced_ns] = measure(sides, announcing::OPERATIONS, rounds, arguments.quick);
        let cost_ns = announced_ns - bare_ns;
        let goal = (!cfg!(debug_assertions)).then_some(announcing::GOAL_NS);
        table.line(
            workload.name,
            [format!("{bare_ns:.1}"), format!("{announced_ns:.1}"), format!("{cost_ns:.1}")],
            goal.map(|goal| (format!("<= {goal:.1}"), cost_ns <= goal)),
        );
    }
}

/// The printed table.
#[derive(Default)]
struct Table {
    lines: usize,
    missed: usize,
}

impl Table {
    fn head(&self, [name, left, right, result]: [&str; 4]) {
        println!();
        println!("| {name:<24} | {left:>9} | {right:>9} | {result:>7} | {:>7} |        |", "goal");
        println!("|{:-<26}|{:->10}:|{:->10}:|{:->8}:|{:->8}:|--------|", "", "", "", "", "");
    }

    /// Prints a line. `goal` is the goal's text, and whether it is met.
    fn line(&mut self, name: &str, [left, right, result]: [String; 3], goal: Option<(String, bool)>) {
        let verdict = match goal {
            None => "",
            Some((_, true)) => "met",
            Some((_, false)) => "MISSED",
        };
        self.lines += 1;
        self.missed += usize::from(verdict == "MISSED");
        let goal = goal.map(|(goal, _)| goal).unwrap_or_default();
        println!("| {name:<24} | {left:>9} | {right:>9} | {result:>7} | {goal:>7} | {verdict:<6} |");
    }
}

/// Returns the nanoseconds per operation of each side.
fn measure(sides: [fn(u64); 2], operations: u64, rounds: usize, quick: bool) -> [f64; 2] {
    let shorter = if cfg!(debug_assertions) { 10 } else { 1 } * if quick { 5 } else { 1 };
    // A multiple of all divisors that workloads use.
    let operations = (operations / shorter).next_multiple_of(1_000);
    #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
    let time = |side: fn(u64)| {
        let start = Instant::now();
        side(operations);
        start.elapsed().as_nanos() as f64 / operations as f64
    };
    // The first round warms up.
    let times: Vec<[f64; 2]> = (0..=rounds).map(|_| sides.map(time)).skip(1).collect();
    [0, 1].map(|side| median(times.iter().map(|times| times[side]).collect()))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
