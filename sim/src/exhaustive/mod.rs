//! Exhaustive search: every schedule of a small test that differs in more than the order of what does not matter, once.
//!
//! Two schedules are *equivalent* if one becomes the other by swapping neighbouring steps that do not depend on each other.
//! Steps depend on each other if they are of one task, if operations of theirs race (see [`Operation::races_with`]), if one
//! wakes or spawns the task of the other, or if one ends the run. Steps at different instants of virtual time never race:
//! time moves when no task is ready, and then everything before comes before everything after. Of equivalent schedules one
//! is run; besides, every value of every other choice (which branch of a `select!` is polled first) is tried.
//!
//! The search keeps nothing but the path that it is on: each run repeats a part of the last one and then goes another way.
//! Sleep sets keep equivalent schedules from being run twice; a run that can't but become one is cut short and counted
//! as redundant.
//!
//! What it does not see: state that tasks share and nobody announces (an `Rc<Cell>` between two awaits). Tasks are
//! interleaved at announced operations and at waits, and accesses that nobody announces do not count as racing. The random
//! numbers of the code under test are those of seed 0 in every run.
//!
//! Always true: where all is said to have been explored, nothing was skipped: no bound ended the search, every repeated
//! part of a run went as before, and no run was ended from outside.
//!
//! [`Operation::races_with`]: crate::Operation::races_with

mod clock;
mod footprint;
mod frame;
mod frontier;
mod races;
mod searched;
mod walk;

use std::cell::RefCell;
use std::rc::Rc;

use frame::{Frame, Sleeper};
use frontier::Frontier;
pub use frontier::FrontierError;
pub use searched::Searched;
use walk::{Standing, Walk};

use crate::{
    AnySource, Bound, DecisionKey, Domain, Ended, FailureKind, Operation, Ready, Seed, Source, Stream,
    TaskKey,
};

impl Bound {
    /// What it costs to run the candidate with this rank.
    fn cost(self, frame: &Frame, rank: u32) -> u32 {
        match self {
            Self::None => 0,
            Self::Delays(_) => rank,
            Self::Preemptions(_) => u32::from(rank > 0 && frame.goes_on.is_some()),
        }
    }

    fn allows(self, spent: u32) -> bool {
        match self {
            Self::None => true,
            Self::Delays(most) | Self::Preemptions(most) => spent <= most,
        }
    }
}

/// How a run added to the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Absorbed {
    /// A schedule unlike those before passed.
    Passed,
    /// It was going to be equivalent to one before, and was cut short.
    Redundant,
    /// It failed.
    Failed,
    /// It did not repeat, from this step on, what it was to repeat.
    Diverged(usize),
}

/// An exhaustive search, one run at a time.
#[derive(Debug)]
pub struct Search {
    walk: Rc<RefCell<Walk>>,
    /// The tasks that have been seen.
    tasks: Vec<TaskKey>,
    started: bool,
    /// Whether the path is still that of the run that was absorbed last.
    absorbed: bool,
    ended: bool,
    schedules: u64,
    redundant: u64,
    /// Whether the bound kept anything from being tried.
    bounded: bool,
    /// Whether something happened that the search can't vouch for.
    tainted: bool,
    /// Whether the path comes from a stored frontier, and no run along it has been made yet.
    resumed: bool,
}

