//! A room: the exhibits of one package, and what can be done with each. Versions that no lockfile can hold together are
//! in packages of their own, which include this file, and whose programs speak the protocol of [`Room::serve`].
//!
//! Always true: what a room answers is a function of its scenarios and the versions they meet, but for the time it took.

use std::fmt;
use std::io::Write as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use timeloop::{Critical, CriticalDecision, Domain, Exploration, Explorer, Phase, Progress, StrategySpec};

/// Schedules in which a bug must show, and in which it must not show once it is corrected.
pub const RUNS: u64 = 10_000;
/// Runs that shrinking one schedule may take.
pub const SHRINK_RUNS: u64 = 20_000;

/// A scenario as a plain function, so that all of them fit into one list.
pub type Scenario = fn() -> Pin<Box<dyn Future<Output = ()>>>;

/// The exhibits of one package.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The scenarios by the names of their exhibits.
    pub exhibits: &'static [(&'static str, Scenario)],
    /// Schedules that finding a bug may take.
    pub runs: u64,
    /// Runs that shrinking its schedule may take.
    pub shrink_runs: u64,
}

/// A bug that was found, shrunk, and replayed in the process that found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How the failing run ends.
    pub ending: String,
    /// Runs to the first failure.
    pub runs: u64,
    /// Deviations of the run as it was found.
    pub deviations_before: usize,
    /// Deviations of the smallest schedule.
    pub deviations_after: usize,
    /// What kind of decision the report says that the failure hangs on, both ways of which have been run; `None` if it names
    /// none.
    pub critical: Option<String>,
    /// The smallest schedule.
    pub token: String,
    /// What its replay must show again.
    pub replay: Replayed,
    /// From the first run to the report.
    pub took: Duration,
    /// The report, which is no part of the answer that another process gives.
    pub report: String,
}

/// What a replay shows: two replays of one token are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The failure's.
    pub fingerprint: u64,
    /// The run's.
    pub trace_hash: u64,
}

impl Room {
    /// The scenario of an exhibit.
    #[must_use]
    pub fn scenario(&self, exhibit: &str) -> Option<Scenario> {
        self.exhibits.iter().find(|(name, _)| *name == exhibit).map(|(_, scenario)| *scenario)
    }

    /// Finds the bug of an exhibit, shrinks its schedule and replays it.
    ///
    /// # Errors
    /// A sentence on what an exhibit must do and this one does not.
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
            .time_bounds(false)
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
                critical: found.critical.as_ref().map(hangs_on),
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

    /// Explores an exhibit whose bug is corrected.
    ///
    /// # Errors
    /// The report of what fails.
    pub fn clean(&self, exhibit: &str, runs: u64) -> Result<(), String> {
        let exploration = explorer(exhibit).without_environment().runs(runs).run(self.known(exhibit)?);
        if exploration.passed() { Ok(()) } else { Err(exploration.report()) }
    }

    /// Replays the schedule of a token.
    ///
    /// # Errors
    /// When the token is no good, and when the scenario passes under its schedule.
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

    /// Explores an exhibit as the environment says, and prints the report of its bug.
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
            // Of a replay that passes the note has told.
            Exploration { runs: 0, .. } => ExitCode::FAILURE,
            Exploration { runs, .. } => {
                eprintln!("the bug does not show in {runs} schedules");
                ExitCode::FAILURE
            }
        }
    }

    /// The program of a package that has nothing but a room: does what its arguments say, and prints the answer.
    ///
    /// Arguments: `find <exhibit>`, `clean <exhibit> <runs>`, `replay <exhibit> <token>`, `show <exhibit>`. The answer to
    /// the first three is a line whose parts are set apart by tabs; before a finding come lines that begin with
    /// `progress`. What goes wrong is told on standard error.
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
                // The panic is what is looked for; the answer tells of it.
                std::panic::set_hook(Box::new(|_| {}));
                self.replay(exhibit, token).map(|replayed| replayed.to_string())
            }
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

/// The kind of decision in a word.
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

/// What all explorations of an exhibit have in common; its name, too, ties tokens to it.
fn explorer(exhibit: &str) -> Explorer {
    Explorer::new(format!("museum::{exhibit}"))
        .command(format!("cargo run --release --manifest-path examples/museum/Cargo.toml -- {exhibit}"))
        .without_regressions()
        // No exhibit that does what it should comes near; one that spins is seen the sooner.
        .max_polls_per_instant(10_000)
        .silent()
}

/// How far the work on an exhibit has come: `exploring, 1200 of 10000 runs`.
#[must_use]
pub fn in_words(progress: &Progress) -> String {
    let doing = match progress.phase {
        Phase::Shrinking => "shrinking",
        _ => "exploring",
    };
    format!("{doing}, {} of {} runs", progress.runs, progress.of)
}

/// Starts a clock and gives what reads it.
#[expect(
    clippy::disallowed_methods,
    reason = "how long something takes is told to people and decides nothing"
)]
pub fn start_clock() -> impl Fn() -> Duration {
    let start = std::time::Instant::now();
    move || start.elapsed()
}

/// Prints; a reader who has gone away is no reason to panic.
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
