//! The exhibits of one package, and the operations on each. Versions that cannot share a lockfile are in separate
//! packages. These include this file, and their programs speak the protocol of [`ExhibitSet::serve`].
//!
//! # Invariants
//! The results depend only on the scenarios and the crate versions, except for the measured times.

use std::fmt;
use std::io::Write as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use timeloop::{
    AnySource, Critical, CriticalDecision, Domain, Exploration, Explorer, Limits, Phase, Profile, Progress,
    Seed, StrategySpec, run_from,
};

/// The number of schedules within which a bug must be found, and that must pass once it is fixed.
pub const RUNS: u64 = 10_000;
/// The maximum number of runs for shrinking one schedule.
pub const SHRINK_RUNS: u64 = 20_000;

/// No correct exhibit comes near this limit, and an endless loop is detected sooner.
const POLLS_PER_INSTANT_MAX: u64 = 10_000;

/// A scenario as a plain function pointer, so that a list can contain all of them.
pub type Scenario = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// The exhibits of one package.
#[derive(Clone, Copy, Debug)]
pub struct ExhibitSet {
    /// The scenarios by the names of their exhibits.
    pub exhibits: &'static [(&'static str, Scenario)],
    /// The maximum number of schedules for finding a bug.
    pub runs: u64,
    /// The maximum number of runs for shrinking its schedule.
    pub shrink_runs: u64,
}

/// A bug that was found, shrunk, and replayed in the same process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How the failing run ends.
    pub ending: String,
    /// The number of runs up to the first failure.
    pub runs: u64,
    /// The number of deviations of the run as it was found.
    pub deviations_before: usize,
    /// The number of deviations of the smallest schedule.
    pub deviations_after: usize,
    /// The kind of the decision that the report names as critical, both sides of which were run. `None` if it names
    /// none.
    pub critical: Option<String>,
    /// The smallest schedule.
    pub token: String,
    /// The expected result of its replay.
    pub replay: Replayed,
    /// The time from the first run to the report.
    pub took: Duration,
    /// The report. It is not part of the answer to another process.
    pub report: String,
}

/// The number of schedules that a strategy takes to find a bug, over several base seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Searched {
    /// The mean. [`RUNS`] counts for a base seed from which the bug is not found.
    pub mean: f64,
    /// The standard error of the mean.
    pub error: f64,
    /// The number of base seeds from which the bug is not found.
    pub missed: u64,
}

/// The result of a replay. Two replays of one token are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The failure's fingerprint.
    pub fingerprint: u64,
    /// The run's trace hash.
    pub trace_hash: u64,
}

impl ExhibitSet {
    /// Returns the scenario of an exhibit.
    #[must_use]
    pub fn scenario(&self, exhibit: &str) -> Option<Scenario> {
        self.exhibits.iter().find(|(name, _)| *name == exhibit).map(|(_, scenario)| *scenario)
    }

    /// Finds the bug of an exhibit, shrinks its schedule and replays it.
    ///
    /// # Errors
    /// A sentence on the expectation that this exhibit does not meet.
    pub fn find(
        &self,
        exhibit: &str,
        progress: impl Fn(&Progress) + Send + Sync + 'static,
    ) -> Result<Finding, String> {
        let scenario = self.known(exhibit)?;
        let clock = start_clock();
        let in_order =
            explorer(exhibit).without_environment().runs(1).strategy(StrategySpec::Fifo).run(scenario);
        if !in_order.passed() {
            return Err(format!("fails already in first-in-first-out order\n{}", in_order.report()));
        }
        let exploration = explorer(exhibit)
            .without_environment()
            .runs(self.runs)
            .shrink_runs(self.shrink_runs)
            // The report is compared with a stored one.
            .progress(progress)
            .run(scenario);
        let runs = exploration.runs;
        let Some(found) = exploration.found else {
            return Err(format!("the bug does not show in {runs} schedules"));
        };
        let replay = Replayed { fingerprint: found.fingerprint.0, trace_hash: found.trace_hash };
        match (found.deviations_before, found.deviations_after()) {
            (Some(before), Some(after)) if found.replayed => Ok(Finding {
                ending: found.failure.kind.to_string(),
                runs,
                deviations_before: before,
                deviations_after: after,
                critical: found.critical.as_ref().or(found.rescue.as_ref()).map(hangs_on),
                token: found.token,
                replay,
                took: clock(),
                report: found.report,
            }),
            (Some(_), Some(_)) => {
                Err(format!("the shrunk schedule does not repeat the failure\n{}", found.report))
            }
            _ => Err(format!("the schedule could not be shrunk\n{}", found.report)),
        }
    }

