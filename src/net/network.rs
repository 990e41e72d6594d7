//! The network in the test's hands: what links are like, what is cut, held and clogged, what names mean.
//!
//! Always true: what is asked of a node that does not exist is refused, by a panic that names those that do; whatever is
//! changed holds from that instant on, for packets under way too.

use std::net::IpAddr;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::driver::Fabric;
use super::fabric::{Lookup, Touched, Turn};
use super::link_model::LinkModel;
use crate::engine::{self, RunId, context, of_run};

/// The network of the run that is under way. Whoever has one may change it, at any time.
///
/// Nodes are meant by their names; the test's own is `test`. Loopback never fails.
///
/// ```
/// use timeloop::net::{Network, TcpListener, TcpStream};
/// use timeloop::time::{Duration, Instant};
/// use timeloop::world::World;
///
/// timeloop::run(1, || async {
///     let server = World::current().node("server").start(|| async {
///         let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
///         loop {
///             listener.accept().await.unwrap();
///         }
///     });
///     let network = Network::current();
///     network.set_latency("test", "server", Duration::from_millis(20));
///     let start = Instant::now();
///     TcpStream::connect("server:80").await.unwrap();
///     assert_eq!(start.elapsed(), Duration::from_millis(40));
///
///     let cut = network.partition(&[&["test"], &["server"]]);
///     let attempt = timeloop::time::timeout(Duration::from_secs(10), TcpStream::connect("server:80"));
///     assert!(attempt.await.is_err());
///     cut.heal();
///     TcpStream::connect("server:80").await.unwrap();
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    run: RunId,
    /// Whether it is a fault plan that changes it.
    planned: bool,
}

