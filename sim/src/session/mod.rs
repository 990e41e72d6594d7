//! An exploration from beginning to end, with a module for each phase: [`explore`](mod@explore) (or [`exhaustive`], or
//! [`replay`]), then [`investigate`](mod@investigate).
//!
//! # Invariants
//! Errors outside the test (a file, a variable) are reported, and never hide a failure of the test.

mod exhaustive;
mod explore;
mod investigate;
mod replay;
mod results;
mod throttle;

use std::num::NonZero;
use std::sync::Arc;

use crate::config::Config;
use crate::confirm::Seen;
use crate::console;
use crate::coverage::Covered;
use crate::environment::{Log, Settings};
use crate::exploration::{Exploration, Found, FoundBy};
use crate::fresh_process;
use crate::profile::SeedContext;
use crate::progress::Phase;
use crate::regression::Regressions;
use crate::run_mode::{ExploreError, RunMode};
use crate::runner::Runner;
use crate::stalls::Stalls;
use crate::stopwatch::Stopwatch;
use crate::sweep::{Frequency, Plan};
use crate::{Coverage, Ended, Record, Schedule, Simulation, StrategySpec, report};
use throttle::Throttle;

/// Runs the test under many schedules, and confirms, shrinks, replays and reports the first failure. It does not panic if
/// the test fails; [`Exploration::check`] does.
///
/// # Panics
/// When the configuration would test nothing ([`Config::assert_valid`]), and when the simulation itself panics instead of
/// returning a failure.
#[must_use]
#[track_caller]
pub fn explore(config: &Config, simulation: &dyn Simulation) -> Exploration {
    config.assert_valid();
    let (settings, error) = match config.settings() {
        Ok(settings) => (settings, None),
        Err(error) => (Settings::of_results_alone(), Some(ExploreError::Environment(error))),
    };
    let mut session = Session::new(config, settings.of_test(config.test.as_str()), simulation);
    session.settings.warnings.clone().into_iter().for_each(|warning| session.note(warning));
    // With an invalid setting nothing is run.
    let mode = error.map_or_else(|| session.settings.run_mode(config.test.as_str()), Err);
    match mode {
        Ok(RunMode::Explore) if session.settings.single(config.test.as_str()).skip => {
            session.exploration.skipped = true;
        }
        Ok(RunMode::Explore) => {
            session.explore();
            session.show_summary();
            session.show_baseline_steps();
        }
        Ok(RunMode::Replay(schedules)) => session.replay(schedules),
        Err(error) => session.exploration.error = Some(error),
    }
    session.write_result();
    session.exploration
}

/// Confirms, shrinks, replays and reports `schedule`, under which the run `failed` has just failed. No other schedules are
/// tried, and nothing is stored. Of the environment, only `TIMELOOP_LOG` is used.
///
/// # Panics
/// When `failed` has not failed, or the simulation itself panics.
#[must_use]
#[track_caller]
pub fn investigate(
    config: &Config,
    simulation: &dyn Simulation,
    schedule: &Schedule,
    failed: &Ended,
) -> Box<Found> {
    let failure = failed.failure.as_deref().expect("only a failing run can be investigated");
    let mut session = Session::new(config, config.settings().unwrap_or_default(), simulation);
    // The frequency of the failure is not counted.
    session.counted = Some(Frequency::default());
    let seen = Seen { failure: Some(failure), trace_hash: failed.trace_hash, steps: failed.steps };
    session.investigate(FoundBy::Given, schedule.clone(), &seen, 0);
    session.exploration.found.expect("`investigate` always writes a report")
}

/// Writes the report of `found`, whose fields may have changed.
#[must_use]
pub fn render_report(config: &Config, found: &Found) -> String {
    report::write(&config.test, found, lists_all_steps(&config.settings().unwrap_or_default()))
}

fn lists_all_steps(settings: &Settings) -> bool {
    settings.log == Some(Log::Steps)
}

struct Session<'a> {
    config: &'a Config,
    settings: Settings,
    stalls: Stalls,
    runner: Runner<'a>,
    plan: Plan,
    /// The baseline run, once it has been made.
    baseline: Option<Ended>,
    /// How often the test fails, if that has been counted already.
    counted: Option<Frequency>,
    /// Runs since the beginning.
    stopwatch: Stopwatch,
    regressions: Option<Regressions>,
    /// What the runs so far covered.
    covered: Covered,
    exploration: Exploration,
}

