//! `cargo timeloop`: explores the schedules of a tokio program's own tests, without a change to the program.
//!
//! A build of its own puts the package `tokio` of [`crates`] in the place of the real one, by `--config patch…`. The real
//! tokio, as the program has locked it, is underneath under another name. `Cargo.lock` is elsewhere, too, so that nothing
//! outside of `target/timeloop` is written.

mod archive;
mod arguments;
mod clean;
mod crates;
mod doctor;
mod exit;
mod files;
mod graph;
mod host;
mod init;
mod libtest;
mod lock;
mod manifest;
mod places;
mod prepare;
mod progress;
mod results;
mod settings;
mod table;
mod test_run;
mod toolchain;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::exit::{Exit, Failed};
use crate::test_run::Mode;

fn main() -> ExitCode {
    // cargo passes the name of the command on.
    let arguments = std::env::args_os().enumerate();
    let arguments = arguments.filter(|(index, word)| *index != 1 || word != "timeloop").map(|(_, word)| word);
    let ended = run(Arguments::parse_from(arguments).command);
    ended.unwrap_or_else(Failed::print).into()
}

fn run(command: Command) -> Result<Exit, Failed> {
    match command {
        Command::Test(options) => test_run::run(&options, &Mode::Explore(Vec::new())),
        Command::Explore(explore) => test_run::run(&explore.test, &Mode::Explore(explore.variables())),
        Command::Replay(replay) => test_run::replay(&replay),
        Command::Init(options) => test_run::init(&options),
        Command::List(options) => test_run::list(&options),
        Command::Run(options) => test_run::program(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Clean(options) => clean::run(&options),
    }
}
