//! Control of the simulated network: [`Network`] and [`Partition`].
//!
//! # Invariants
//! A method that takes names panics for an unknown node and lists the known ones. A change takes effect at once, also
//! for packets in flight.

use std::net::IpAddr;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use timeloop_sim::{Access, LinkChange};

use super::driver::Fabric;
use super::fabric::{CallContext, Change, Lookup};
use super::link_model::LinkModel;
use crate::engine::{self, RunId, context, of_run};

/// The network of a run. A test can change it at any time.
///
/// Methods take the names of nodes; the test's own node is `test`. Loopback never fails.
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
    /// Whether a fault plan makes the changes.
    planned: bool,
}

impl Network {
    /// Returns the network of the current run.
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

    /// Returns a handle whose changes are attributed to a fault plan.
    pub(super) fn planned(self) -> Self {
        Self { planned: true, ..self }
    }

    /// Describes a change made now.
    fn last_change(&self, ctx: &CallContext<'_>, at: &'static Location<'static>) -> Option<Change> {
        Some(Change { at_ns: ctx.now_ns, at: Some(at), planned: self.planned })
    }

    /// Calls `f` with the network. Does nothing once the run is over.
    // Not generic: each instance would be compiled with all that it takes to find the network.
    fn with(&self, f: &mut dyn FnMut(&mut Fabric, &mut CallContext<'_>)) {
        of_run(self.run, |engine| engine.network_here(|fabric, ctx, _| f(fabric, ctx)));
    }

    /// Records a change of links; of all, if none is given.
    fn record(&self, change: LinkChange, links: &[(u32, u32)]) {
        of_run(self.run, |engine| engine.record_links(change, links));
    }

    /// Returns the host with this name.
    #[track_caller]
    fn host(&self, name: &str) -> u32 {
        let found = of_run(self.run, |engine| {
            let nodes = engine.nodes();
            nodes.by_name(name).ok_or_else(|| nodes.listed())
        });
        match found {
            Some(Ok(node)) => node.0,
            Some(Err(names)) => {
                panic!("there is no node `{}`; the nodes are {names}", name.escape_debug())
            }
            None => panic!(
                "this `Network` belongs to a run that is over or to another thread; call `Network::current()` in \
                 each run"
            ),
        }
    }

    #[track_caller]
    fn pair(&self, from: &str, to: &str) -> (u32, u32) {
        let pair = (self.host(from), self.host(to));
        if pair.0 == pair.1 {
            panic!(
                "node `{from}` has no link to itself, and its loopback can't be changed; name two different nodes"
            );
        }
        pair
    }

    /// Sets the model of all links that were not configured individually.
    pub fn set_all(&self, model: &LinkModel) {
        self.with(&mut |fabric, _| fabric.links.set_default_params(model.shared()));
    }

    /// Sets the model of the link from one node to another. The opposite direction is another link.
    ///
    /// # Panics
    /// If there is no node of a name, or both names are the same. This holds for all methods that take names.
    #[track_caller]
    pub fn set_link(&self, from: &str, to: &str, model: &LinkModel) {
        let (from, to) = self.pair(from, to);
        self.with(&mut |fabric, _| fabric.links.get(from, to).set_params(model.shared()));
    }

    /// Sets the model of the links between two nodes, in both directions.
    #[track_caller]
    pub fn set_between(&self, one: &str, other: &str, model: &LinkModel) {
        self.set_link(one, other, model);
        self.set_link(other, one, model);
    }

    /// Sets a constant latency between two nodes, in both directions. The other parameters of the links stay.
    #[track_caller]
    pub fn set_latency(&self, one: &str, other: &str, latency: Duration) {
        let (from, to) = self.pair(one, other);
        let delay = LinkModel::new().latency(latency).params.delay;
        self.with(&mut |fabric, _| {
            for (from, to) in [(from, to), (to, from)] {
                let link = fabric.links.get(from, to);
                let params =
                    super::fabric::LinkParams { delay: delay.clone(), ..(**link.stable_params()).clone() };
                link.set_params(Rc::new(params));
            }
        });
    }

    /// Cuts the link from one node to another: nothing passes, and packets in flight are lost. The opposite direction
    /// stays.
    #[track_caller]
    pub fn cut(&self, from: &str, to: &str) -> Partition {
        let pair = self.pair(from, to);
        self.cut_pairs(vec![pair])
    }

    /// Cuts all links between nodes of different groups, in both directions. Nodes in no group keep their links.
    ///
    /// # Panics
    /// If there is no node of a name, or a node is in two groups.
    #[track_caller]
    pub fn partition(&self, groups: &[&[&str]]) -> Partition {
        let mut members: Vec<(usize, u32)> = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            for name in *group {
                let host = self.host(name);
                if members.iter().any(|(other, known)| *known == host && *other != number) {
                    panic!("node `{name}` is in two groups of a partition; put it in one");
                }
                members.push((number, host));
            }
        }
        let mut pairs = Vec::new();
        for (group, from) in &members {
            let others = members.iter().filter(|(other, _)| other != group);
            pairs.extend(others.map(|(_, to)| (*from, *to)));
        }
        self.cut_pairs(pairs)
    }

