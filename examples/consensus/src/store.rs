//! The log store of a node for openraft: the entries and the vote, on the node's disk.
//!
//! # Invariants
//! Without a planted [`Bug`], a write is reported to openraft only once it is durable. Writes during a sync share the next one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeBounds;
use std::rc::Rc;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{Entry, LogId, LogState, OptionalSend, RaftLogReader, StorageError, Vote};
use timeloop::sync::Notify;
use timeloop::time::{Duration, sleep};

use crate::disk::{Disk, Slot};
use crate::wire::{decoded, encoded};
use crate::{Bug, Types};

type Result<T> = std::result::Result<T, StorageError<u64>>;

/// The delay of a sync with the planted bug.
const WRITE_BACK: Duration = Duration::from_millis(100);

/// The log and the vote of a node. Clones share them.
#[derive(Clone)]
pub struct Store(Rc<Inner>);

struct Inner {
    disk: Disk,
    bug: Option<Bug>,
    entries: RefCell<BTreeMap<u64, Entry<Types>>>,
    purged: Cell<Option<LogId<u64>>>,
    vote: Cell<Option<Vote<u64>>>,
    /// The callbacks to call after the next sync.
    waiting: RefCell<Vec<LogFlushed<Types>>>,
    written: Notify,
}

impl Store {
    /// Opens the store of a node that starts: reads its disk, and spawns the task that syncs it.
    #[must_use]
    pub fn open(disk: Disk, slots: &BTreeMap<Slot, Vec<u8>>, bug: Option<Bug>) -> Self {
        let entries = slots.iter().filter_map(|(slot, bytes)| match slot {
            Slot::Entry(index) => Some((*index, decoded(bytes))),
            _ => None,
        });
        let store = Self(Rc::new(Inner {
            disk,
            bug,
            entries: RefCell::new(entries.collect()),
            purged: Cell::new(slots.get(&Slot::Purged).map(|bytes| decoded(bytes))),
            vote: Cell::new(slots.get(&Slot::Vote).map(|bytes| decoded(bytes))),
            waiting: RefCell::default(),
            written: Notify::new(),
        }));
        timeloop::spawn(store.clone().sync_loop());
        store
    }

    /// Syncs whenever something was written.
    async fn sync_loop(self) {
        loop {
            self.0.written.notified().await;
            if self.0.bug == Some(Bug::AcknowledgesBeforeSync) {
                sleep(WRITE_BACK).await;
            }
            let waiting = self.0.waiting.take();
            self.0.disk.sync().await;
            for waiting in waiting {
                waiting.log_io_completed(Ok(()));
            }
        }
    }
}

impl RaftLogReader<Types> for Store {
    async fn try_get_log_entries<R>(&mut self, range: R) -> Result<Vec<Entry<Types>>>
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        Ok(self.0.entries.borrow().range(range).map(|(_, entry)| entry.clone()).collect())
    }
}

impl RaftLogStorage<Types> for Store {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>> {
        let last_purged_log_id = self.0.purged.get();
        let last = self.0.entries.borrow().last_key_value().map(|(_, entry)| entry.log_id);
        Ok(LogState { last_purged_log_id, last_log_id: last.or(last_purged_log_id) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<()> {
        self.0.vote.set(Some(*vote));
        self.0.disk.write(Slot::Vote, encoded(vote));
        self.0.disk.sync().await;
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>> {
        Ok(self.0.vote.get())
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<()>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        for entry in entries {
            let index = entry.log_id.index;
            self.0.disk.write(Slot::Entry(index), encoded(&entry));
            self.0.entries.borrow_mut().insert(index, entry);
        }
        if self.0.bug == Some(Bug::AcknowledgesBeforeSync) {
            callback.log_io_completed(Ok(()));
        } else {
            self.0.waiting.borrow_mut().push(callback);
        }
        self.0.written.notify_one();
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Result<()> {
        // Removes the last entry first, so that a crash leaves no gap.
        for index in self.0.entries.borrow_mut().split_off(&from.index).into_keys().rev() {
            self.0.disk.write(Slot::Entry(index), None);
        }
        self.0.disk.sync().await;
        Ok(())
    }

    async fn purge(&mut self, upto: LogId<u64>) -> Result<()> {
        self.0.purged.set(Some(upto));
        self.0.disk.write(Slot::Purged, encoded(&upto));
        {
            let mut entries = self.0.entries.borrow_mut();
            let kept = entries.split_off(&(upto.index + 1));
            for index in std::mem::replace(&mut *entries, kept).into_keys() {
                self.0.disk.write(Slot::Entry(index), None);
            }
        }
        self.0.disk.sync().await;
        Ok(())
    }
}

impl Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("bug", &self.0.bug).finish_non_exhaustive()
    }
}
