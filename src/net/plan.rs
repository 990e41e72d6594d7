//! Fault plans: what breaks in a run, when and for how long, drawn by the run's seed.
//!
//! Always true: a plan is a set of decisions of the fault domain, made when it starts, of which value 0 is no fault, at
//! once, for the shortest time, to the first that it can happen to; when a plan has ended, all that it broke is whole
//! again; it never takes down more nodes than its budget says.

use std::time::Duration;

use timeloop_sim::{Domain, FaultAspect, FaultKind, PlannedFault, WorldEffect};

use super::network::{Network, Partition};
use crate::engine::world::WorldDecision;
use crate::engine::{self, context};
use crate::time::{Instant, sleep_until};
use crate::world::World;

/// So finely are instants and durations told apart.
const STEPS: u32 = 256;

/// The kinds of faults, in the order in which they are drawn.
const KINDS: [FaultKind; 6] = [
    FaultKind::Cut,
    FaultKind::OneWayCut,
    FaultKind::Isolate,
    FaultKind::Clog,
    FaultKind::Crash,
    FaultKind::Pause,
];

/// The number that stands for a kind in decisions; it never changes.
const fn code(kind: FaultKind) -> u32 {
    kind as u32 + 1
}

/// Whether it happens to a node, and not to a link.
const fn is_of_node(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Isolate | FaultKind::Crash | FaultKind::Pause)
}

/// What breaks in a run, drawn by its seed. Each kind of fault is off until it is asked for, and is switched off in half of
/// all runs even so: runs with few kinds of faults find what runs with all of them hide.
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
///     // From here on the world is calm: what is to come to an end comes to one now.
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
    /// The node, or the link's ends.
    nodes: [usize; 2],
    from: Duration,
    until: Duration,
}

impl FaultPlan {
    /// A plan without faults yet: those that are added begin and end within this time from when it is run.
    ///
    /// # Panics
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn over(duration: Duration) -> Self {
        if duration.is_zero() {
            panic!("a fault plan over no time has no room for a fault; give it some time");
        }
        Self {
            over: duration,
            shortest: Duration::from_millis(10),
            longest: duration / 4,
            most: [0; KINDS.len()],
            nodes: None,
            keep_up: 0,
        }
    }

    fn with(mut self, kind: FaultKind, most: u32) -> Self {
        self.most[kind as usize] = most;
        self
    }

    /// Up to so many times the links between two nodes are cut, both ways; and as often a node is cut off from all others.
    #[must_use]
    pub fn partitions(self, most: u32) -> Self {
        self.with(FaultKind::Cut, most).with(FaultKind::Isolate, most)
    }

    /// Up to so many times the link from one node to another is cut, one way.
    #[must_use]
    pub fn one_way_cuts(self, most: u32) -> Self {
        self.with(FaultKind::OneWayCut, most)
    }

    /// Up to so many times the links between two nodes are clogged: nothing arrives for a while, and then all of it.
    #[must_use]
    pub fn clogs(self, most: u32) -> Self {
        self.with(FaultKind::Clog, most)
    }

    /// Up to so many times a node crashes, and is started again after a while.
    #[must_use]
    pub fn crashes(self, most: u32) -> Self {
        self.with(FaultKind::Crash, most)
    }

    /// Up to so many times a node is paused.
    #[must_use]
    pub fn pauses(self, most: u32) -> Self {
        self.with(FaultKind::Pause, most)
    }

    /// How long a fault lasts: from 10 ms to a quarter of the plan's time otherwise.
    ///
    /// # Panics
    /// If `shortest` is above `longest`, or `longest` above the plan's time.
    #[must_use]
    #[track_caller]
    pub fn lasting(mut self, shortest: Duration, longest: Duration) -> Self {
        if shortest > longest {
            panic!("faults that last at least {shortest:?} can't end within {longest:?}; swap them");
        }
        if longest > self.over {
            let over = self.over;
            panic!("faults that last {longest:?} have no room in a plan over {over:?}; make it longer");
        }
        (self.shortest, self.longest) = (shortest, longest);
        self
    }

