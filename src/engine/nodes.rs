//! The table of nodes: [`Nodes`] holds their names, addresses and states.
//!
//! # Invariants
//! - Node 0 runs the test itself and is always up.
//! - Names and addresses are unique.
//! - A declared node stays in the table until the run is over.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use super::clock::NodeClock;
use super::signals::Handled;
use super::task_cell::TaskBox;
use super::tasks::{Interrupts, NO_SLOT, ROOT_SLOT};
use super::unsafe_cells::InlinedRef;
use super::waker::{TaskRef, WakeTarget};
use super::{Core, Engine, mix};
use timeloop_sim::{AddressMap, NodeEvent, ResourceKey};

pub(crate) use timeloop_sim::NodeState;

/// Identifies a node of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

impl NodeId {
    /// The node of the test itself, and of all tasks that were not spawned on another.
    pub(crate) const TEST: Self = Self(0);

    /// Returns the number in the form that a task's slot stores.
    pub(super) fn number(self) -> u16 {
        u16::try_from(self.0).expect("a run has at most MAX_NODES nodes")
    }

    /// Returns the resource that represents the node in operations.
    pub(super) fn resource(self) -> ResourceKey {
        ResourceKey(mix(u64::MAX, self.0.into()))
    }
}

/// The first task of a node.
#[derive(Clone)]
pub(crate) struct Start {
    /// Creates the task.
    pub(crate) make: Rc<dyn Fn() -> TaskBox>,
    /// The name of the task.
    pub(crate) name: Cow<'static, str>,
    /// Where the node was declared.
    pub(crate) at: &'static Location<'static>,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One node.
#[derive(Debug)]
pub(super) struct NodeRecord {
    name: Arc<str>,
    addresses: Vec<IpAddr>,
    pub(super) state: NodeState,
    /// How many times the node has been started.
    pub(super) incarnation: u32,
    pub(super) clock: NodeClock,
    /// `None` for a node without a first task.
    pub(super) start: Option<Start>,
    /// The first task, until it ends.
    pub(super) main: Option<TaskRef>,
    /// How many tasks the node has.
    pub(super) live: u32,
    /// The node-local values with their keys, in order of creation.
    pub(super) locals: Vec<(usize, Rc<dyn Any>)>,
    /// The signals that the node handles.
    pub(super) signals: Vec<Handled>,
    /// Whether the node has been asked to shut down.
    pub(super) shutting_down: bool,
    /// Whether the node is going down and its tasks are being dropped.
    pub(super) closing: bool,
    /// The wake targets that wait for a change of the node.
    pub(super) watchers: Vec<WakeTarget>,
    /// The last event of the node.
    pub(super) last_change: Option<LastChange>,
}

/// An event of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastChange {
    pub(crate) event: NodeEvent,
    pub(crate) at_ns: u64,
    /// The place in the source that caused the event, if known.
    pub(crate) called_at: Option<&'static Location<'static>>,
    /// Whether a fault plan caused it.
    pub(crate) planned: bool,
}

impl NodeRecord {
    fn new(name: &str, addresses: Vec<IpAddr>) -> Self {
        Self {
            name: Arc::from(name),
            addresses,
            state: NodeState::Down,
            incarnation: 0,
            clock: NodeClock::TRUE,
            start: None,
            main: None,
            live: 0,
            locals: Vec::new(),
            signals: Vec::new(),
            shutting_down: false,
            closing: false,
            watchers: Vec::new(),
            last_change: None,
        }
    }

    /// Takes the wake targets that wait for a change, to be woken when nothing is borrowed.
    pub(super) fn take_watchers(&mut self) -> Vec<WakeTarget> {
        std::mem::take(&mut self.watchers)
    }
}