impl Search {
    /// A search from its beginning.
    #[must_use]
    pub fn new(bound: Bound) -> Self {
        Self {
            walk: Rc::new(RefCell::new(Walk::new(bound))),
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

    /// A search that goes on where another one stopped: `frontier` is what that one [left](Self::frontier), and `of` says
    /// which program and which limits it has been made under.
    ///
    /// # Errors
    /// When it is a frontier of something else, or can't be read.
    pub fn resume(bound: Bound, frontier: &str, of: &str) -> Result<Self, FrontierError> {
        let Frontier { schedules, redundant, bounded, frames } = frontier::parse(frontier, of)?;
        let search = Self { started: true, schedules, redundant, bounded, resumed: true, ..Self::new(bound) };
        search.walk.borrow_mut().frames = frames;
        Ok(search)
    }

    /// Where the search stands, as text; `None` where there is nothing left to explore, or no telling what has been.
    #[must_use]
    pub fn frontier(&mut self, of: &str) -> Option<String> {
        self.go_on();
        if self.ended || self.tainted {
            return None;
        }
        let frames = self.walk.borrow().frames.clone();
        let Self { schedules, redundant, bounded, .. } = *self;
        Some(frontier::print(&Frontier { schedules, redundant, bounded, frames }, of))
    }

    /// Whether the last run was the first after [`resume`](Self::resume): should it have strayed, the code is not what it was.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The source of the next run, whose end is then to be [absorbed](Self::absorb); `None` when there is nothing left.
    #[must_use]
    pub fn next_run(&mut self) -> Option<AnySource> {
        self.go_on();
        if self.ended {
            return None;
        }
        self.started = true;
        self.walk.borrow_mut().begin(false);
        Some(self.source())
    }

    /// Turns the path into that of the next run.
    fn go_on(&mut self) {
        if std::mem::take(&mut self.absorbed) {
            self.resumed = false;
            let mut walk = self.walk.borrow_mut();
            self.ended |= !match walk.bound {
                Bound::None => advance(&mut walk),
                _ => advance_bounded(&mut walk, &mut self.bounded),
            };
        }
    }

    /// A source that repeats the run that has been absorbed last.
    #[must_use]
    pub fn same_again(&self) -> AnySource {
        self.walk.borrow_mut().begin(true);
        self.source()
    }

    fn source(&self) -> AnySource {
        AnySource::Other(Box::new(Explored(Rc::clone(&self.walk))))
    }

    /// Learns from the run that has just been made.
    pub fn absorb(&mut self, ended: &Ended) -> Absorbed {
        let mut guard = self.walk.borrow_mut();
        let walk = &mut *guard;
        walk.end_step();
        let absorbed = match walk.standing {
            Standing::Diverged(step) => Absorbed::Diverged(step),
            Standing::Going if walk.begun < walk.frames.len() => Absorbed::Diverged(walk.begun),
            Standing::Going if ended.failure.is_some() => Absorbed::Failed,
            Standing::Going => Absorbed::Passed,
            Standing::Blocked => Absorbed::Redundant,
        };
        let kind = ended.failure.as_ref().map(|failure| failure.kind);
        let ends = match absorbed {
            Absorbed::Diverged(_) => {
                // From here on there is no telling what has been explored.
                self.ended = true;
                self.tainted = true;
                return absorbed;
            }
            Absorbed::Redundant => {
                self.redundant += 1;
                // A run that was cut short fails in one way or another, which says nothing; but for this.
                self.tainted |= kind == Some(FailureKind::Escape) || walk.overslept;
                false
            }
            Absorbed::Passed | Absorbed::Failed => {
                self.schedules += 1;
                match kind {
                    None | Some(FailureKind::Panic | FailureKind::UnobservedPanic | FailureKind::Error) => {
                        true
                    }
                    Some(FailureKind::Deadlock) => false,
                    // A bound, or something from outside, ended it: it might have gone on.
                    Some(_) => {
                        self.tainted = true;
                        true
                    }
                }
            }
        };
        if walk.bound == Bound::None {
            if ends && let Some(last) = walk.frames.last_mut() {
                last.does.ends = true;
                // Whoever was still ready might have run before.
                races::want_all(last);
            }
            let fresh = if self.resumed { 0 } else { walk.repeated.saturating_sub(1) };
            races::analyse(&mut walk.frames, fresh, &mut self.tasks);
        }
        self.absorbed = true;
        absorbed
    }

    /// Whether everything has been explored, within the bound if there is one.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.started && self.ended && !self.tainted
    }

    /// Whether the bound kept any schedule from being explored so far.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.bounded
    }

    /// How many schedules have been explored, no two of them equivalent unless the search is bounded.
    #[must_use]
    pub fn schedules(&self) -> u64 {
        self.schedules
    }

    /// How many runs were cut short because they were going to be equivalent to one before.
    #[must_use]
    pub fn redundant(&self) -> u64 {
        self.redundant
    }
}

/// Turns the path into that of the next run; whether there is one.
fn advance(walk: &mut Walk) -> bool {
    while let Some(frame) = walk.frames.last_mut() {
        frame.did.merge(&frame.does);
        if frame.choose_next() {
            return true;
        }
        let does = std::mem::take(&mut frame.did);
        frame.asleep.push(Sleeper { task: frame.task, does });
        let next = frame.wanted.iter().find(|task| !frame.sleeps(**task)).copied();
        if let Some(next) = next {
            frame.task = next;
            return true;
        }
        walk.frames.pop();
    }
    false
}

/// The same without reduction.
fn advance_bounded(walk: &mut Walk, bounded: &mut bool) -> bool {
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
struct Explored(Rc<RefCell<Walk>>);

impl Source for Explored {
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
