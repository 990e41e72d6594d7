//! `test`, `explore`, `replay`, `init`, `list` and `run`: builds, runs, and sums up.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::arguments::{Replay, RunOptions, TestOptions};
use crate::exit::{Exit, Failed};
use crate::libtest::Libtest;
use crate::prepare::{Prepared, prepare};
use crate::progress::Progress;
use crate::results::{self, Explored, Outcome};
use crate::settings::{OfTest, Settings};
use crate::table::Table;
use crate::{files, init, settings};

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
    let ran = build_and_run(prepared, options, mode)?;
    Ok(ran.map_or(Exit::Clean, |ran| ran.exit(options)))
}

/// Runs the tests, and writes `timeloop.toml` from the results.
pub(crate) fn init(options: &TestOptions) -> Result<Exit, Failed> {
    let prepared = prepare(&options.graph, &options.compile)?;
    let path = prepared.places.root.join(settings::NAME);
    if path.exists() {
        return Err(Failed::usage(format!(
            "{} exists; `init` writes it only where there is none",
            path.display()
        )));
    }
    prepared.warn();
    let Some(ran) = build_and_run(&prepared, options, &Mode::Explore(Vec::new()))? else {
        return Err(Failed::usage("`init` needs the results of the tests, so that --no-run can't be passed"));
    };
    files::write(&path, init::file(&ran.table).as_bytes())?;
    files::print(&format!("\nwritten: {}\n", path.display()));
    Ok(ran.exit(options))
}

/// The sorted tests of a command.
struct Ran {
    table: Table,
    /// Whether a test process has ended without a result.
    died: bool,
}

impl Ran {
    fn exit(&self, options: &TestOptions) -> Exit {
        self.table.exit(options.strict, self.died)
    }
}

/// Builds the tests, runs them, and prints the table. Returns `None` if they were not to be run.
fn build_and_run(prepared: &Prepared, options: &TestOptions, mode: &Mode) -> Result<Option<Ran>, Failed> {
    if !options.is_documentation() {
        let mut build = prepared.compiling("test")?;
        build.arg("--no-run").args(options.words());
        if !status(&mut build)?.success() {
            return Err(Failed::infrastructure("the tests do not compile: see above"));
        }
    }
    if options.no_run {
        return Ok(None);
    }
    let mut tests = prepared.settings.tests.clone();
    let mut pass = Pass::run(prepared, options, mode, &tests, None)?;
    while pass.try_again(prepared, options, mode, &mut tests)? {}
    fs::rename(&pass.results, prepared.places.results()).ok();
    let failed = !pass.status.success();
    let died = failed && pass.failed_targets != pass.libtest.failed_binaries;
    let table = Table::new(pass.explored, pass.libtest);
    if table.is_empty() && !failed {
        return Err(Failed::infrastructure("no test was run"));
    }
    files::print(&format!("\n{}", table.render(&replaying(options))));
    if died {
        eprintln!("cargo timeloop: a test process has ended without a result: see above");
    }
    Ok(Some(Ran { table, died }))
}

/// One `cargo test`, and what has come of it.
struct Pass {
    status: ExitStatus,
    libtest: Libtest,
    /// How many test binaries cargo counts as failed.
    failed_targets: u64,
    explored: Vec<Explored>,
    /// The file of results.
    results: PathBuf,
}

impl Pass {
    /// Runs `cargo test`; with `again`, only these tests.
    fn run(
        prepared: &Prepared,
        options: &TestOptions,
        mode: &Mode,
        tests: &BTreeMap<String, OfTest>,
        again: Option<&BTreeSet<&str>>,
    ) -> Result<Self, Failed> {
        let results = prepared.places.results();
        let results = files::beside(&results.with_extension(if again.is_some() { "again" } else { "first" }));
        fs::remove_file(&results).ok();
        let mut command = prepared.compiling("test")?;
        command.arg("--no-fail-fast").args(options.words());
        command.args(options.filter.as_ref().filter(|_| again.is_none()));
        if options.graph.color.is_none() && std::io::stderr().is_terminal() {
            command.args(["--color", "always"]);
        }
        command.arg("--").args(&options.libtest).args(prepared.settings.skipping());
        command.envs(variables(prepared, mode, tests));
        command.env("TIMELOOP_RESULTS", &results).env("TIMELOOP_COMMAND", replaying(options));
        if let Some(paths) = again {
            let is_exact = options.libtest.iter().any(|argument| argument == "--exact");
            command.args(paths).args((!is_exact).then_some("--exact"));
        }
        let progress = Progress::start(results.clone());
        // The build has already printed its warnings.
        let holds = !options.is_documentation() && !options.graph.silent;
        let ran = run_and_read(&mut command, &progress, holds);
        progress.end();
        let (status, libtest, failed_targets) = ran?;
        let explored = results::read(&results);
        Ok(Self { status, libtest, failed_targets, explored, results })
    }

