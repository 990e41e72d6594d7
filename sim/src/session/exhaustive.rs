//! Exploring by exhaustive search instead of by seeds.
//!
//! Always true: a search that stopped short says so, and where it may be written, leaves a frontier from which the same
//! program goes on the next time.

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
use crate::sweep::Frequency;
use crate::{Bound, Detail, Difference, Ended, Failure, FailureKind, Schedule, Seed, grouped};

/// Runs that go on after the first failure, to see how often the test fails, and how many steps they may take.
const COUNTED_RUNS_MAX: u64 = 200;
const COUNTED_STEPS_MAX: u64 = 1_000_000;

/// The file of a frontier, and what it is a frontier of.
struct Kept {
    path: PathBuf,
    of: String,
}

impl Session<'_> {
    /// Explores every schedule, up to the bounds.
    pub(super) fn search(&mut self, bound: Bound) {
        let kept = self.kept();
        let (mut search, before) = self.begin(bound, kept.as_ref());
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
                    self.forget(kept.as_ref());
                    self.search_failed(&mut search, &ended);
                    return;
                }
                Absorbed::Diverged(step) if search.is_resumed() => {
                    // What was stored is of no use; what has been counted, was.
                    self.note(format!(
                        "the search of `{}` begins anew: the code does not do what it did when the search stopped, from \
                         step {} on",
                        self.runner.test,
                        grouped(step as u64 + 1),
                    ));
                    self.forget(kept.as_ref());
                    search = Search::new(bound);
                }
                Absorbed::Diverged(step) => {
                    self.exploration.searched = Some(Searched::of(&search, bound));
                    self.forget(kept.as_ref());
                    self.diverged(step, &ended);
                    return;
                }
            }
            throttle.tell(runs);
        }
        // Whether there is more to do shows only when it is asked for.
        let frontier = search.frontier(kept.as_ref().map_or("", |kept| &kept.of));
        let searched = Searched::of(&search, bound);
        match frontier {
            None => self.forget(kept.as_ref()),
            Some(frontier) => self.keep(kept.as_ref(), &frontier, &searched),
        }
        if searched.complete && before > 0 {
            self.note(format!("the search of `{}` is complete", self.runner.test));
        }
        self.exploration.searched = Some(searched);
    }

    fn count(&mut self, runs: u64, ended: &Ended) {
        self.exploration.runs = runs;
        self.exploration.steps += ended.steps;
        self.exploration.digest = self.exploration.digest.rotate_left(1) ^ ended.trace_hash;
    }

    /// A search from its beginning, or from where it stopped, and how many schedules had been explored by then.
    fn begin(&mut self, bound: Bound, kept: Option<&Kept>) -> (Search, u64) {
        let anew = (Search::new(bound), 0);
        let Some(kept) = kept else { return anew };
        let path = shown(&kept.path);
        let why = match fs::read_to_string(&kept.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return anew,
            Err(error) => error.to_string(),
            Ok(text) => match Search::resume(bound, &text, &kept.of) {
                Ok(search) => {
                    let schedules = search.schedules();
                    self.note(format!(
                        "the search of `{}` goes on where it stopped, after {} schedules ({})",
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
            "the search of `{}` begins anew, not where it stopped ({}): {why}",
            self.runner.test,
            path.display()
        ));
        anew
    }

    /// Where the frontier is kept, if anywhere.
    fn kept(&self) -> Option<Kept> {
        let path = self.regressions.as_ref()?.path().with_extension("frontier");
        let program = program()?;
        let limits = format!("{:?}", self.runner.limits);
        let limits = crate::token::crc32(limits.as_bytes());
        let strategy = self.plan.context.strategy;
        Some(Kept { path, of: format!("{strategy}, limits {limits:08x}, program {program:016x}") })
    }

    /// Keeps a frontier for the next time, and says so.
    fn keep(&mut self, kept: Option<&Kept>, frontier: &str, searched: &Searched) {
        let so_far = format!(
            "the search of `{}` is not complete: {} schedules explored, and there are more; ",
            self.runner.test,
            grouped(searched.schedules),
        );
        let how_on = match kept.filter(|_| !self.settings.ci) {
            None => "raise `runs` to go on".to_owned(),
            Some(kept) => match write(&kept.path, frontier) {
                Ok(()) => format!(
                    "run it again to go on from there ({}, which need not be committed), or raise `runs`",
                    shown(&kept.path).display(),
                ),
                Err(error) => format!(
                    "raise `runs` to go on (where it stopped can't be written to {}: {error})",
                    shown(&kept.path).display()
                ),
            },
        };
        self.note(so_far + &how_on);
    }

    fn forget(&self, kept: Option<&Kept>) {
        if let Some(kept) = kept.filter(|_| !self.settings.ci) {
            let _ = fs::remove_file(&kept.path);
        }
    }

    /// From a failing run of the search to a report.
    fn search_failed(&mut self, search: &mut Search, ended: &Ended) {
        let number = search.schedules();
        let by = FoundBy::Search { number };
        // Again, for the record, by which it is told without the search.
        let again = self.runner.make(search.same_again(), Detail::Record);
        let failure = ended.failure.as_deref();
        let as_before = again.trace_hash == ended.trace_hash
            && again.failure.as_ref().map(|failure| failure.fingerprint())
                == failure.map(Failure::fingerprint);
        let deviations = again.record.as_ref().map(|record| record.deviations());
        let schedule =
            Schedule::Deviations { randomness: Seed(0), deviations: deviations.unwrap_or_default() };
        if !as_before && failure.is_some_and(|failure| failure.kind != FailureKind::Escape) {
            let failure = confirm::nondeterminism(Difference::Unknown, failure);
            self.finish(self.unshrunk(by, schedule, *failure, ended.trace_hash));
            return;
        }
        let baseline = self.baseline.as_ref().map(|baseline| (Schedule::baseline(), baseline.trace_hash));
        let spoilt = failure.filter(|failure| failure.kind != FailureKind::Escape).zip(baseline);
        if let Some(failure) =
            spoilt.and_then(|(failure, baseline)| confirm::left_behind(&self.runner, &baseline, failure))
        {
            self.finish(self.unshrunk(by, schedule, *failure, ended.trace_hash));
            return;
        }
        self.counted = Some(self.count_failing(search));
        let seen = Seen { failure, trace_hash: ended.trace_hash, steps: ended.steps };
        self.investigate(by, schedule, &seen, number);
    }

    /// How many of the schedules fail, those that come next included.
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

    /// A run that was to begin as an earlier one did not.
    fn diverged(&mut self, step: usize, ended: &Ended) {
        let differ = Difference::Prefix(step as u64 + 1);
        let failure = confirm::nondeterminism(differ, ended.failure.as_deref());
        let by = FoundBy::Search { number: self.exploration.runs };
        let schedule = self.plan.context.schedule(self.plan.base);
        self.finish(self.unshrunk(by, schedule, *failure, ended.trace_hash));
    }
}

/// Writes a file as a whole: who reads it meanwhile finds the old one or the new one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension("frontier.new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// A number for the program that runs: of another one it is not known what an earlier search has explored.
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
