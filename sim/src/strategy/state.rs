//! The states of all strategies in one type, so that a call costs one `match`; and the memory that a worker's runs share.

use std::cell::RefCell;
use std::rc::Rc;

use super::{
    Delay, Fifo, Lockstep, Pct, Pos, Random, Stall, Starve, Strategy, StrategySpec, Surw, Urw, portfolio,
};
use crate::estimates::Told;
use crate::{Seed, Stream};

/// What is taken for the number of steps, and of tasks, where there is no estimate.
const STEPS_UNKNOWN: u32 = 32;
const TASKS_UNKNOWN: u32 = 4;

/// What a parameter is clamped to when a run is made.
const PARAMETER_MAX: u32 = 1_000;

/// The strategy of a run, in the state that the run has brought it to.
#[derive(Debug)]
pub(crate) enum StrategyState {
    Random(Random),
    Fifo(Box<Fifo>),
    Pct(Box<Pct>),
    Pos(Box<Pos>),
    Urw(Box<Urw>),
    Surw(Box<Surw>),
    Delay(Box<Delay>),
    Lockstep(Box<Lockstep>),
    Starve(Box<Starve>),
    Stall(Box<Stall>),
    /// One of the user's own.
    Other(Box<dyn Strategy>),
}

/// Evaluates an expression for whichever strategy a state is of.
macro_rules! for_strategy {
    ($state:expr, $strategy:ident => $call:expr) => {
        match $state {
            StrategyState::Random($strategy) => $call,
            StrategyState::Fifo($strategy) => $call,
            StrategyState::Pct($strategy) => $call,
            StrategyState::Pos($strategy) => $call,
            StrategyState::Urw($strategy) => $call,
            StrategyState::Surw($strategy) => $call,
            StrategyState::Delay($strategy) => $call,
            StrategyState::Lockstep($strategy) => $call,
            StrategyState::Starve($strategy) => $call,
            StrategyState::Stall($strategy) => $call,
            StrategyState::Other($strategy) => $call,
        }
    };
}
pub(crate) use for_strategy;

impl StrategyState {
    /// The state in which a run with `seed` begins, for a strategy that was told this of the run.
    pub(crate) fn new(strategy: StrategySpec, seed: Seed, told: &Told<'_>) -> Self {
        Memory::default().state(strategy, seed, told)
    }
}

/// The memory that the runs which a thread makes one after another have in common.
///
/// Each source that is made [in it](crate::Profile::source_in) takes what earlier ones have left, and leaves it to the next
/// when it is dropped: to allocate it anew would take as long as some steps.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Rc<RefCell<Memory>>);

/// What is kept of each strategy.
#[derive(Debug, Default)]
struct Memory {
    stream: Option<Box<Stream>>,
    random: Box<[u32]>,
    pct: Option<Box<Pct>>,
    pos: Option<Box<Pos>>,
    urw: Option<Box<Urw>>,
    surw: Option<Box<Surw>>,
    delay: Option<Box<Delay>>,
    lockstep: Option<Box<Lockstep>>,
    starve: Option<Box<Starve>>,
    stall: Option<Box<Stall>>,
}

impl Scratch {
    /// As [`StrategyState::new`].
    pub(crate) fn state(&self, strategy: StrategySpec, seed: Seed, told: &Told<'_>) -> StrategyState {
        self.0.borrow_mut().state(strategy, seed, told)
    }

    /// The same for the random strategy.
    #[inline]
    pub(crate) fn random(&self) -> StrategyState {
        self.0.borrow_mut().random()
    }

    /// Takes the place of an earlier run's schedule stream.
    pub(super) fn stream(&self) -> Option<Box<Stream>> {
        self.0.borrow_mut().stream.take()
    }

    /// Keeps what a run that has ended has left.
    #[inline]
    pub(super) fn keep(&self, state: &mut StrategyState, stream: Option<Box<Stream>>) {
        let mut memory = self.0.borrow_mut();
        if stream.is_some() {
            memory.stream = stream;
        }
        match state {
            StrategyState::Random(random) => memory.random = random.take_memory(),
            state => memory.keep(std::mem::replace(state, StrategyState::Random(Random::default()))),
        }
    }
}

impl Memory {
    #[inline]
    fn random(&mut self) -> StrategyState {
        StrategyState::Random(Random::in_memory(std::mem::take(&mut self.random)))
    }

    fn keep(&mut self, state: StrategyState) {
        match state {
            StrategyState::Pct(pct) => self.pct = Some(pct),
            StrategyState::Pos(pos) => self.pos = Some(pos),
            StrategyState::Urw(urw) => self.urw = Some(urw),
            StrategyState::Surw(surw) => self.surw = Some(surw),
            StrategyState::Delay(delay) => self.delay = Some(delay),
            StrategyState::Lockstep(lockstep) => self.lockstep = Some(lockstep),
            StrategyState::Starve(starve) => self.starve = Some(starve),
            StrategyState::Stall(stall) => self.stall = Some(stall),
            _ => {}
        }
    }

    fn state(&mut self, strategy: StrategySpec, seed: Seed, told: &Told<'_>) -> StrategyState {
        let Told { tasks, instants, resource, counts, .. } = *told;
        let steps = if told.steps == 0 { STEPS_UNKNOWN } else { told.steps };
        match strategy {
            StrategySpec::Random => self.random(),
            // A single run of an exhaustive search: the one where it begins.
            StrategySpec::Fifo | StrategySpec::Exhaustive { .. } => StrategyState::Fifo(Box::default()),
            // Which one it is has to be said where its estimates are.
            StrategySpec::Portfolio => self.state(portfolio::blind(seed), seed, told),
            StrategySpec::Pct { depth } => {
                let depth = depth.clamp(1, PARAMETER_MAX);
                StrategyState::Pct(renewed(&mut self.pct, |pct| pct.renew(depth, steps)))
            }
            StrategySpec::Pos => StrategyState::Pos(renewed(&mut self.pos, Pos::renew)),
            StrategySpec::Urw => StrategyState::Urw(renewed(&mut self.urw, |urw| urw.renew(counts))),
            StrategySpec::Surw => {
                StrategyState::Surw(renewed(&mut self.surw, |surw| surw.renew(resource, counts)))
            }
            StrategySpec::Delay { bound } => {
                let bound = bound.clamp(1, PARAMETER_MAX);
                StrategyState::Delay(renewed(&mut self.delay, |delay| delay.renew(bound, steps)))
            }
            StrategySpec::Lockstep => StrategyState::Lockstep(renewed(&mut self.lockstep, Lockstep::renew)),
            StrategySpec::Starve => {
                let tasks = if tasks == 0 { TASKS_UNKNOWN } else { tasks };
                StrategyState::Starve(renewed(&mut self.starve, |starve| starve.renew(tasks, instants)))
            }
            StrategySpec::Stall => StrategyState::Stall(renewed(&mut self.stall, |stall| stall.renew(steps))),
        }
    }
}

/// Takes what an earlier run has left, or a new state where there is none, and begins a run in it.
#[inline]
fn renewed<S: Default>(kept: &mut Option<Box<S>>, renew: impl FnOnce(&mut S)) -> Box<S> {
    let mut state = kept.take().unwrap_or_default();
    renew(&mut state);
    state
}