/// The reason why a node can't be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeError {
    /// The name is invalid.
    BadName(String),
    /// A lookup of the name would not find the node. Holds the reason, as a clause.
    Unreachable(String, &'static str),
    /// Another node has the name.
    NameTaken(String),
    /// Another node has the address. Holds its name.
    AddressTaken(IpAddr, Arc<str>),
    /// No host can have the address. Holds the reason.
    BadAddress(IpAddr, &'static str),
    /// The run has [`MAX_NODES`] nodes already.
    TooMany,
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(name) => write!(
                f,
                "`{}` can't be the name of a node; accepted are 1 to 253 letters, digits, `-`, `_` and `.`",
                name.escape_debug()
            ),
            Self::Unreachable(name, why) => {
                write!(f, "`{name}` can't be the name of a node: {why}; choose another name")
            }
            Self::NameTaken(name) => {
                write!(f, "a node named `{name}` already exists; choose another name")
            }
            Self::AddressTaken(address, node) => {
                write!(f, "{address} is already the address of node `{node}`; give each node its own address")
            }
            Self::BadAddress(address, why) => {
                write!(f, "{address} can't be the address of a node: it {why}")
            }
            Self::TooMany => {
                write!(f, "too many nodes: a run can have at most {MAX_NODES}")
            }
        }
    }
}

/// How many nodes a run can have, including the test's.
pub(crate) const MAX_NODES: usize = 1 << 16;

/// The name of the test's own node.
const TEST_NAME: &str = "test";

/// All nodes of a run.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    /// Empty until a node is declared or looked up. Most runs have none.
    nodes: Vec<NodeRecord>,
    index: Option<Box<Index>>,
    /// The number in the last default address.
    last_default: u32,
}

/// Finds nodes by name and by address.
#[derive(Debug, Default)]
struct Index {
    /// All nodes, in order of their names.
    by_name: Vec<NodeId>,
    /// The number of the node that has an address.
    addresses: AddressMap,
}

impl Nodes {
    /// Returns whether there are nodes besides the test's. Their clocks may be wrong.
    #[inline]
    pub(super) fn are_declared(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Adds the test's node if it is missing.
    pub(super) fn ensure(&mut self) {
        if self.nodes.is_empty() {
            let addresses = self.default_addresses();
            let test = self.push(TEST_NAME, addresses);
            (test.state, test.incarnation) = (NodeState::Up, 1);
        }
    }

    fn push(&mut self, name: &str, addresses: Vec<IpAddr>) -> &mut NodeRecord {
        let id = NodeId(self.nodes.len() as u32);
        let node = NodeRecord::new(name, addresses);
        let place = self.place_by_name(name).unwrap_or_else(|place| place);
        let index = self.index.get_or_insert_default();
        index.by_name.insert(place, id);
        node.addresses.iter().for_each(|address| index.addresses.insert(*address, id.0));
        self.nodes.push(node);
        self.nodes.last_mut().expect("just added")
    }

    /// Adds a node, which is down. Without addresses it gets one of each kind.
    pub(crate) fn add(&mut self, name: &str, addresses: Vec<IpAddr>) -> Result<NodeId, NodeError> {
        self.ensure();
        let known = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if name.is_empty() || name.len() > 253 || !name.chars().all(known) {
            return Err(NodeError::BadName(name.to_owned()));
        }
        if name.eq_ignore_ascii_case("localhost") {
            return Err(NodeError::Unreachable(name.to_owned(), "it always means the node that looks it up"));
        }
        if name.parse::<Ipv4Addr>().is_ok() {
            return Err(NodeError::Unreachable(
                name.to_owned(),
                "it is an IP address, which the method `address` sets",
            ));
        }
        if name.ends_with('.') {
            return Err(NodeError::Unreachable(name.to_owned(), "a lookup removes the `.` at its end"));
        }
        if self.by_name(name).is_some() {
            return Err(NodeError::NameTaken(name.to_owned()));
        }
        for &address in &addresses {
            if let Some(why) = unusable(address) {
                return Err(NodeError::BadAddress(address, why));
            }
            if let Some(node) = self.by_address(address) {
                return Err(NodeError::AddressTaken(address, self.name(node)));
            }
        }
        if self.nodes.len() == MAX_NODES {
            return Err(NodeError::TooMany);
        }
        let mut own: Vec<IpAddr> = Vec::new();
        for address in addresses {
            if !own.contains(&address) {
                own.push(address);
            }
        }
        if own.is_empty() {
            own = self.default_addresses();
        }
        let id = NodeId(self.nodes.len() as u32);
        self.push(name, own);
        Ok(id)
    }

    /// Returns the next free pair of addresses: 10.0.0.N and fd00::N.
    fn default_addresses(&mut self) -> Vec<IpAddr> {
        loop {
            self.last_default += 1;
            let number = self.last_default;
            let [_, b, c, d] = number.to_be_bytes();
            // In a network of the usual size, no host's address ends in these.
            if d == 0 || d == 255 {
                continue;
            }
            let four = IpAddr::V4(Ipv4Addr::new(10, b, c, d));
            let (high, low) = ((number >> 16) as u16, number as u16);
            let six = IpAddr::V6(Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, high, low));
            if self.by_address(four).is_none() && self.by_address(six).is_none() {
                return vec![four, six];
            }
        }
    }

