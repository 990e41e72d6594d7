//! Fault plans: which faults happen in a run, when and for how long, drawn from the seed.
//!
//! # Invariants
//! A plan is a set of decisions in the fault domain, made when the plan starts. Value 0 means no fault, the earliest
//! time, the shortest duration and the first target. When a plan ends, all its faults are undone. A plan never leaves
//! fewer nodes up than its budget requires.

use std::time::Duration;

use timeloop_sim::{Domain, FaultAspect, FaultKind, PlannedFault, WorldEffect};

use super::network::{Network, Partition};
use crate::engine::world::WorldDecision;
use crate::engine::{self, context};
use crate::time::{Instant, sleep_until};
use crate::world::World;

/// The number of steps into which start times and durations are divided.
const STEPS: u32 = 256;

/// The maximum number of faults of one kind.
const MOST_MAX: u32 = 1_000;

/// The maximum duration of a plan.
const OVER_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The kinds of faults, in the order in which they are drawn.
const KINDS: [FaultKind; 6] = [
    FaultKind::Cut,
    FaultKind::OneWayCut,
    FaultKind::Isolate,
    FaultKind::Clog,
    FaultKind::Crash,
    FaultKind::Pause,
];

/// Returns the number of a kind in decision keys. It is part of a stored format and must not change.
const fn code(kind: FaultKind) -> u32 {
    kind as u32 + 1
}

/// Returns whether the fault affects a node; the other kinds affect a link.
const fn is_of_node(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Isolate | FaultKind::Crash | FaultKind::Pause)
}

/// A plan of faults, drawn from the run's seed. Only the kinds of faults that are added to the plan can happen. Each
/// kind is switched off in half of the runs, because runs with few kinds of faults find bugs that the other kinds
/// would mask.
///
/// ```
/// use std::time::Duration;
/// use timeloop::net::FaultPlan;
/// use timeloop::world::World;
///
/// timeloop::run(7, || async {
///     for name in ["db-1", "db-2", "db-3"] {
///         World::current().node(name).start(std::future::pending::<()>);
///     }
///     let faults = FaultPlan::over(Duration::from_secs(30))
///         .partitions(3)
///         .crashes(2)
///         .keep_up(2);
///     faults.run().await;
///     // From here on no fault is active, so the system under test must recover.
///     assert!(World::current().nodes().iter().all(|node| node.is_up()));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct FaultPlan {
    over: Duration,
    shortest: Duration,
    longest: Duration,
    most: [u32; KINDS.len()],
    nodes: Option<Vec<String>>,
    keep_up: usize,
}

/// One fault of a plan.
#[derive(Debug)]
struct Fault {
    kind: FaultKind,
    /// The node, or the ends of the link.
    nodes: [usize; 2],
    from: Duration,
    until: Duration,
}

impl FaultPlan {
    /// Creates a plan without faults. Faults that are added begin and end within `duration` from the start of the
    /// plan.
    ///
    /// # Panics
    /// If the duration is zero or exceeds 100 years.
    #[must_use]
    #[track_caller]
    pub fn over(duration: Duration) -> Self {
        if duration.is_zero() {
            panic!("a fault plan needs a duration above zero");
        }
        if duration > OVER_MAX {
            panic!(
                "a fault plan of {duration:?} is too long: its faults are spread over all of it; give 100 years or less"
            );
        }
        let longest = (duration / 4).max(Duration::from_nanos(1));
        Self {
            over: duration,
            shortest: longest.min(Duration::from_millis(10)),
            longest,
            most: [0; KINDS.len()],
            nodes: None,
            keep_up: 0,
        }
    }

    #[track_caller]
    fn with(mut self, kind: FaultKind, most: u32) -> Self {
        if most > MOST_MAX {
            panic!("a fault plan can't have {most} faults of one kind; give {MOST_MAX} or less");
        }
        self.most[kind as usize] = most;
        self
    }

