//! One exploration from beginning to end: replay, or try what is stored, explore, confirm, shrink, replay, report, remember.
//!
//! Always true: whatever goes wrong beside the test (a file, a variable) is told and never hides a failure that was found.

mod exhaustive;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::confirm::{self, Confirmed, Seen};
use crate::critical;
use crate::environment::{Log, ReplaySetting, SeedSetting, Settings};
use crate::exploration::{Exploration, ExploreError, Found, FoundBy};
use crate::explorer::{Explorer, Phase, Progress, RegressionsIn};
use crate::regression::{FOLDER, Regressions};
use crate::runner::{Meaning, Runner};
use crate::shrink::{self, Budget, Shrunk};
use crate::stopwatch::Stopwatch;
use crate::sweep::{self, Frequency, Plan};
use crate::{Detail, Ended, Failure, FailureKind, Schedule, Simulation, StrategySpec, report};

const ESCAPED: &str = "Something outside of the simulation is part of this, so the next run need not go the same way, and the \
                       schedule was not shrunk.";

/// Real time that shrinking may take: a person is waiting.
const SHRINK_TIME_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Session<'a> {
    explorer: &'a Explorer,
    settings: Settings,
    runner: Runner<'a>,
    plan: Plan,
    /// The quiet run, once it has been made.
    quiet: Option<Ended>,
    /// How often the test fails, where that has been counted already.
    counted: Option<Frequency>,
    regressions: Option<Regressions>,
    exploration: Exploration,
}

impl<'a> Session<'a> {
    pub(crate) fn run(explorer: &'a Explorer, simulation: &'a dyn Simulation) -> Exploration {
        let (settings, error) = match &explorer.environment {
            Some(settings) => (settings.clone(), None),
            None => match Settings::from_environment() {
                Ok(settings) => (settings, None),
                Err(error) => (Settings::default(), Some(ExploreError::Environment(error))),
            },
        };
        let mut session = Self::new(explorer, settings, simulation);
        session.settings.warnings.clone().into_iter().for_each(|warning| session.note(warning));
        match (error, session.settings.replay.clone()) {
            // Better no run than one under settings that were not meant.
            (Some(error), _) => session.exploration.error = Some(error),
            (None, Some(replay)) => session.replay(&replay),
            (None, None) => session.explore(),
        }
        session.exploration
    }

    /// What is found about a run of `schedule` that has failed.
    #[track_caller]
    pub(crate) fn investigated(
        explorer: &'a Explorer,
        simulation: &'a dyn Simulation,
        schedule: &Schedule,
        failed: &Ended,
    ) -> Box<Found> {
        let failure = failed.failure.as_deref().expect("only a failing run can be investigated");
        let settings =
            explorer.environment.clone().unwrap_or_else(|| Settings::from_environment().unwrap_or_default());
        let mut session = Self::new(explorer, settings, simulation);
        // How often other schedules fail is not asked.
        session.counted = Some(Frequency::default());
        let seen = Seen { failure: Some(failure), trace_hash: failed.trace_hash, steps: failed.steps };
        session.investigate(FoundBy::Given, schedule.clone(), &seen, 0);
        session.exploration.found.expect("every way through ends in a report")
    }

    fn new(explorer: &'a Explorer, settings: Settings, simulation: &'a dyn Simulation) -> Self {
        let base = match settings.seed {
            None => explorer.seed,
            Some(SeedSetting::Number(seed)) => seed,
            // The standard library's own source of numbers that differ each time.
            Some(SeedSetting::Random) => RandomState::new().hash_one("timeloop").into(),
        };
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        let asked_for = settings.strategy.unwrap_or(explorer.strategy);
        let strategy = match asked_for {
            StrategySpec::Stall if !explorer.stalls => StrategySpec::Random,
            strategy => strategy,
        };
        let runs = match strategy {
            // It ends by itself, where it can.
            StrategySpec::Exhaustive { .. } => 100_000,
            _ => 1_000,
        };
        let plan = Plan {
            base,
            meaning: Meaning { strategy, profile: Arc::default() },
            first: 0,
            runs: settings.runs.or(explorer.runs).unwrap_or(runs),
            jobs: settings.jobs.map(NonZero::get).or(explorer.jobs).unwrap_or_else(cores),
        };
        let folder = match &explorer.regressions {
            RegressionsIn::Package => Some(settings.package_folder.clone().unwrap_or_default().join(FOLDER)),
            RegressionsIn::Folder(folder) => Some(folder.clone()),
            RegressionsIn::Nowhere => None,
        };
        let exploration = Exploration {
            test: explorer.test.clone(),
            base_seed: base,
            strategy: plan.meaning.strategy,
            quiet_run: false,
            runs: 0,
            steps: 0,
            digest: 0,
            searched: None,
            found: None,
            error: None,
            notes: Vec::new(),
        };
        Self {
            explorer,
            settings,
            runner: Runner { simulation, limits: &explorer.limits, test: &explorer.test, note: None },
            plan,
            quiet: None,
            counted: None,
            regressions: folder.map(|folder| Regressions::new(&folder, explorer.test.as_str())),
            exploration,
        }
    }

