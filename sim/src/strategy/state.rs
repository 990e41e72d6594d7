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
        StrategyState::Random(Random::in_memory(std::mem::take(&mut self.0.borrow_mut().random)))
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
            StrategySpec::Random => {
                StrategyState::Random(Random::in_memory(std::mem::take(&mut self.random)))
            }
            // A single run of an exhaustive search: the one where it begins.
            StrategySpec::Fifo | StrategySpec::Exhaustive { .. } => StrategyState::Fifo(Box::default()),
            // Which one it is has to be said where its estimates are.
            StrategySpec::Portfolio => self.state(portfolio::blind(seed), seed, told),
            StrategySpec::Pct { depth } => {
                let mut pct = self.pct.take().unwrap_or_default();
                pct.renew(depth.clamp(1, PARAMETER_MAX), steps);
                StrategyState::Pct(pct)
            }
            StrategySpec::Pos => {
                let mut pos = self.pos.take().unwrap_or_default();
                pos.renew();
                StrategyState::Pos(pos)
            }
            StrategySpec::Urw => {
                let mut urw = self.urw.take().unwrap_or_default();
                urw.renew(counts);
                StrategyState::Urw(urw)
            }
            StrategySpec::Surw => {
                let mut surw = self.surw.take().unwrap_or_default();
                surw.renew(resource, counts);
                StrategyState::Surw(surw)
            }
            StrategySpec::Delay { bound } => {
                let bound = bound.clamp(1, PARAMETER_MAX);
                let mut delay = self.delay.take().unwrap_or_default();
                delay.renew(bound, steps);
                StrategyState::Delay(delay)
            }
            StrategySpec::Lockstep => {
                let mut lockstep = self.lockstep.take().unwrap_or_default();
                lockstep.renew();
                StrategyState::Lockstep(lockstep)
            }
            StrategySpec::Starve => {
                let tasks = if tasks == 0 { TASKS_UNKNOWN } else { tasks };
                let mut starve = self.starve.take().unwrap_or_default();
                starve.renew(tasks, instants);
                StrategyState::Starve(starve)
            }
            StrategySpec::Stall => {
                let mut stall = self.stall.take().unwrap_or_default();
                stall.renew(steps);
                StrategyState::Stall(stall)
            }
        }
    }
}
