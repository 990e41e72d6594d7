//! The crate `tokio`, as `cargo timeloop` has it: re-exports of timeloop under tokio's names, so that a program and all its
//! dependencies run in a simulation as they were published.
//!
//! [`fs`] and [`process`] are stand-ins; each says what it does.

#[doc(hidden)]
pub use timeloop as __timeloop;

pub use timeloop::{
    io, join, main, net, pin, runtime, select, signal, spawn, sync, task, task_local, test, time, try_join,
};
// A dependency for its feature `shim` alone, which the attributes above need.
use timeloop_macros as _;

pub mod fs;
pub mod process;

/// Empty, as in tokio: streams are in the crate `tokio-stream`.
pub mod stream {}