    /// Counts the schedules up to the first failure from each of `bases` base seeds. Nothing is confirmed or shrunk.
    ///
    /// # Errors
    /// If the exhibit is unknown.
    pub fn search(&self, exhibit: &str, strategy: StrategySpec, bases: u64) -> Result<Searched, String> {
        let scenario = self.known(exhibit)?;
        let limits = Limits { max_polls_per_instant: POLLS_PER_INSTANT_MAX, ..Limits::default() };
        let fails = |source: AnySource| run_from(source, &limits, scenario).result.is_err();
        let counts: Vec<Option<u64>> = (0..bases)
            .map(|base| {
                let (source, watched) = Profile::watching();
                if fails(source) {
                    return Some(1);
                }
                let profile = watched.into_profile();
                let seed = |run| Seed::from(base * 1_000_000 + run - 2);
                (2..=RUNS).find(|&run| fails(profile.source(strategy, seed(run))))
            })
            .collect();
        let numbers = || counts.iter().map(|count| count.unwrap_or(RUNS) as f64);
        let many = bases as f64;
        let mean = numbers().sum::<f64>() / many;
        let variance = numbers().map(|number| (number - mean).powi(2)).sum::<f64>() / (many - 1.0).max(1.0);
        let missed = counts.iter().filter(|count| count.is_none()).count() as u64;
        Ok(Searched { mean, error: (variance / many).sqrt(), missed })
    }

    /// Explores an exhibit whose bug is fixed.
    ///
    /// # Errors
    /// The report of the failure.
    pub fn clean(&self, exhibit: &str, runs: u64) -> Result<(), String> {
        let exploration = explorer(exhibit).without_environment().runs(runs).run(self.known(exhibit)?);
        if exploration.passed() { Ok(()) } else { Err(exploration.report()) }
    }

    /// Replays the schedule of a token.
    ///
    /// # Errors
    /// If the token is invalid, or the scenario passes under its schedule.
    pub fn replay(&self, exhibit: &str, token: &str) -> Result<Replayed, String> {
        let variables = [("TIMELOOP_REPLAY".to_owned(), token.to_owned())];
        let settings = timeloop::Settings::from_vars(variables).map_err(|error| error.to_string())?;
        let exploration = explorer(exhibit).environment(settings).run(self.known(exhibit)?);
        match exploration {
            Exploration { found: Some(found), .. } => {
                Ok(Replayed { fingerprint: found.fingerprint.0, trace_hash: found.trace_hash })
            }
            Exploration { error: None, notes, .. } => Err(notes.join("; ")),
            exploration => Err(exploration.report()),
        }
    }

    /// Explores an exhibit with the settings of the environment, and prints the report of its bug.
    #[must_use]
    pub fn show(&self, exhibit: &str) -> ExitCode {
        let Some(scenario) = self.scenario(exhibit) else { return ExitCode::FAILURE };
        let exploration = explorer(exhibit).runs(self.runs).shrink_runs(self.shrink_runs).run(scenario);
        for note in &exploration.notes {
            eprintln!("timeloop: {note}");
        }
        match exploration {
            Exploration { found: Some(_), .. } => {
                say(&exploration.report());
                ExitCode::SUCCESS
            }
            Exploration { error: Some(_), .. } => {
                eprint!("{}", exploration.report());
                ExitCode::FAILURE
            }
            // A note has already reported a replay that passes.
            Exploration { runs: 0, .. } => ExitCode::FAILURE,
            Exploration { runs, .. } => {
                eprintln!("the bug does not show in {runs} schedules");
                ExitCode::FAILURE
            }
        }
    }

