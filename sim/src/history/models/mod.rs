//! Models of common objects: counters, registers, key-value stores, queues and sets.
//!
//! # Invariants
//! Each model is deterministic, and its `only_reads` is true for all its reads.

mod counter;
mod key_value;
mod per_key;
mod queue;
mod register;
mod set;

pub use counter::{Counter, CounterOperation, CounterReturned};
pub use key_value::{KeyValue, KeyValueOperation, KeyValueReturned};
pub use per_key::PerKey;
pub use queue::{Queue, QueueOperation, QueueReturned};
pub use register::{Register, RegisterOperation, RegisterReturned};
pub use set::{Set, SetOperation};

/// A register for each key: operations are `(key, operation)`.
pub type RegisterMap<K, V> = PerKey<K, Register<V>>;
