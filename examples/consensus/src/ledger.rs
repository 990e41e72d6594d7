//! The ledger checks the agreement of the nodes: the test records what each node applies, independent of crashes.
//!
//! # Invariants
//! Recording does not affect the run. The first violation is kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use openraft::{Entry, EntryPayload, LogId};
use timeloop::sync::Notify;
use timeloop::time::{Duration, Instant};

use crate::disk::Slot;
use crate::{Types, name_of};

/// The record of a run. Clones share it.
#[derive(Clone, Debug)]
pub struct Ledger(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    begin: Instant,
    seen: RefCell<Seen>,
    violated: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    /// The latest leader that each node has followed, by term and number.
    followed: BTreeMap<u64, (u64, u64)>,
    /// The applied entries, each with the first node that applied it.
    applied: BTreeMap<u64, (u64, Entry<Types>)>,
    /// The last entry that each node has applied.
    reached: BTreeMap<u64, u64>,
    /// Descriptions of the lost writes, one per crash.
    losses: Vec<String>,
    /// The first violation.
    violation: Option<String>,
}

impl Ledger {
    /// Creates the ledger of a run.
    #[must_use]
    pub fn new() -> Self {
        Self(Rc::new(Inner { begin: Instant::now(), seen: RefCell::default(), violated: Notify::new() }))
    }

    /// Records that a node follows a leader of this term, and checks that it does not return to an earlier one.
    ///
    /// In openraft a term may have several leaders in succession, each elected by its own vote.
    pub fn record_leader(&self, node: u64, term: u64, leader: u64) {
        let mut seen = self.0.seen.borrow_mut();
        let followed = seen.followed.entry(node).or_default();
        let before = std::mem::replace(followed, (term, leader).max(*followed));
        drop(seen);
        if (term, leader) < before {
            let [node, leader, other] = [node, leader, before.1].map(name_of);
            let known = before.0;
            self.record_violation(&format!(
                "{node} follows {leader} of term {term} after {other} of term {known}"
            ));
        }
    }

    /// Records that a node applies an entry, and checks that all nodes apply the same entry at an index.
    pub fn record_applied(&self, node: u64, entry: &Entry<Types>) {
        let index = entry.log_id.index;
        let mut seen = self.0.seen.borrow_mut();
        seen.reached.insert(node, index);
        let (first, known) = seen.applied.entry(index).or_insert_with(|| (node, entry.clone()));
        if known != entry {
            let violation = format!(
                "{} applies {} as entry {index}, which {} has applied as {}: a committed entry is lost",
                name_of(node),
                describe(entry),
                name_of(*first),
                describe(known),
            );
            drop(seen);
            self.record_violation(&violation);
        }
    }

    /// Records that a node has installed a snapshot up to an entry.
    pub fn record_snapshot(&self, node: u64, last: Option<LogId<u64>>) {
        self.0.seen.borrow_mut().reached.insert(node, last.map_or(0, |last| last.index));
    }

    /// Records that a node starts after losing the writes to these slots.
    pub fn record_start(&self, node: u64, lost: &[Slot]) {
        if lost.is_empty() {
            return;
        }
        let mut parts = Vec::new();
        let entries: Vec<u64> = lost
            .iter()
            .filter_map(|slot| match slot {
                Slot::Entry(index) => Some(*index),
                _ => None,
            })
            .collect();
        match (entries.iter().min(), entries.iter().max()) {
            (Some(first), Some(last)) if first < last => parts.push(format!("its entries {first} to {last}")),
            (Some(first), _) => parts.push(format!("its entry {first}")),
            (None, _) => {}
        }
        for (slot, name) in [
            (Slot::Vote, "its vote"),
            (Slot::Snapshot, "its snapshot"),
            (Slot::Purged, "the beginning of its log"),
        ] {
            if lost.contains(&slot) {
                parts.push(name.to_owned());
            }
        }
        let at = self.now();
        let loss = format!("{} had lost {} when it restarted at {at}", name_of(node), parts.join(" and "));
        self.0.seen.borrow_mut().losses.push(loss);
    }

    /// Returns a description of a node that has not applied all entries; `None` if there is none. Nodes are numbered from 1.
    #[must_use]
    pub fn behind(&self, nodes: u64) -> Option<String> {
        let seen = self.0.seen.borrow();
        let last = *seen.applied.last_key_value()?.0;
        (1..=nodes).find_map(|node| {
            let reached = seen.reached.get(&node).copied().unwrap_or(0);
            (reached < last).then(|| format!("{} is at entry {reached} of {last}", name_of(node)))
        })
    }

    /// Waits for a violation and returns it, with the writes that crashes lost before.
    pub async fn until_violation(&self) -> String {
        loop {
            if let Some(violation) = self.violation() {
                return violation;
            }
            self.0.violated.notified().await;
        }
    }

    /// Returns the first violation.
    #[must_use]
    pub fn violation(&self) -> Option<String> {
        self.0.seen.borrow().violation.clone()
    }

    /// Describes the writes that crashes have lost, for a failure's message.
    #[must_use]
    pub fn losses(&self) -> String {
        let seen = self.0.seen.borrow();
        // The latest ones are the most relevant.
        let from = seen.losses.len().saturating_sub(5);
        seen.losses[from..].iter().map(|loss| format!("\n{loss}")).collect()
    }

    fn record_violation(&self, violation: &str) {
        let violation = format!("{violation}{}", self.losses());
        self.0.seen.borrow_mut().violation.get_or_insert(violation);
        self.0.violated.notify_one();
    }

    fn now(&self) -> String {
        let elapsed = self.0.begin.elapsed();
        format!("{:?}", Duration::from_millis(elapsed.as_millis() as u64))
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

/// Describes an entry.
fn describe(entry: &Entry<Types>) -> String {
    let term = entry.log_id.leader_id.term;
    match &entry.payload {
        EntryPayload::Blank => format!("the start of term {term}"),
        EntryPayload::Normal(command) => {
            format!("{:?} of client {} (term {term})", command.operation, command.client)
        }
        EntryPayload::Membership(_) => format!("a membership (term {term})"),
    }
}
