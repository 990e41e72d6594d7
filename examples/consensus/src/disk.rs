//! A simulated disk: slots that hold bytes, with a write cache that a crash discards.
//!
//! # Invariants
//! A completed sync makes durable exactly the writes from before its start. A crash loses exactly the writes that are not
//! durable. Writes are never reordered.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use timeloop::time::sleep;

/// A place on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The last vote.
    Vote,
    /// The last purged entry.
    Purged,
    /// The state of the registers up to some entry.
    Snapshot,
    /// A log entry.
    Entry(u64),
}

/// A write to a slot; `None` removes its value.
type Written = (Slot, Option<Vec<u8>>);

/// A disk. Clones share it, and it outlives the node that writes to it.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Rc<RefCell<State>>,
    sync_duration: Duration,
}

#[derive(Debug, Default)]
struct State {
    durable: BTreeMap<Slot, Vec<u8>>,
    cache: VecDeque<Written>,
    /// The number of writes that are durable.
    synced: u64,
}

impl Disk {
    /// Creates an empty disk with this duration of a sync.
    #[must_use]
    pub fn new(sync_duration: Duration) -> Self {
        Self { state: Rc::default(), sync_duration }
    }

    /// Mounts the disk for a node that starts. Returns the durable values, and the slots of the lost writes in order: those
    /// that the previous incarnation had not synced.
    #[must_use]
    pub fn mount(&self) -> (BTreeMap<Slot, Vec<u8>>, Vec<Slot>) {
        let mut state = self.state.borrow_mut();
        let lost = state.cache.drain(..).map(|(slot, _)| slot).collect();
        (state.durable.clone(), lost)
    }

    /// Writes to the cache.
    pub fn write(&self, slot: Slot, bytes: impl Into<Option<Vec<u8>>>) {
        self.state.borrow_mut().cache.push_back((slot, bytes.into()));
    }

    /// Returns whether there are unsynced writes.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.state.borrow().cache.is_empty()
    }

    /// Makes all earlier writes durable.
    pub async fn sync(&self) {
        let upto = {
            let state = self.state.borrow();
            state.synced + state.cache.len() as u64
        };
        sleep(self.sync_duration).await;
        let mut state = self.state.borrow_mut();
        // A concurrent sync may have made some of them durable.
        while state.synced < upto {
            state.synced += 1;
            match state.cache.pop_front() {
                Some((slot, Some(bytes))) => state.durable.insert(slot, bytes),
                Some((slot, None)) => state.durable.remove(&slot),
                None => None,
            };
        }
    }
}
