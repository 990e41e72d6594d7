//! The loop's side of the network: when its events come, whom they wake, and who decides what happens by chance.
//!
//! Always true: a run that opens no socket has no network; no code of the user's runs while the network is borrowed.

use std::cell::RefMut;
use std::net::IpAddr;

use super::nodes::NodeState;
use super::{Engine, Wakee};
pub(super) use crate::net::fabric::Fabric;
use crate::net::fabric::{Dice, Packet, Question, Turn};

/// Asks the run's source of decisions.
struct Chance<'a>(&'a Engine);

impl Dice for Chance<'_> {
    fn quantile(&mut self, packet: Packet, count: u32, latencies_ns: &[u64]) -> u32 {
        let _ = (self.0, packet, count, latencies_ns);
        0
    }

    fn happens(&mut self, packet: Packet, question: Question, millionths: u32) -> bool {
        let _ = (self.0, packet, question, millionths);
        false
    }
}

impl Engine {
    /// Calls `f` with the network, then wakes whom that concerns.
    #[inline]
    pub(crate) fn network<R>(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>) -> R) -> R {
        let mut guard = self.network.borrow_mut();
        let fabric = guard.get_or_insert_default();
        let result = f(fabric, &mut Turn { now_ns: self.now_ns.get(), dice: &mut Chance(self) });
        if !(fabric.woken.is_empty() && fabric.garbage.is_empty()) {
            let fabric = RefMut::map(guard, |network| &mut **network.as_mut().expect("it is there"));
            let mut foreign = Vec::new();
            let garbage = self.settle(fabric, &mut foreign);
            foreign.into_iter().for_each(Wakee::wake);
            drop(garbage);
        }
        result
    }

    /// Wakes the loop's own tasks. Others go to `foreign`, to be woken when nothing is borrowed; what is given back is to be
    /// dropped then.
    #[inline]
    fn settle(&self, mut fabric: RefMut<'_, Fabric>, foreign: &mut Vec<Wakee>) -> Vec<Wakee> {
        for wakee in fabric.woken.drain(..) {
            match wakee {
                // Once one needs a call, those behind it wait for their turn.
                Wakee::Task(task) if foreign.is_empty() => self.wake(task),
                other => foreign.push(other),
            }
        }
        fabric.garbage.retain(|wakee| matches!(wakee, Wakee::Other(_)));
        std::mem::take(&mut fabric.garbage)
    }

    /// The network learns of nodes that have been added.
    fn add_hosts(&self, fabric: &mut Fabric) {
        let nodes = self.nodes();
        for node in nodes.ids().skip(fabric.hosts.hosts.len()) {
            fabric.add_host(nodes.addresses(node), nodes.state(node) != NodeState::Down);
        }
    }

    /// Calls `f` with the network and the host that the code that is running belongs to.
    pub(crate) fn network_here<R>(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>, u32) -> R) -> R {
        let host = self.current_node().0;
        self.network(|fabric, turn| {
            self.add_hosts(fabric);
            f(fabric, turn, host)
        })
    }

    /// The addresses of the node of this name.
    pub(crate) fn resolve(&self, name: &str) -> Option<Vec<IpAddr>> {
        let nodes = self.nodes();
        nodes.by_name(name).map(|node| nodes.addresses(node).to_vec())
    }

    /// When the next thing happens: the next timer's deadline, or in the network.
    #[inline]
    pub(super) fn next_ns_with_network(&self, timer_ns: Option<u64>) -> Option<u64> {
        let network = self.network.borrow();
        let network_ns = network.as_ref().and_then(|fabric| fabric.next_ns());
        match (timer_ns, network_ns) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// What is due in the network happens.
    #[inline]
    pub(super) fn advance_network(&self, foreign: &mut Vec<Wakee>) {
        let guard = self.network.borrow_mut();
        if guard.is_none() {
            return;
        }
        let mut fabric = RefMut::map(guard, |network| &mut **network.as_mut().expect("it is there"));
        fabric.advance(&mut Turn { now_ns: self.now_ns.get(), dice: &mut Chance(self) });
        let garbage = self.settle(fabric, foreign);
        drop(garbage);
    }

    /// The run is over, and so is its network.
    pub(super) fn end_network(&self) {
        let network = self.network.take();
        drop(network);
    }

    /// As `wakee`, for who waits for a socket.
    #[inline]
    pub(crate) fn waits(&self, waker: &std::task::Waker) -> Wakee {
        self.wakee(waker)
    }
}