    /// The program of a package that only serves exhibits: executes its arguments, and prints the answer.
    ///
    /// Arguments: `find <exhibit>`, `clean <exhibit> <runs>`, `replay <exhibit> <token>`, `search <exhibit>
    /// <strategy> <base seeds>`, `show <exhibit>`. The answer to all but the last is one line of fields separated by tabs. Before the answer to `find`, there are lines that
    /// begin with `progress`. Errors are printed on standard error.
    #[must_use]
    pub fn serve(&self) -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = match arguments[..] {
            ["find", exhibit] => self
                .find(exhibit, |progress| say(&format!("progress\t{}\n", in_words(progress))))
                .map(|finding| finding.to_string()),
            ["clean", exhibit, runs] => match runs.parse() {
                Ok(runs) if runs > 0 => self.clean(exhibit, runs).map(|()| "clean".to_owned()),
                _ => Err(format!("`{runs}` is not a number of runs; accepted is 1 or more")),
            },
            ["replay", exhibit, token] => {
                // The panic is expected, and the answer describes it.
                std::panic::set_hook(Box::new(|_| {}));
                self.replay(exhibit, token).map(|replayed| replayed.to_string())
            }
            ["search", exhibit, strategy, bases] => match (strategy.parse(), bases.parse()) {
                (Ok(strategy), Ok(bases)) if bases > 0 => {
                    std::panic::set_hook(Box::new(|_| {}));
                    self.search(exhibit, strategy, bases).map(|searched| searched.to_string())
                }
                (Err(error), _) => Err(error.to_string()),
                _ => Err(format!("`{bases}` is not a number of base seeds; accepted is 1 or more")),
            },
            ["show", exhibit] => {
                return self.show(exhibit);
            }
            _ => Err("this program is a part of the museum, which asks it: `cargo run --release --manifest-path examples/museum/Cargo.toml`"
                .to_owned()),
        };
        match answer {
            Ok(answer) => {
                say(&format!("{answer}\n"));
                ExitCode::SUCCESS
            }
            Err(problem) => {
                eprintln!("{}", problem.trim_end());
                ExitCode::FAILURE
            }
        }
    }

    fn known(&self, exhibit: &str) -> Result<Scenario, String> {
        self.scenario(exhibit).ok_or_else(|| format!("`{exhibit}` is not an exhibit of this package"))
    }
}

/// Returns the kind of a decision as a word.
fn hangs_on(critical: &Critical) -> String {
    let decision = match &critical.decision {
        CriticalDecision::Order { .. } => "order",
        CriticalDecision::Choice { deviation, .. } if deviation.domain == Domain::Stall => "stall",
        CriticalDecision::Choice { .. } => "choice",
        CriticalDecision::Randomness { .. } => "random",
        _ => "other",
    };
    decision.to_owned()
}

/// Returns the common settings of an exhibit's explorations. Tokens belong to its name.
fn explorer(exhibit: &str) -> Explorer {
    Explorer::new(format!("museum::{exhibit}"))
        .command(format!("cargo run --release --manifest-path examples/museum/Cargo.toml -- {exhibit}"))
        .without_regressions()
        .max_polls_per_instant(POLLS_PER_INSTANT_MAX)
        .silent()
}

/// Formats the progress of an exhibit: `exploring, 1200 of 10000 runs`.
#[must_use]
pub fn in_words(progress: &Progress) -> String {
    let doing = match progress.phase {
        Phase::Shrinking => "shrinking",
        _ => "exploring",
    };
    format!("{doing}, {} of {} runs", progress.runs, progress.of)
}

/// Starts a clock, and returns a function that reads it.
#[expect(
    clippy::disallowed_methods,
    reason = "how long something takes is shown to people and never affects a decision"
)]
pub fn start_clock() -> impl Fn() -> Duration {
    let start = std::time::Instant::now();
    move || start.elapsed()
}

/// Prints. A closed output is not a reason to panic.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}\t{:016x}", self.fingerprint, self.trace_hash)
    }
}

impl FromStr for Replayed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (fingerprint, trace_hash) = text.split_once('\t')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            Some(Self { fingerprint: number(fingerprint)?, trace_hash: number(trace_hash)? })
        };
        read().ok_or_else(|| format!("not the answer of a replay: {text:?}"))
    }
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.mean, self.error, self.missed)
    }
}

impl FromStr for Searched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.split('\t');
            Some(Self {
                mean: parts.next()?.parse().ok()?,
                error: parts.next()?.parse().ok()?,
                missed: parts.next()?.parse().ok()?,
            })
        };
        read().ok_or_else(|| format!("not the answer of a search: {text:?}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ending, runs, deviations_before, deviations_after, critical, token, replay, took, .. } =
            self;
        let critical = critical.as_deref().unwrap_or("none");
        let took_us = took.as_micros();
        write!(
            f,
            "{ending}\t{runs}\t{deviations_before}\t{deviations_after}\t{critical}\t{token}\t{took_us}\t{replay}"
        )
    }
}

impl FromStr for Finding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.splitn(8, '\t');
            Some(Self {
                ending: parts.next()?.to_owned(),
                runs: parts.next()?.parse().ok()?,
                deviations_before: parts.next()?.parse().ok()?,
                deviations_after: parts.next()?.parse().ok()?,
                critical: parts.next().filter(|word| *word != "none").map(str::to_owned),
                token: parts.next()?.to_owned(),
                took: Duration::from_micros(parts.next()?.parse().ok()?),
                replay: parts.next()?.parse().ok()?,
                report: String::new(),
            })
        };
        read().ok_or_else(|| format!("not a finding: {text:?}"))
    }
}
