//! Measures how many schedules, and how much time, shuttle needs to find the bugs of the corpus; `benches/search`
//! compares with it.
//!
//! ```text
//! cargo run --release --manifest-path benches/shuttle/Cargo.toml                      # a table
//! cargo run --release --manifest-path benches/shuttle/Cargo.toml -- --csv > shuttle.csv
//! cargo bench --bench search -- --against shuttle.csv
//! ```
//!
//! Further options: `--program`, `--seeds`, as in `benches/search`.
//!
//! # Invariants
//! - The programs have the tasks, locks and accesses of those in `benches/search/programs`, as threads with shuttle's
//!   locks and atomics.
//! - shuttle is configured to return right after a failure.
//! - A schedule counts when it begins, including those with which a scheduler makes estimates.

mod programs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use programs::Program;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler, UrwRandomScheduler};
use shuttle::{Config, FailurePersistence, Runner};

/// The maximum number of schedules.
const CAP: usize = 10_000;
/// The distance between base seeds.
const APART: u64 = 1_000_000;

const SCHEDULERS: [&str; 4] = ["random", "PCT3", "PCT10", "URW"];

/// The result of a scheduler for a program: the number of seeds for which it found the bug, mean schedules, mean time.
struct Found {
    found: u64,
    schedules: f64,
    time: Duration,
}

fn main() -> ExitCode {
    let (mut csv, mut seeds, mut parts) = (false, 20, Vec::new());
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let value = if argument == "--csv" { None } else { given.next() };
        match (argument.as_str(), value) {
            ("--csv", _) => csv = true,
            ("--program", Some(part)) => parts.push(part),
            ("--seeds", Some(number)) if number.parse().is_ok_and(|number: u64| number > 0) => {
                seeds = number.parse().expect("just parsed");
            }
            _ => {
                eprintln!("accepted are `--csv`, `--program` and `--seeds`, the last two with a value");
                return ExitCode::from(2);
            }
        }
    }
    // Every failure is a panic, so there will be many.
    std::panic::set_hook(Box::new(|_| ()));
    let programs = programs::ALL
        .iter()
        .filter(|program| parts.is_empty() || parts.iter().any(|part| program.name.contains(part.as_str())));
    if csv {
        println!("program,strategy,found,schedules,microseconds");
    } else {
        println!("| program | {} |", SCHEDULERS.join(" | "));
        println!("|---|{}", "--:|".repeat(SCHEDULERS.len()));
    }
    for program in programs {
        let all = SCHEDULERS.map(|scheduler| mean(program, scheduler, seeds));
        if csv {
            for (scheduler, Found { found, schedules, time }) in SCHEDULERS.iter().zip(all) {
                let micros = time.as_secs_f64() * 1e6;
                println!("{},{scheduler},{found},{schedules:.1},{micros:.1}", program.name);
            }
        } else {
            let cells = all.map(|Found { found, schedules, time }| {
                let star = if found < seeds { "*" } else { "" };
                if found == 0 { "–".to_owned() } else { format!("{schedules:.1}{star} ({time:.1?})") }
            });
            println!("| {} | {} |", program.name, cells.join(" | "));
        }
    }
    ExitCode::SUCCESS
}

/// The number of times that a short search is repeated; the shortest time counts, because of other load.
const REPEATS: u32 = 10;
/// Longer searches are not repeated: other load is a small part of their time.
const LONG: Duration = Duration::from_millis(20);

fn mean(program: &Program, scheduler: &str, seeds: u64) -> Found {
    let mut all = Found { found: 0, schedules: 0.0, time: Duration::ZERO };
    for number in 0..seeds {
        let seed = number * APART;
        let (first, mut least) = timed(program, scheduler, seed);
        for _ in 1..REPEATS {
            if least < LONG {
                least = least.min(timed(program, scheduler, seed).1);
            }
        }
        all.time += least;
        all.found += u64::from(first.is_some());
        all.schedules += first.unwrap_or(CAP as u64) as f64;
    }
    all.time = all.time.div_f64(seeds as f64);
    all.schedules /= seeds as f64;
    all
}

/// Measures a search on a thread of its own: after a failure, shuttle's thread-local state would make the next run
/// fail.
fn timed(program: &Program, scheduler: &str, seed: u64) -> (Option<u64>, Duration) {
    std::thread::scope(|scope| {
        let search = || {
            #[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
            let start = Instant::now();
            let first = match scheduler {
                "random" => first_failure(program, RandomScheduler::new_from_seed(seed, CAP)),
                "PCT3" => first_failure(program, PctScheduler::new_from_seed(seed, 3, CAP)),
                "PCT10" => first_failure(program, PctScheduler::new_from_seed(seed, 10, CAP)),
                _ => first_failure(program, UrwRandomScheduler::new_from_seed(seed, CAP)),
            };
            (first, start.elapsed())
        };
        scope.spawn(search).join().expect("failures are caught")
    })
}

/// Returns the number of the first failing schedule, from 1.
fn first_failure(program: &Program, scheduler: impl Scheduler + 'static) -> Option<u64> {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    let schedules = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&schedules);
    let once = program.once;
    let run = || {
        Runner::new(scheduler, config).run(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            once();
        })
    };
    let failed = catch_unwind(AssertUnwindSafe(run)).is_err();
    failed.then(|| schedules.load(Ordering::Relaxed))
}
