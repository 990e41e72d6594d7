//! A disk: slots that hold bytes, and a cache in front of them that a crash empties.
//!
//! Always true: what was written before a sync began, and only that, is durable once it has ended; a crash takes all that is
//! not durable, and nothing else; writes are never reordered.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use timeloop::time::sleep;

/// Where something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The last vote.
    Vote,
    /// Up to which entry the log has been cut off at its beginning.
    Purged,
    /// The state of the registers up to some entry.
    Snapshot,
    /// A log entry.
    Entry(u64),
}

/// What a slot is made to hold; `None` empties it.
type Written = (Slot, Option<Vec<u8>>);

/// A disk in the test's hands. Clones are the same one: it outlives the node that writes to it.
#[derive(Clone, Debug)]
pub struct Disk {
    state: Rc<RefCell<State>>,
    sync_takes: Duration,
}

#[derive(Debug, Default)]
struct State {
    durable: BTreeMap<Slot, Vec<u8>>,
    cache: VecDeque<Written>,
    /// How many writes have become durable so far.
    synced: u64,
}

impl Disk {
    /// An empty disk, to which a sync takes so long.
    #[must_use]
    pub fn new(sync_takes: Duration) -> Self {
        Self { state: Rc::default(), sync_takes }
    }

    /// Starts a node on this disk: all that it holds. What the node before had written without syncing it is gone, and comes
    /// second: the slots, in the order in which they were written.
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

    /// Whether there is something to sync.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.state.borrow().cache.is_empty()
    }

    /// Makes durable what has been written before.
    pub async fn sync(&self) {
        let upto = {
            let state = self.state.borrow();
            state.synced + state.cache.len() as u64
        };
        sleep(self.sync_takes).await;
        let mut state = self.state.borrow_mut();
        // Another sync may have been faster.
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
