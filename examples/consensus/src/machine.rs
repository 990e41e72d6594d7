//! The state machine: the registers of a node, to which log entries are applied.
//!
//! # Invariants
//! A retried command takes effect once. The registers are in memory, with snapshots on disk that a restarted node loads.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::rc::Rc;

use openraft::storage::RaftStateMachine;
use openraft::{
    BasicNode, Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot, SnapshotMeta,
    StorageError, StoredMembership,
};
use serde::{Deserialize, Serialize};
use timeloop::sync::watch;

use crate::disk::{Disk, Slot};
use crate::ledger::Ledger;
use crate::wire::{decoded, encoded};
use crate::{Answer, Command, Operation, Types};

type Result<T> = std::result::Result<T, StorageError<u64>>;

/// The registers of a node. Clones share them.
#[derive(Clone, Debug)]
pub struct Machine(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    node: u64,
    disk: Disk,
    ledger: Ledger,
    state: RefCell<State>,
    snapshot: RefCell<Option<StoredSnapshot>>,
    /// The index of the last applied entry.
    applied: watch::Sender<u64>,
}

/// A snapshot on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredSnapshot {
    meta: SnapshotMeta<u64, BasicNode>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    last: Option<LogId<u64>>,
    membership: StoredMembership<u64, BasicNode>,
    registers: BTreeMap<u8, u32>,
    /// The number and the answer of each client's last command.
    sessions: BTreeMap<u32, (u32, Answer)>,
}

impl State {
    fn apply(&mut self, command: &Command) -> Answer {
        if let Some((number, answer)) = self.sessions.get(&command.client)
            && *number >= command.number
        {
            return answer.clone();
        }
        let answer = match command.operation {
            Operation::Read(register) => Answer::Value(self.registers.get(&register).copied()),
            Operation::Write(register, value) => {
                self.registers.insert(register, value);
                Answer::Written
            }
            Operation::CompareAndSwap { register, expected, new } => {
                let swaps = self.registers.get(&register).copied() == expected;
                if swaps {
                    self.registers.insert(register, new);
                }
                Answer::Swapped(swaps)
            }
        };
        self.sessions.insert(command.client, (command.number, answer.clone()));
        answer
    }
}

impl Machine {
    /// Opens the registers of a node that starts, from the snapshot on its disk.
    #[must_use]
    pub fn open(node: u64, disk: Disk, slots: &BTreeMap<Slot, Vec<u8>>, ledger: Ledger) -> Self {
        let snapshot: Option<StoredSnapshot> = slots.get(&Slot::Snapshot).map(|bytes| decoded(bytes));
        let state: State = snapshot.as_ref().map(|stored| decoded(&stored.bytes)).unwrap_or_default();
        let (applied, _) = watch::channel(index(state.last));
        ledger.record_snapshot(node, state.last);
        let (state, snapshot) = (RefCell::new(state), RefCell::new(snapshot));
        Self(Rc::new(Inner { node, disk, ledger, state, snapshot, applied }))
    }

    /// Returns the value of a register after this entry has been applied.
    pub async fn read(&self, register: u8, after: Option<LogId<u64>>) -> Option<u32> {
        let after = index(after);
        if *self.0.applied.borrow() < after {
            let mut applied = self.0.applied.subscribe();
            // The sender cannot be dropped: this machine owns it.
            let _ = applied.wait_for(|applied| *applied >= after).await;
        }
        self.0.state.borrow().registers.get(&register).copied()
    }

    async fn store(&self, stored: StoredSnapshot) {
        self.0.disk.write(Slot::Snapshot, encoded(&stored));
        self.0.snapshot.replace(Some(stored));
        self.0.disk.sync().await;
    }
}

fn index(log_id: Option<LogId<u64>>) -> u64 {
    log_id.map_or(0, |log_id| log_id.index)
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>> {
        let stored = {
            let state = self.0.state.borrow();
            let meta = SnapshotMeta {
                last_log_id: state.last,
                last_membership: state.membership.clone(),
                snapshot_id: format!("{}-{}", self.0.node, index(state.last)),
            };
            StoredSnapshot { meta, bytes: encoded(&*state) }
        };
        self.store(stored.clone()).await;
        Ok(Snapshot { meta: stored.meta, snapshot: Box::new(Cursor::new(stored.bytes)) })
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>)> {
        let state = self.0.state.borrow();
        Ok((state.last, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Option<Answer>>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut answers = Vec::new();
        let mut state = self.0.state.borrow_mut();
        for entry in entries {
            self.0.ledger.record_applied(self.0.node, &entry);
            state.last = Some(entry.log_id);
            answers.push(match entry.payload {
                EntryPayload::Blank => None,
                EntryPayload::Normal(command) => Some(state.apply(&command)),
                EntryPayload::Membership(membership) => {
                    state.membership = StoredMembership::new(Some(entry.log_id), membership);
                    None
                }
            });
        }
        self.0.applied.send_replace(index(state.last));
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<()> {
        let stored = StoredSnapshot { meta: meta.clone(), bytes: snapshot.into_inner() };
        let state: State = decoded(&stored.bytes);
        self.store(stored).await;
        self.0.ledger.record_snapshot(self.0.node, state.last);
        self.0.applied.send_replace(index(state.last));
        self.0.state.replace(state);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>> {
        Ok(self
            .0
            .snapshot
            .borrow()
            .clone()
            .map(|stored| Snapshot { meta: stored.meta, snapshot: Box::new(Cursor::new(stored.bytes)) }))
    }
}
