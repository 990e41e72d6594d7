//! The ledger: what all nodes agree on, noted by the test as it happens, beyond the reach of crashes.
//!
//! Always true: noting changes nothing about the run; the first thing that is wrong stays.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use openraft::{Entry, EntryPayload, LogId};
use timeloop::sync::Notify;
use timeloop::time::{Duration, Instant};

use crate::disk::Slot;
use crate::{Types, name_of};

/// What has been seen in a run. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Ledger(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    begin: Instant,
    seen: RefCell<Seen>,
    is_wrong: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    /// The latest leader that each node has followed, by term and number.
    followed: BTreeMap<u64, (u64, u64)>,
    /// What has been applied as an entry, and by whom first.
    applied: BTreeMap<u64, (u64, Entry<Types>)>,
    /// Up to where each node has applied.
    reached: BTreeMap<u64, u64>,
    /// What crashes took, a sentence each.
    losses: Vec<String>,
    /// The first thing that was.
    wrong: Option<String>,
}

impl Ledger {
    /// A ledger of a run that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self(Rc::new(Inner { begin: Instant::now(), seen: RefCell::default(), is_wrong: Notify::new() }))
    }

    /// A node hears from a leader, which was elected in this term.
    ///
    /// openraft's terms may have several, one after the other; each leads by its own vote, and by no other's.
    pub fn leads(&self, node: u64, term: u64, leader: u64) {
        let mut seen = self.0.seen.borrow_mut();
        let followed = seen.followed.entry(node).or_default();
        let before = std::mem::replace(followed, (term, leader).max(*followed));
        drop(seen);
        if (term, leader) < before {
            let [node, leader, other] = [node, leader, before.1].map(name_of);
            let known = before.0;
            self.is_wrong(&format!(
                "{node} follows {leader} of term {term}, and has followed {other} of term {known} before"
            ));
        }
    }

    /// A node applies an entry.
    ///
    /// Whatever any two nodes have applied as one entry is the same.
    pub fn applies(&self, node: u64, entry: &Entry<Types>) {
        let index = entry.log_id.index;
        let mut seen = self.0.seen.borrow_mut();
        seen.reached.insert(node, index);
        let (first, known) = seen.applied.entry(index).or_insert_with(|| (node, entry.clone()));
        if known != entry {
            let wrong = format!(
                "{} applies {} as entry {index}, which {} has applied as {}: what was committed is lost",
                name_of(node),
                told(entry),
                name_of(*first),
                told(known),
            );
            drop(seen);
            self.is_wrong(&wrong);
        }
    }

    /// A node has taken over a snapshot, up to some entry.
    pub fn installs(&self, node: u64, last: Option<LogId<u64>>) {
        self.0.seen.borrow_mut().reached.insert(node, last.map_or(0, |last| last.index));
    }

    /// A node starts; these slots were written before its crash, and not synced.
    pub fn starts(&self, node: u64, lost: &[Slot]) {
        if lost.is_empty() {
            return;
        }
        let mut what = Vec::new();
        let entries: Vec<u64> = lost
            .iter()
            .filter_map(|slot| match slot {
                Slot::Entry(index) => Some(*index),
                _ => None,
            })
            .collect();
        match (entries.iter().min(), entries.iter().max()) {
            (Some(first), Some(last)) if first < last => what.push(format!("its entries {first} to {last}")),
            (Some(first), _) => what.push(format!("its entry {first}")),
            (None, _) => {}
        }
        for (slot, name) in [
            (Slot::Vote, "its vote"),
            (Slot::Snapshot, "its snapshot"),
            (Slot::Purged, "where its log begins"),
        ] {
            if lost.contains(&slot) {
                what.push(name.to_owned());
            }
        }
        let at = self.now();
        let loss = format!("{} had lost {} when it started again at {at}", name_of(node), what.join(" and "));
        self.0.seen.borrow_mut().losses.push(loss);
    }

    /// Up to which entry each node has applied, if they are that far; nodes are numbered from 1.
    #[must_use]
    pub fn behind(&self, nodes: u64) -> Option<String> {
        let seen = self.0.seen.borrow();
        let last = *seen.applied.last_key_value()?.0;
        (1..=nodes).find_map(|node| {
            let reached = seen.reached.get(&node).copied().unwrap_or(0);
            (reached < last).then(|| format!("{} is at entry {reached} of {last}", name_of(node)))
        })
    }

    /// Waits until something is wrong, and tells what, with all that crashes took before.
    pub async fn until_wrong(&self) -> String {
        loop {
            if let Some(wrong) = self.wrong() {
                return wrong;
            }
            self.0.is_wrong.notified().await;
        }
    }

    /// What is wrong, if anything is.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        self.0.seen.borrow().wrong.clone()
    }

    /// What crashes have taken, for a failure's message.
    #[must_use]
    pub fn losses(&self) -> String {
        let seen = self.0.seen.borrow();
        // The latest tell most.
        let from = seen.losses.len().saturating_sub(5);
        seen.losses[from..].iter().map(|loss| format!("\n{loss}")).collect()
    }

    fn is_wrong(&self, wrong: &str) {
        let wrong = format!("{wrong}{}", self.losses());
        self.0.seen.borrow_mut().wrong.get_or_insert(wrong);
        self.0.is_wrong.notify_one();
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

/// An entry in words.
fn told(entry: &Entry<Types>) -> String {
    let term = entry.log_id.leader_id.term;
    match &entry.payload {
        EntryPayload::Blank => format!("the beginning of term {term}"),
        EntryPayload::Normal(command) => {
            format!("{:?} of client {} (term {term})", command.operation, command.client)
        }
        EntryPayload::Membership(_) => format!("a membership (term {term})"),
    }
}