    /// Adds a note, and prints it unless this process has printed it before.
    fn note(&mut self, note: String) {
        static PRINTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

        if !self.explorer.quiet && PRINTED.lock().unwrap_or_else(PoisonError::into_inner).insert(note.clone())
        {
            say(&format!("timeloop: {note}\n"));
        }
        self.exploration.notes.push(note);
    }

    fn explore(&mut self) {
        if self.try_stored() {
            return;
        }
        self.make_quiet_run();
        if let Some(quiet) = &self.quiet
            && let Some(failure) = quiet.failure.clone()
        {
            let seen = Seen { failure: Some(&failure), trace_hash: quiet.trace_hash, steps: quiet.steps };
            self.investigate(FoundBy::Quiet, Schedule::quiet(), &seen, 0);
            return;
        }
        if let Some(runs) = self.settings.check
            && let Some((seed, failure)) =
                confirm::check(&self.runner, self.plan.base, &self.plan.meaning, runs)
        {
            let by = FoundBy::Seed { index: seed.0.wrapping_sub(self.plan.base.0), seed };
            let schedule = self.plan.meaning.schedule(seed);
            self.finish(self.unshrunk(by, schedule, *failure, 0));
            return;
        }
        if let StrategySpec::Exhaustive { bound } = self.plan.meaning.strategy {
            self.search(bound);
            return;
        }
        let throttle = Throttle::new(self.explorer, &self.settings, Phase::Exploring, self.plan.runs);
        let swept = sweep::sweep(&self.runner, &self.plan, &|runs| throttle.tell(runs));
        self.exploration.runs = swept.runs;
        self.exploration.steps = swept.steps;
        self.exploration.digest = swept.digest;
        if let Some(first) = swept.failure {
            let by = FoundBy::Seed { index: first.index, seed: first.seed };
            let schedule = self.plan.meaning.schedule(first.seed);
            let opening = match &self.quiet {
                Some(quiet) => Some((Schedule::quiet(), quiet.trace_hash)),
                None => swept.opening.map(|(seed, hash)| (self.plan.meaning.schedule(seed), hash)),
            };
            let spoilt = opening
                .filter(|_| first.failure.kind != FailureKind::Escape)
                .and_then(|opening| confirm::left_behind(&self.runner, &opening, &first.failure));
            if let Some(failure) = spoilt {
                self.finish(self.unshrunk(by, schedule, *failure, first.trace_hash));
                return;
            }
            let seen =
                Seen { failure: Some(&first.failure), trace_hash: first.trace_hash, steps: first.steps };
            self.investigate(by, schedule, &seen, swept.runs);
        }
    }

    /// Makes the quiet run, from which strategies get their estimates, unless it has been made or is of no use.
    fn make_quiet_run(&mut self) {
        let of_use = match self.plan.meaning.strategy {
            // Its only run but for random choices.
            StrategySpec::Fifo => false,
            // One run was asked for, and it needs no estimates.
            StrategySpec::Random => self.plan.runs > 1,
            _ => true,
        };
        if !of_use || self.quiet.is_some() {
            return;
        }
        let (ended, profile) = self.runner.quiet();
        self.quiet = Some(ended);
        let profile = if self.explorer.stalls { profile } else { profile.without_stalls() };
        self.plan.meaning.profile = Arc::new(profile);
        self.exploration.quiet_run = true;
    }

