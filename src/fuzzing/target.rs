//! One input of a fuzz target: run, and if it fails told and handed to the fuzzer as a crash; or a crash file, replayed and
//! shrunk.
//!
//! Always true: a panic inside of a run reaches nobody but who awaits the task, whatever hook a fuzzer has installed; the
//! process is stopped only after the report has been printed.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use arbitrary::{Arbitrary, Unstructured};
use timeloop_sim::{
    AnySource, Config, Detail, Ended, RegressionsIn, ReplayFile, Request, Schedule, Settings, Simulation,
    TestName, fail_with, investigate, print_note,
};

use super::coverage;
use super::record;
use crate::harness::{AsyncSimulation, TestResult, passed};

/// Runs that shrinking may take while a fuzzer waits; a replay shrinks further.
pub(crate) const SHRINK_RUNS: u64 = 2_000;

/// Characters of an input that a report shows.
const INPUT_SHOWN: usize = 2_000;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The binary's name.
    pub name: &'static str,
    /// The folder of its package.
    pub folder: &'static str,
}

impl Target {
    /// The command that replays a crash file.
    fn command(&self) -> String {
        let folder = Path::new(self.folder).file_name().unwrap_or_default().to_string_lossy();
        format!("cargo test --manifest-path {folder}/Cargo.toml --bin {}", self.name)
    }

    /// What `TIMELOOP_REPLAY` may be.
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

/// A fuzzer's input, taken apart.
struct Parts<'a> {
    input: &'a [u8],
    schedule: Schedule,
    /// How many decisions it has.
    decisions: usize,
}

impl<'a> Parts<'a> {
    fn of(data: &'a [u8]) -> Self {
        let (input, records) = record::split(data);
        let decisions = records.len();
        Self { input, schedule: record::schedule(records), decisions }
    }

    fn decode<T: Arbitrary<'a>>(&self) -> arbitrary::Result<T> {
        T::arbitrary_take_rest(Unstructured::new(self.input))
    }

    /// The test with this input as a simulation.
    fn simulation<T, F, R>(&self, target: &Target, test: &F) -> impl Simulation
    where
        T: Arbitrary<'a>,
        F: AsyncFn(T) -> R + Sync,
        R: TestResult,
    {
        let name = format!("the fuzz target `{}`", target.name).into();
        let input = self.input;
        let make = move || async move {
            // Made anew for each run: it need not be `Clone`, and no run sees what another did to it.
            let input = T::arbitrary_take_rest(Unstructured::new(input));
            test(input.expect("the same bytes have been read before")).await
        };
        AsyncSimulation { name, make, judge: passed }
    }
}

/// Makes the run of a fuzzer's input; whether the input was one. Does not return from a run that fails.
#[expect(clippy::print_stderr, reason = "the report, which the fuzzer shows")]
pub fn fuzz<'a, T, F, R>(target: &Target, data: &'a [u8], test: F) -> bool
where
    T: Arbitrary<'a> + fmt::Debug,
    F: AsyncFn(T) -> R + Sync,
    R: TestResult,
{
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| note_variables(target));
    let parts = Parts::of(data);
    let Ok(input) = parts.decode::<T>() else { return false };
    let simulation = parts.simulation(target, &test);
    let ended = watched_run(&simulation, &parts.schedule);
    if ended.failure.is_none() {
        return true;
    }
    let config = Config { shrink_runs: SHRINK_RUNS, ..target.config() };
    let told = tell(&parts, (&simulation, &ended), &config, &input);
    let mut report = told.report;
    let _ = writeln!(report, "replay     TIMELOOP_REPLAY=<file> {}", target.command());
    report
        .push_str("           where <file> is the one that libFuzzer writes the input to, and names below\n");
    eprintln!("\n{report}");
    std::process::abort();
}

/// Says which variables a fuzzer does not heed.
fn note_variables(target: &Target) {
    match Settings::from_environment() {
        Ok(Settings { replay: Some(_), .. }) => print_note(&format!(
            "a fuzzer does not heed TIMELOOP_REPLAY: hand it the file as an argument, or use `{}`",
            target.command()
        )),
        Ok(settings) => settings.warnings.iter().for_each(|warning| print_note(warning)),
        Err(error) => print_note(&error.to_string()),
    }
}

fn watched_run(simulation: &impl Simulation, schedule: &Schedule) -> Ended {
    let source: AnySource = coverage::watched(schedule.source());
    let limits = timeloop_sim::Limits::default();
    simulation.run(Request { source, limits: &limits, detail: Detail::Lean, explain_from: 0, loud: false })
}

/// What a report says of a failing input, and the smaller one that fails as well.
struct Told {
    report: String,
    shrunk: Option<Vec<u8>>,
}

