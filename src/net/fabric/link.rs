//! Links: latency, bandwidth, loss, duplication and reordering of packets between two hosts.
//!
//! # Invariants
//! A link has one direction. The fate of its n-th packet is a decision about that link and that packet; value 0 is
//! the least latency and no fault. A link with constant latency and no faults makes no decisions.

use std::panic::Location;
use std::rc::Rc;

use timeloop_sim::Numbers;

use super::PacketDecider;

/// The number of steps in a latency distribution.
pub(crate) const LATENCY_QUANTILES: u32 = 256;

/// The resolution of probabilities: they are given in millionths. This many millionths are a certainty.
pub(crate) const PROBABILITY_STEPS: u32 = 1_000_000;

/// The minimum time before a lost segment is sent again.
pub(super) const RETRANSMIT_NS: u64 = 200_000_000;

/// The latency of a link's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delay {
    Constant(u64),
    /// Equally likely latencies in ascending order.
    Quantiles(Rc<[u64]>),
}

/// The parameters of a link. Probabilities are in millionths. A link that loses every packet is as good as cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkParams {
    pub(crate) delay: Delay,
    pub(crate) loss: u32,
    pub(crate) duplicate: u32,
    pub(crate) reorder: u32,
    /// In bytes per second; `None` for no limit.
    pub(crate) bandwidth: Option<u64>,
    /// How many bytes may wait for transmission before datagrams are dropped.
    pub(crate) queue_bytes: u64,
    /// The size of the largest packet, IP headers included.
    pub(crate) mtu: u32,
}

/// A property of one packet that is decided at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PacketDecision {
    /// Its latency.
    Delay,
    /// Whether it is lost.
    Loss,
    /// Whether it arrives twice.
    Duplicate,
    /// Whether it is delayed so that later packets may overtake it.
    Reorder,
}

impl PacketDecision {
    /// Returns the number of this property in decision keys. It is part of a stored format and must not change.
    pub(crate) const fn index(self) -> u32 {
        match self {
            Self::Delay => 0,
            Self::Loss => 1,
            Self::Duplicate => 2,
            Self::Reorder => 3,
        }
    }
}

/// Identifies a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Its number on the link, from 0.
    pub(crate) number: u32,
}

/// When a link or a node was last changed, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at_ns: u64,
    /// The source location of the call, if known.
    pub(crate) at: Option<&'static Location<'static>>,
    /// Whether a fault plan made the change.
    pub(crate) planned: bool,
}

/// The link from one host to another.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) params: Rc<LinkParams>,
    /// The parameters to restore when the link is no longer flaky, and how many faults make it flaky.
    stable: Option<(Rc<LinkParams>, u32)>,
    /// How many cuts are in effect. Nothing passes while there is one.
    pub(crate) cuts: u32,
    /// Whether packets are held until released.
    pub(crate) held: bool,
    /// No packet sent from now on arrives before this time.
    pub(crate) clogged_until_ns: u64,
    /// The last time that the link was cut, held or clogged.
    pub(crate) last_change: Option<Change>,
    packets: u32,
    /// When the transmission queue becomes empty.
    free_ns: u64,
}

impl Link {
    /// Returns whether packets pass.
    #[inline]
    pub(crate) fn passes(&self) -> bool {
        self.cuts == 0 && !self.held && !self.loses_all()
    }

    /// Returns whether the link loses every packet.
    #[inline]
    pub(crate) fn loses_all(&self) -> bool {
        self.params.loss == PROBABILITY_STEPS
    }

    /// Returns the parameters that the link has, or will have when it is no longer flaky.
    pub(crate) fn stable_params(&self) -> &Rc<LinkParams> {
        self.stable.as_ref().map_or(&self.params, |(params, _)| params)
    }

    /// Sets the parameters. They take effect when the link is no longer flaky.
    pub(crate) fn set_params(&mut self, params: Rc<LinkParams>) {
        match &mut self.stable {
            Some((stable, _)) => *stable = params,
            None => self.params = params,
        }
    }

    /// Makes the link flaky: latencies, losses and the like are at least those of `flaky`.
    pub(crate) fn make_flaky(&mut self, flaky: &LinkParams) {
        if let Some((_, faults)) = &mut self.stable {
            *faults += 1;
            return;
        }
        let own = Rc::clone(&self.params);
        self.params = Rc::new(LinkParams {
            delay: flaky.delay.clone(),
            loss: own.loss.max(flaky.loss),
            duplicate: own.duplicate.max(flaky.duplicate),
            reorder: own.reorder.max(flaky.reorder),
            ..(*own).clone()
        });
        self.stable = Some((own, 1));
    }

    /// Ends one fault that made the link flaky.
    pub(crate) fn end_flaky(&mut self) {
        let Some((params, faults)) = self.stable.take() else { return };
        if faults > 1 {
            self.stable = Some((params, faults - 1));
        } else {
            self.params = params;
        }
    }

    fn next(&mut self) -> Packet {
        let number = self.packets;
        self.packets = number.wrapping_add(1);
        Packet { from: self.from, to: self.to, number }
    }

    fn chance(
        packet: Packet,
        question: PacketDecision,
        millionths: u32,
        decider: &mut dyn PacketDecider,
    ) -> bool {
        // A probability of 0 or 1 needs no decision, so it also holds for the baseline run.
        millionths == PROBABILITY_STEPS || millionths > 0 && decider.happens(packet, question, millionths)
    }

