//! `test`, `explore`, `replay`, `list` and `run`: builds, runs, and sums up.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::arguments::{Replay, RunOptions, TestOptions};
use crate::exit::{Exit, Failed};
use crate::files;
use crate::libtest::Libtest;
use crate::prepare::{Prepared, prepare};
use crate::progress::Progress;
use crate::results;
use crate::table::Table;

/// What the tests do, and the variables for it.
#[derive(Debug)]
pub(crate) enum Mode {
    Explore(Vec<(&'static str, String)>),
    /// Replays the schedules of a token.
    Replay(String),
}

/// Runs the tests.
pub(crate) fn run(options: &TestOptions, mode: &Mode) -> Result<Exit, Failed> {
    let prepared = prepare(&options.graph, &options.compile)?;
    prepared.warn();
    run_prepared(&prepared, options, mode)
}

/// Runs one test under a schedule. Without a filter it is the test whose report had the token, in the last results.
pub(crate) fn replay(replay: &Replay) -> Result<Exit, Failed> {
    let mut options = replay.test.clone();
    let prepared = prepare(&options.graph, &options.compile)?;
    if options.filter.is_none() {
        let known = results::read(&prepared.places.results());
        let known = known.into_iter().find(|result| result.token == replay.token && !result.path.is_empty());
        let Some(known) = known else {
            return Err(Failed::usage(
                "the last results do not contain this token; name its test, as the last line of the report does: \
                 `cargo timeloop replay TOKEN … path::of::the_test -- --exact`",
            ));
        };
        let line = format!("timeloop replay {} {}", replay.token, known.arguments);
        let known = <crate::arguments::Arguments as clap::Parser>::try_parse_from(line.split(' '));
        if let Ok(crate::arguments::Command::Replay(known)) = known.map(|known| known.command) {
            options = TestOptions { graph: options.graph, compile: options.compile, ..known.test };
        }
    }
    run_prepared(&prepared, &options, &Mode::Replay(replay.token.clone()))
}

fn run_prepared(prepared: &Prepared, options: &TestOptions, mode: &Mode) -> Result<Exit, Failed> {
    if !options.is_documentation() {
        let mut build = prepared.compiling("test")?;
        build.arg("--no-run").args(options.words());
        if !status(&mut build)?.success() {
            return Err(Failed::infrastructure("the tests do not compile: see above"));
        }
    }
    if options.no_run {
        return Ok(Exit::Clean);
    }
    let results = files::beside(&prepared.places.results());
    fs::remove_file(&results).ok();
    let mut command = prepared.compiling("test")?;
    command.arg("--no-fail-fast").args(options.words()).args(&options.filter);
    if options.graph.color.is_none() && std::io::stderr().is_terminal() {
        command.args(["--color", "always"]);
    }
    command.arg("--").args(&options.libtest).args(prepared.settings.skipping());
    let replays = replaying(options);
    command
        .envs(variables(prepared, mode))
        .env("TIMELOOP_RESULTS", &results)
        .env("TIMELOOP_COMMAND", &replays);
    let progress = Progress::start(results.clone());
    // The build has already printed its warnings.
    let holds = !options.is_documentation() && !options.graph.silent;
    let ran = run_and_read(&mut command, &progress, holds);
    progress.end();
    let (status, libtest, failed_targets) = ran?;
    let explored = results::read(&results);
    fs::rename(&results, prepared.places.results()).ok();
    let died = !status.success() && failed_targets != libtest.failed_binaries;
    let failed = !status.success();
    let table = Table::new(explored, libtest);
    if table.is_empty() && !failed {
        return Err(Failed::infrastructure("no test was run"));
    }
    files::print(&format!("\n{}", table.render(&replays)));
    if died {
        eprintln!("cargo timeloop: a test process has ended without a result: see above");
    }
    Ok(table.exit(options.strict, died))
}

/// Returns the command that replay lines begin with.
fn replaying(options: &TestOptions) -> String {
    let mut command = "cargo timeloop replay".to_owned();
    if options.graph.ignore_rust_version {
        command.push_str(" --ignore-rust-version");
    }
    command
}

/// Returns the variables of the test processes. Those that the user has set count more than `timeloop.toml`.
fn variables(prepared: &Prepared, mode: &Mode) -> Vec<(&'static str, OsString)> {
    let settings = &prepared.settings;
    let regressions = settings.regressions.clone().unwrap_or_else(|| prepared.places.regressions());
    let mut variables: Vec<(&str, OsString)> = vec![("TIMELOOP_REGRESSIONS", regressions.into())];
    let runs = settings.runs.map(|runs| runs.to_string());
    let stalls = settings.stalls.map(|stalls| if stalls { "on" } else { "off" }.to_owned());
    for (name, value) in [("TIMELOOP_RUNS", runs), ("TIMELOOP_STALLS", stalls)] {
        if let Some(value) = value.filter(|_| std::env::var_os(name).is_none()) {
            variables.push((name, value.into()));
        }
    }
    match mode {
        Mode::Explore(given) => variables.extend(given.iter().map(|(name, value)| (*name, value.into()))),
        Mode::Replay(token) => variables.push(("TIMELOOP_REPLAY", token.into())),
    }
    variables
}

/// Runs `cargo test` and prints its output; `holds` says that the messages of the build are held back. Returns its status, what
/// libtest has printed, and how many test binaries cargo counts as failed.
fn run_and_read(
    command: &mut Command,
    progress: &Progress,
    holds: bool,
) -> Result<(ExitStatus, Libtest, u64), Failed> {
    let program = PathBuf::from(command.get_program());
    let mut child =
        files::context(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn(), "run", &program)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (libtest, failed_targets) = std::thread::scope(|scope| {
        let errors = scope.spawn(|| {
            let mut failed = 0;
            let mut held = holds.then(Vec::new);
            each_line(stderr, |line| {
                let plain = plain(&String::from_utf8_lossy(line));
                failed += u64::from(is_failed_target(&plain));
                match &mut held {
                    Some(_) if plain.trim_start().starts_with("Finished ") => held = None,
                    Some(held) if !plain.trim_start().starts_with("Blocking ") => {
                        held.extend_from_slice(line)
                    }
                    _ => progress.print(line, true),
                }
            });
            // Without an end of the build it has failed.
            progress.print(&held.unwrap_or_default(), true);
            failed
        });
        let mut libtest = Libtest::default();
        each_line(stdout, |line| {
            libtest.line(&String::from_utf8_lossy(line));
            progress.print(line, false);
        });
        (libtest, errors.join().unwrap_or_default())
    });
    let status = files::context(child.wait(), "run", &program)?;
    Ok((status, libtest, failed_targets))
}

/// Returns whether cargo says in this line that a test binary has failed.
fn is_failed_target(line: &str) -> bool {
    ["error: test failed, to rerun pass", "error: doctest failed, to rerun pass"]
        .iter()
        .any(|text| line.starts_with(text))
}

/// Returns the line without colors.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

/// Calls `take` with each line and its end.
fn each_line(from: Option<impl Read>, mut take: impl FnMut(&[u8])) {
    let Some(from) = from else { return };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        take(&line);
        line.clear();
    }
}

fn status(command: &mut Command) -> Result<ExitStatus, Failed> {
    let program = PathBuf::from(command.get_program());
    files::context(command.status(), "run", &program)
}

/// Lists the tests.
pub(crate) fn list(options: &TestOptions) -> Result<Exit, Failed> {
    let prepared = prepare(&options.graph, &options.compile)?;
    let mut command = prepared.compiling("test")?;
    command.args(options.words()).args(&options.filter).args(["--", "--list"]).args(&options.libtest);
    command.args(prepared.settings.skipping());
    let listed = status(&mut command)?.success();
    Ok(if listed { Exit::Clean } else { Exit::Infrastructure })
}

/// Runs a program once, in a simulation.
pub(crate) fn program(options: &RunOptions) -> Result<Exit, Failed> {
    let prepared = prepare(&options.graph, &options.compile)?;
    prepared.warn();
    let mut command = prepared.compiling("run")?;
    command.args(options.words());
    let code = status(&mut command)?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(Exit::Infrastructure, Exit::Program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_targets_are_recognized_with_and_without_colors() {
        let is_failed = |line: &str| is_failed_target(&plain(line));
        assert!(is_failed("error: test failed, to rerun pass `--lib`\n"));
        assert!(is_failed("\u{1b}[1m\u{1b}[91merror\u{1b}[0m: doctest failed, to rerun pass `--doc`\n"));
        assert!(!is_failed("error: 2 targets failed:\n"));
    }
}