    /// Allows up to `most` cuts between two nodes, in both directions, and up to `most` isolations of a node from all
    /// others.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn partitions(self, most: u32) -> Self {
        self.with(FaultKind::Cut, most).with(FaultKind::Isolate, most)
    }

    /// Allows up to `most` cuts of a link in one direction.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn one_way_cuts(self, most: u32) -> Self {
        self.with(FaultKind::OneWayCut, most)
    }

    /// Allows up to `most` clogs of the links between two nodes: nothing arrives for a while, and then all of it
    /// does.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn clogs(self, most: u32) -> Self {
        self.with(FaultKind::Clog, most)
    }

    /// Allows up to `most` crashes of a node. A crashed node is restarted when the fault ends.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn crashes(self, most: u32) -> Self {
        self.with(FaultKind::Crash, most)
    }

    /// Allows up to `most` pauses of a node.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn pauses(self, most: u32) -> Self {
        self.with(FaultKind::Pause, most)
    }

    /// Sets how long a fault lasts. The default is from 10 ms to a quarter of the plan's duration.
    ///
    /// # Panics
    /// If `shortest` is zero or exceeds `longest`, or `longest` exceeds the plan's duration.
    #[must_use]
    #[track_caller]
    pub fn lasting(mut self, shortest: Duration, longest: Duration) -> Self {
        if shortest.is_zero() {
            panic!("a fault of no time does nothing; give a shortest time above zero, such as 1 ms");
        }
        if shortest > longest {
            panic!("the shortest fault, {shortest:?}, is longer than the longest, {longest:?}; swap them");
        }
        if longest > self.over {
            let over = self.over;
            panic!("faults of up to {longest:?} do not fit into a plan of {over:?}; make the plan longer");
        }
        (self.shortest, self.longest) = (shortest, longest);
        self
    }

    /// Sets the nodes that faults may affect. The default is all nodes except the test's own.
    #[must_use]
    pub fn nodes<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.nodes = Some(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// Sets the budget: at least `count` nodes stay up, not paused and not isolated by this plan. A crash, pause or
    /// isolation that would leave fewer is skipped.
    #[must_use]
    pub fn keep_up(mut self, count: usize) -> Self {
        self.keep_up = count;
        self
    }

    /// Draws the faults and carries them out. When this returns, all cut links are healed, and all nodes that the
    /// plan has crashed or paused are running.
    ///
    /// # Panics
    /// Outside of a run, and if a name given to [`nodes`](Self::nodes) is unknown.
    pub async fn run(self) {
        let world = World::current();
        let names = match &self.nodes {
            Some(names) => names.clone(),
            None => {
                let nodes = world.nodes().into_iter().map(|node| node.name().to_owned());
                nodes.filter(|name| name != "test").collect()
            }
        };
        for name in &names {
            if world.get(name).is_none() {
                panic!("there is no node `{name}` for the fault plan; declare it first");
            }
        }
        let faults = self.draw(&names);
        self.carry_out(&faults, &names).await;
    }

    /// Draws the faults of this run, in no particular order.
    fn draw(&self, names: &[String]) -> Vec<Fault> {
        let plan = number();
        let mut faults = Vec::new();
        for kind in KINDS {
            let targets =
                if is_of_node(kind) { names.len() } else { names.len() * names.len().saturating_sub(1) };
            let most = self.most[kind as usize];
            if targets == 0 || most == 0 {
                continue;
            }
            // Not recorded: if the kind is off, none of its faults is drawn.
            let off = WorldDecision {
                domain: Domain::Fault,
                path: [code(kind), 1],
                number: 2 * plan + 1,
                index: 0,
            };
            if draw(off, 2) != 0 {
                continue;
            }
            for number in 0..most {
                faults.extend(self.draw_one(plan, kind, number, targets as u32, names));
            }
        }
        faults
    }

    fn draw_one(
        &self,
        plan: u32,
        kind: FaultKind,
        number: u32,
        targets: u32,
        names: &[String],
    ) -> Option<Fault> {
        let path = [code(kind), number + 1];
        let question = |index| WorldDecision { domain: Domain::Fault, path, number: 2 * plan, index };
        let happens = draw(question(0), 2);
        if happens == 0 {
            return None;
        }
        let target = if targets > 1 { draw(question(1), targets) } else { 0 };
        let start = draw(question(2), STEPS);
        let lasts = draw(question(3), STEPS);
        let nodes = if is_of_node(kind) {
            [target as usize; 2]
        } else {
            let others = names.len() - 1;
            let (from, other) = (target as usize / others, target as usize % others);
            [from, if other >= from { other + 1 } else { other }]
        };
        let duration = self.shortest + part(self.longest - self.shortest, lasts);
        let from = part(self.over - duration, start);
        let fault = Fault { kind, nodes, from, until: from + duration };
        let values = [
            (happens, FaultAspect::Happens),
            (target, FaultAspect::Target),
            (start, FaultAspect::Begins),
            (lasts, FaultAspect::Lasts),
        ];
        for (index, (value, aspect)) in (0..).zip(values) {
            let effect = || WorldEffect::Fault { fault: fault.described(names), aspect };
            context::with(|engine| engine.keep_world(question(index), value, effect));
        }
        Some(fault)
    }

    /// Starts and ends each fault at its time.
    async fn carry_out(&self, faults: &[Fault], names: &[String]) {
        let world = World::current();
        let network = Network::current().planned();
        let begin = Instant::now();
        // At one instant, faults that end come before faults that begin; then they are in the order of drawing.
        let mut events: Vec<(Duration, bool, usize)> = (0..)
            .zip(faults)
            .flat_map(|(index, fault)| [(fault.from, true, index), (fault.until, false, index)])
            .collect();
        events.sort_unstable();
        let mut active: Vec<Option<Undo>> = faults.iter().map(|_| None).collect();
        for (at, starts, index) in events {
            sleep_until(begin + at).await;
            let fault = &faults[index];
            if starts {
                if is_of_node(fault.kind) && !self.has_budget(&active, faults, names, fault.nodes[0]) {
                    continue;
                }
                active[index] = fault.begin(&world, &network, names);
            } else if let Some(undo) = active[index].take() {
                undo.apply(&world);
            }
        }
        sleep_until(begin + self.over).await;
    }

    /// Returns whether enough nodes stay up without this one.
    fn has_budget(&self, active: &[Option<Undo>], faults: &[Fault], names: &[String], node: usize) -> bool {
        let world = World::current();
        let cut_off = |node: usize| {
            let active = active.iter().zip(faults).filter(|(undo, _)| undo.is_some());
            active.into_iter().any(|(_, fault)| is_of_node(fault.kind) && fault.nodes[0] == node)
        };
        let left = (0..names.len()).filter(|&other| {
            let up = world.get(&names[other]).is_some_and(|node| node.is_up() && !node.is_paused());
            other != node && up && !cut_off(other)
        });
        left.count() >= self.keep_up
    }
}

