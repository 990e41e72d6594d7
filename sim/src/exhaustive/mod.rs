//! Exhaustive search: runs one schedule of each equivalence class of a small test's schedules. [`Search`] performs it
//! one run at a time.
//!
//! Two schedules are *equivalent* if one becomes the other by swapping neighbouring independent steps. Two steps depend
//! on each other in these cases:
//! - they are steps of one task;
//! - their operations race (see [`Operation::races_with`]);
//! - one wakes or spawns the task of the other;
//! - one ends the run.
//!
//! Steps at different instants of virtual time never race: time advances only when no task is ready. The search runs
//! one of several equivalent schedules. It also tries every value of every other choice, such as the branch of a
//! `select!` that is polled first.
//!
//! The search keeps only the path of the current run: each run repeats a prefix of the last one and then differs. Sleep
//! sets keep equivalent schedules from being run twice. A run that could only become equivalent to an earlier one is
//! cut short and counted as redundant.
//!
//! The search does not see unannounced accesses to shared state (an `Rc<Cell>` between two awaits). It interleaves
//! tasks at announced operations and at waits, and unannounced accesses do not count as racing. In every run, the
//! random numbers that the code under test draws are those of seed 0.
//!
//! # Invariants
//! - If the search is reported as complete, nothing was skipped: no bound ended it, every repeated prefix was
//!   identical, and no run was ended from outside.
//!
//! [`Operation::races_with`]: crate::Operation::races_with

mod dependence;
mod frame;
mod frontier;
mod races;
mod search_run;
mod searched;
mod vector_clock;

use std::cell::RefCell;
use std::rc::Rc;

use frame::{Frame, Sleeper};
use frontier::Frontier;
pub use frontier::FrontierError;
use search_run::{RunState, SearchRun};
pub use searched::Searched;

use crate::{
    AnySource, Bound, DecisionKey, Domain, Ended, FailureKind, Operation, Ready, Seed, Source, Stream,
    TaskKey,
};

impl Bound {
    /// Returns the part of the bound that running the candidate with this rank uses up.
    fn cost(self, frame: &Frame, rank: u32) -> u32 {
        match self {
            Self::None => 0,
            Self::Delays(_) => rank,
            Self::Preemptions(_) => u32::from(rank > 0 && frame.continuing.is_some()),
        }
    }

    fn allows(self, spent: u32) -> bool {
        match self {
            Self::None => true,
            Self::Delays(most) | Self::Preemptions(most) => spent <= most,
        }
    }
}

/// The result of a run for the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absorbed {
    /// A new schedule passed.
    Passed,
    /// The run would have been equivalent to an earlier one, and was cut short.
    Redundant,
    /// A new schedule failed.
    Failed,
    /// From this step on, the run differed from the path that it had to repeat.
    Diverged(usize),
}

/// An exhaustive search, one run at a time.
#[derive(Debug)]
pub struct Search {
    walk: Rc<RefCell<SearchRun>>,
    /// The tasks seen so far.
    tasks: Vec<TaskKey>,
    started: bool,
    /// Whether the path is still that of the last absorbed run.
    absorbed: bool,
    ended: bool,
    schedules: u64,
    redundant: u64,
    /// Whether the bound excluded any schedule.
    bounded: bool,
    /// Whether something happened that makes the search's completeness unknown.
    tainted: bool,
    /// Whether the path comes from a stored frontier and has not been run yet.
    resumed: bool,
}

impl Search {
    /// Creates a search that starts from the beginning.
    #[must_use]
    pub fn new(bound: Bound) -> Self {
        Self {
            walk: Rc::new(RefCell::new(SearchRun::new(bound))),
            tasks: Vec::new(),
            started: false,
            absorbed: false,
            ended: false,
            schedules: 0,
            redundant: 0,
            bounded: false,
            tainted: false,
            resumed: false,
        }
    }

    /// Creates a search that continues an earlier one. `frontier` is the text that the earlier one
    /// [returned](Self::frontier); `of` identifies the program and the limits.
    ///
    /// # Errors
    /// Returns an error if the frontier belongs to something else or can't be read.
    pub fn resume(bound: Bound, frontier: &str, of: &str) -> Result<Self, FrontierError> {
        let Frontier { schedules, redundant, bounded, frames } = frontier::parse(frontier, of)?;
        let search = Self { started: true, schedules, redundant, bounded, resumed: true, ..Self::new(bound) };
        search.walk.borrow_mut().frames = frames;
        Ok(search)
    }

    /// Returns the state of the search as text; `None` if everything has been explored, or if it is unknown what has
    /// been.
    #[must_use]
    pub fn frontier(&mut self, of: &str) -> Option<String> {
        self.advance_path();
        if self.ended || self.tainted {
            return None;
        }
        let frames = self.walk.borrow().frames.clone();
        let Self { schedules, redundant, bounded, .. } = *self;
        Some(frontier::print(&Frontier { schedules, redundant, bounded, frames }, of))
    }

    /// Returns whether the last run was the first after [`resume`](Self::resume). If that run diverged, the code has
    /// changed.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Returns the source of the next run, whose result must then be [absorbed](Self::absorb); `None` if everything has
    /// been explored.
    #[must_use]
    pub fn next_run(&mut self) -> Option<AnySource> {
        self.advance_path();
        if self.ended {
            return None;
        }
        self.started = true;
        self.walk.borrow_mut().begin(false);
        Some(self.source())
    }

    /// Turns the path into that of the next run.
    fn advance_path(&mut self) {
        if std::mem::take(&mut self.absorbed) {
            self.resumed = false;
            let mut walk = self.walk.borrow_mut();
            self.ended |= !match walk.bound {
                Bound::None => advance(&mut walk),
                _ => advance_bounded(&mut walk, &mut self.bounded),
            };
        }
    }

