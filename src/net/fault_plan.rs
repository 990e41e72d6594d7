//! Fault plans: which faults happen in a run, when and for how long, drawn from the seed.
//!
//! # Invariants
//! A plan is a set of decisions in the fault domain, made when the plan starts. Value 0 means no fault, the earliest
//! time, the shortest duration, the first target, and that a node is spared. When a plan ends, all its faults are undone. A plan never leaves
//! fewer nodes up than its budget requires.

use std::panic::Location;
use std::time::Duration;

use timeloop_sim::{Domain, FaultAspect, FaultKind, PlannedFault, WorldEffect};

use super::fabric::Lookup;
use super::network::{Network, Partition};
use crate::engine::nodes::NodeId;
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
const KINDS: [FaultKind; 12] = [
    FaultKind::Cut,
    FaultKind::OneWayCut,
    FaultKind::Isolate,
    FaultKind::Clog,
    FaultKind::Crash,
    FaultKind::Pause,
    FaultKind::Flaky,
    FaultKind::Hold,
    FaultKind::Split,
    FaultKind::Swizzle,
    FaultKind::LookupFailure,
    FaultKind::ClockJump,
];

/// How far a clock can jump.
const JUMPS: [Duration; 8] = [
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
    Duration::from_secs(86_400),
];

/// What a fault affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Node,
    Link,
    /// All nodes of the plan.
    Nodes,
}

/// Returns the number of a kind in decision keys. It is part of a stored format and must not change.
const fn code(kind: FaultKind) -> u32 {
    kind as u32 + 1
}

const fn scope(kind: FaultKind) -> Scope {
    match kind {
        FaultKind::Cut | FaultKind::OneWayCut | FaultKind::Clog | FaultKind::Flaky | FaultKind::Hold => {
            Scope::Link
        }
        FaultKind::Isolate
        | FaultKind::Crash
        | FaultKind::Pause
        | FaultKind::LookupFailure
        | FaultKind::ClockJump => Scope::Node,
        FaultKind::Split | FaultKind::Swizzle => Scope::Nodes,
    }
}

/// Returns whether the fault takes a single node out of service.
const fn takes_node_out(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Isolate | FaultKind::Crash | FaultKind::Pause | FaultKind::Swizzle)
}

/// Returns whether the fault changes a node itself, which the test's own node does not allow.
const fn changes_node(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Crash | FaultKind::Pause | FaultKind::ClockJump)
}

/// Returns how many nodes a plan must have for a fault.
const fn nodes_min(kind: FaultKind) -> usize {
    match scope(kind) {
        Scope::Link => 2,
        Scope::Node => 1,
        Scope::Nodes => match kind {
            FaultKind::Split => 2,
            _ => 1,
        },
    }
}

/// Returns how many targets a fault can have; for a split, how many numbers of groups.
const fn targets(kind: FaultKind, nodes: usize) -> usize {
    match scope(kind) {
        Scope::Link => nodes * nodes.saturating_sub(1),
        Scope::Node => nodes,
        Scope::Nodes => match kind {
            FaultKind::Split => nodes.saturating_sub(1),
            _ => 1,
        },
    }
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
    /// Whether the plan may have no faults. A generated plan may.
    may_be_empty: bool,
}

