//! Published crates with concurrency bugs that were really reported.
//!
//! Each exhibit is an unmodified crate, pinned to a version with the bug, and a short scenario that drives it. timeloop
//! finds the bug, shrinks the schedule, and replays it; the version with the correction is clean under the same scenario.
//! `cargo run --release --manifest-path examples/museum/Cargo.toml` shows them all.

mod exhibits;
pub mod room;
mod scenarios;

pub use exhibits::{EXHIBITS, Exhibit};

/// The exhibits that share a lockfile; `apart/` holds the one that doesn't.
pub const ROOM: room::Room =
    room::Room { exhibits: scenarios::ALL, runs: room::RUNS, shrink_runs: room::SHRINK_RUNS };
