//! Measures how many schedules, and how much time, each strategy needs to find each bug of the corpus.
//!
//! ```text
//! cargo bench --bench search                            # every program, every strategy, 20 base seeds
//! cargo bench --bench search -- --program reorder       # the program of this name, else those whose names contain it
//! cargo bench --bench search -- --strategy surw         # this strategy; may be given several times
//! cargo bench --bench search -- --seeds 5               # the number of base seeds
//! cargo bench --bench search -- --quick                 # 3 base seeds, at most 1,000 schedules each
//! cargo bench --bench search -- --jobs 1                # one program at a time, for exact times
//! cargo bench --bench search -- --csv                   # `program,strategy,found,schedules,microseconds,error` (standard error of the mean)
//! cargo bench --bench search -- --against shuttle.csv   # compare with the `--csv` output of `benches/shuttle`
//! cargo bench --bench search -- --cost                  # the cost of a step, and of a short run
//! ```
//!
//! # Invariants
//! - A number is a function of program, strategy and base seeds, except for times.
//! - The baseline run, which provides the strategies' estimates, counts as a schedule.
//! - Explorations stop at the first failure; they neither confirm nor shrink it.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a benchmark prints what it measures")]

mod against;
mod cost;
#[expect(dead_code, reason = "tests use the fixed variants too")]
mod programs;
mod search;
mod table;

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use programs::Program;
use search::Found;
use timeloop::StrategySpec;

/// The command line's options.
#[derive(Debug)]
struct Arguments {
    programs: Vec<String>,
    strategies: Vec<StrategySpec>,
    seeds: u64,
    cap: u64,
    jobs: usize,
    csv: bool,
    cost: bool,
    against: Option<String>,
}

/// The strategies in the order of their columns.
fn strategies() -> Vec<StrategySpec> {
    search::STRATEGIES.iter().map(|name| name.parse().expect("a strategy")).collect()
}

fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut arguments = Arguments {
        programs: Vec::new(),
        strategies: Vec::new(),
        seeds: 20,
        cap: search::CAP,
        jobs: cores,
        csv: false,
        cost: false,
        against: None,
    };
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("`{argument}` wants a value"));
        let number = |text: String| match text.parse() {
            Ok(0) | Err(_) => Err(format!("`{text}` is not a number from 1 up")),
            Ok(number) => Ok(number),
        };
        match argument.as_str() {
            // Passed by Cargo itself.
            "--bench" => {}
            "--program" => arguments.programs.push(value()?),
            "--strategy" => {
                arguments.strategies.push(value()?.parse().map_err(|error| format!("{error}"))?);
            }
            "--seeds" => arguments.seeds = number(value()?)?,
            "--jobs" => arguments.jobs = number(value()?)? as usize,
            "--quick" => (arguments.seeds, arguments.cap) = (3, 1_000),
            "--csv" => arguments.csv = true,
            "--cost" => arguments.cost = true,
            "--against" => arguments.against = Some(value()?),
            other => {
                return Err(format!(
                    "`{other}` is not an option; accepted are `--program`, `--strategy`, `--seeds`, `--quick`, `--jobs`, \
                     `--csv`, `--against` and `--cost`"
                ));
            }
        }
    }
    if arguments.strategies.is_empty() {
        arguments.strategies = strategies();
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    if arguments.cost {
        cost::print(&arguments.strategies);
        return Ok(());
    }
    let others = arguments.against.as_deref().map(against::read).transpose()?;
    let named = |program: &&Program| {
        arguments.programs.is_empty()
            || arguments.programs.iter().any(|part| {
                match programs::ALL.iter().any(|one| one.name == part.as_str()) {
                    true => program.name == part.as_str(),
                    false => program.name.contains(part.as_str()),
                }
            })
    };
    let programs: Vec<&Program> = programs::ALL.iter().filter(named).collect();
    if programs.is_empty() {
        return Err(format!("no program's name contains any of {:?}", arguments.programs));
    }
    let rows = measure(arguments, &programs);
    if let Some(others) = others {
        against::print(&arguments.strategies, &rows, &others);
    } else if arguments.csv {
        table::csv(&arguments.strategies, &rows);
    } else {
        table::print(&arguments.strategies, &rows, arguments.seeds);
    }
    Ok(())
}

/// A program, and the result of each strategy.
type Row<'a> = (&'a Program, Vec<Found>);

/// Measures the programs, each on a thread of its own, `jobs` at a time.
fn measure<'a>(arguments: &Arguments, programs: &[&'a Program]) -> Vec<Row<'a>> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    let work = || {
        while let Some(&program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let search = |&strategy| search::mean(program, strategy, arguments.seeds, arguments.cap);
            let found = arguments.strategies.iter().map(search).collect();
            rows.lock().expect("no panic elsewhere").push((program, found));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..arguments.jobs.min(programs.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut rows: Vec<Row<'a>> = rows.into_inner().expect("no panic elsewhere");
    rows.sort_by_key(|(program, _)| programs.iter().position(|other| other.name == program.name));
    rows
}