impl<'a> Session<'a> {
    fn new(config: &'a Config, settings: Settings, simulation: &'a dyn Simulation) -> Self {
        let base = settings.base_seed(config.seed);
        let default_jobs = match settings.nextest {
            true => 1,
            false => std::thread::available_parallelism().map_or(1, NonZero::get),
        };
        let stalls = match settings.stalls {
            Some(are_possible) if are_possible != config.stalls.are_possible() => are_possible.into(),
            _ => config.stalls,
        };
        let strategy = settings.strategy.unwrap_or(config.strategy).with_stalls(stalls.are_possible());
        let runs = match strategy {
            // An exhaustive search ends before that if it is complete.
            StrategySpec::Exhaustive { .. } => 100_000,
            _ => 1_000,
        };
        // An exhaustive search reads what the source of a run has noted.
        let fresh_processes = fresh_process::IS_SUPPORTED
            && settings.verdict.is_some()
            && settings.single(config.test.as_str()).processes
            && !matches!(strategy, StrategySpec::Exhaustive { .. });
        let plan = Plan {
            base,
            context: SeedContext { strategy, profile: Arc::default() },
            first: 0,
            runs: settings.runs.or(config.runs).unwrap_or(runs),
            record_one_of: None,
            jobs: match settings.jobs.map(NonZero::get).or(config.jobs).unwrap_or(default_jobs) {
                // A copy of a process has one thread, and would miss a lock that another one holds.
                _ if fresh_processes => 1,
                jobs => jobs,
            },
        };
        let folder = config.regressions.folder(&settings);
        let exploration = Exploration {
            test: config.test.clone(),
            base_seed: base,
            strategy,
            skipped: false,
            baseline_run: false,
            runs: 0,
            steps: 0,
            digest: 0,
            coverage: Coverage::default(),
            searched: None,
            found: None,
            error: None,
            notes: Vec::new(),
        };
        Self {
            config,
            settings,
            stalls,
            runner: Runner {
                simulation,
                fresh_threads: config.fresh_threads,
                #[cfg(feature = "processes")]
                fresh_processes,
                limits: &config.limits,
                test: &config.test,
                note: None,
                outcomes: Arc::default(),
            },
            plan,
            baseline: None,
            counted: None,
            stopwatch: Stopwatch::start(),
            covered: Covered::default(),
            regressions: folder.map(|folder| Regressions::new(&folder, config.test.as_str())),
            exploration,
        }
    }

    /// Adds a note, and prints it unless the exploration is silent.
    fn note(&mut self, note: String) {
        if !self.config.silent {
            console::print_note(&note);
        }
        self.exploration.notes.push(note);
    }

    /// Returns whether some runs are recorded, to count what they cover.
    fn records_runs(&self) -> bool {
        self.config.coverage || self.settings.log.is_some_and(|log| log >= Log::Summary)
    }

    /// Prints what the runs of a test that passed covered, if the environment asks for it.
    fn show_summary(&self) {
        let is_wanted = self.settings.log.is_some_and(|log| log >= Log::Summary) && !self.config.silent;
        if is_wanted && self.exploration.passed() {
            console::print(&report::summary(&self.exploration));
        }
    }

    /// Prints the steps of a run that passed, if the environment asks for them.
    fn show_steps(&self, title: &str, schedule: &Schedule, record: Option<&Record>) {
        if let Some(record) = record
            && lists_all_steps(&self.settings)
            && !self.config.silent
        {
            console::print(&format!("{}\n", report::passed_steps(title, record, schedule)));
        }
    }

    /// Prints the steps of the baseline run of a test that passed, if the environment asks for them.
    fn show_baseline_steps(&self) {
        if !lists_all_steps(&self.settings) || self.config.silent || !self.exploration.passed() {
            return;
        }
        let schedule = Schedule::baseline();
        // All steps have places, because all are shown.
        let ended = self.runner.run_explained(&schedule, 0);
        self.show_steps(report::BASELINE_STEPS, &schedule, ended.record.as_deref());
    }

    fn throttle(&self, phase: Phase, of: u64) -> Throttle<'a> {
        Throttle::new(self.config, &self.settings, phase, of)
    }
}