    /// Tries the stored schedules; whether one of them fails.
    fn try_stored(&mut self) -> bool {
        let Some(regressions) = self.regressions.clone() else { return false };
        let loaded = match regressions.load() {
            Ok(loaded) => loaded,
            Err(error) => {
                self.exploration.error = Some(ExploreError::Regressions(vec![error]));
                return false;
            }
        };
        if !loaded.problems.is_empty() {
            self.exploration.error = Some(ExploreError::Regressions(loaded.problems));
        }
        for stored in loaded.schedules {
            if !self.explorer.stalls && stored.schedule.stalls() {
                self.note(format!(
                    "{}:{}: the schedule is not tried: time passes under it while a task is ready, which `stalls = false` \
                     rules out; delete it if that is to stay",
                    shown(regressions.path()).display(),
                    stored.line,
                ));
                continue;
            }
            let ended = self.runner.run(&stored.schedule, Detail::Lean);
            if let Some(failure) = &ended.failure {
                let by = FoundBy::Regression { path: shown(regressions.path()), line: stored.line };
                let seen = Seen { failure: Some(failure), trace_hash: ended.trace_hash, steps: ended.steps };
                self.investigate(by, stored.schedule, &seen, 0);
                return true;
            }
            if ended.unapplied > 0 {
                self.note(format!(
                    "{}:{}: the schedule no longer applies: {} of its decisions {} not reached any more, and the test \
                     passes under it; delete it if the code has changed for good",
                    shown(regressions.path()).display(),
                    stored.line,
                    ended.unapplied,
                    if ended.unapplied == 1 { "is" } else { "are" },
                ));
            }
        }
        false
    }

    /// From a failing schedule to a report.
    fn investigate(&mut self, by: FoundBy, schedule: Schedule, seen: &Seen<'_>, tried: u64) {
        self.runner.note =
            Some(format!("a failure was found before: {}", self.runner.test.replay_line(&schedule)).into());
        let confirmed = match confirm::confirm(&self.runner, &schedule, seen) {
            Confirmed::Same(ended) => ended,
            Confirmed::Differs(failure) => {
                let mut found = self.unshrunk(by, schedule, *failure, seen.trace_hash);
                // What reached in from outside explains by itself why two runs differ.
                if let Some(escape) = seen.failure.filter(|failure| failure.kind == FailureKind::Escape) {
                    found.failure = escape.clone();
                    found.fingerprint = escape.fingerprint();
                    found.not_shrunk = Some(ESCAPED.to_owned());
                }
                self.finish(found);
                return;
            }
        };
        if self.counted.is_none() {
            self.make_quiet_run();
        }
        let frequency = self.frequency(seen, tried);
        let mut found = match self.shrink(&schedule, &confirmed) {
            Ok(shrunk) => self.replayed(by, schedule, &confirmed, shrunk, frequency),
            Err(why) => {
                let failure = confirmed.failure.expect("a failing run was confirmed");
                let mut found = self.unshrunk(by, schedule, *failure, confirmed.trace_hash);
                found.replayed = found.failure.kind != FailureKind::Escape;
                found.record = confirmed.record;
                found.frequency = frequency;
                found.not_shrunk = Some(why);
                found
            }
        };
        if found.replayed {
            self.remember(&mut found);
        }
        self.finish(found);
    }

    /// Writes the report.
    fn finish(&mut self, mut found: Box<Found>) {
        let all_steps = self.settings.log == Some(Log::Steps);
        found.report = report::write(self.runner.test, &found, all_steps);
        self.exploration.found = Some(found);
    }

    fn frequency(&self, seen: &Seen<'_>, tried: u64) -> Frequency {
        if let Some(counted) = &self.counted {
            return counted.clone();
        }
        if let StrategySpec::Exhaustive { .. } = self.plan.meaning.strategy {
            // Seeds mean nothing to it.
            return Frequency::default();
        }
        let reported = seen.failure.expect("only failing runs are counted").fingerprint();
        let plan = Plan { first: tried, ..self.plan.clone() };
        let mut frequency = sweep::frequency(&self.runner, &plan, reported);
        frequency.tried += tried;
        frequency.failing += u64::from(tried > 0);
        if let Some(quiet) = &self.quiet {
            frequency.tried += 1;
            frequency.failing += u64::from(quiet.failure.is_some());
        }
        frequency
    }

