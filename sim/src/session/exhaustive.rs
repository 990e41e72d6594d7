//! Explores by exhaustive search instead of by seeds.
//!
//! # Invariants
//! An incomplete search adds a note that it is. If files may be written, it stores a frontier, from which the same program
//! continues the next time.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Session;
use crate::confirm::{self, Seen};
use crate::console::shown;
use crate::exhaustive::{Absorbed, Search, Searched};
use crate::exploration::FoundBy;
use crate::progress::Phase;
use crate::regression::{read_file, unique_beside};
use crate::sweep::Frequency;
use crate::{Bound, Detail, Difference, Ended, FailureKind, Schedule, Seed, grouped};

/// Bounds of the runs after the first failure, which count how often the test fails.
const COUNTED_RUNS_MAX: u64 = 200;
const COUNTED_STEPS_MAX: u64 = 1_000_000;

/// The file of a frontier.
struct FrontierFile {
    path: PathBuf,
    /// The search that the frontier is of: its strategy, limits and program.
    identity: String,
}

impl Session<'_> {
    /// Explores every schedule, up to the bounds.
    pub(super) fn search(&mut self, bound: Bound) {
        let file = self.frontier_file();
        let (mut search, before) = self.begin(bound, file.as_ref());
        let throttle = self.throttle(Phase::Exploring, self.plan.runs);
        self.runner.begin_searching();
        let mut runs = 0;
        while runs < self.plan.runs
            && let Some(source) = search.next_run()
        {
            let ended = self.runner.make(source, Detail::Lean);
            runs += 1;
            self.count(runs, &ended);
            match search.absorb(&ended) {
                Absorbed::Passed | Absorbed::Redundant => {}
                Absorbed::Failed => {
                    self.exploration.searched = Some(Searched::of(&search, bound));
                    self.remove_frontier(file.as_ref());
                    self.search_failed(&mut search, &ended);
                    return;
                }
                Absorbed::Diverged(step) if search.is_resumed() => {
                    // The frontier is of no use, but the runs made so far still count.
                    self.note(format!(
                        "the search of `{}` starts over: from step {} on, the code behaves differently than when the search \
                         stopped",
                        self.runner.test,
                        grouped(step as u64 + 1),
                    ));
                    self.remove_frontier(file.as_ref());
                    search = Search::new(bound);
                }
                Absorbed::Diverged(step) => {
                    self.exploration.searched = Some(Searched::of(&search, bound));
                    self.remove_frontier(file.as_ref());
                    self.prefix_differs(step, &ended);
                    return;
                }
            }
            throttle.report(runs);
        }
        // `frontier` determines whether the search is complete, so it comes before `Searched::of`.
        let frontier = search.frontier(file.as_ref().map_or("", |file| &file.identity));
        let searched = Searched::of(&search, bound);
        match frontier {
            None => self.remove_frontier(file.as_ref()),
            Some(frontier) => self.store_frontier(file.as_ref(), &frontier, &searched),
        }
        if let Some(why) = searched.why_incomplete() {
            self.note(format!(
                "the search of `{}` can't be complete: {why}; announce what it polls with `Resource`, or await it instead",
                self.runner.test,
            ));
        }
        if searched.complete && before > 0 {
            self.note(format!("the search of `{}` is complete", self.runner.test));
        }
        self.exploration.coverage.distinct_schedules = searched.schedules;
        self.exploration.searched = Some(searched);
    }

    fn count(&mut self, runs: u64, ended: &Ended) {
        self.exploration.runs = runs;
        self.exploration.steps += ended.steps;
        self.exploration.digest = self.exploration.digest.rotate_left(1) ^ ended.trace_hash;
    }

    /// Returns a new search, or one that continues at the stored frontier, and the number of schedules explored before.
    fn begin(&mut self, bound: Bound, file: Option<&FrontierFile>) -> (Search, u64) {
        let new = (Search::new(bound), 0);
        let Some(file) = file else { return new };
        let path = shown(&file.path);
        let why = match read_file(&file.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return new,
            Err(error) => error.to_string(),
            Ok(bytes) => match Search::resume(bound, &String::from_utf8_lossy(&bytes), &file.identity) {
                Ok(search) => {
                    let schedules = search.schedules();
                    self.note(format!(
                        "the search of `{}` continues where it stopped, after {} schedules ({})",
                        self.runner.test,
                        grouped(schedules),
                        path.display(),
                    ));
                    return (search, schedules);
                }
                Err(error) => error.to_string(),
            },
        };
        self.note(format!(
            "the search of `{}` starts over instead of continuing where it stopped ({}): {why}",
            self.runner.test,
            path.display()
        ));
        new
    }

    /// Returns the file of the frontier, unless none may be stored.
    fn frontier_file(&self) -> Option<FrontierFile> {
        let path = self.regressions.as_ref()?.path().with_extension("frontier");
        let program = program()?;
        let limits = format!("{:?}", self.runner.limits);
        let limits = crate::token::crc32(limits.as_bytes());
        let strategy = self.plan.context.strategy;
        let identity = format!("{strategy}, limits {limits:08x}, program {program:016x}");
        Some(FrontierFile { path, identity })
    }

    /// Stores the frontier of an incomplete search, if files may be written, and adds a note.
    fn store_frontier(&mut self, file: Option<&FrontierFile>, frontier: &str, searched: &Searched) {
        let so_far = format!(
            "the search of `{}` is not complete after {} schedules; ",
            self.runner.test,
            grouped(searched.schedules),
        );
        let how_to_continue = match file.filter(|_| !self.settings.ci) {
            None => "raise `runs` to continue".to_owned(),
            Some(file) => match write(&file.path, frontier) {
                Ok(()) => format!(
                    "run the test again to continue (the state is in {} and need not be committed), or raise `runs`",
                    shown(&file.path).display(),
                ),
                Err(error) => format!(
                    "raise `runs` to continue (its state can't be written to {}: {error})",
                    shown(&file.path).display()
                ),
            },
        };
        self.note(so_far + &how_to_continue);
    }

    fn remove_frontier(&self, file: Option<&FrontierFile>) {
        if let Some(file) = file.filter(|_| !self.settings.ci) {
            let _ = fs::remove_file(&file.path);
        }
    }

    /// Investigates and reports a failing run of the search.
    fn search_failed(&mut self, search: &mut Search, ended: &Ended) {
        let number = search.schedules();
        let by = FoundBy::Search { number };
        // Repeat the run with a record, to get a schedule that does not need the search.
        let again = self.runner.make(search.repeat_last(), Detail::Record);
        let failure = ended.failure.as_deref();
        let repeats = again.is_like(ended);
        let deviations = again.record.as_ref().map(|record| record.deviations());
        let schedule =
            Schedule::Deviations { randomness: Seed(0), deviations: deviations.unwrap_or_default() };
        if !repeats && failure.is_some_and(|failure| failure.kind != FailureKind::Escape) {
            let failure = confirm::nondeterminism(Difference::Unknown, failure);
            self.finish(self.unshrunk(by, schedule, *failure, ended.trace_hash));
            return;
        }
        let baseline = self.baseline.as_ref().map(|baseline| (Schedule::baseline(), baseline.trace_hash));
        let leftover_state = failure
            .filter(|failure| failure.kind != FailureKind::Escape)
            .zip(baseline)
            .and_then(|(failure, baseline)| confirm::check_leftover_state(&self.runner, &baseline, failure));
        if let Some(failure) = leftover_state {
            self.finish(self.unshrunk(by, schedule, *failure, ended.trace_hash));
            return;
        }
        self.counted = Some(self.count_failing(search));
        let seen = Seen { failure, trace_hash: ended.trace_hash, steps: ended.steps };
        self.investigate(by, schedule, &seen, number);
    }

    /// Counts how many schedules fail, by exploring further ones.
    fn count_failing(&self, search: &mut Search) -> Frequency {
        let mut frequency = Frequency { failing: 1, ..Frequency::default() };
        let mut steps = 0;
        for _ in 0..COUNTED_RUNS_MAX {
            if steps > COUNTED_STEPS_MAX {
                break;
            }
            let Some(source) = search.next_run() else { break };
            let ended = self.runner.make(source, Detail::Lean);
            steps += ended.steps;
            match search.absorb(&ended) {
                Absorbed::Failed => frequency.failing += 1,
                Absorbed::Passed | Absorbed::Redundant => {}
                Absorbed::Diverged(_) => break,
            }
        }
        frequency.tried = search.schedules();
        frequency
    }

    /// Reports nondeterminism: a run did not repeat the prefix of an earlier one.
    fn prefix_differs(&mut self, step: usize, ended: &Ended) {
        let differ = Difference::Prefix(step as u64 + 1);
        let failure = confirm::nondeterminism(differ, ended.failure.as_deref());
        let by = FoundBy::Search { number: self.exploration.runs };
        let schedule = self.plan.context.schedule(self.plan.base);
        self.finish(self.unshrunk(by, schedule, *failure, ended.trace_hash));
    }
}

/// Writes a file atomically, by renaming: a concurrent reader sees either the old or the new contents.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = unique_beside(path);
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// Returns a hash of this executable. A frontier is of no use to another program.
fn program() -> Option<u64> {
    static PROGRAM: OnceLock<Option<u64>> = OnceLock::new();

    *PROGRAM.get_or_init(|| {
        let mut file = fs::File::open(std::env::current_exe().ok()?).ok()?;
        let mut buffer = vec![0_u8; 1 << 16];
        let mut hash = 0_u64;
        loop {
            let length = file.read(&mut buffer).ok()?;
            if length == 0 {
                return Some(hash);
            }
            for bytes in buffer[..length].chunks(8) {
                let mut word = [0_u8; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517C_C1B7_2722_0A95);
            }
        }
    })
}