    /// Returns the node with this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<NodeId> {
        let place = self.place_by_name(name).ok()?;
        Some(self.index.as_ref()?.by_name[place])
    }

    /// Returns the position of a name in the order of names, or the position where it would be inserted.
    fn place_by_name(&self, name: &str) -> Result<usize, usize> {
        let Some(index) = &self.index else { return Err(0) };
        index.by_name.binary_search_by(|node| (*self.at(*node).name).cmp(name))
    }

    /// Returns the node with this address. Loopback addresses belong to no node.
    pub(crate) fn by_address(&self, address: IpAddr) -> Option<NodeId> {
        self.index.as_ref()?.addresses.get(address).map(NodeId)
    }

    /// Returns all nodes, the test's first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// Returns the name of a node.
    pub(crate) fn name(&self, node: NodeId) -> Arc<str> {
        Arc::clone(&self.at(node).name)
    }

    /// Lists the names of the nodes, for an error.
    #[cfg(feature = "net")]
    pub(crate) fn listed(&self) -> String {
        const LISTED_MAX: usize = 20;
        let names = self.nodes.iter().take(LISTED_MAX).map(|node| format!("`{}`", node.name));
        let more = self.nodes.len().saturating_sub(LISTED_MAX);
        let more = (more > 0).then(|| format!("{more} more"));
        names.chain(more).collect::<Vec<_>>().join(", ")
    }

    /// Returns the addresses of a node, at least one.
    pub(crate) fn addresses(&self, node: NodeId) -> &[IpAddr] {
        &self.at(node).addresses
    }

    /// Returns the state of a node.
    pub(crate) fn state(&self, node: NodeId) -> NodeState {
        self.at(node).state
    }

    /// Returns how many times a node has been started.
    pub(crate) fn incarnation(&self, node: NodeId) -> u32 {
        self.at(node).incarnation
    }

    /// Returns whether the first task of a node is alive.
    pub(crate) fn has_main(&self, node: NodeId) -> bool {
        self.at(node).main.is_some()
    }

    /// Returns whether a node has any tasks.
    pub(crate) fn has_tasks(&self, node: NodeId) -> bool {
        self.at(node).live > 0
    }

    /// Returns how many tasks a node has.
    pub(super) fn tasks(&self, node: NodeId) -> u32 {
        self.at(node).live
    }

    /// Returns the last event of a node.
    #[cfg(feature = "net")]
    pub(crate) fn last_change(&self, node: NodeId) -> Option<LastChange> {
        self.at(node).last_change
    }

    /// Returns whether a node has been asked to shut down.
    pub(crate) fn is_shutting_down(&self, node: NodeId) -> bool {
        self.at(node).shutting_down
    }

    /// Returns the clock of a node.
    pub(crate) fn clock(&self, node: NodeId) -> NodeClock {
        self.nodes.get(node.0 as usize).map_or(NodeClock::TRUE, |node| node.clock)
    }

    pub(super) fn at(&self, node: NodeId) -> &NodeRecord {
        &self.nodes[node.0 as usize]
    }

    pub(super) fn at_mut(&mut self, node: NodeId) -> &mut NodeRecord {
        &mut self.nodes[node.0 as usize]
    }

    /// Returns the name of a node for a task's label; `None` for the test's node.
    pub(super) fn label(&self, node: u16) -> Option<Cow<'static, str>> {
        (node != 0).then(|| Cow::Owned(self.nodes[usize::from(node)].name.to_string()))
    }

    /// Returns the interrupts of a task that is spawned on this node from another.
    pub(super) fn interrupts(&self, node: NodeId, wants_nodes: bool) -> Interrupts {
        let mut interrupts = Interrupts::default();
        if node == NodeId::TEST {
            return interrupts;
        }
        if wants_nodes {
            interrupts.add(Interrupts::REPORTED);
        }
        if self.at(node).state == NodeState::Paused {
            interrupts.add(Interrupts::PAUSED);
        }
        interrupts
    }

    /// Records that a task was spawned on a node that is not the test's.
    pub(super) fn spawned(&mut self, node: u16, interrupts: Interrupts) {
        if !interrupts.has(Interrupts::STOPPED) {
            self.nodes[usize::from(node)].live += 1;
        }
    }

    /// Returns the names of the paused nodes.
    pub(super) fn paused(&self) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.iter().filter(|node| node.state == NodeState::Paused).map(|node| &node.name)
    }

    /// Takes everything whose destructor may run user code, to be dropped when nothing is borrowed.
    pub(super) fn take_values(&mut self) -> Vec<Box<dyn Any>> {
        let mut values: Vec<Box<dyn Any>> = Vec::new();
        for node in &mut self.nodes {
            values.extend(node.locals.drain(..).rev().map(|(_, value)| Box::new(value) as Box<dyn Any>));
            values.extend(node.start.take().map(|start| Box::new(start) as Box<dyn Any>));
            values.extend(node.watchers.drain(..).map(|watcher| Box::new(watcher) as Box<dyn Any>));
        }
        values
    }
}

