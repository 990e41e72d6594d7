//! Runs one input of a fuzz target and reports a failure as a crash, or replays and shrinks a crash file.
//!
//! # Invariants
//! - A panic inside a run reaches only the task that awaits the panicked task, whatever panic hook a fuzzer has
//!   installed.
//! - The process aborts only after the report was printed.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use arbitrary::{Arbitrary, Unstructured};
use timeloop_sim::{
    AnySource, Config, Detail, Ended, RegressionsIn, ReplayFile, Request, Schedule, Settings, Simulation,
    TestName, exit_with, fail_with, investigate, print_note,
};

use super::coverage;
use super::record;
use crate::engine::RuntimeSettings;
use crate::harness::{AsyncSimulation, TestResult, check_output};

/// The maximum number of runs for shrinking while a fuzzer waits. A replay shrinks further.
pub(crate) const SHRINK_RUNS: u64 = 2_000;

/// The maximum number of characters of an input in a report.
const INPUT_SHOWN: usize = 2_000;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The binary's name.
    pub name: &'static str,
    /// The package's folder.
    pub folder: &'static str,
}

impl Target {
    /// Returns the command that replays a crash file.
    fn command(&self) -> String {
        let folder = Path::new(self.folder).file_name().unwrap_or_default().to_string_lossy();
        format!("cargo test --manifest-path {folder}/Cargo.toml --bin {}", self.name)
    }

    /// Describes the accepted values of `TIMELOOP_REPLAY`.
    pub(super) fn accepted(&self) -> String {
        format!(
            "give the path of a crash file as libFuzzer names it, such as `fuzz/artifacts/{}/crash-…`",
            self.name
        )
    }

    fn config(&self) -> Config {
        let test = TestName::new(self.name).with_command(self.command());
        Config { regressions: RegressionsIn::Nowhere, silent: true, ..Config::of(test) }
    }
}

/// A fuzzer's input, split.
struct FuzzInput<'a> {
    input: &'a [u8],
    schedule: Schedule,
    /// The number of decisions in it.
    decisions: usize,
}

impl<'a> FuzzInput<'a> {
    fn of(data: &'a [u8]) -> Self {
        let (input, records) = record::split(data);
        let decisions = records.len();
        Self { input, schedule: record::schedule(records), decisions }
    }

    fn decode<T: Arbitrary<'a>>(&self) -> arbitrary::Result<T> {
        T::arbitrary_take_rest(Unstructured::new(self.input))
    }

    /// Returns the test with this input as a simulation.
    fn simulation<T, F, R>(&self, target: &Target, test: &F) -> impl Simulation
    where
        T: Arbitrary<'a>,
        F: AsyncFn(T) -> R + Sync,
        R: TestResult,
    {
        let name = format!("the fuzz target `{}`", target.name).into();
        let input = self.input;
        let make = move || async move {
            // Decoded anew for each run: it need not be `Clone`, and runs cannot affect each other through it.
            let input = T::arbitrary_take_rest(Unstructured::new(input));
            test(input.expect("the same bytes were decoded before")).await
        };
        AsyncSimulation { name, settings: RuntimeSettings::of_run(), make, classify: check_output }
    }
}

/// Runs a fuzzer's input. Returns whether the bytes are a valid input. Aborts the process if the run fails.
#[expect(clippy::print_stderr, reason = "the report, which the fuzzer shows")]
pub fn fuzz<'a, T, F, R>(target: &Target, data: &'a [u8], test: F) -> bool
where
    T: Arbitrary<'a> + fmt::Debug,
    F: AsyncFn(T) -> R + Sync,
    R: TestResult,
{
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| note_variables(target));
    let parts = FuzzInput::of(data);
    let Ok(input) = parts.decode::<T>() else { return false };
    let simulation = parts.simulation(target, &test);
    let ended = run_with_coverage(&simulation, &parts.schedule);
    if ended.failure.is_none() {
        return true;
    }
    let config = Config { shrink_runs: SHRINK_RUNS, ..target.config() };
    let crash = describe(&parts, (&simulation, &ended), &config, &input);
    let mut report = crash.report;
    let _ = writeln!(report, "replay     TIMELOOP_REPLAY=<file> {}", target.command());
    report.push_str(
        "           where <file> is the file that libFuzzer writes the input to; its name is printed below\n",
    );
    eprintln!("\n{report}");
    std::process::abort();
}

/// Prints notes on variables that a fuzzer ignores.
fn note_variables(target: &Target) {
    match Settings::from_environment() {
        Ok(Settings { replay: Some(_), .. }) => print_note(&format!(
            "the fuzzer ignores TIMELOOP_REPLAY; pass the file to the fuzzer as an argument, or replay it with `{}`",
            target.command()
        )),
        Ok(settings) => settings.warnings.iter().for_each(|warning| print_note(warning)),
        Err(error) => print_note(&error.to_string()),
    }
}

fn run_with_coverage(simulation: &impl Simulation, schedule: &Schedule) -> Ended {
    let source: AnySource = coverage::with_coverage(schedule.source());
    let limits = timeloop_sim::Limits::default();
    simulation.run(Request { source, limits: &limits, detail: Detail::Lean, explain_from: 0, loud: false })
}

/// The report of a failing input, and the shrunk input that fails too.
struct CrashReport {
    report: String,
    shrunk: Option<Vec<u8>>,
}

