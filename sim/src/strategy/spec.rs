//! Strategies by name: how people and stored schedules say which one, with all its parameters.
//!
//! Always true: what is printed reads back as the same; a strategy's code never changes; and a strategy that is read
//! from anywhere is one that can be run, whatever its numbers.

use std::fmt;
use std::str::FromStr;

use crate::estimates::Told;

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
    /// First in, first out ([`Fifo`](super::Fifo)): the order of the quiet run.
    Fifo,
    /// Random priorities of tasks that change at a few random points ([`Pct`](super::Pct)): Burckhardt, Kothari, Musuvathi,
    /// Nagarakatte, *A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010.
    Pct {
        /// One more than there are such points at most; from 1 to 1,000.
        depth: u32,
    },
    /// A random priority for each operation, drawn anew where operations race ([`Pos`](super::Pos)): Yuan, Yang, Gu, *Partial Order
    /// Aware Concurrency Sampling*, CAV 2018.
    Pos,
    /// In proportion to what each task still has to do ([`Urw`](super::Urw)): Zhao, Wolff, Mathur, Roychoudhury, *Selectively Uniform
    /// Concurrency Testing*, ASPLOS 2025.
    Urw,
    /// The same for the accesses to one resource, whatever the other operations ([`Surw`](super::Surw)): the same paper.
    Surw,
    /// First in, first out, but for a few tasks that are made to wait ([`Delay`](super::Delay)): Emmi, Qadeer, Rakamarić,
    /// *Delay-Bounded Scheduling*, POPL 2011.
    Delay {
        /// How many at most; from 1 to 1,000.
        bound: u32,
    },
    /// Tasks take turns, one operation each ([`Lockstep`](super::Lockstep)).
    Lockstep,
    /// One task is kept waiting for a stretch of virtual time ([`Starve`](super::Starve)): after O'Callahan, *Introducing rr chaos
    /// mode*, 2016.
    Starve,
    /// Time passes while tasks are ready ([`Stall`](super::Stall)): after Zhou and others, *FoundationDB: A Distributed Unbundled
    /// Transactional Key Value Store*, SIGMOD 2021.
    Stall,
    /// One of the above (but [`Fifo`](super::Fifo)(Self::Fifo)) a run, chosen from its seed and from what the quiet run was like.
    #[default]
    Portfolio,
    /// Every schedule that differs in what matters, once; for small tests. By source sets: Abdulla, Aronis, Jonsson,
    /// Sagonas, *Optimal Dynamic Partial Order Reduction*, POPL 2014.
    Exhaustive {
        /// What bounds the search.
        bound: Bound,
    },
}

/// What [`FromStr`] accepts, in words.
pub(crate) const ACCEPTED: &str = "accepted are `portfolio`, `random`, `fifo`, `pct` (`pct(depth = 3)`), `pos`, `urw`, `surw`, \
                        `delay` (`delay(bound = 2)`), `lockstep`, `starve`, `stall` and `exhaustive` (`exhaustive(delays = 2)`, \
                        `exhaustive(preemptions = 2)`)";

/// What an exhaustive search is bounded by.
///
/// The search (`strategy = "exhaustive"`) is for small tests: a few tasks with a few operations each. Tasks are interleaved at
/// announced operations and at waits. Schedules that differ merely in the order of steps that don't depend on each other
/// count as one; so does what happens at different instants of virtual time, which never races. Every value of every other
/// choice, such as the branch of a `select!` that is polled first, is tried.
///
/// It does not see what nobody announces: where tasks share an `Rc<Cell>` or an atomic, announce the accesses as those of a
/// resource, or bound the search, for then every interleaving counts as one of its own. Random numbers that the code draws
/// are those of seed 0 in every run. A task that looks at something again and again until it changes has schedules
/// without end; such a search stops at the number of runs, and goes on from there the next time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bound {
    /// By nothing: one schedule of each kind of equivalent ones is explored.
    #[default]
    None,
    /// By delays: tasks run in turn, each until it waits, but for this many times in all that the one whose turn it is
    /// comes later. Every such schedule is explored, equivalent ones too.
    Delays(u32),
    /// By preemptions: this many times in all another task runs where one has given way before an operation. Every such
    /// schedule is explored, equivalent ones too.
    Preemptions(u32),
}

impl StrategySpec {
    /// Every strategy, with the parameters that it has where none are given.
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

    /// The strategy's name without its parameters.
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

    /// The number that stands for this strategy in stored schedules, whatever its parameters; it never changes.
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

    /// The strategy with this code, with the parameters that it has where none are given.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.code() == code)
    }

    /// Returns the strategy to use where time passes while a task is ready only if it `stalls`.
    #[must_use]
    pub fn with_stalls(self, stalls: bool) -> Self {
        match self {
            // It has nothing else to do.
            Self::Stall if !stalls => Self::Random,
            strategy => strategy,
        }
    }

    /// What of these estimates the strategy has a use for.
    pub(crate) fn uses(self, estimates: Told<'_>) -> Told<'_> {
        let nothing = Told::default();
        let Told { steps, tasks, instants, resource, counts } = estimates;
        match self {
            Self::Pct { .. } | Self::Delay { .. } | Self::Stall => Told { steps, ..nothing },
            Self::Starve => Told { tasks, instants, ..nothing },
            Self::Urw => Told { counts, ..nothing },
            Self::Surw => Told { resource, counts, ..nothing },
            _ => nothing,
        }
    }
}

/// `surw`, `pct(depth = 3)`.
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

/// A text that names no strategy.
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
