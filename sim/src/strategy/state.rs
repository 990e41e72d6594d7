//! [`StrategyState`], one enum over the states of all strategies, so that a call costs one `match`; and [`Scratch`],
//! the memory that a worker's runs share.

use std::cell::RefCell;
use std::rc::Rc;

use super::{
    Delay, Fifo, Lockstep, Pct, Pos, Random, Stall, Starve, Strategy, StrategySpec, Surw, Urw, portfolio,
};
use crate::estimates::KeyedEstimates;
use crate::{Seed, Stream};

/// The assumed numbers of steps and tasks where there is no estimate.
const STEPS_UNKNOWN: u32 = 32;
const TASKS_UNKNOWN: u32 = 4;

/// The largest value of a strategy's parameter; larger ones are clamped when a run begins.
const PARAMETER_MAX: u32 = 1_000;

/// The strategy of a run with its current state.
// `repr`: the tag is a field of its own, which each step compares with one number. Packed into the niche of a field, it would
// have to be computed.
#[derive(Debug)]
#[repr(u32)]
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
    /// A strategy implemented by the user.
    Other(Box<dyn Strategy>),
}

/// Evaluates an expression for the strategy in a [`StrategyState`].
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
    /// Returns the strategy behind a table of functions.
    ///
    /// For the calls of an access, whose code differs much from strategy to strategy: in one `match` the short ones would
    /// save as many registers as the longest.
    #[inline]
    pub(crate) fn as_dyn(&mut self) -> &mut dyn Strategy {
        match self {
            Self::Random(strategy) => strategy,
            Self::Fifo(strategy) => &mut **strategy,
            Self::Pct(strategy) => &mut **strategy,
            Self::Pos(strategy) => &mut **strategy,
            Self::Urw(strategy) => &mut **strategy,
            Self::Surw(strategy) => &mut **strategy,
            Self::Delay(strategy) => &mut **strategy,
            Self::Lockstep(strategy) => &mut **strategy,
            Self::Starve(strategy) => &mut **strategy,
            Self::Stall(strategy) => &mut **strategy,
            Self::Other(strategy) => &mut **strategy,
        }
    }

    /// Creates the initial state for a run with `seed`, from the strategy's `estimates` of the run.
    pub(crate) fn new(strategy: StrategySpec, seed: Seed, estimates: &KeyedEstimates<'_>) -> Self {
        Memory::default().state(strategy, seed, estimates)
    }
}

/// The memory that a thread's consecutive runs share.
///
/// Each source created [with it](crate::Profile::source_in) takes the memory that earlier ones left, and returns it
/// when dropped. Allocating it anew would take as long as several steps.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Rc<RefCell<Memory>>);

/// The memory kept for each strategy.
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
    pub(crate) fn state(
        &self,
        strategy: StrategySpec,
        seed: Seed,
        estimates: &KeyedEstimates<'_>,
    ) -> StrategyState {
        self.0.borrow_mut().state(strategy, seed, estimates)
    }

    /// As [`state`](Self::state), for the random strategy.
    #[inline]
    pub(crate) fn random(&self) -> StrategyState {
        self.0.borrow_mut().random()
    }

    /// Takes an earlier run's schedule stream, to reuse its allocation.
    pub(super) fn stream(&self) -> Option<Box<Stream>> {
        self.0.borrow_mut().stream.take()
    }

    /// Keeps the memory of a run that has ended.
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

    fn state(&mut self, strategy: StrategySpec, seed: Seed, estimates: &KeyedEstimates<'_>) -> StrategyState {
        let KeyedEstimates { tasks, instants, stall_ns, resource, counts, .. } = *estimates;
        let steps = if estimates.steps == 0 { STEPS_UNKNOWN } else { estimates.steps };
        match strategy {
            StrategySpec::Random => self.random(),
            // A single run of an exhaustive search: the schedule that the search starts with.
            StrategySpec::Fifo | StrategySpec::Exhaustive { .. } => StrategyState::Fifo(Box::default()),
            // [`Profile`](crate::Profile) resolves the portfolio where it computes the estimates; here there are none
            // to choose by.
            StrategySpec::Portfolio => self.state(portfolio::without_estimates(seed), seed, estimates),
            StrategySpec::Pct { depth } => {
                let depth = depth.clamp(1, PARAMETER_MAX);
                StrategyState::Pct(reset_or_new(&mut self.pct, |pct| pct.reset(depth, steps)))
            }
            StrategySpec::Pos => StrategyState::Pos(reset_or_new(&mut self.pos, Pos::reset)),
            StrategySpec::Urw => StrategyState::Urw(reset_or_new(&mut self.urw, |urw| urw.reset(counts))),
            StrategySpec::Surw => {
                StrategyState::Surw(reset_or_new(&mut self.surw, |surw| surw.reset(resource, counts)))
            }
            StrategySpec::Delay { bound } => {
                let bound = bound.clamp(1, PARAMETER_MAX);
                StrategyState::Delay(reset_or_new(&mut self.delay, |delay| delay.reset(bound, steps)))
            }
            StrategySpec::Lockstep => {
                StrategyState::Lockstep(reset_or_new(&mut self.lockstep, Lockstep::reset))
            }
            StrategySpec::Starve => {
                let tasks = if tasks == 0 { TASKS_UNKNOWN } else { tasks };
                StrategyState::Starve(reset_or_new(&mut self.starve, |starve| {
                    starve.reset(tasks, instants, stall_ns)
                }))
            }
            StrategySpec::Stall => {
                StrategyState::Stall(reset_or_new(&mut self.stall, |stall| stall.reset(steps, stall_ns)))
            }
        }
    }
}

/// Takes an earlier run's state, or creates one, and resets it for a new run.
#[inline]
fn reset_or_new<S: Default>(kept: &mut Option<Box<S>>, reset: impl FnOnce(&mut S)) -> Box<S> {
    let mut state = kept.take().unwrap_or_default();
    reset(&mut state);
    state
}