/// Returns why an address can't belong to a single host; `None` if it can.
fn unusable(address: IpAddr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some("is the unspecified address")
    } else if address.is_loopback() {
        Some("is a loopback address, which every node has")
    } else if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("is a multicast or broadcast address")
    } else {
        None
    }
}

impl Core {
    /// Returns the node of the task in this slot; the test's without a task.
    pub(super) fn node_of(&mut self, slot: u32) -> NodeId {
        match slot {
            NO_SLOT | ROOT_SLOT => NodeId::TEST,
            slot => NodeId(self.tasks.at(slot).node.into()),
        }
    }
}

impl Engine {
    /// Returns the node of the current task; the test's outside of tasks.
    pub(crate) fn current_node(&self) -> NodeId {
        self.core.borrow_mut().node_of(self.current.get())
    }

    /// Borrows the table of nodes. User code must not run during the borrow.
    pub(crate) fn nodes(&self) -> InlinedRef<'_, Nodes> {
        if self.core.borrow().nodes.nodes.is_empty() {
            self.core.borrow_mut().nodes.ensure();
        }
        self.core.borrow().map(|core| &core.nodes)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{NodeError, NodeId, NodeState, Nodes};

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_test_is_node_0_and_the_others_count_up() {
        let mut nodes = Nodes::default();
        let first = nodes.add("db-1", Vec::new()).unwrap();
        let second = nodes.add("db-2", vec![ip("192.168.7.1"), ip("192.168.7.1")]).unwrap();
        assert_eq!((first, second), (NodeId(1), NodeId(2)));
        assert_eq!(&*nodes.name(NodeId::TEST), "test");
        assert_eq!(nodes.addresses(NodeId::TEST), [ip("10.0.0.1"), ip("fd00::1")]);
        assert_eq!(nodes.addresses(first), [ip("10.0.0.2"), ip("fd00::2")]);
        assert_eq!(nodes.addresses(second), [ip("192.168.7.1")]);
        assert_eq!(nodes.by_name("db-2"), Some(second));
        assert_eq!(nodes.by_address(ip("fd00::2")), Some(first));
        assert_eq!(nodes.by_address(ip("127.0.0.1")), None);
        assert_eq!((nodes.state(NodeId::TEST), nodes.state(first)), (NodeState::Up, NodeState::Down));
        assert_eq!((nodes.incarnation(NodeId::TEST), nodes.incarnation(first)), (1, 0));
        assert!(nodes.ids().eq((0..3).map(NodeId)));
    }