    /// The smallest schedule that fails as `confirmed` did, or why there is none.
    fn shrink(&self, schedule: &Schedule, confirmed: &Ended) -> Result<Shrunk, String> {
        if confirmed.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Escape) {
            return Err(ESCAPED.to_owned());
        }
        if confirmed.record.is_none() {
            let steps = crate::grouped(confirmed.steps);
            let max = crate::grouped(confirm::RECORDED_STEPS_MAX);
            return Err(format!(
                "The run of {steps} steps is too long to be shrunk, for which at most {max} are kept; a lower `max_steps`, \
                 or a smaller test, would make it possible."
            ));
        }
        let randomness = match schedule {
            Schedule::Seeded { seed, .. } => *seed,
            Schedule::Deviations { randomness, .. } => *randomness,
        };
        let budget = Budget {
            runs_max: self.explorer.shrink_runs,
            time_max: SHRINK_TIME_MAX,
            stalls: self.explorer.stalls,
        };
        let throttle = Throttle::new(self.explorer, &self.settings, Phase::Shrinking, budget.runs_max);
        shrink::shrink(&self.runner, confirmed, randomness, budget, &|runs| throttle.tell(runs)).ok_or_else(|| {
            "The run could not be written as deviations from first-in-first-out order, so it was not shrunk. That is a \
             defect of timeloop or of the simulation: please report it."
                .to_owned()
        })
    }

    /// Replays the shrunk schedule from its token, with all that a report needs.
    fn replayed(
        &self,
        by: FoundBy,
        schedule: Schedule,
        confirmed: &Ended,
        shrunk: Shrunk,
        frequency: Frequency,
    ) -> Box<Found> {
        let small = shrunk.candidate.schedule();
        let token = small.to_token(self.runner.test.as_str());
        let lean = self.runner.run(&small, Detail::Lean);
        let read_back = Schedule::from_token(&token, self.runner.test.as_str());
        let read_back = read_back.expect("a token that was just made can be read");
        let ended = self.runner.run_explained(&read_back, lean.steps);
        let target = confirmed.failure.as_ref().map(|failure| failure.fingerprint());
        let same = |ended: &Ended| {
            ended.trace_hash == lean.trace_hash
                && ended.failure.as_ref().map(|failure| failure.fingerprint()) == target
        };
        if !same(&lean) || !same(&ended) {
            let seen = Seen {
                failure: confirmed.failure.as_deref(),
                trace_hash: lean.trace_hash,
                steps: lean.steps.max(ended.steps),
            };
            let failure = match confirm::confirm(&self.runner, &small, &seen) {
                Confirmed::Differs(failure) => failure,
                // Only when it is looked at closely does it go another way.
                Confirmed::Same(again) => confirm::difference(&again, &ended, seen.failure),
            };
            return self.unshrunk(by, schedule, *failure, lean.trace_hash);
        }
        let failure = ended.failure.expect("its fingerprint was compared");
        let fingerprint = failure.fingerprint();
        let critical =
            ended.record.as_deref().zip(shrunk.critical.found.as_ref()).and_then(|(record, hinge)| {
                critical::explain(&self.runner, hinge, fingerprint, (&small, record, lean.steps))
            });
        Box::new(Found {
            fingerprint,
            failure: *failure,
            by,
            input: None,
            schedule,
            shrunk: small,
            critical,
            critical_tried: shrunk.critical.in_vain,
            not_shrunk: None,
            trace_hash: ended.trace_hash,
            frequency,
            deviations_before: Some(shrunk.deviations_before),
            shrink_runs: shrunk.runs,
            shrink_ended_by: shrunk.ended_by,
            token,
            replayed: true,
            record: ended.record,
            stored: None,
            report: String::new(),
        })
    }

    /// A failure under the schedule that it was found by; the report is still to be written.
    fn unshrunk(&self, by: FoundBy, schedule: Schedule, failure: Failure, trace_hash: u64) -> Box<Found> {
        Box::new(Found {
            fingerprint: failure.fingerprint(),
            failure,
            by,
            input: None,
            shrunk: schedule.clone(),
            token: schedule.to_token(self.runner.test.as_str()),
            schedule,
            replayed: false,
            critical: None,
            critical_tried: 0,
            not_shrunk: None,
            trace_hash,
            frequency: Frequency::default(),
            deviations_before: None,
            shrink_runs: 0,
            shrink_ended_by: None,
            record: None,
            stored: None,
            report: String::new(),
        })
    }

    /// Stores the schedule for the next time.
    fn remember(&self, found: &mut Found) {
        let Some(regressions) = &self.regressions else { return };
        // The quiet run is made first in any case.
        if matches!(
            found.by,
            FoundBy::Regression { .. } | FoundBy::Quiet | FoundBy::Given | FoundBy::Case { .. }
        ) {
            return;
        }
        let path = shown(regressions.path());
        if self.settings.ci {
            found.stored = Some("nowhere, since `CI` is set; replay it elsewhere to keep it".to_owned());
            return;
        }
        let site = found.failure.site.as_ref().map_or_else(String::new, |site| format!(" at {site}"));
        let message = found.failure.message.lines().next().unwrap_or_default();
        let comment = format!("{}{site}: {message}", found.failure.kind);
        found.stored = Some(match regressions.append(&found.shrunk, &comment) {
            Ok(_) => format!("{}, tried first next time: commit it", path.display()),
            Err(error) => format!("nowhere: {error}"),
        });
    }

    /// Replays what `TIMELOOP_REPLAY` names, and nothing else.
    fn replay(&mut self, replay: &ReplaySetting) {
        let test = self.runner.test.as_str();
        let schedules = match replay {
            ReplaySetting::Token(token) => match Schedule::from_token(token, test) {
                Ok(schedule) => vec![schedule],
                Err(error) => {
                    self.exploration.error = Some(ExploreError::Token(error));
                    return;
                }
            },
            ReplaySetting::File(path) => match self.read_file(path) {
                Ok(schedules) => schedules,
                Err(error) => {
                    self.exploration.error = Some(error);
                    return;
                }
            },
        };
        for schedule in schedules {
            let ended = self.runner.run_loud(&schedule);
            let Some(failure) = ended.failure else {
                let missed = match ended.unapplied {
                    0 => String::new(),
                    1 => "; it no longer applies: one of its decisions is not reached any more".to_owned(),
                    count => {
                        format!("; it no longer applies: {count} of its decisions are not reached any more")
                    }
                };
                self.note(format!("`{}` passes under the replayed schedule{missed}", self.runner.test));
                continue;
            };
            let mut found = self.unshrunk(FoundBy::Replay, schedule, *failure, ended.trace_hash);
            found.replayed = true;
            found.record = ended.record;
            self.finish(found);
            return;
        }
    }

    /// The schedules of a regression file given by hand: as it stands, or in the package's folder.
    fn read_file(&self, path: &Path) -> Result<Vec<Schedule>, ExploreError> {
        // Tests run in their package's folder; a path is mostly typed in the workspace's.
        let in_package = self
            .settings
            .package_folder
            .iter()
            .flat_map(|folder| folder.ancestors())
            .map(|folder| folder.join(path));
        let nothing = || ExploreError::NothingToReplay(path.to_owned());
        let path = std::iter::once(path.to_owned())
            .chain(in_package)
            .find(|path| path.is_file())
            .ok_or_else(nothing)?;
        let loaded = Regressions::at(&path).load().map_err(|error| ExploreError::Regressions(vec![error]))?;
        if !loaded.problems.is_empty() {
            return Err(ExploreError::Regressions(loaded.problems));
        }
        if loaded.schedules.is_empty() {
            return Err(nothing());
        }
        Ok(loaded.schedules.into_iter().map(|stored| stored.schedule).collect())
    }
}