    /// Cuts the links from each node in `from` to each node in `to`. The opposite directions stay.
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
        self.cut_pairs(self.links_of(name))
    }

    /// Returns the ends of all links from and to a node.
    #[track_caller]
    fn links_of(&self, name: &str) -> Vec<(u32, u32)> {
        let host = self.host(name);
        let count = of_run(self.run, |engine| engine.nodes().ids().count() as u32).unwrap_or(0);
        let mut links = Vec::new();
        for other in (0..count).filter(|other| *other != host) {
            links.extend([(host, other), (other, host)]);
        }
        links
    }

    #[track_caller]
    pub(super) fn cut_pairs(&self, mut pairs: Vec<(u32, u32)>) -> Partition {
        let at = Location::caller();
        pairs.sort_unstable();
        pairs.dedup();
        self.with(&mut |fabric, ctx| {
            for (from, to) in &pairs {
                let link = fabric.links.get(*from, *to);
                link.cuts += 1;
                link.last_change = self.last_change(ctx, at);
            }
        });
        self.record(LinkChange::Cut, &pairs);
        Partition { network: self.clone(), pairs }
    }

    /// Heals all cut links, releases all held links and ends all clogs.
    pub fn heal(&self) {
        self.with(&mut |fabric, ctx| {
            for number in fabric.links.numbers() {
                let link = fabric.links.at(number);
                link.cuts = 0;
                link.clogged_until_ns = 0;
                if std::mem::take(&mut link.held) {
                    fabric.release(ctx, number);
                }
            }
        });
        self.record(LinkChange::Healed, &[]);
    }

    /// Holds all packets from one node to another until [`release`](Self::release).
    #[track_caller]
    pub fn hold(&self, from: &str, to: &str) {
        let (from, to) = self.pair(from, to);
        let at = Location::caller();
        self.with(&mut |fabric, ctx| {
            let link = fabric.links.get(from, to);
            link.held = true;
            link.last_change = self.last_change(ctx, at);
        });
        self.record(LinkChange::Held, &[(from, to)]);
    }

    /// Releases a link that was [held](Self::hold). Its packets continue in the order in which they were sent.
    #[track_caller]
    pub fn release(&self, from: &str, to: &str) {
        let (from, to) = self.pair(from, to);
        self.with(&mut |fabric, ctx| {
            fabric.links.get(from, to).held = false;
            let number = fabric.links.between(from, to);
            fabric.release(ctx, number);
        });
        self.record(LinkChange::Released, &[(from, to)]);
    }

    /// Holds a link for a fault plan, unless it is held. Returns whether it was not.
    #[track_caller]
    pub(super) fn hold_anew(&self, from: &str, to: &str) -> bool {
        let pair = self.pair(from, to);
        let mut held = false;
        self.with(&mut |fabric, _| held = fabric.links.get(pair.0, pair.1).held);
        if !held {
            self.hold(from, to);
        }
        !held
    }

    /// Makes the links between two nodes flaky for a fault plan, or ends that.
    #[track_caller]
    pub(super) fn set_flaky(&self, one: &str, other: &str, flaky: bool) {
        let (from, to) = self.pair(one, other);
        let model = LinkModel::flaky();
        self.with(&mut |fabric, _| {
            for (from, to) in [(from, to), (to, from)] {
                let link = fabric.links.get(from, to);
                if flaky {
                    link.make_flaky(&model.params);
                } else {
                    link.end_flaky();
                }
            }
        });
        let change = if flaky { LinkChange::MadeFlaky } else { LinkChange::MadeStable };
        self.record(change, &[(from, to), (to, from)]);
    }

    /// Makes lookups of a name fail for a fault plan. Returns how it was looked up before; `None` if lookups fail already.
    pub(super) fn fail_lookups_anew(&self, name: &str) -> Option<Option<Lookup>> {
        let mut before = None;
        self.with(&mut |fabric, _| {
            let name = name.to_ascii_lowercase();
            let earlier = fabric.names.get(&name).cloned();
            if earlier != Some(Lookup::Fails) {
                fabric.names.insert(name, Lookup::Fails);
                before = Some(earlier);
            }
        });
        before
    }

    /// Restores how a name is looked up, unless the test has changed that meanwhile.
    pub(super) fn end_failing_lookups(&self, name: &str, mut before: Option<Lookup>) {
        self.with(&mut |fabric, _| {
            let name = name.to_ascii_lowercase();
            if fabric.names.get(&name) == Some(&Lookup::Fails) {
                match before.take() {
                    Some(lookup) => fabric.names.insert(name, lookup),
                    None => fabric.names.remove(&name),
                }
            }
        });
    }

    /// Delays the packets that one node sends to another: those sent within `duration` do not arrive before its end.
    #[track_caller]
    pub fn clog(&self, from: &str, to: &str, duration: Duration) {
        let pair = self.pair(from, to);
        self.clog_pairs(&[pair], duration);
    }

    /// Clogs the links between two nodes, in both directions, for a fault plan.
    #[track_caller]
    pub(super) fn clog_between(&self, one: &str, other: &str, duration: Duration) {
        let (one, other) = self.pair(one, other);
        self.clog_pairs(&[(one, other), (other, one)], duration);
    }

    /// Clogs all links from and to a node; see [`clog`](Self::clog).
    #[track_caller]
    pub fn clog_node(&self, name: &str, duration: Duration) {
        self.clog_pairs(&self.links_of(name), duration);
    }

    /// Clogs the nodes one after the other, each for half of `over`. The clogs begin, and later end, in the order of
    /// `names`, so the set of clogged nodes keeps changing. Returns after half of `over`.
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
        self.with(&mut |fabric, ctx| {
            for (from, to) in pairs {
                let link = fabric.links.get(*from, *to);
                link.clogged_until_ns = link.clogged_until_ns.max(ctx.now_ns.saturating_add(by_ns));
                link.last_change = self.last_change(ctx, at);
            }
        });
        self.record(LinkChange::Clogged, pairs);
    }

    /// Makes a name resolve to these addresses. With an empty list the name is unknown.
    #[track_caller]
    pub fn set_addresses(&self, name: &str, addresses: &[IpAddr]) {
        self.touch_name(name, Location::caller());
        self.with(&mut |fabric, _| {
            fabric.names.insert(name.to_ascii_lowercase(), Lookup::Addresses(addresses.to_vec()));
        });
    }

    /// Makes looking up a name fail with a temporary error.
    #[track_caller]
    pub fn fail_lookups(&self, name: &str) {
        self.touch_name(name, Location::caller());
        self.with(&mut |fabric, _| {
            fabric.names.insert(name.to_ascii_lowercase(), Lookup::Fails);
        });
    }

    /// Undoes [`set_addresses`](Self::set_addresses) and [`fail_lookups`](Self::fail_lookups) for a name.
    #[track_caller]
    pub fn restore_lookups(&self, name: &str) {
        self.touch_name(name, Location::caller());
        self.with(&mut |fabric, _| {
            fabric.names.remove(&name.to_ascii_lowercase());
        });
    }

    /// Records a change of a name, which races with lookups.
    fn touch_name(&self, name: &str, at: &'static Location<'static>) {
        let name = super::addr::name_resource(name, at);
        name.action(super::socket_labels::HOST_NAME, Access::Write).touch_apart();
    }

    /// Sets how long a connection attempt may stay unanswered; the default is 127 s.
    ///
    /// # Panics
    /// If the timeout is zero.
    #[track_caller]
    pub fn set_connect_timeout(&self, timeout: Duration) {
        let ns = checked(timeout);
        self.with(&mut |fabric, _| fabric.timeouts.connect_ns = ns);
    }

    /// Sets how long sent data may stay unacknowledged before the connection fails; the default is 924.6 s.
    ///
    /// # Panics
    /// If the timeout is zero.
    #[track_caller]
    pub fn set_silence_timeout(&self, timeout: Duration) {
        let ns = checked(timeout);
        self.with(&mut |fabric, _| fabric.timeouts.silence_ns = ns);
    }
}

#[track_caller]
fn checked(timeout: Duration) -> u64 {
    if timeout.is_zero() {
        panic!("a timeout of zero would fail every connection; set at least 1 ns");
    }
    u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
}

/// Links that were cut together. Dropping this does not heal them. A link that was cut twice passes packets once both
/// are healed.
#[derive(Debug)]
pub struct Partition {
    network: Network,
    pairs: Vec<(u32, u32)>,
}

impl Partition {
    /// Heals the links. TCP retransmits with its own schedule: up to 120 s later if the links were cut for long.
    pub fn heal(self) {
        let Self { network, pairs } = self;
        network.with(&mut |fabric, _| {
            for &(from, to) in &pairs {
                let link = fabric.links.get(from, to);
                link.cuts = link.cuts.saturating_sub(1);
            }
        });
        network.record(LinkChange::Healed, &pairs);
    }
}
