//! Strategies by name: [`StrategySpec`] identifies a strategy and its parameters in configuration and stored schedules.
//!
//! # Invariants
//! - A printed strategy parses back to the same value.
//! - A strategy's code never changes.
//! - Every strategy that can be parsed or decoded can be run, whatever its parameters.

use std::fmt;
use std::str::FromStr;

use crate::estimates::KeyedEstimates;

/// A strategy by name, with all its parameters: what a schedule's token stores.
///
/// ```
/// use timeloop_sim::StrategySpec;
/// assert_eq!("surw".parse::<StrategySpec>()?, StrategySpec::Surw);
/// assert_eq!("pct(depth = 5)".parse::<StrategySpec>()?, StrategySpec::Pct { depth: 5 });
/// assert_eq!("pct".parse::<StrategySpec>()?.to_string(), "pct(depth = 3)");
/// assert_eq!(
///     "rnd".parse::<StrategySpec>().unwrap_err().to_string(),
///     "`rnd` is not a strategy; accepted are `portfolio`, `random`, `fifo`, `pct` (`pct(depth = 3)`), `pos`, `urw`, \
///      `surw`, `delay` (`delay(bound = 2)`), `lockstep`, `starve`, `stall` and `exhaustive` \
///      (`exhaustive(delays = 2)`, `exhaustive(preemptions = 2)`)",
/// );
/// # Ok::<(), timeloop_sim::UnknownStrategy>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StrategySpec {
    /// Uniform over the ready tasks ([`Random`](super::Random)).
    Random,
    /// First in, first out ([`Fifo`](super::Fifo)): the order of the baseline run.
    Fifo,
    /// Random task priorities that change at a few random points ([`Pct`](super::Pct)): Burckhardt, Kothari, Musuvathi,
    /// Nagarakatte, *A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010.
    Pct {
        /// One more than the maximum number of change points; from 1 to 1,000.
        depth: u32,
    },
    /// A random priority for each operation, redrawn where operations race ([`Pos`](super::Pos)): Yuan, Yang, Gu,
    /// *Partial Order Aware Concurrency Sampling*, CAV 2018.
    Pos,
    /// Chooses tasks in proportion to their remaining work ([`Urw`](super::Urw)): Zhao, Wolff, Mathur, Roychoudhury,
    /// *Selectively Uniform Concurrency Testing*, ASPLOS 2025.
    Urw,
    /// Uniform over the orders of accesses to one resource, whatever the other operations ([`Surw`](super::Surw)): the
    /// same paper.
    Surw,
    /// First in, first out, except that a few tasks are delayed ([`Delay`](super::Delay)): Emmi, Qadeer, Rakamarić,
    /// *Delay-Bounded Scheduling*, POPL 2011.
    Delay {
        /// The maximum number of delays; from 1 to 1,000.
        bound: u32,
    },
    /// Tasks take turns, one operation each ([`Lockstep`](super::Lockstep)).
    Lockstep,
    /// One task is held back for some virtual time ([`Starve`](super::Starve)): after O'Callahan, *Introducing rr chaos
    /// mode*, 2016.
    Starve,
    /// Virtual time advances while tasks are ready ([`Stall`](super::Stall)): after Zhou and others, *FoundationDB: A
    /// Distributed Unbundled Transactional Key Value Store*, SIGMOD 2021.
    Stall,
    /// One of the above strategies (except [`Fifo`](Self::Fifo)) for each run, chosen by its seed and by properties of
    /// the baseline run.
    #[default]
    Portfolio,
    /// Explores one schedule of each class of equivalent schedules; for small tests. Uses source sets: Abdulla, Aronis,
    /// Jonsson, Sagonas, *Optimal Dynamic Partial Order Reduction*, POPL 2014.
    Exhaustive {
        /// The bound of the search.
        bound: Bound,
    },
}

/// The strategies that [`FromStr`] accepts, for error messages.
pub(crate) const ACCEPTED: &str = "accepted are `portfolio`, `random`, `fifo`, `pct` (`pct(depth = 3)`), `pos`, `urw`, `surw`, \
                        `delay` (`delay(bound = 2)`), `lockstep`, `starve`, `stall` and `exhaustive` (`exhaustive(delays = 2)`, \
                        `exhaustive(preemptions = 2)`)";

/// The bound of an exhaustive search.
///
/// The search (`strategy = "exhaustive"`) is for small tests: a few tasks with a few operations each. It interleaves
/// tasks at announced operations and at waits. Schedules that differ only in the order of independent steps count as
/// one. Steps at different instants of virtual time never race. The search also tries every value of every other
/// choice, such as the branch of a `select!` that is polled first.
///
/// The search does not see unannounced accesses. Where tasks share an `Rc<Cell>` or an atomic, announce the accesses as
/// those of a resource, or bound the search: a bounded search explores every interleaving. In every run, the random
/// numbers that the code draws are those of seed 0. A task that polls shared state until it changes has infinitely many
/// schedules; such a search stops at the number of runs, and the next one continues from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bound {
    /// No bound: explores one schedule of each equivalence class.
    #[default]
    None,
    /// A number of delays: tasks run in FIFO order, each until it waits, except that up to this many times in total the
    /// task at the front is passed over. Explores every such schedule, including equivalent ones.
    Delays(u32),
    /// A number of preemptions: up to this many times in total, another task runs in place of one that was preempted
    /// before an operation. Explores every such schedule, including equivalent ones.
    Preemptions(u32),
}