/// One fault of a plan.
#[derive(Clone, Debug)]
struct Fault {
    kind: FaultKind,
    /// The node, or the ends of the link; for a split, all nodes.
    nodes: Vec<usize>,
    /// The group of each node in a split.
    groups: Vec<u32>,
    /// How far a clock jumps ahead. Negative if it jumps back.
    jump_ns: i64,
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
            may_be_empty: false,
        }
    }

    /// Accepts that the plan has no faults.
    #[cfg(feature = "proptest")]
    pub(crate) fn or_none(self) -> Self {
        Self { may_be_empty: true, ..self }
    }

    #[track_caller]
    fn with(mut self, kind: FaultKind, most: u32) -> Self {
        if most > MOST_MAX {
            panic!("a fault plan can't have {most} faults of one kind; give {MOST_MAX} or fewer");
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

    /// Allows up to `most` flaky links between two nodes, in both directions: for a while packets are late, lost,
    /// duplicated and reordered as with [`LinkModel::flaky`](super::LinkModel::flaky). The fate of each packet is a
    /// decision of its own.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn flaky_links(self, most: u32) -> Self {
        self.with(FaultKind::Flaky, most)
    }

    /// Allows up to `most` holds of a link, in one direction: its packets, also those in flight, are held for a while and
    /// then continue in the order in which they were sent. A link that the test holds itself is left alone.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn holds(self, most: u32) -> Self {
        self.with(FaultKind::Hold, most)
    }

    /// Allows up to `most` splits of the nodes into two or more groups, without links between nodes of different groups.
    /// All nodes of the plan are divided.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn splits(self, most: u32) -> Self {
        self.with(FaultKind::Split, most)
    }

    /// Allows up to `most` swizzles: some of the nodes are cut off from all others, one after the other, and come back one
    /// after the other, in another order.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn swizzles(self, most: u32) -> Self {
        self.with(FaultKind::Swizzle, most)
    }

    /// Allows up to `most` times in which lookups of a node's name fail with a temporary error.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn failing_lookups(self, most: u32) -> Self {
        self.with(FaultKind::LookupFailure, most)
    }

    /// Allows up to `most` jumps of a node's wall clock, by 10 ms to a day ahead or back. The clock jumps by the same time in
    /// the other direction when the fault ends.
    ///
    /// # Panics
    /// If `most` exceeds 1,000.
    #[must_use]
    #[track_caller]
    pub fn clock_jumps(self, most: u32) -> Self {
        self.with(FaultKind::ClockJump, most)
    }

    /// Sets how long a fault lasts. The default is from 10 ms to a quarter of the plan's duration.
    ///
    /// # Panics
    /// If `shortest` is zero or exceeds `longest`, or `longest` exceeds the plan's duration.
    #[must_use]
    #[track_caller]
    pub fn lasting(mut self, shortest: Duration, longest: Duration) -> Self {
        if shortest.is_zero() {
            panic!("a fault that lasts no time does nothing; give a shortest time above zero, such as 1 ms");
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

    /// Sets the budget: at least `count` nodes stay up, not paused and not cut off from all others by this plan. A fault that
    /// would leave fewer is skipped, and so is a split without a group of at least `count` nodes.
    #[must_use]
    pub fn keep_up(mut self, count: usize) -> Self {
        self.keep_up = count;
        self
    }

    /// Draws the faults and carries them out. When this returns, all its faults are undone: links are healed, and nodes that
    /// the plan has crashed or paused are running.
    ///
    /// # Panics
    /// Outside of a run, and if the plan can't do anything or not what it says: if it has no faults or no nodes, if a name
    /// given to [`nodes`](Self::nodes) is unknown or given twice, if it may crash or pause the test's own node or change
    /// its clock, if it has only faults of links and a single node, and if [`keep_up`](Self::keep_up) forbids all its
    /// faults.
    #[track_caller]
    pub fn run(self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            let names = self.names();
            if let Err(error) = self.check(&names) {
                panic!("the fault plan at {at} {error}");
            }
            let faults = self.draw(&names);
            self.carry_out(&faults, &names).await;
        }
    }

    /// Returns the names of the nodes that faults may affect.
    fn names(&self) -> Vec<String> {
        match &self.nodes {
            Some(names) => names.clone(),
            None => {
                let nodes = World::current().nodes().into_iter().map(|node| node.name().to_owned());
                nodes.filter(|name| name != "test").collect()
            }
        }
    }

    /// Checks that the plan can do something, and that it can do all that it may draw.
    fn check(&self, names: &[String]) -> Result<(), String> {
        let world = World::current();
        for (index, name) in names.iter().enumerate() {
            let shown = name.escape_debug();
            if world.get(name).is_none() {
                let nodes = world.nodes();
                let nodes: Vec<_> = nodes.iter().map(|node| format!("`{node}`")).collect();
                return Err(format!(
                    "names `{shown}`, and the nodes are {}; declare it first",
                    nodes.join(", ")
                ));
            }
            if names[..index].contains(name) {
                return Err(format!("names node `{shown}` twice; name it once"));
            }
        }
        let kinds = || KINDS.into_iter().filter(|kind| self.most[*kind as usize] > 0);
        if names.iter().any(|name| name == "test") && kinds().any(changes_node) {
            return Err(
                "has crashes, pauses or clock jumps, and `test` is among its nodes; the test's own node can \
                        only be cut off"
                    .to_owned(),
            );
        }
        if names.is_empty() {
            return Err("has no nodes; declare nodes before it runs, or name some".to_owned());
        }
        if self.may_be_empty {
            return Ok(());
        }
        if kinds().next().is_none() {
            return Err("has no faults; add some, as in `.partitions(3)`".to_owned());
        }
        if kinds().all(|kind| names.len() < nodes_min(kind)) {
            return Err(
                "has a single node, and its faults need two; declare another, or name `test` too".to_owned()
            );
        }
        let forbidden = |kind| {
            (takes_node_out(kind) && names.len() <= self.keep_up)
                || (kind == FaultKind::Split && names.len() < self.keep_up)
        };
        if kinds().all(forbidden) {
            let (nodes, kept) = (names.len(), self.keep_up);
            return Err(format!(
                "has {nodes} nodes of which {kept} must stay up, so none of its faults can happen; lower `keep_up`, or \
                 declare more nodes"
            ));
        }
        Ok(())
    }

    /// Draws the faults of this run, in no particular order.
    fn draw(&self, names: &[String]) -> Vec<Fault> {
        let plan = number();
        let mut faults = Vec::new();
        for kind in KINDS {
            let targets = targets(kind, names.len());
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
    ) -> Vec<Fault> {
        let path = [code(kind), number + 1];
        let question = |index| WorldDecision { domain: Domain::Fault, path, number: 2 * plan, index };
        let happens = draw(question(0), 2);
        if happens == 0 {
            return Vec::new();
        }
        let target = if targets > 1 { draw(question(1), targets) } else { 0 };
        let start = draw(question(2), STEPS);
        let lasts = draw(question(3), STEPS);
        let duration = self.shortest + part(self.longest - self.shortest, lasts);
        let from = part(self.over - duration, start);
        let mut fault =
            Fault { kind, nodes: Vec::new(), groups: Vec::new(), jump_ns: 0, from, until: from + duration };
        // The details: a value for each of some further questions.
        let mut details: Vec<u32> = Vec::new();
        let mut detail = |arity: u32| {
            let question = question(4 + details.len() as u32);
            let value = if arity > 1 { draw(question, arity) } else { 0 };
            details.push(value);
            value
        };
        let mut parts = Vec::new();
        match scope(kind) {
            Scope::Node => {
                fault.nodes = vec![target as usize];
                if kind == FaultKind::ClockJump {
                    let ns = JUMPS[detail(JUMPS.len() as u32) as usize].as_nanos() as i64;
                    fault.jump_ns = if detail(2) == 0 { ns } else { -ns };
                }
            }
            Scope::Link => {
                let others = names.len() - 1;
                let (one, other) = (target as usize / others, target as usize % others);
                fault.nodes = vec![one, if other >= one { other + 1 } else { other }];
            }
            Scope::Nodes if kind == FaultKind::Split => {
                fault.nodes = (0..names.len()).collect();
                // Value 0 of each leaves all nodes together.
                fault.groups = fault.nodes.iter().map(|_| detail(target + 2)).collect();
            }
            Scope::Nodes => {
                // In the first half, nodes are cut off, and in the second half they come back. Both have a turn for each node,
                // and two nodes may take the same. Value 0 of the first question spares the node.
                let turns = u32::try_from(names.len()).unwrap_or(u32::MAX);
                let turn = |number: u32| duration / 2 * number / turns;
                for node in 0..names.len() {
                    let (cut, back) = (detail(turns + 1), detail(turns));
                    if let Some(cut) = cut.checked_sub(1) {
                        // At the earliest, the node comes back when it is cut off. It is cut off for 1 ns at least.
                        let cut_off = from + turn(cut);
                        let back =
                            (fault.until - turn(turns - 1 - back)).max(cut_off + Duration::from_nanos(1));
                        parts.push(Fault { nodes: vec![node], from: cut_off, until: back, ..fault.clone() });
                    }
                }
                fault.nodes = parts.iter().map(|part| part.nodes[0]).collect();
            }
        }
        // Without an effect it is no fault.
        let is_none = match kind {
            FaultKind::Split => fault.groups.iter().all(|group| *group == fault.groups[0]),
            FaultKind::Swizzle => parts.is_empty(),
            _ => false,
        };
        if is_none {
            return Vec::new();
        }
        let values = [
            (happens, FaultAspect::Happens),
            (target, FaultAspect::Target),
            (start, FaultAspect::Begins),
            (lasts, FaultAspect::Lasts),
        ];
        let details = details.into_iter().map(|value| (value, FaultAspect::Detail));
        for (index, (value, aspect)) in (0..).zip(values.into_iter().chain(details)) {
            let effect = || WorldEffect::Fault { fault: fault.described(names), aspect };
            context::with(|engine| engine.keep_world(question(index), value, effect));
        }
        if kind == FaultKind::Swizzle { parts } else { vec![fault] }
    }

    /// Starts and ends each fault at its time.
    async fn carry_out(&self, faults: &[Fault], names: &[String]) {
        let world = World::current();
        let network = Network::current().planned();
        let begin = Instant::now();
        // At one instant, faults that end come before faults that begin; then they are in the order of drawing.
        let mut events = Vec::with_capacity(2 * faults.len());
        for (index, fault) in faults.iter().enumerate() {
            events.extend([(fault.from, true, index), (fault.until, false, index)]);
        }
        events.sort_unstable();
        let mut active: Vec<Option<Undo>> = faults.iter().map(|_| None).collect();
        let mut watch = FaultWatch::begin(faults, &world, names);
        for (at, starts, index) in events {
            sleep_until(begin + at).await;
            let fault = &faults[index];
            if starts {
                if !self.has_budget(&active, faults, names, fault) {
                    continue;
                }
                active[index] = fault.begin(&world, &network, names);
                if active[index].is_some() {
                    watch.begun(index);
                }
            } else if let Some(undo) = active[index].take() {
                watch.ends(index);
                undo.apply(&world);
            }
        }
        sleep_until(begin + self.over).await;
    }

    /// Returns whether enough nodes stay up under one more fault.
    fn has_budget(&self, active: &[Option<Undo>], faults: &[Fault], names: &[String], fault: &Fault) -> bool {
        if fault.kind == FaultKind::Split {
            let size = |group: &u32| fault.groups.iter().filter(|other| *other == group).count();
            return fault.groups.iter().map(size).max().unwrap_or(0) >= self.keep_up;
        }
        if !takes_node_out(fault.kind) {
            return true;
        }
        let node = fault.nodes[0];
        let world = World::current();
        let cut_off = |node: usize| {
            let mut active = active.iter().zip(faults).filter(|(undo, _)| undo.is_some());
            active.any(|(_, fault)| takes_node_out(fault.kind) && fault.nodes[0] == node)
        };
        let left = (0..names.len()).filter(|&other| {
            let up = world.get(&names[other]).is_some_and(|node| node.is_up() && !node.is_paused());
            other != node && up && !cut_off(other)
        });
        left.count() >= self.keep_up
    }
}

/// Counts the faults of a plan, and those that hit no busy task.
struct FaultWatch {
    /// The progress of the tasks when each fault began.
    before: Vec<Option<u64>>,
    /// The nodes that the plan crashes. Their tasks run because of the plan.
    crashing: Vec<NodeId>,
}

impl FaultWatch {
    fn begin(faults: &[Fault], world: &World, names: &[String]) -> Self {
        let mut crashing = Vec::new();
        for fault in faults.iter().filter(|fault| fault.kind == FaultKind::Crash) {
            let nodes = fault.nodes.iter().filter_map(|node| world.get(&names[*node]));
            crashing.extend(nodes.map(|node| node.id()));
        }
        context::with(|engine| engine.count_faults(|counts| counts.planned += faults.len() as u64));
        Self { before: vec![None; faults.len()], crashing }
    }

    fn progress(&self) -> Option<u64> {
        context::with(|engine| engine.progress_of_others(&self.crashing))
    }

    /// Counts a fault that has just begun.
    fn begun(&mut self, index: usize) {
        self.before[index] = self.progress();
        context::with(|engine| engine.count_faults(|counts| counts.begun += 1));
    }

    /// Counts a fault as idle if no task has run since it began.
    fn ends(&self, index: usize) {
        if self.progress() == self.before[index] {
            context::with(|engine| engine.count_faults(|counts| counts.idle += 1));
        }
    }
}

/// How to end a fault.
#[derive(Debug)]
enum Undo {
    Heal(Partition),
    Restart(String),
    Resume(String),
    /// Ends what makes the links between two nodes flaky.
    EndFlaky(Network, [String; 2]),
    Release(Network, [String; 2]),
    /// Restores how a name is looked up.
    RestoreLookups(Network, String, Option<Lookup>),
    /// Lets a wall clock jump.
    Jump(String, i64),
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
            Self::EndFlaky(network, [one, other]) => network.set_flaky(&one, &other, false),
            Self::Release(network, [from, to]) => network.release(&from, &to),
            Self::RestoreLookups(network, name, before) => network.end_failing_lookups(&name, before),
            Self::Jump(name, ns) => jump(world, &name, ns),
            Self::Nothing => {}
        }
    }
}

