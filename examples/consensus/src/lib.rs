//! A replicated register map on `openraft` as published, and its simulation.
//!
//! The production part: [`node`] (a server), [`peer`] (RPC between servers over TCP), [`store`] (the log on disk), [`machine`]
//! (the registers), [`client`], [`wire`] (frames). The test part: [`runtime`] (timeloop instead of tokio), [`disk`] (loses
//! unsynced writes), [`ledger`] (invariants), [`scenario`] (five nodes, faults, checks).
//!
//! Nothing here uses tokio's runtime. Time and random numbers come from timeloop.

pub mod client;
pub mod disk;
pub mod ledger;
pub mod machine;
pub mod node;
pub mod peer;
pub mod runtime;
pub mod scenario;
pub mod store;
pub mod wire;

use std::io::Cursor;

use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    /// The types that this system uses with openraft.
    pub Types:
        D = Command,
        R = Option<Answer>,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = runtime::Timeloop,
);

/// Returns the name of a server's node.
#[must_use]
pub fn name_of(node: u64) -> String {
    format!("db-{node}")
}

/// An operation of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Reads a register.
    Read(u8),
    /// Writes a value.
    Write(u8, u32),
    /// Writes `new` if the register holds `expected`.
    CompareAndSwap {
        /// The register.
        register: u8,
        /// The expected value; `None` if nothing was written yet.
        expected: Option<u32>,
        /// The new value.
        new: u32,
    },
}

/// The answer to an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The value of a read.
    Value(Option<u32>),
    /// The write is done.
    Written,
    /// Whether a compare-and-swap found the expected value.
    Swapped(bool),
}

/// An operation in the log. A client retries it with the same number, and it takes effect once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The client.
    pub client: u32,
    /// The number of the operation of that client.
    pub number: u32,
    /// The operation.
    pub operation: Operation,
}

/// A bug planted in the code around openraft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A log entry is acknowledged once it is written, and synced later.
    AcknowledgesBeforeSync,
    /// Reads are answered from the leader's registers without confirming the leader with a majority.
    ReadsLocally,
}
