//! What came of an exploration.
//!
//! Always true: everything in it but the texts' paths is a function of the test, the settings and the code under test, for
//! any number of workers and on any machine.

use std::path::PathBuf;

use crate::console;
use crate::run_mode::ExploreError;
use crate::shrink::StopReason;
use crate::sweep::Frequency;
use crate::{Critical, Failure, Fingerprint, Record, Schedule, Searched, Seed, StrategySpec, TestName};

/// What came of exploring a test.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exploration {
    /// The test.
    pub test: TestName,
    /// The seed of the first run.
    pub base_seed: Seed,
    /// The strategy that was asked for; that of a single run is in its [`Schedule`].
    pub strategy: StrategySpec,
    /// Whether the quiet run was made first, which counts as a schedule besides [`runs`](Self::runs).
    pub baseline_run: bool,
    /// Runs made while exploring seeds: up to and with the first that failed. The quiet run, and runs for confirming,
    /// counting and shrinking, and of stored schedules, come on top.
    pub runs: u64,
    /// The steps of those runs.
    pub steps: u64,
    /// One number for the trace hashes of all those runs.
    pub digest: u64,
    /// How far an exhaustive search has come; `None` under any other strategy.
    pub searched: Option<Searched>,
    /// The failure, if there is one.
    pub found: Option<Box<Found>>,
    /// What kept the exploration from being made, or from being made in full.
    pub error: Option<ExploreError>,
    /// What a person should know besides, a sentence each.
    pub notes: Vec<String>,
}

impl Exploration {
    /// Whether nothing failed and nothing was amiss.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.found.is_none() && self.error.is_none()
    }

    /// How many schedules were tried: the quiet one, and one for each seed; or those of an exhaustive search.
    #[must_use]
    pub fn schedules(&self) -> u64 {
        match &self.searched {
            None => self.runs + u64::from(self.baseline_run),
            Some(searched) => searched.schedules,
        }
    }

    /// The report: of the failure, of what was amiss, or that all runs passed.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = match &self.found {
            Some(found) => found.report.clone(),
            None if self.error.is_none() => {
                if let Some(searched) = &self.searched {
                    return format!("timeloop: `{}` passes in {searched}\n", self.test);
                }
                let schedules = if self.schedules() == 1 { "schedule" } else { "schedules" };
                let count = crate::grouped(self.schedules());
                format!("timeloop: `{}` passes in {count} {schedules}\n", self.test)
            }
            None => String::new(),
        };
        if let Some(error) = &self.error {
            text.push_str(&format!("timeloop: `{}`: {error}\n", self.test));
        }
        text
    }

    /// Does nothing if the exploration passed; else prints the report to standard error and panics with it.
    ///
    /// # Panics
    /// When a run failed or something was amiss. The panic's payload is the report, as a `String`; the panic hook is not
    /// called, so that nothing stands between the reader and the report.
    pub fn check(&self) {
        if !self.passed() {
            console::fail_with(self.report());
        }
    }
}

/// A failure, confirmed, shrunk and replayed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// What failed, as it does under [`shrunk`](Self::shrunk).
    pub failure: Failure,
    /// What makes it the same as another.
    pub fingerprint: Fingerprint,
    /// What led to it.
    pub by: FoundBy,
    /// The input that the test was given, as it prints, where it was given one besides the schedule.
    pub input: Option<String>,
    /// The schedule as it was found.
    pub schedule: Schedule,
    /// The smallest schedule that fails in the same way; the one found where shrinking was not possible.
    pub shrunk: Schedule,
    /// What the failure hangs on: the one order, or choice, without which the test does not fail so.
    pub critical: Option<Critical>,
    /// How many changes of [`shrunk`](Self::shrunk) were tried in search of that and fail as well.
    pub critical_tried: u64,
    /// Why the schedule was not shrunk, if it was not.
    pub not_shrunk: Option<String>,
    /// The trace hash of the run of [`shrunk`](Self::shrunk).
    pub trace_hash: u64,
    /// How often the test fails.
    pub frequency: Frequency,
    /// Deviations from the quiet run in the run as it was found; `None` where shrinking was not possible.
    pub deviations_before: Option<usize>,
    /// Runs that shrinking took.
    pub shrink_runs: u64,
    /// Which bound ended shrinking, if one did.
    pub shrink_ended_by: Option<StopReason>,
    /// The token of [`shrunk`](Self::shrunk).
    pub token: String,
    /// Whether the token, read back, has repeated the failure with the same trace hash.
    pub replayed: bool,
    /// The record of that replay, for other ways of showing it; `None` for a run too long to be kept.
    pub record: Option<Box<Record>>,
    /// Where the schedule was stored, or why not, in words.
    pub stored: Option<String>,
    /// The report.
    pub report: String,
}

impl Found {
    /// Deviations from the quiet run in [`shrunk`](Self::shrunk); `None` where shrinking was not possible.
    #[must_use]
    pub fn deviations_after(&self) -> Option<usize> {
        self.shrunk.deviations().map(<[_]>::len)
    }

    /// What failed, in one line: the comment of a stored schedule.
    #[must_use]
    pub fn headline(&self) -> String {
        let Failure { kind, site, .. } = &self.failure;
        let message = self.failure.message();
        let site = site.as_ref().map_or_else(String::new, |site| format!(" at {site}"));
        format!("{kind}{site}: {}", message.lines().next().unwrap_or_default())
    }
}

/// What led to a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoundBy {
    /// The quiet run, which is made first: every task in its turn.
    Baseline,
    /// Exploring.
    Seed {
        /// Which run, from 0.
        index: u64,
        /// Its seed.
        seed: Seed,
    },
    /// Exhaustive search.
    Search {
        /// The how-many-th of its schedules, from 1.
        number: u64,
    },
    /// A stored schedule that still fails.
    Regression {
        /// The file.
        path: PathBuf,
        /// The line where the schedule begins.
        line: usize,
    },
    /// The schedule that `TIMELOOP_REPLAY` asked for.
    Replay,
    /// The schedule that was handed to [`investigate`](crate::investigate).
    Given,
    /// A property's test case.
    Case {
        /// Which case, from 0.
        index: u64,
        /// Its seed.
        seed: Seed,
    },
}