    #[test]
    fn default_addresses_skip_taken_ones() {
        let mut nodes = Nodes::default();
        nodes.add("early", vec![ip("10.0.0.3")]).unwrap();
        for number in 0..600 {
            nodes.add(&format!("n{number}"), Vec::new()).unwrap();
        }
        let address = |name: &str| nodes.addresses(nodes.by_name(name).unwrap())[0];
        assert_eq!(address("n0"), ip("10.0.0.2"));
        assert_eq!(address("n1"), ip("10.0.0.4"));
        assert_eq!((address("n251"), address("n252")), (ip("10.0.0.254"), ip("10.0.1.1")));
    }

    #[test]
    fn invalid_nodes_are_rejected() {
        let mut nodes = Nodes::default();
        nodes.add("db", vec![ip("10.0.0.9")]).unwrap();
        let mut error = |name: &str, addresses: &[&str]| {
            let added = nodes.add(name, addresses.iter().map(|text| ip(text)).collect());
            added.expect_err("it can't be added").to_string()
        };
        assert_eq!(error("db", &[]), "a node named `db` already exists; choose another name");
        assert_eq!(error("test", &[]), "a node named `test` already exists; choose another name");
        for name in ["", "a b", "db:1", &"x".repeat(254)] {
            let text = "can't be the name of a node; accepted are 1 to 253 letters, digits, `-`, `_` and `.`";
            assert_eq!(error(name, &[]), format!("`{name}` {text}"));
        }
        assert_eq!(
            error("a\n\u{1b}[2J", &[]),
            "`a\\n\\u{1b}[2J` can't be the name of a node; accepted are 1 to 253 letters, digits, `-`, `_` and `.`"
        );
        for (name, why) in [
            ("localhost", "it always means the node that looks it up"),
            ("LocalHost", "it always means the node that looks it up"),
            ("10.0.0.1", "it is an IP address, which the method `address` sets"),
            ("db.", "a lookup removes the `.` at its end"),
        ] {
            let text = format!("`{name}` can't be the name of a node: {why}; choose another name");
            assert_eq!(error(name, &[]), text);
        }
        let taken = "10.0.0.9 is already the address of node `db`; give each node its own address";
        assert_eq!(error("other", &["10.0.0.9"]), taken);
        for (address, why) in [
            ("0.0.0.0", "is the unspecified address"),
            ("::1", "is a loopback address, which every node has"),
            ("224.0.0.1", "is a multicast or broadcast address"),
            ("255.255.255.255", "is a multicast or broadcast address"),
        ] {
            assert_eq!(error("o", &[address]), format!("{address} can't be the address of a node: it {why}"));
        }
        assert!(matches!(nodes.add("o", vec![ip("10.0.0.9")]), Err(NodeError::AddressTaken(..))));
    }
}