    /// Returns a source that repeats the last absorbed run.
    #[must_use]
    pub fn repeat_last(&self) -> AnySource {
        self.walk.borrow_mut().begin(true);
        self.source()
    }

    fn source(&self) -> AnySource {
        AnySource::Other(Box::new(SearchSource(Rc::clone(&self.walk))))
    }

    /// Updates the search with the run just made.
    pub fn absorb(&mut self, ended: &Ended) -> Absorbed {
        let mut guard = self.walk.borrow_mut();
        let walk = &mut *guard;
        walk.end_step();
        let absorbed = match walk.state {
            RunState::Diverged(step) => Absorbed::Diverged(step),
            RunState::OnPath if walk.begun < walk.frames.len() => Absorbed::Diverged(walk.begun),
            RunState::OnPath if ended.failure.is_some() => Absorbed::Failed,
            RunState::OnPath => Absorbed::Passed,
            RunState::Blocked => Absorbed::Redundant,
        };
        let kind = ended.failure.as_ref().map(|failure| failure.kind);
        let ends = match absorbed {
            Absorbed::Diverged(_) => {
                // From here on it is unknown what has been explored.
                self.ended = true;
                self.tainted = true;
                return absorbed;
            }
            Absorbed::Redundant => {
                self.redundant += 1;
                // The failure of a run that was cut short means nothing, except for an escape.
                self.tainted |= kind == Some(FailureKind::Escape) || walk.spinning.is_some();
                false
            }
            Absorbed::Passed | Absorbed::Failed => {
                self.schedules += 1;
                match kind {
                    None | Some(FailureKind::Panic | FailureKind::UnobservedPanic | FailureKind::Error) => {
                        true
                    }
                    Some(FailureKind::Deadlock) => false,
                    // A limit, or something from outside, ended the run: it might have continued.
                    Some(_) => {
                        self.tainted = true;
                        true
                    }
                }
            }
        };
        if walk.bound == Bound::None {
            if ends && let Some(last) = walk.frames.last_mut() {
                last.footprint.ends = true;
                // The tasks still ready might have run before.
                races::add_all_to_backtrack(last);
            }
            let fresh = if self.resumed { 0 } else { walk.repeated.saturating_sub(1) };
            races::analyse(&mut walk.frames, fresh, &mut self.tasks);
        }
        self.absorbed = true;
        absorbed
    }

    /// Returns whether everything has been explored, within the bound if there is one.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.started && self.ended && !self.tainted
    }

    /// Returns the task because of which the search can't be complete: in a run that was cut short, it was polled again and
    /// again at one instant, and nothing that it did is announced.
    #[must_use]
    pub fn spinning(&self) -> Option<TaskKey> {
        self.walk.borrow().spinning
    }

    /// Returns whether the bound has excluded any schedule so far.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.bounded
    }

    /// Returns the number of schedules explored; no two of them are equivalent unless the search is bounded.
    #[must_use]
    pub fn schedules(&self) -> u64 {
        self.schedules
    }

    /// Returns the number of runs cut short because they would have been equivalent to an earlier one.
    #[must_use]
    pub fn redundant(&self) -> u64 {
        self.redundant
    }
}

/// Turns the path into that of the next run; returns whether there is one.
fn advance(walk: &mut SearchRun) -> bool {
    while let Some(frame) = walk.frames.last_mut() {
        frame.earlier_footprint.merge(&frame.footprint);
        if frame.choose_next() {
            return true;
        }
        let footprint = std::mem::take(&mut frame.earlier_footprint);
        frame.asleep.push(Sleeper { task: frame.task, footprint });
        let next = frame.backtrack.iter().find(|task| !frame.sleeps(**task)).copied();
        if let Some(next) = next {
            frame.task = next;
            return true;
        }
        walk.frames.pop();
    }
    false
}

/// As [`advance`], without reduction.
fn advance_bounded(walk: &mut SearchRun, bounded: &mut bool) -> bool {
    let bound = walk.bound;
    while let Some(frame) = walk.frames.last_mut() {
        if frame.choose_next() {
            return true;
        }
        let next = frame.rank + 1;
        if let Some(candidate) = frame.candidate(next as usize) {
            if bound.allows(frame.spent.saturating_add(bound.cost(frame, next))) {
                frame.task = candidate.task;
                frame.rank = next;
                return true;
            }
            *bounded = true;
        }
        walk.frames.pop();
    }
    false
}

/// The source of one run of a search.
#[derive(Debug)]
struct SearchSource(Rc<RefCell<SearchRun>>);

impl Source for SearchSource {
    fn ready(&mut self, task: Ready) {
        self.0.borrow_mut().ready(task);
    }

    fn woken(&mut self, task: TaskKey) {
        self.0.borrow_mut().woken(task);
    }

    fn next(&mut self) -> Option<u32> {
        self.0.borrow_mut().next()
    }

    fn wants_operations(&self) -> bool {
        true
    }

    fn wants_nodes(&self) -> bool {
        true
    }

    fn should_preempt(&mut self, _key: DecisionKey, _operation: Operation) -> bool {
        true
    }

    fn performed(&mut self, _task: TaskKey, operation: Operation) {
        self.0.borrow_mut().performed(operation);
    }

    fn choose(&mut self, key: DecisionKey, arity: u32) -> u32 {
        self.0.borrow_mut().choose(key, arity)
    }

    fn user_stream(&mut self, entity: u64) -> Stream {
        Stream::new(Seed(0), Domain::User, entity)
    }
}