/// Lets the wall clock of a node jump ahead, or back if `ns` is negative.
fn jump(world: &World, name: &str, ns: i64) {
    let Some(clock) = world.get(name).map(|node| node.clock()) else { return };
    let by = Duration::from_nanos(ns.unsigned_abs());
    if ns < 0 { clock.jump_back(by) } else { clock.jump_ahead(by) }
}

impl Fault {
    /// Describes the fault for reports.
    fn described(&self, names: &[String]) -> PlannedFault {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        PlannedFault {
            kind: self.kind,
            nodes: self.nodes.iter().map(|node| names[*node].as_str().into()).collect(),
            groups: self.groups.clone().into(),
            jump_ns: self.jump_ns,
            begins_ns: ns(self.from),
            lasts_ns: ns(self.until - self.from),
        }
    }

    fn begin(&self, world: &World, network: &Network, names: &[String]) -> Option<Undo> {
        let name = |index: usize| self.nodes.get(index).map_or("", |node| names[*node].as_str());
        let (one, other) = (name(0), name(1));
        let both = || [one.to_owned(), other.to_owned()];
        let node = world.get(one)?;
        Some(match self.kind {
            FaultKind::Cut => Undo::Heal(network.partition(&[&[one], &[other]])),
            FaultKind::OneWayCut => Undo::Heal(network.cut(one, other)),
            FaultKind::Isolate | FaultKind::Swizzle => Undo::Heal(network.isolate(one)),
            FaultKind::Clog => {
                network.clog_between(one, other, self.until - self.from);
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
            FaultKind::Flaky => {
                network.set_flaky(one, other, true);
                Undo::EndFlaky(network.clone(), both())
            }
            FaultKind::Hold => {
                if !network.hold_anew(one, other) {
                    return None;
                }
                Undo::Release(network.clone(), both())
            }
            FaultKind::Split => {
                let groups = self.groups.iter().max().map_or(0, |last| last + 1);
                let members = |group: u32| {
                    let members = self.nodes.iter().zip(&self.groups).filter(|(_, own)| **own == group);
                    members.map(|(node, _)| names[*node].as_str()).collect::<Vec<_>>()
                };
                let groups: Vec<Vec<&str>> = (0..groups).map(members).collect();
                let groups: Vec<&[&str]> = groups.iter().map(Vec::as_slice).collect();
                Undo::Heal(network.partition(&groups))
            }
            FaultKind::LookupFailure => {
                Undo::RestoreLookups(network.clone(), one.to_owned(), network.fail_lookups_anew(one)?)
            }
            FaultKind::ClockJump => {
                jump(world, one, self.jump_ns);
                Undo::Jump(one.to_owned(), -self.jump_ns)
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