/// `input` is what the bytes have been read as.
fn tell<T: fmt::Debug>(
    parts: &Parts<'_>,
    (simulation, failed): (&impl Simulation, &Ended),
    config: &Config,
    input: &T,
) -> Told {
    let found = investigate(config, simulation, &parts.schedule, failed);
    // A token has no input: what replays this is the file.
    let lines = found.report.lines().filter(|line| !line.starts_with("replay "));
    let mut report = lines.fold(String::new(), |text, line| text + line + "\n");
    let shrunk = record::records(&found.shrunk).map(|records| record::join(parts.input, &records));
    let mut text = format!("{input:?}");
    if let Some((end, _)) = text.char_indices().nth(INPUT_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    let _ = writeln!(report, "input      {text}");
    Told { report, shrunk }
}

/// The test of a target's package: replays the file that `TIMELOOP_REPLAY` names, shrinks and reports it; without it every
/// file of the corpus, and the crashes that were found.
///
/// # Panics
/// With the report if one of them fails; if there is nothing to replay, or it can't be read.
pub fn replay<T, F, R>(target: &Target, test: F)
where
    T: Arbitrary<'static> + fmt::Debug,
    F: AsyncFn(T) -> R + Sync,
    R: TestResult,
{
    let settings = Settings::from_environment().unwrap_or_else(|error| panic!("{error}"));
    // The folder is known without cargo, too.
    let settings = Settings { package_folder: Some(target.folder.into()), ..settings };
    let asked_for = settings.replay_file().unwrap_or_else(|error| panic!("{error}; {}", target.accepted()));
    if let Some(ReplayFile { typed, path, bytes }) = asked_for {
        let stores = (!settings.ci).then_some(&*path);
        let file = File { typed: &typed, stores, bytes };
        if let Err(error) = file.run::<T, F, R>(target, &test) {
            panic!("{error}; {}", target.accepted());
        }
        return;
    }
    // The smallest input there is, and the quiet schedule.
    let none = File { typed: Path::new(""), stores: None, bytes: Vec::new() };
    let files = corpus(target);
    let kept = files.iter().map(|path| File { typed: path, stores: None, bytes: read(path) });
    for file in std::iter::once(none).chain(kept) {
        // The fuzzer passes over what is no input.
        let _ = file.run::<T, F, R>(target, &test);
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file to be replayed.
struct File<'a> {
    /// Its path as a person would write it; empty for no file.
    typed: &'a Path,
    /// Its path, if the smaller input is to be stored beside it.
    stores: Option<&'a Path>,
    bytes: Vec<u8>,
}

impl File<'_> {
    /// Makes the run; panics with the report if it fails.
    #[expect(clippy::print_stderr, reason = "the answer to a replay")]
    fn run<T, F, R>(self, target: &Target, test: &F) -> Result<(), NoInput>
    where
        T: Arbitrary<'static> + fmt::Debug,
        F: AsyncFn(T) -> R + Sync,
        R: TestResult,
    {
        let Self { typed, stores, bytes } = self;
        // An input may borrow from its bytes; a test process does not live long.
        let parts = Parts::of(bytes.leak());
        let input = parts.decode::<T>().map_err(|error| NoInput {
            path: typed.to_owned(),
            bytes: parts.input.len(),
            error,
        })?;
        let simulation = parts.simulation(target, test);
        let ended = watched_run(&simulation, &parts.schedule);
        let path = typed.display();
        if ended.failure.is_none() {
            let decisions = match parts.decisions {
                0 => "has no decisions: all its bytes are input, under the quiet schedule".to_owned(),
                count => format!("has {count} decisions"),
            };
            eprintln!("timeloop: `{}` passes with `{path}`, which {decisions}", target.name);
            return Ok(());
        }
        let Told { mut report, shrunk } = tell(&parts, (&simulation, &ended), &target.config(), &input);
        if let (Some(found), Some(shrunk)) = (stores, shrunk) {
            let beside = |path: &Path| {
                let mut name = path.as_os_str().to_owned();
                name.push("-shrunk");
                PathBuf::from(name)
            };
            let _ = match fs::write(beside(found), shrunk) {
                Ok(()) => writeln!(report, "stored     {}", beside(typed).display()),
                Err(error) => writeln!(report, "stored     nowhere: {}: {error}", beside(found).display()),
            };
        }
        if !typed.as_os_str().is_empty() {
            let _ = writeln!(report, "replay     TIMELOOP_REPLAY={path} {}", target.command());
        }
        fail_with(report)
    }
}

/// What the fuzzer has kept, and what it has found, in order of their names.
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

/// A file that can't be read as an input.
#[derive(Debug)]
pub(super) struct NoInput {
    pub(super) path: PathBuf,
    /// How many bytes of input there are.
    pub(super) bytes: usize,
    pub(super) error: arbitrary::Error,
}

impl fmt::Display for NoInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes, error } = self;
        write!(
            f,
            "TIMELOOP_REPLAY=`{}` is no input of this target: its {bytes} bytes of input can't be read as one ({error})",
            path.display()
        )
    }
}
