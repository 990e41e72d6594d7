//! Links: what happens to a packet on its way from one host to another.
//!
//! Always true: a link has a direction; what becomes of its n-th packet is a decision about that link and that packet,
//! and of all that may happen the least delay and no fault is value 0; a packet on a link without chance asks nobody.

use std::collections::BTreeMap;
use std::panic::Location;
use std::rc::Rc;

use super::Dice;

/// So many steps has a distribution of latencies.
pub(crate) const QUANTILES: u32 = 256;

/// How finely chances are told apart.
pub(crate) const CHANCES: u32 = 1_000_000;

/// The least time after which a lost segment is sent again.
pub(super) const RETRANSMIT_NS: u64 = 200_000_000;

/// How long packets are under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delay {
    Constant(u64),
    /// The least first.
    Quantiles(Rc<[u64]>),
}

/// What a link is like. Chances in millionths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) delay: Delay,
    pub(crate) loss: u32,
    pub(crate) duplicate: u32,
    pub(crate) reorder: u32,
    /// Bytes a second; `None` for no limit.
    pub(crate) bandwidth: Option<u64>,
    /// How many bytes wait for their turn before datagrams are dropped.
    pub(crate) queue_bytes: u64,
    /// The largest packet, headers of IP included.
    pub(crate) mtu: u32,
}

impl Default for Model {
    /// A data centre on a good day.
    fn default() -> Self {
        Self {
            delay: Delay::Constant(500_000),
            loss: 0,
            duplicate: 0,
            reorder: 0,
            bandwidth: None,
            queue_bytes: 1 << 20,
            mtu: 1_500,
        }
    }
}

/// What may be decided about one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    /// Which quantile of the latency it has.
    Delay,
    /// Whether it is lost.
    Loss,
    /// Whether it comes twice.
    Duplicate,
    /// Whether those behind it overtake it.
    Reorder,
}

impl Question {
    /// The number that stands for it in decisions; it never changes.
    pub(crate) const fn index(self) -> u32 {
        match self {
            Self::Delay => 0,
            Self::Loss => 1,
            Self::Duplicate => 2,
            Self::Reorder => 3,
        }
    }
}

/// One packet about which something is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// The how-many-th of its link, from 0.
    pub(crate) number: u32,
}

/// When something was done to the world, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) at_ns: u64,
    /// The place in the source that called for it, where that is known.
    pub(crate) at: Option<&'static Location<'static>>,
    /// Whether a fault plan did it.
    pub(crate) planned: bool,
}

/// One direction between two hosts.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) model: Rc<Model>,
    /// How many reasons there are for nothing to pass.
    pub(crate) cuts: u32,
    /// Packets are held until released.
    pub(crate) held: bool,
    /// Nothing arrives before.
    pub(crate) clogged_until_ns: u64,
    /// When it was cut, held or clogged last, and by whom.
    pub(crate) touched: Option<Touched>,
    packets: u32,
    /// When the last byte that waits for its turn will have been put on the line.
    free_ns: u64,
}

impl Link {
    /// Whether packets pass.
    #[inline]
    pub(crate) fn passes(&self) -> bool {
        self.cuts == 0 && !self.held
    }

    fn next(&mut self) -> Packet {
        let number = self.packets;
        self.packets = number.wrapping_add(1);
        Packet { from: self.from, to: self.to, number }
    }

    fn chance(packet: Packet, question: Question, millionths: u32, dice: &mut dyn Dice) -> bool {
        millionths > 0 && dice.happens(packet, question, millionths)
    }

    /// When a packet that leaves now has passed the line itself, and how long it takes from there.
    fn leave(&mut self, packet: Packet, now_ns: u64, bytes: u64, dice: &mut dyn Dice) -> u64 {
        let at_ns = match self.model.bandwidth {
            None => now_ns,
            Some(bandwidth) => {
                let takes_ns = u128::from(bytes) * 1_000_000_000 / u128::from(bandwidth);
                self.free_ns = self.free_ns.max(now_ns).saturating_add(takes_ns as u64);
                self.free_ns
            }
        };
        let delay_ns = match &self.model.delay {
            Delay::Constant(ns) => *ns,
            Delay::Quantiles(table) => {
                let table = Rc::clone(table);
                let count = table.len() as u32;
                table[dice.quantile(packet, count, &table) as usize]
            }
        };
        at_ns.max(self.clogged_until_ns).saturating_add(delay_ns)
    }

