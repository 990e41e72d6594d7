//! The result of an exploration: [`Exploration`], and [`Found`] for the failure that it found.
//!
//! # Invariants
//! - Everything except the paths in texts is a function of the test, the settings and the code under test, for any
//!   number of workers and on any machine.

use std::path::PathBuf;

use crate::console;
use crate::run_mode::ExploreError;
use crate::shrink::StopReason;
use crate::sweep::Frequency;
use crate::{
    Coverage, Critical, Failure, Fingerprint, Record, Schedule, Searched, Seed, StrategySpec, TestName,
};

/// The result of exploring a test.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exploration {
    /// The test.
    pub test: TestName,
    /// The seed of the first run.
    pub base_seed: Seed,
    /// The requested strategy; that of a single run is in its [`Schedule`].
    pub strategy: StrategySpec,
    /// Whether the settings of this test say that it is not run ([`TestSettings::skip`](crate::TestSettings::skip)).
    pub skipped: bool,
    /// Whether the baseline run was made first, which counts as a schedule in addition to [`runs`](Self::runs).
    pub baseline_run: bool,
    /// The number of runs made while exploring seeds, up to and including the first that failed. The baseline run, runs
    /// of stored schedules, and runs for confirming, counting and shrinking are not included.
    pub runs: u64,
    /// The total number of steps of those runs.
    pub steps: u64,
    /// A digest of the trace hashes of those runs.
    pub digest: u64,
    /// What those runs and the baseline run covered.
    pub coverage: Coverage,
    /// The progress of an exhaustive search; `None` under any other strategy.
    pub searched: Option<Searched>,
    /// The failure, if there is one.
    pub found: Option<Box<Found>>,
    /// The error that prevented the exploration, or a part of it.
    pub error: Option<ExploreError>,
    /// Further notes for the user, a sentence each.
    pub notes: Vec<String>,
}

impl Exploration {
    /// Returns whether there was neither a failure nor an error.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.found.is_none() && self.error.is_none()
    }

    /// Returns the number of schedules tried: the baseline run and one for each seed, or those of an exhaustive search.
    #[must_use]
    pub fn schedules(&self) -> u64 {
        match &self.searched {
            None => self.runs + u64::from(self.baseline_run),
            Some(searched) => searched.schedules,
        }
    }

    /// Returns if the exploration passed; otherwise prints the report to standard error and panics with it.
    ///
    /// If there was an [`error`](Self::error) and no run failed, it prints the error and ends the process with exit code 2.
    /// A panic would make a test pass that expects one (`#[should_panic]`).
    ///
    /// # Panics
    /// Panics if a run failed. The payload is the report, as a `String`. The panic hook is not called, so that nothing is
    /// printed after the report.
    pub fn check(&self) {
        match (&self.found, &self.error) {
            (None, None) => {}
            (Some(_), _) => console::fail_with(self.report()),
            (None, Some(_)) => console::exit_with(&self.report()),
        }
    }
}

/// A failure, confirmed, shrunk and replayed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// The failure under [`shrunk`](Self::shrunk).
    pub failure: Failure,
    /// The fingerprint by which failures are compared.
    pub fingerprint: Fingerprint,
    /// How it was found.
    pub by: FoundBy,
    /// The test's input, formatted, if it has one besides the schedule.
    pub input: Option<String>,
    /// The schedule as it was found.
    pub schedule: Schedule,
    /// The smallest schedule found that fails in the same way; the original one if shrinking was not possible.
    pub shrunk: Schedule,
    /// The critical order or choice: without it, the test does not fail in this way. `None` if more than half of the schedules
    /// fail, because one order or choice is not the cause then.
    pub critical: Option<Critical>,
    /// If more than half of the schedules fail: an order or choice with which the test passes.
    pub rescue: Option<Critical>,
    /// The number of changes to [`shrunk`](Self::shrunk) tried in search of that which fail as well.
    pub critical_tried: u64,
    /// Why the schedule was not shrunk, if it was not.
    pub not_shrunk: Option<String>,
    /// The trace hash of the run of [`shrunk`](Self::shrunk).
    pub trace_hash: u64,
    /// How often the test fails.
    pub frequency: Frequency,
    /// The number of deviations from the baseline run in the run as it was found; `None` if shrinking was not possible.
    pub deviations_before: Option<usize>,
    /// The number of runs that shrinking made.
    pub shrink_runs: u64,
    /// The bound that ended shrinking, if one did.
    pub shrink_ended_by: Option<StopReason>,
    /// The token of [`shrunk`](Self::shrunk).
    pub token: String,
    /// Whether the token was parsed and replayed, and repeated the failure with the same trace hash.
    pub replayed: bool,
    /// The record of that replay, for other ways of showing it; `None` if the run is too long to be recorded.
    pub record: Option<Box<Record>>,
    /// Where the schedule was stored, or why it was not, in words.
    pub stored: Option<String>,
    /// The report.
    pub report: String,
}

impl Found {
    /// Returns the number of deviations from the baseline run in [`shrunk`](Self::shrunk); `None` if shrinking was not
    /// possible.
    #[must_use]
    pub fn deviations_after(&self) -> Option<usize> {
        self.shrunk.deviations().map(<[_]>::len)
    }

    /// Returns the failure in one line, which is the comment of a stored schedule.
    #[must_use]
    pub fn headline(&self) -> String {
        let Failure { kind, site, .. } = &self.failure;
        let message = self.failure.message();
        let site = site.as_ref().map_or_else(String::new, |site| format!(" at {site}"));
        format!("{kind}{site}: {}", message.lines().next().unwrap_or_default())
    }
}

/// How a failure was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoundBy {
    /// By the baseline run, which is made first: every task in FIFO order.
    Baseline,
    /// By exploring seeds.
    Seed {
        /// The index of the run, from 0.
        index: u64,
        /// Its seed.
        seed: Seed,
    },
    /// By exhaustive search.
    Search {
        /// The number of the schedule within the search, from 1.
        number: u64,
    },
    /// By a stored schedule that still fails.
    Regression {
        /// The file.
        path: PathBuf,
        /// The line where the schedule begins.
        line: usize,
    },
    /// By the schedule in `TIMELOOP_REPLAY`.
    Replay,
    /// By the schedule passed to [`investigate`](crate::investigate).
    Given,
    /// By a property's test case.
    Case {
        /// The index of the case, from 0.
        index: u64,
        /// Its seed.
        seed: Seed,
    },
}