impl StrategySpec {
    /// Every strategy, with its default parameters.
    pub const ALL: [Self; 12] = [
        Self::Random,
        Self::Fifo,
        Self::Pct { depth: 3 },
        Self::Pos,
        Self::Urw,
        Self::Surw,
        Self::Delay { bound: 2 },
        Self::Lockstep,
        Self::Starve,
        Self::Stall,
        Self::Portfolio,
        Self::Exhaustive { bound: Bound::None },
    ];

    /// Returns the strategy's name without its parameters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Fifo => "fifo",
            Self::Pct { .. } => "pct",
            Self::Pos => "pos",
            Self::Urw => "urw",
            Self::Surw => "surw",
            Self::Delay { .. } => "delay",
            Self::Lockstep => "lockstep",
            Self::Starve => "starve",
            Self::Stall => "stall",
            Self::Portfolio => "portfolio",
            Self::Exhaustive { .. } => "exhaustive",
        }
    }

    /// Returns the number of this strategy in stored schedules, whatever its parameters. It never changes.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Random => 0,
            Self::Fifo => 1,
            Self::Pct { .. } => 2,
            Self::Pos => 3,
            Self::Urw => 4,
            Self::Surw => 5,
            Self::Delay { .. } => 6,
            Self::Starve => 7,
            Self::Stall => 8,
            Self::Portfolio => 9,
            Self::Exhaustive { .. } => 10,
            Self::Lockstep => 11,
        }
    }

    /// Returns the strategy with this code and its default parameters.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.code() == code)
    }

    /// Returns the strategy to use in a run in which time may advance while tasks are ready only if `stalls` is set.
    #[must_use]
    pub fn with_stalls(self, stalls: bool) -> Self {
        match self {
            // Without stalls, it is a random walk.
            Self::Stall if !stalls => Self::Random,
            strategy => strategy,
        }
    }

    /// Returns only those estimates that the strategy uses.
    pub(crate) fn uses(self, estimates: KeyedEstimates<'_>) -> KeyedEstimates<'_> {
        let KeyedEstimates { steps, tasks, instants, stall_ns, varied_io, resource, counts } = estimates;
        let nothing = KeyedEstimates { varied_io, ..KeyedEstimates::default() };
        match self {
            Self::Pct { .. } | Self::Delay { .. } => KeyedEstimates { steps, ..nothing },
            Self::Stall => KeyedEstimates { steps, stall_ns, ..nothing },
            Self::Starve => KeyedEstimates { tasks, instants, stall_ns, ..nothing },
            Self::Urw => KeyedEstimates { counts, ..nothing },
            Self::Surw => KeyedEstimates { resource, counts, ..nothing },
            _ => nothing,
        }
    }
}

/// Formats the strategy as `surw` or `pct(depth = 3)`.
impl fmt::Display for StrategySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Pct { depth } => write!(f, "(depth = {depth})"),
            Self::Delay { bound } => write!(f, "(bound = {bound})"),
            Self::Exhaustive { bound: Bound::Delays(delays) } => write!(f, "(delays = {delays})"),
            Self::Exhaustive { bound: Bound::Preemptions(preemptions) } => {
                write!(f, "(preemptions = {preemptions})")
            }
            _ => Ok(()),
        }
    }
}

/// The error for a text that names no strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownStrategy(String);

impl fmt::Display for UnknownStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a strategy; {ACCEPTED}", self.0.escape_debug())
    }
}

impl std::error::Error for UnknownStrategy {}

impl FromStr for StrategySpec {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim()).ok_or_else(|| UnknownStrategy(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<StrategySpec> {
    let Some((name, rest)) = text.split_once('(') else {
        return StrategySpec::ALL.into_iter().find(|strategy| strategy.name() == text);
    };
    let (parameter, number) = rest.strip_suffix(')')?.split_once('=')?;
    let number = number.trim();
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    Some(match (name.trim_end(), parameter.trim()) {
        ("pct", "depth") if number > 0 => StrategySpec::Pct { depth: number },
        ("delay", "bound") if number > 0 => StrategySpec::Delay { bound: number },
        ("exhaustive", "delays") => StrategySpec::Exhaustive { bound: Bound::Delays(number) },
        ("exhaustive", "preemptions") => StrategySpec::Exhaustive { bound: Bound::Preemptions(number) },
        _ => return None,
    })
}

impl TryFrom<&str> for StrategySpec {
    type Error = UnknownStrategy;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}