    /// Runs tests that have failed once more, with `tests` changed by what lets such a test pass. Returns whether it did; if
    /// it does not, the last failure is the simplest one.
    fn try_again(
        &mut self,
        prepared: &Prepared,
        options: &TestOptions,
        mode: &Mode,
        tests: &mut BTreeMap<String, OfTest>,
    ) -> Result<bool, Failed> {
        if matches!(mode, Mode::Replay(_)) {
            return Ok(false);
        }
        let stalls_are_settled = prepared.settings.stalls.is_some() || is_overridden(mode, "TIMELOOP_STALLS");
        let mut again = Vec::new();
        for (index, result) in self.explored.iter().enumerate() {
            let mut own = tests.get(&result.test).copied().unwrap_or_default();
            let change = Change::of(result, &own, stalls_are_settled);
            if let Some(change) = change.filter(|_| self.libtest.failed.contains(&result.path)) {
                change.apply(&mut own);
                again.push((index, change, own));
            }
        }
        if again.is_empty() {
            return Ok(false);
        }
        let paths: BTreeSet<&str> =
            again.iter().map(|(index, ..)| self.explored[*index].path.as_str()).collect();
        for change in [Change::Processes, Change::IgnorePanics, Change::NoStalls, Change::WholeReads] {
            let count = again.iter().filter(|(_, other, _)| *other == change).count();
            if count > 0 {
                eprintln!("\ncargo timeloop: {count} {}", change.reason());
            }
        }
        for (index, _, own) in &again {
            tests.insert(self.explored[*index].test.clone(), *own);
        }
        let later = Self::run(prepared, options, mode, tests, Some(&paths))?;
        fs::remove_file(&later.results).ok();
        for (index, change, own) in again {
            let first = &mut self.explored[index];
            let same = |result: &&Explored| (&result.binary, &result.path) == (&first.binary, &first.path);
            let mut same = later.explored.iter().filter(same);
            // A test that explores several times has failed if one of them fails.
            let Some(last) = same.clone().find(|result| result.outcome != Outcome::Explored).or(same.next())
            else {
                continue;
            };
            let passed = last.outcome == Outcome::Explored;
            if passed && change.outcome() != Outcome::Explored {
                first.outcome = change.outcome();
            } else if passed || matches!(last.outcome, Outcome::Failed | Outcome::FailedInBaseline) {
                *first = last.clone();
            }
            first.needs = own;
        }
        Ok(true)
    }
}

/// Whether a test binary can make each run in a process of its own.
const IS_FORKING: bool = cfg!(target_os = "linux");

/// A change of the settings with which a failed test is run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Panics of tasks whose join handles are gone are ignored, as in tokio.
    IgnorePanics,
    /// Time passes only while no task is ready.
    NoStalls,
    /// Reads and writes transfer as much as they can.
    WholeReads,
    /// Each run has a process of its own.
    Processes,
}

impl Change {
    /// Returns the next change for a test, whose settings are `own`.
    fn of(result: &Explored, own: &OfTest, stalls_are_settled: bool) -> Option<Self> {
        match result.outcome {
            Outcome::FailedInBaseline => {
                let is_unobserved = result.message.starts_with("unobserved panic");
                (is_unobserved && !own.ignore_unobserved_panics).then_some(Self::IgnorePanics)
            }
            // An escape stays one.
            Outcome::Nondeterministic if IS_FORKING && result.message.starts_with("nondeterminism") => {
                (!own.processes).then_some(Self::Processes)
            }
            Outcome::Failed if !stalls_are_settled && own.stalls.is_none() => Some(Self::NoStalls),
            Outcome::Failed if own.varied_io.is_none() => Some(Self::WholeReads),
            _ => None,
        }
    }

    fn apply(self, own: &mut OfTest) {
        match self {
            Self::IgnorePanics => own.ignore_unobserved_panics = true,
            Self::NoStalls => own.stalls = Some(false),
            Self::WholeReads => own.varied_io = Some(false),
            Self::Processes => own.processes = true,
        }
    }

    /// Returns the outcome of a test that passes with the change.
    fn outcome(self) -> Outcome {
        match self {
            Self::IgnorePanics | Self::Processes => Outcome::Explored,
            Self::NoStalls => Outcome::FailedByStalls,
            Self::WholeReads => Outcome::FailedByShortReads,
        }
    }

    /// Returns why the test is run again, in words after the number of tests.
    fn reason(self) -> &'static str {
        match self {
            Self::IgnorePanics => {
                "failed in FIFO order by a panic in a task whose join handle is gone; run again, ignoring these panics as \
                 tokio does"
            }
            Self::NoStalls => {
                "failed in some order; run again without schedules in which time passes while a task is ready"
            }
            Self::WholeReads => {
                "failed in some order; run again without reads and writes that transfer a part of the bytes"
            }
            Self::Processes => {
                "not deterministic, maybe because runs leave something behind in statics; run again with a process for each run"
            }
        }
    }
}

/// Returns whether the user has set this variable, or an argument that stands for it.
fn is_overridden(mode: &Mode, variable: &str) -> bool {
    let given = matches!(mode, Mode::Explore(given) if given.iter().any(|(name, _)| *name == variable));
    given || std::env::var_os(variable).is_some_and(|value| !value.is_empty())
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
fn variables(
    prepared: &Prepared,
    mode: &Mode,
    tests: &BTreeMap<String, OfTest>,
) -> Vec<(&'static str, OsString)> {
    let settings = &prepared.settings;
    let regressions = settings.regressions.clone().unwrap_or_else(|| prepared.places.regressions());
    let mut variables: Vec<(&str, OsString)> = vec![("TIMELOOP_REGRESSIONS", regressions.into())];
    let runs = settings.runs.map(|runs| ("TIMELOOP_RUNS", runs.to_string().into()));
    let given = runs.into_iter().chain(settings.switches());
    variables.extend(given.filter(|(name, _)| !is_overridden(mode, name)));
    if let Some(tests) = Settings::of_tests(tests, |variable| is_overridden(mode, variable)) {
        variables.push(("TIMELOOP_TESTS", tests.into()));
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
    // Those that the user has set count more than `timeloop.toml`.
    let given = prepared.settings.switches().filter(|(name, _)| std::env::var_os(name).is_none());
    command.args(options.words()).envs(given);
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
