//! The model of a tree: the documented behavior of the macros, without futures.
//!
//! # Invariants
//! A poll of the model is a resumption of the task. The model has no preemption.

use crate::macros::{OTHERWISE, sum};
use crate::tree::{End, Event, Node, Part, Value};

/// The events of the model.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) log: Vec<Event>,
    /// The number of choices that it took.
    pub(crate) choices: usize,
    pub(crate) ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Value(Value),
    Panic,
    Deadlock,
}

/// The choices of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choices<'a> {
    /// The arity and the value of each choice, in order.
    Recorded(&'a [(u32, u32)]),
    /// The same value each time.
    Always(u32),
}

/// Runs the tree.
pub(crate) fn run(tree: &Node, choices: Choices<'_>) -> Expected {
    let mut world = World { log: Vec::new(), choices, taken: 0, woken: false };
    let mut state = State::new(tree);
    let ending = loop {
        world.woken = false;
        match state.poll(&mut world) {
            Ok(Some(value)) => break Ending::Value(value),
            Err(Panicked) => break Ending::Panic,
            Ok(None) if !world.woken => break Ending::Deadlock,
            Ok(None) => {}
        }
    };
    state.release(&mut world);
    Expected { log: world.log, choices: world.taken, ending }
}

struct World<'a> {
    log: Vec<Event>,
    choices: Choices<'a>,
    taken: usize,
    /// Whether the task is resumed again.
    woken: bool,
}

impl World<'_> {
    /// Chooses as the run did. With a single alternative, there is no choice.
    fn choose(&mut self, arity: usize) -> usize {
        if arity < 2 {
            return 0;
        }
        let number = self.taken;
        self.taken += 1;
        match self.choices {
            // If the run made no such choice, the logs will differ.
            Choices::Recorded(all) => {
                let choice = all.get(number).filter(|(asked, _)| *asked as usize == arity);
                choice.map_or(0, |(_, value)| *value as usize)
            }
            Choices::Always(value) => value as usize % arity,
        }
    }
}

struct Panicked;

type Polled = Result<Option<Value>, Panicked>;

/// The state of a node.
enum State {
    Leaf { number: usize, parts: Vec<Part>, end: End, next: usize, waits: bool },
    Select { biased: bool, otherwise: bool, branches: Vec<Arm> },
    Join { biased: bool, tries: bool, first: usize, nodes: Vec<Joined> },
    Gone,
}

/// A joined node.
enum Joined {
    Waits(State),
    Ended(Value),
}

struct Arm {
    state: State,
    fussy: bool,
    enabled: bool,
}

impl State {
    fn new(node: &Node) -> Self {
        let join = |biased: bool, tries, nodes: &[Node]| {
            let nodes = nodes.iter().map(|node| Joined::Waits(Self::new(node))).collect();
            Self::Join { biased, tries, first: 0, nodes }
        };
        match node {
            Node::Leaf { number, parts, end } => {
                Self::Leaf { number: *number, parts: parts.clone(), end: *end, next: 0, waits: false }
            }
            Node::Select { biased, otherwise, branches } => {
                let arms = branches.iter().map(|branch| {
                    let state = Self::new(&branch.node);
                    Arm { state, fussy: branch.fussy, enabled: branch.enabled }
                });
                Self::Select { biased: *biased, otherwise: *otherwise, branches: arms.collect() }
            }
            Node::Join { biased, nodes } => join(*biased, false, nodes),
            Node::TryJoin { biased, nodes } => join(*biased, true, nodes),
        }
    }

    /// Polls the node. A node that has ended is dropped.
    fn poll(&mut self, world: &mut World<'_>) -> Polled {
        let polled = match self {
            Self::Leaf { number, parts, end, next, waits } => {
                return match leaf(world, *number, parts, *end, next, waits) {
                    Ok(None) => Ok(None),
                    ended => {
                        self.release(world);
                        ended
                    }
                };
            }
            Self::Select { biased, otherwise, branches } => select(world, *biased, *otherwise, branches),
            Self::Join { biased, tries, first, nodes } => {
                let from = *first;
                *first = if *biased { 0 } else { (from + 1) % nodes.len() };
                join(world, *tries, from, nodes)
            }
            Self::Gone => unreachable!("what has ended is not polled"),
        };
        if !matches!(polled, Ok(None)) {
            self.release(world);
        }
        polled
    }

    /// Drops the node, and its children in order.
    fn release(&mut self, world: &mut World<'_>) {
        match std::mem::replace(self, Self::Gone) {
            Self::Leaf { number, .. } => world.log.push(Event::Dropped(number)),
            Self::Select { branches, .. } => {
                branches.into_iter().for_each(|mut arm| arm.state.release(world))
            }
            Self::Join { nodes, .. } => {
                for node in nodes {
                    if let Joined::Waits(mut state) = node {
                        state.release(world);
                    }
                }
            }
            Self::Gone => {}
        }
    }
}

fn leaf(
    world: &mut World<'_>,
    number: usize,
    parts: &[Part],
    end: End,
    next: &mut usize,
    waits: &mut bool,
) -> Polled {
    while let Some(part) = parts.get(*next) {
        if *part == Part::Yield && !std::mem::replace(waits, !*waits) {
            world.woken = true;
            return Ok(None);
        }
        world.log.push(Event::Did(number, *next));
        *next += 1;
    }
    if end != End::Never {
        world.log.push(Event::Ended(number));
    }
    match end {
        End::Value(value) => Ok(Some(value)),
        End::Never => Ok(None),
        End::Panic => Err(Panicked),
    }
}

fn select(world: &mut World<'_>, biased: bool, otherwise: bool, branches: &mut [Arm]) -> Polled {
    let mut order: Vec<usize> = (0..branches.len()).filter(|&index| branches[index].enabled).collect();
    let from = if biased { 0 } else { world.choose(order.len()) };
    order.rotate_left(from);
    for index in order {
        let arm = &mut branches[index];
        if let Some(value) = arm.state.poll(world)? {
            if !arm.fussy || value.is_ok() {
                return Ok(Some(value));
            }
            arm.enabled = false;
        }
    }
    if branches.iter().any(|arm| arm.enabled) {
        return Ok(None);
    }
    if otherwise { Ok(Some(OTHERWISE)) } else { Err(Panicked) }
}

fn join(world: &mut World<'_>, tries: bool, from: usize, nodes: &mut [Joined]) -> Polled {
    for index in (from..nodes.len()).chain(0..from) {
        let Joined::Waits(state) = &mut nodes[index] else { continue };
        if let Some(value) = state.poll(world)? {
            nodes[index] = Joined::Ended(value);
            if tries && value.is_err() {
                return Ok(Some(value));
            }
        }
    }
    let values: Vec<Value> = nodes
        .iter()
        .filter_map(|node| match node {
            Joined::Ended(value) => Some(*value),
            Joined::Waits(_) => None,
        })
        .collect();
    Ok((values.len() == nodes.len()).then(|| sum(&values)))
}
