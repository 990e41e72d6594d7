//! Published crates with concurrency bugs that were actually reported.
//!
//! Each exhibit is an unmodified crate, pinned to a version with the bug, and a short scenario that uses it. timeloop
//! finds the bug, shrinks the schedule, and replays it. The fixed version passes the same scenario.
//! `cargo run --release --manifest-path examples/museum/Cargo.toml` shows them all.

pub mod exhibit_set;
mod exhibits;
mod scenarios;

pub use exhibits::{EXHIBITS, Exhibit};

/// The exhibits that share a lockfile. `apart/` contains the one that does not.
pub const EXHIBIT_SET: exhibit_set::ExhibitSet = exhibit_set::ExhibitSet {
    exhibits: scenarios::ALL,
    runs: exhibit_set::RUNS,
    shrink_runs: exhibit_set::SHRINK_RUNS,
};