    /// When a segment of a stream that leaves now arrives: loss is delay.
    #[inline]
    pub(super) fn send_segment(&mut self, now_ns: u64, bytes: u64, dice: &mut dyn Dice) -> u64 {
        let packet = self.next();
        let loss = self.model.loss;
        let at_ns = self.leave(packet, now_ns, bytes, dice);
        if Self::chance(packet, Question::Loss, loss, dice) {
            at_ns.saturating_add(RETRANSMIT_NS.max(2 * (at_ns - now_ns)))
        } else {
            at_ns
        }
    }

    /// When a datagram that leaves now arrives, and its double if it has one.
    pub(super) fn send_datagram(&mut self, now_ns: u64, bytes: u64, dice: &mut dyn Dice) -> [Option<u64>; 2] {
        let packet = self.next();
        if let Some(bandwidth) = self.model.bandwidth {
            let waits_ns = self.free_ns.saturating_sub(now_ns);
            let waits = u128::from(waits_ns) * u128::from(bandwidth) / 1_000_000_000;
            if waits + u128::from(bytes) > u128::from(self.model.queue_bytes) {
                return [None, None];
            }
        }
        let (reorder, duplicate) = (self.model.reorder, self.model.duplicate);
        // Each of its pieces may be lost.
        let pieces = bytes.div_ceil(u64::from(self.model.mtu)) as u32;
        let loss = self.model.loss.saturating_mul(pieces).min(CHANCES);
        let mut at_ns = self.leave(packet, now_ns, bytes, dice);
        if Self::chance(packet, Question::Loss, loss, dice) {
            return [None, None];
        }
        let takes_ns = (at_ns - now_ns).max(1_000);
        if Self::chance(packet, Question::Reorder, reorder, dice) {
            at_ns = at_ns.saturating_add(takes_ns);
        }
        let double = Self::chance(packet, Question::Duplicate, duplicate, dice);
        [Some(at_ns), double.then(|| at_ns.saturating_add(takes_ns / 2))]
    }
}

/// All links, made when they are first used.
#[derive(Debug, Default)]
pub(crate) struct Links {
    all: Vec<Link>,
    by_pair: BTreeMap<(u32, u32), u32>,
    /// What a link is like of which nothing else is known.
    usual: Rc<Model>,
}

impl Links {
    /// The number of the link from one host to another.
    pub(crate) fn between(&mut self, from: u32, to: u32) -> u32 {
        let Self { all, by_pair, usual } = self;
        *by_pair.entry((from, to)).or_insert_with(|| {
            let model = Rc::clone(usual);
            all.push(Link {
                from,
                to,
                model,
                cuts: 0,
                held: false,
                clogged_until_ns: 0,
                touched: None,
                packets: 0,
                free_ns: 0,
            });
            all.len() as u32 - 1
        })
    }

    /// A link by its number.
    #[inline]
    pub(crate) fn at(&mut self, number: u32) -> &mut Link {
        &mut self.all[number as usize]
    }

    /// A link from one host to another.
    pub(crate) fn get(&mut self, from: u32, to: u32) -> &mut Link {
        let number = self.between(from, to);
        self.at(number)
    }

    /// A link that has been used or changed.
    pub(super) fn known(&self, from: u32, to: u32) -> Option<&Link> {
        self.by_pair.get(&(from, to)).map(|number| &self.all[*number as usize])
    }

    /// The numbers of all links.
    pub(crate) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.all.len() as u32
    }

    /// What links are like from now on, but for those that were made otherwise.
    pub(crate) fn set_usual(&mut self, model: Rc<Model>) {
        for link in self.all.iter_mut().filter(|link| Rc::ptr_eq(&link.model, &self.usual)) {
            link.model = Rc::clone(&model);
        }
        self.usual = model;
    }
}