/// `input` is the decoded input.
fn describe<T: fmt::Debug>(
    parts: &FuzzInput<'_>,
    (simulation, failed): (&impl Simulation, &Ended),
    config: &Config,
    input: &T,
) -> CrashReport {
    let found = investigate(config, simulation, &parts.schedule, failed);
    // A token has no input, so the file replaces it.
    let lines = found.report.lines().filter(|line| !line.starts_with("replay "));
    let mut report = lines.fold(String::new(), |text, line| text + line + "\n");
    let shrunk = record::records(&found.shrunk).map(|records| record::join(parts.input, &records));
    let mut text = format!("{input:?}");
    if let Some((end, _)) = text.char_indices().nth(INPUT_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    let _ = writeln!(report, "input      {text}");
    CrashReport { report, shrunk }
}

/// The test of a target's package. Replays, shrinks and reports the file that `TIMELOOP_REPLAY` names. Without the
/// variable, replays every file of the corpus and every crash found.
///
/// If `TIMELOOP_REPLAY` does not name an input of the target, it prints the error and ends the process with exit code 2.
///
/// # Panics
/// With the report if a file fails, and if a file of the corpus cannot be read.
pub fn replay<T, F, R>(target: &Target, test: F)
where
    T: Arbitrary<'static> + fmt::Debug,
    F: AsyncFn(T) -> R + Sync,
    R: TestResult,
{
    let refuse =
        |error: &dyn fmt::Display| -> ! { exit_with(&format!("timeloop: `{}`: {error}", target.name)) };
    let settings = Settings::from_environment().unwrap_or_else(|error| refuse(&error));
    // The folder is known even without cargo.
    let settings = Settings { package_folder: Some(target.folder.into()), ..settings };
    let asked_for = settings.replay_file();
    let asked_for = asked_for.unwrap_or_else(|error| refuse(&format_args!("{error}; {}", target.accepted())));
    if let Some(ReplayFile { typed, path, bytes }) = asked_for {
        let stores = (!settings.ci).then_some(&*path);
        let file = File { typed: &typed, stores, bytes };
        if let Err(error) = file.run::<T, F, R>(target, &test) {
            refuse(&format_args!("{error}; {}", target.accepted()));
        }
        return;
    }
    // The smallest input, under the baseline schedule.
    let none = File { typed: Path::new(""), stores: None, bytes: Vec::new() };
    let files = corpus(target);
    let kept = files.iter().map(|path| File { typed: path, stores: None, bytes: read(path) });
    for file in std::iter::once(none).chain(kept) {
        // Like the fuzzer, skip files that are not a valid input.
        let _ = file.run::<T, F, R>(target, &test);
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file to replay.
struct File<'a> {
    /// Its path as the user would write it. Empty for no file.
    typed: &'a Path,
    /// Its path, if the shrunk input is to be stored beside it.
    stores: Option<&'a Path>,
    bytes: Vec<u8>,
}

impl File<'_> {
    /// Runs the file's input. Panics with the report if the run fails.
    #[expect(clippy::print_stderr, reason = "the answer to a replay")]
    fn run<T, F, R>(self, target: &Target, test: &F) -> Result<(), InvalidInput>
    where
        T: Arbitrary<'static> + fmt::Debug,
        F: AsyncFn(T) -> R + Sync,
        R: TestResult,
    {
        let Self { typed, stores, bytes } = self;
        // An input may borrow from its bytes. Leaking them is acceptable in a short-lived test process.
        let parts = FuzzInput::of(bytes.leak());
        let input = parts.decode::<T>().map_err(|error| InvalidInput {
            path: typed.to_owned(),
            bytes: parts.input.len(),
            error,
        })?;
        let simulation = parts.simulation(target, test);
        let ended = run_with_coverage(&simulation, &parts.schedule);
        let path = typed.display();
        if ended.failure.is_none() {
            let decisions = match parts.decisions {
                0 => "has no decisions: all its bytes are input, under the baseline schedule".to_owned(),
                count => format!("has {count} decisions"),
            };
            eprintln!("timeloop: `{}` passes with `{path}`, which {decisions}", target.name);
            return Ok(());
        }
        let CrashReport { mut report, shrunk } =
            describe(&parts, (&simulation, &ended), &target.config(), &input);
        if let (Some(found), Some(shrunk)) = (stores, shrunk) {
            let beside = |path: &Path| {
                let mut name = path.as_os_str().to_owned();
                name.push("-shrunk");
                PathBuf::from(name)
            };
            let _ = match fs::write(beside(found), shrunk) {
                Ok(()) => writeln!(report, "stored     {}", beside(typed).display()),
                Err(error) => writeln!(report, "stored     no: {}: {error}", beside(found).display()),
            };
        }
        if !typed.as_os_str().is_empty() {
            let _ = writeln!(report, "replay     TIMELOOP_REPLAY={path} {}", target.command());
        }
        fail_with(report)
    }
}

/// Returns the files of the corpus and the crashes found, in order of their names.
fn corpus(target: &Target) -> Vec<PathBuf> {
    let files = |kind: &str, prefix: &str| {
        let entries = fs::read_dir(Path::new(target.folder).join(kind).join(target.name));
        let mut files: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.is_file())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
            .collect();
        files.sort();
        files
    };
    let mut all = files("corpus", "");
    all.extend(files("artifacts", "crash-"));
    all
}

/// The error of a file that cannot be decoded as an input.
#[derive(Debug)]
pub(super) struct InvalidInput {
    pub(super) path: PathBuf,
    /// The number of bytes of input.
    pub(super) bytes: usize,
    pub(super) error: arbitrary::Error,
}

impl fmt::Display for InvalidInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, error } = self;
        write!(
            f,
            "TIMELOOP_REPLAY=`{}` is not an input of this target: its {bytes} input bytes cannot be decoded ({error})",
            path.display()
        )
    }
}
