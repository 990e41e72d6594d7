//! The museum's command line: shows all exhibits in a table, or one with its report.
//!
//! # Invariants
//! The program succeeds if every bug was found, shrunk to a few deviations, reported with its critical order or choice
//! and replayed in a fresh process, and every fixed version passed. Otherwise it prints a sentence for each expectation
//! that does not hold.

mod programs;
mod progress;
mod search;
mod table;
mod tour;

use std::process::ExitCode;

use museum::{EXHIBIT_SET, EXHIBITS, Exhibit, exhibit_set};

use programs::Programs;

const HELP: &str = "\
Finds published concurrency bugs in the crates that had them, shrinks each failing schedule, replays it in a fresh
process, and explores the version in which the bug is fixed.

usage: cargo run --release --manifest-path examples/museum/Cargo.toml [-- <argument>]

  (nothing)     all exhibits, then a table
  <exhibit>     one exhibit, and the report of its bug: `cargo run --release --manifest-path examples/museum/Cargo.toml -- flume`
  search        the schedules that strategies take to find each bug; see `search --help`
  --list        what there is to see
  --help        this text

A single exhibit uses timeloop's variables, as tests do: TIMELOOP_SEED=random tries other seeds, TIMELOOP_RUNS=500
fewer, TIMELOOP_LOG=steps lists every step, TIMELOOP_REPLAY=<token> replays a schedule.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => tour::all(),
        ["--help" | "-h" | "help"] => {
            exhibit_set::say(HELP);
            ExitCode::SUCCESS
        }
        ["--list" | "-l" | "list"] => {
            exhibit_set::say(&table::list(EXHIBITS));
            ExitCode::SUCCESS
        }
        // Arguments that the museum passes to itself.
        ["replay", ..] => EXHIBIT_SET.serve(),
        ["search", exhibit, _, _] if Exhibit::named(exhibit).is_some() => EXHIBIT_SET.serve(),
        ["search", ref arguments @ ..] => search::print(arguments),
        [name] => match Exhibit::named(name) {
            Some(exhibit) => one(exhibit),
            None => {
                print_error(&unknown(name));
                ExitCode::from(2)
            }
        },
        _ => {
            print_error("accepted is one exhibit at a time, or nothing for all of them; see `--help`");
            ExitCode::from(2)
        }
    }
}

/// Shows one exhibit with the report of its bug.
fn one(exhibit: &Exhibit) -> ExitCode {
    exhibit_set::say(&format!("{}\n", table::sign(exhibit)));
    if EXHIBIT_SET.scenario(exhibit.name).is_some() {
        return EXHIBIT_SET.show(exhibit.name);
    }
    match Programs::new().and_then(|programs| programs.apart.show(exhibit.name)) {
        Ok(true) => ExitCode::SUCCESS,
        // It has printed the reason.
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            print_error(&problem);
            ExitCode::FAILURE
        }
    }
}

fn unknown(name: &str) -> String {
    let names: Vec<_> = EXHIBITS.iter().map(|exhibit| exhibit.name).collect();
    format!(
        "there is no exhibit `{name}`; accepted are --list, --help and the exhibits\n  {}",
        names.chunks(6).map(|names| names.join(", ")).collect::<Vec<_>>().join(",\n  ")
    )
}

fn print_error(problem: &str) {
    eprintln!("museum: {}", problem.trim_end());
}
