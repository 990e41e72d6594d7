//! Faults that users of timeloop met, each with the smallest input that showed it.

mod configuration;
mod limits;
#[cfg(all(feature = "net", feature = "sync"))]
mod network;
mod replay_lines;