    /// The nodes that faults happen to; all but the test's own otherwise.
    #[must_use]
    pub fn nodes<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.nodes = Some(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// The budget: so many of the nodes are always up, not paused and not cut off by this plan. A crash, pause or
    /// isolation that would leave fewer does not take place.
    #[must_use]
    pub fn keep_up(mut self, count: usize) -> Self {
        self.keep_up = count;
        self
    }

    /// Draws the plan and carries it out. When this ends, all links that it has cut are healed, and all nodes that it has
    /// taken down or paused are up.
    ///
    /// # Panics
    /// Outside of a run, and if there is no node of one of the names given.
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
                panic!("there is no node `{name}`, to which the fault plan is to happen; declare it first");
            }
        }
        let faults = self.draw(&names);
        self.carry_out(&faults, &names).await;
    }

    /// The faults of this run, in no order.
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
            // Kept by nobody: where it is off, none of its faults is asked for.
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
        let duration = self.shortest + (self.longest - self.shortest) * lasts / (STEPS - 1);
        let from = (self.over - duration) * start / (STEPS - 1);
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

    /// Each fault begins and ends in its time.
    async fn carry_out(&self, faults: &[Fault], names: &[String]) {
        let world = World::current();
        let network = Network::current().planned();
        let begin = Instant::now();
        // What ends goes first, then what was drawn first.
        let mut events: Vec<(Duration, bool, usize)> = (0..)
            .zip(faults)
            .flat_map(|(index, fault)| [(fault.from, true, index), (fault.until, false, index)])
            .collect();
        events.sort_unstable();
        let mut under_way: Vec<Option<Undo>> = faults.iter().map(|_| None).collect();
        for (at, begins, index) in events {
            sleep_until(begin + at).await;
            let fault = &faults[index];
            if begins {
                if is_of_node(fault.kind) && !self.has_budget(&under_way, faults, names, fault.nodes[0]) {
                    continue;
                }
                under_way[index] = fault.break_it(&world, &network, names);
            } else if let Some(undo) = under_way[index].take() {
                undo.mend(&world);
            }
        }
        sleep_until(begin + self.over).await;
    }

    /// Whether enough nodes are left without this one.
    fn has_budget(
        &self,
        under_way: &[Option<Undo>],
        faults: &[Fault],
        names: &[String],
        node: usize,
    ) -> bool {
        let world = World::current();
        let cut_off = |node: usize| {
            let under_way = under_way.iter().zip(faults).filter(|(undo, _)| undo.is_some());
            under_way.into_iter().any(|(_, fault)| is_of_node(fault.kind) && fault.nodes[0] == node)
        };
        let left = (0..names.len()).filter(|&other| {
            let up = world.get(&names[other]).is_some_and(|node| node.is_up() && !node.is_paused());
            other != node && up && !cut_off(other)
        });
        left.count() >= self.keep_up
    }
}

/// How something that is broken becomes whole again.
#[derive(Debug)]
enum Undo {
    Heal(Partition),
    Restart(String),
    Resume(String),
    /// By itself.
    Nothing,
}

impl Undo {
    fn mend(self, world: &World) {
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
    /// The fault as data for a report.
    fn described(&self, names: &[String]) -> PlannedFault {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        PlannedFault {
            kind: self.kind,
            nodes: self.nodes.map(|node| names[node].as_str().into()),
            begins_ns: ns(self.from),
            lasts_ns: ns(self.until - self.from),
        }
    }

    fn break_it(&self, world: &World, network: &Network, names: &[String]) -> Option<Undo> {
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

/// The next plan's number in its run: what two plans decide is told apart by it.
fn number() -> u32 {
    let number = context::with(|engine| {
        engine.network_here(|fabric, _, _| {
            let number = fabric.plans;
            fabric.plans += 1;
            number
        })
    });
    number.unwrap_or_else(|| engine::outside("draw a fault plan"))
}

/// Decides something, and keeps it to itself.
fn draw(decision: WorldDecision, arity: u32) -> u32 {
    match context::with(|engine| engine.draw_world(decision, arity)) {
        Some(value) => value,
        None => engine::outside("draw a fault plan"),
    }
}
