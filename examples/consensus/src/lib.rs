//! A replicated register map on `openraft` as published, and the world that it is tested in.
//!
//! What a production system would have: [`node`] (a server), [`peer`] (RPC between servers, over TCP), [`store`] (the log on
//! disk), [`machine`] (the registers), [`client`], [`wire`] (frames). What only the test has: [`runtime`] (timeloop in the
//! place of tokio), [`disk`] (which forgets what was not synced), [`ledger`] (invariants), [`scenario`] (five nodes, faults,
//! checks).
//!
//! Always true: nothing here runs on tokio's runtime, reads a clock or draws a random number but through timeloop.

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
    /// What this system plugs into openraft.
    pub Types:
        D = Command,
        R = Option<Answer>,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = runtime::Timeloop,
);

/// A server's name in the world.
#[must_use]
pub fn name_of(node: u64) -> String {
    format!("db-{node}")
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// What the register holds.
    Read(u8),
    /// To make it hold a value.
    Write(u8, u32),
    /// To make it hold `new` if it holds `expected`.
    CompareAndSwap {
        /// The register.
        register: u8,
        /// `None` where nothing was written yet.
        expected: Option<u32>,
        /// What it holds then.
        new: u32,
    },
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To a read.
    Value(Option<u32>),
    /// To a write.
    Written,
    /// To a compare-and-swap: whether it held what was expected.
    Swapped(bool),
}

/// An operation in the log. A client that hears nothing sends it again under the same number, and it takes effect once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Who asked.
    pub client: u32,
    /// The how-many-th operation of that client.
    pub number: u32,
    /// For what.
    pub operation: Operation,
}

/// What is wrong with the glue between openraft and the world, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A log entry is acknowledged once it is written; it is synced a little later.
    AcknowledgesBeforeSync,
    /// Reads are answered from the leader's own copy, without asking a majority whether it still leads.
    ReadsLocally,
}