    /// Transmits a packet and returns when it arrives: transmission time at the bandwidth, then latency.
    fn leave(&mut self, packet: Packet, now_ns: u64, bytes: u64, decider: &mut dyn PacketDecider) -> u64 {
        let at_ns = match self.params.bandwidth {
            None => now_ns,
            Some(bandwidth) => {
                let takes_ns = u128::from(bytes) * 1_000_000_000 / u128::from(bandwidth);
                self.free_ns = self.free_ns.max(now_ns).saturating_add(takes_ns as u64);
                self.free_ns
            }
        };
        let delay_ns = match &self.params.delay {
            Delay::Constant(ns) => *ns,
            Delay::Quantiles(table) => {
                let table = Rc::clone(table);
                let count = table.len() as u32;
                table[decider.quantile(packet, count, &table) as usize]
            }
        };
        at_ns.max(self.clogged_until_ns).saturating_add(delay_ns)
    }

    /// Sends a segment of a stream and returns when it arrives. A lost segment arrives late.
    #[inline]
    pub(super) fn send_segment(&mut self, now_ns: u64, bytes: u64, decider: &mut dyn PacketDecider) -> u64 {
        let packet = self.next();
        let loss = self.params.loss;
        let at_ns = self.leave(packet, now_ns, bytes, decider);
        if Self::chance(packet, PacketDecision::Loss, loss, decider) {
            at_ns.saturating_add(RETRANSMIT_NS.max(2 * (at_ns - now_ns)))
        } else {
            at_ns
        }
    }

    /// Sends a datagram and returns when it and its duplicate arrive, if they do.
    pub(super) fn send_datagram(
        &mut self,
        now_ns: u64,
        bytes: u64,
        decider: &mut dyn PacketDecider,
    ) -> [Option<u64>; 2] {
        let packet = self.next();
        if let Some(bandwidth) = self.params.bandwidth {
            let waits_ns = self.free_ns.saturating_sub(now_ns);
            let waits = u128::from(waits_ns) * u128::from(bandwidth) / 1_000_000_000;
            if waits + u128::from(bytes) > u128::from(self.params.queue_bytes) {
                return [None, None];
            }
        }
        let (reorder, duplicate) = (self.params.reorder, self.params.duplicate);
        // Losing one fragment loses the datagram.
        let pieces = bytes.div_ceil(u64::from(self.params.mtu)) as u32;
        let loss = self.params.loss.saturating_mul(pieces).min(PROBABILITY_STEPS - 1);
        let mut at_ns = self.leave(packet, now_ns, bytes, decider);
        if Self::chance(packet, PacketDecision::Loss, loss, decider) {
            return [None, None];
        }
        let takes_ns = (at_ns - now_ns).max(1_000);
        if Self::chance(packet, PacketDecision::Reorder, reorder, decider) {
            at_ns = at_ns.saturating_add(takes_ns);
        }
        let double = Self::chance(packet, PacketDecision::Duplicate, duplicate, decider);
        [Some(at_ns), double.then(|| at_ns.saturating_add(takes_ns / 2))]
    }
}

/// Returns the key of the link from one host to another.
fn pair(from: u32, to: u32) -> u128 {
    u128::from(from) << 32 | u128::from(to)
}

/// All links, created on first use.
#[derive(Debug, Default)]
pub(crate) struct Links {
    all: Vec<Link>,
    /// The index of each link, by [`pair`].
    by_pair: Numbers,
    /// The parameters of links that were not configured individually.
    default_params: Rc<LinkParams>,
}

impl Links {
    /// Returns the number of the link from one host to another.
    pub(crate) fn between(&mut self, from: u32, to: u32) -> u32 {
        let Self { all, by_pair, default_params } = self;
        *by_pair.entry(pair(from, to)).or_insert_with(|| {
            let params = Rc::clone(default_params);
            all.push(Link {
                from,
                to,
                params,
                stable: None,
                cuts: 0,
                held: false,
                clogged_until_ns: 0,
                last_change: None,
                packets: 0,
                free_ns: 0,
            });
            all.len() as u32 - 1
        })
    }

    /// Returns a link by its number.
    #[inline]
    pub(crate) fn at(&mut self, number: u32) -> &mut Link {
        &mut self.all[number as usize]
    }

    /// Returns the link from one host to another.
    pub(crate) fn get(&mut self, from: u32, to: u32) -> &mut Link {
        let number = self.between(from, to);
        self.at(number)
    }

    /// Returns a link if it has been used or configured.
    pub(super) fn known(&self, from: u32, to: u32) -> Option<&Link> {
        self.by_pair.get(&pair(from, to)).map(|number| &self.all[*number as usize])
    }

    /// Returns the numbers of all links.
    pub(crate) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.all.len() as u32
    }

    /// Sets the parameters of all links that were not configured individually.
    pub(crate) fn set_default_params(&mut self, params: Rc<LinkParams>) {
        for link in self.all.iter_mut() {
            if Rc::ptr_eq(link.stable_params(), &self.default_params) {
                link.set_params(Rc::clone(&params));
            }
        }
        self.default_params = params;
    }
}