/// How to end a fault.
#[derive(Debug)]
enum Undo {
    Heal(Partition),
    Restart(String),
    Resume(String),
    /// The fault ends by itself.
    Nothing,
}

impl Undo {
    fn apply(self, world: &World) {
        match self {
            Self::Heal(partition) => partition.heal(),
            Self::Restart(name) => {
                if let Some(node) = world.get(&name).filter(|node| !node.is_up()) {
                    node.restart();
                }
            }
            Self::Resume(name) => {
                if let Some(node) = world.get(&name).filter(|node| node.is_paused()) {
                    node.resume();
                }
            }
            Self::Nothing => {}
        }
    }
}

impl Fault {
    /// Describes the fault for reports.
    fn described(&self, names: &[String]) -> PlannedFault {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        PlannedFault {
            kind: self.kind,
            nodes: self.nodes.map(|node| names[node].as_str().into()),
            begins_ns: ns(self.from),
            lasts_ns: ns(self.until - self.from),
        }
    }

    fn begin(&self, world: &World, network: &Network, names: &[String]) -> Option<Undo> {
        let [one, other] = self.nodes.map(|node| names[node].as_str());
        let node = world.get(one)?;
        Some(match self.kind {
            FaultKind::Cut => Undo::Heal(network.partition(&[&[one], &[other]])),
            FaultKind::OneWayCut => Undo::Heal(network.cut(one, other)),
            FaultKind::Isolate => Undo::Heal(network.isolate(one)),
            FaultKind::Clog => {
                network.clog(one, other, self.until - self.from);
                network.clog(other, one, self.until - self.from);
                Undo::Nothing
            }
            FaultKind::Crash => {
                if !node.is_up() {
                    return None;
                }
                node.crash_as(true);
                Undo::Restart(one.to_owned())
            }
            FaultKind::Pause => {
                if !node.is_up() || node.is_paused() {
                    return None;
                }
                node.pause_as(true);
                Undo::Resume(one.to_owned())
            }
        })
    }
}

/// Returns `step` of the [`STEPS`] of a duration.
fn part(duration: Duration, step: u32) -> Duration {
    // No plan is long enough to overflow.
    duration * step / (STEPS - 1)
}

/// Returns the number of the next plan in the run, which distinguishes the decisions of several plans.
fn number() -> u32 {
    let number = context::with(|engine| {
        engine.network_here(|fabric, _, _| {
            let number = fabric.plan_count;
            fabric.plan_count += 1;
            number
        })
    });
    number.unwrap_or_else(|| engine::outside("run a fault plan"))
}

/// Makes a decision without recording it.
fn draw(decision: WorldDecision, arity: u32) -> u32 {
    match context::with(|engine| engine.draw_world(decision, arity)) {
        Some(value) => value,
        None => engine::outside("run a fault plan"),
    }
}