impl Network {
    /// The network of this run.
    ///
    /// # Panics
    /// Outside of a run.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match context::with(engine::Engine::run_id) {
            Some(run) => Self { run, planned: false },
            None => engine::outside("change the network"),
        }
    }

    /// The same network in the hands of a fault plan.
    pub(super) fn planned(self) -> Self {
        Self { planned: true, ..self }
    }

    /// Who changes a link, now.
    fn touched(&self, turn: &Turn<'_>, at: &'static Location<'static>) -> Option<Touched> {
        Some(Touched { at_ns: turn.now_ns, at: Some(at), planned: self.planned })
    }

    /// Does something to the network; nothing once its run is over.
    fn with(&self, f: impl FnOnce(&mut Fabric, &mut Turn<'_>)) {
        of_run(self.run, |engine| engine.network_here(|fabric, turn, _| f(fabric, turn)));
    }

    /// The number of the host of this name.
    #[track_caller]
    fn host(&self, name: &str) -> u32 {
        let found = of_run(self.run, |engine| {
            let nodes = engine.nodes();
            nodes.by_name(name).ok_or_else(|| {
                let names: Vec<String> = nodes.ids().map(|node| format!("`{}`", nodes.name(node))).collect();
                names.join(", ")
            })
        });
        match found {
            Some(Ok(node)) => node.0,
            Some(Err(names)) => panic!("there is no node `{name}`; there are {names}"),
            None => panic!("the run of this network is over"),
        }
    }

    #[track_caller]
    fn pair(&self, from: &str, to: &str) -> (u32, u32) {
        let pair = (self.host(from), self.host(to));
        if pair.0 == pair.1 {
            panic!("there is no link from `{from}` to itself; loopback never fails");
        }
        pair
    }

    /// What all links are like, but for those that were set one by one.
    pub fn set_all(&self, model: &LinkModel) {
        self.with(|fabric, _| fabric.links.set_usual(model.shared()));
    }

    /// What the link from one node to another is like. The way back is another link.
    ///
    /// # Panics
    /// If there is no such node, or they are one. So do all methods that take names.
    #[track_caller]
    pub fn set_link(&self, from: &str, to: &str, model: &LinkModel) {
        let (from, to) = self.pair(from, to);
        self.with(|fabric, _| fabric.links.get(from, to).model = model.shared());
    }

    /// [`set_link`](Self::set_link) both ways.
    #[track_caller]
    pub fn set_between(&self, one: &str, other: &str, model: &LinkModel) {
        self.set_link(one, other, model);
        self.set_link(other, one, model);
    }

    /// How long packets take between two nodes, each way. All else about the links stays.
    #[track_caller]
    pub fn set_latency(&self, one: &str, other: &str, latency: Duration) {
        let (from, to) = self.pair(one, other);
        let delay = LinkModel::new().latency(latency).model.delay;
        self.with(|fabric, _| {
            for (from, to) in [(from, to), (to, from)] {
                let model = &mut fabric.links.get(from, to).model;
                *model = Rc::new(super::fabric::Model { delay: delay.clone(), ..(**model).clone() });
            }
        });
    }

    /// Cuts the link from one node to another: nothing passes, and what is under way is lost. The way back stays.
    #[track_caller]
    pub fn cut(&self, from: &str, to: &str) -> Partition {
        let pair = self.pair(from, to);
        self.cut_pairs(vec![pair])
    }

    /// Cuts the links between all nodes of different groups, both ways. Nodes that are in no group keep theirs.
    ///
    /// # Panics
    /// If there is no such node, or one is in two groups.
    #[track_caller]
    pub fn partition(&self, groups: &[&[&str]]) -> Partition {
        let mut members: Vec<(usize, u32)> = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            for name in *group {
                let host = self.host(name);
                if members.iter().any(|(other, known)| *known == host && *other != number) {
                    panic!("node `{name}` is in two groups of a partition; put it into one");
                }
                members.push((number, host));
            }
        }
        let pairs = members.iter().flat_map(|(group, from)| {
            let others = members.iter().filter(move |(other, _)| other != group);
            others.map(move |(_, to)| (*from, *to))
        });
        self.cut_pairs(pairs.collect())
    }

    /// Cuts the links from each node of the one group to each of the other, and leaves the ways back.
    #[track_caller]
    pub fn partition_one_way(&self, from: &[&str], to: &[&str]) -> Partition {
        let mut pairs = Vec::new();
        for from in from {
            for to in to {
                pairs.push(self.pair(from, to));
            }
        }
        self.cut_pairs(pairs)
    }

    /// Cuts all links from and to a node.
    #[track_caller]
    pub fn isolate(&self, name: &str) -> Partition {
        let host = self.host(name);
        let count = of_run(self.run, |engine| engine.nodes().ids().count() as u32).unwrap_or(0);
        let others = (0..count).filter(|other| *other != host);
        self.cut_pairs(others.flat_map(|other| [(host, other), (other, host)]).collect())
    }

    #[track_caller]
    pub(super) fn cut_pairs(&self, mut pairs: Vec<(u32, u32)>) -> Partition {
        let at = Location::caller();
        pairs.sort_unstable();
        pairs.dedup();
        self.with(|fabric, turn| {
            for (from, to) in &pairs {
                let link = fabric.links.get(*from, *to);
                link.cuts += 1;
                link.touched = self.touched(turn, at);
            }
        });
        Partition { network: self.clone(), pairs }
    }

    /// Heals every link that is cut, releases every one that is held, and ends every clog.
    pub fn heal(&self) {
        self.with(|fabric, turn| {
            for number in fabric.links.numbers() {
                let link = fabric.links.at(number);
                link.cuts = 0;
                link.clogged_until_ns = 0;
                if std::mem::take(&mut link.held) {
                    fabric.release(turn, number);
                }
            }
        });
    }

    /// Holds what is sent from one node to another until it is [released](Self::release).
    #[track_caller]
    pub fn hold(&self, from: &str, to: &str) {
        let (from, to) = self.pair(from, to);
        let at = Location::caller();
        self.with(|fabric, turn| {
            let link = fabric.links.get(from, to);
            link.held = true;
            link.touched = self.touched(turn, at);
        });
    }

    /// Lets go of what has been [held](Self::hold), in the order in which it was sent.
    #[track_caller]
    pub fn release(&self, from: &str, to: &str) {
        let (from, to) = self.pair(from, to);
        self.with(|fabric, turn| {
            fabric.links.get(from, to).held = false;
            let number = fabric.links.between(from, to);
            fabric.release(turn, number);
        });
    }

    /// Keeps all packets that leave one node for another within the next while from arriving before its end.
    #[track_caller]
    pub fn clog(&self, from: &str, to: &str, duration: Duration) {
        let pair = self.pair(from, to);
        self.clog_pairs(&[pair], duration);
    }

    /// [`clog`](Self::clog) for all links from and to a node.
    #[track_caller]
    pub fn clog_node(&self, name: &str, duration: Duration) {
        let host = self.host(name);
        let count = of_run(self.run, |engine| engine.nodes().ids().count() as u32).unwrap_or(0);
        let others = (0..count).filter(|other| *other != host);
        let pairs: Vec<_> = others.flat_map(|other| [(host, other), (other, host)]).collect();
        self.clog_pairs(&pairs, duration);
    }

    /// Clogs the nodes one after the other, each for as long as the others take to follow, and unclogs them in the same
    /// order: at each instant another part of the network stands still.
    pub async fn swizzle(&self, names: &[&str], over: Duration) {
        let turns = 2 * u32::try_from(names.len()).unwrap_or(u32::MAX).max(1);
        for name in names {
            self.clog_node(name, over / 2);
            crate::time::sleep(over / turns).await;
        }
    }

    #[track_caller]
    pub(super) fn clog_pairs(&self, pairs: &[(u32, u32)], duration: Duration) {
        let at = Location::caller();
        let by_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.with(|fabric, turn| {
            for (from, to) in pairs {
                let link = fabric.links.get(*from, *to);
                link.clogged_until_ns = link.clogged_until_ns.max(turn.now_ns.saturating_add(by_ns));
                link.touched = self.touched(turn, at);
            }
        });
    }

    /// Makes a name stand for these addresses, be it a node's or a new one; with none it is not known.
    pub fn set_addresses(&self, name: &str, addresses: &[IpAddr]) {
        self.with(|fabric, _| {
            fabric.names.insert(name.to_ascii_lowercase(), Lookup::Addresses(addresses.to_vec()));
        });
    }

    /// Makes looking up a name fail, for the time being.
    pub fn fail_lookups(&self, name: &str) {
        self.with(|fabric, _| {
            fabric.names.insert(name.to_ascii_lowercase(), Lookup::Fails);
        });
    }

    /// Makes a name stand again for what it did.
    pub fn restore_lookups(&self, name: &str) {
        self.with(|fabric, _| {
            fabric.names.remove(&name.to_ascii_lowercase());
        });
    }

    /// How long a connection that is asked for may stay unanswered: 127 s otherwise.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn set_connect_timeout(&self, timeout: Duration) {
        let ns = checked(timeout);
        self.with(|fabric, _| fabric.times.connect_ns = ns);
    }

    /// How long the other side of a connection may stay silent although something was sent to it: 924.6 s otherwise.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn set_silence_timeout(&self, timeout: Duration) {
        let ns = checked(timeout);
        self.with(|fabric, _| fabric.times.silence_ns = ns);
    }
}

#[track_caller]
fn checked(timeout: Duration) -> u64 {
    if timeout.is_zero() {
        panic!("a timeout of zero would end every connection; give at least 1 ns");
    }
    u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
}

/// Links that are cut. Dropping this heals nothing; a link that is cut twice passes when both are healed.
#[derive(Debug)]
pub struct Partition {
    network: Network,
    pairs: Vec<(u32, u32)>,
}

impl Partition {
    /// Lets packets pass again. What TCP could not send is tried again in its time: up to 120 s later, where the links were
    /// cut for long.
    pub fn heal(self) {
        let Self { network, pairs } = self;
        network.with(|fabric, _| {
            for (from, to) in pairs {
                let link = fabric.links.get(from, to);
                link.cuts = link.cuts.saturating_sub(1);
            }
        });
    }
}
