//! Faults that users of timeloop met, each with the smallest input that showed it.

mod configuration;
#[cfg(all(feature = "net", feature = "sync"))]
mod fault_kinds;
mod limits;
#[cfg(all(feature = "net", feature = "sync"))]
mod network;
mod replay_lines;
#[cfg(all(feature = "net", feature = "sync"))]
mod reports;
#[cfg(all(feature = "net", feature = "sync"))]
mod threads;