/// A path as a person would write it from here.
fn shown(path: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned))
        .unwrap_or_else(|| path.to_owned())
}

/// Prints past the capture of test output: it is for whoever waits, or for a mistake in the environment that a passing test
/// would hide.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Passes on progress a few times a second.
struct Throttle<'a> {
    explorer: &'a Explorer,
    logs: bool,
    phase: Phase,
    of: u64,
    clock: Stopwatch,
    told: std::cell::Cell<(Duration, Duration)>,
}

impl<'a> Throttle<'a> {
    fn new(explorer: &'a Explorer, settings: &Settings, phase: Phase, of: u64) -> Self {
        let logs = !explorer.quiet && settings.log.is_some_and(|log| log >= Log::Progress);
        Self { explorer, logs, phase, of, clock: Stopwatch::start(), told: Default::default() }
    }

    fn tell(&self, runs: u64) {
        if !self.logs && self.explorer.progress.is_none() {
            return;
        }
        let now = self.clock.elapsed();
        let (mut called, mut logged) = self.told.get();
        let progress = Progress { phase: self.phase, runs, of: self.of };
        if let Some(callback) = &self.explorer.progress
            && now >= called + Duration::from_millis(100)
        {
            called = now;
            callback(&progress);
        }
        if self.logs && now >= logged + Duration::from_secs(1) {
            logged = now;
            say(&progress.line(&self.explorer.test));
        }
        self.told.set((called, logged));
    }
}
