//! The museum's door: shows all exhibits in a table, or one with its report.
//!
//! Always true: the program succeeds if every bug was found, shrunk to a few deviations, told with the order or choice that it
//! hangs on and replayed in a fresh process, and every corrected version was clean; else it says in a sentence each what does not hold.

mod building;
mod guide;
mod live;
mod table;

use std::process::ExitCode;

use museum::{EXHIBITS, Exhibit, ROOM, room};

use building::Building;

const HELP: &str = "\
Finds published concurrency bugs in the crates that had them, shrinks each failing schedule, replays it in a fresh
process, and explores the version in which the bug is fixed.

usage: cargo run --release --manifest-path examples/museum/Cargo.toml [-- <argument>]

  (nothing)     all exhibits, then a table
  <exhibit>     one exhibit, and the report of its bug: `cargo run --release --manifest-path examples/museum/Cargo.toml -- flume`
  --list        what there is to see
  --help        this text

A single exhibit heeds the variables of timeloop, as tests do: TIMELOOP_SEED=random tries other seeds, TIMELOOP_RUNS=500
fewer, TIMELOOP_LOG=steps lists every step, TIMELOOP_REPLAY=<token> replays a schedule.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => guide::all(),
        ["--help" | "-h" | "help"] => {
            room::say(HELP);
            ExitCode::SUCCESS
        }
        ["--list" | "-l" | "list"] => {
            room::say(&table::list(EXHIBITS));
            ExitCode::SUCCESS
        }
        // Asked by the museum itself.
        ["replay", ..] => ROOM.serve(),
        [name] => match Exhibit::named(name) {
            Some(exhibit) => one(exhibit),
            None => {
                complain(&unknown(name));
                ExitCode::from(2)
            }
        },
        _ => {
            complain("accepted is one exhibit at a time, or nothing for all of them; `--help` tells more");
            ExitCode::from(2)
        }
    }
}

/// Shows one exhibit with the report of its bug.
fn one(exhibit: &Exhibit) -> ExitCode {
    room::say(&format!("{}\n", table::sign(exhibit)));
    if ROOM.scenario(exhibit.name).is_some() {
        return ROOM.show(exhibit.name);
    }
    match Building::new().and_then(|building| building.apart.show(exhibit.name)) {
        Ok(true) => ExitCode::SUCCESS,
        // It has said why.
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            complain(&problem);
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

fn complain(problem: &str) {
    eprintln!("museum: {}", problem.trim_end());
}
