//! Faults that users of timeloop met, each with the smallest input that showed it.

mod configuration;
#[cfg(feature = "sync")]
mod coverage;
#[cfg(all(feature = "net", feature = "sync"))]
mod fault_kinds;
mod limits;
#[cfg(all(feature = "net", feature = "sync"))]
mod network;
#[cfg(feature = "sync")]
mod nondeterminism;
#[cfg(all(feature = "net", feature = "sync"))]
mod points;
mod portfolio;
mod replay_lines;
mod replays;
#[cfg(all(feature = "net", feature = "sync"))]
mod reports;
#[cfg(feature = "sync")]
mod shrinking;
mod stalls;
#[cfg(all(feature = "net", feature = "sync"))]
mod threads;
#[cfg(feature = "net")]
mod transfers;
#[cfg(feature = "sync")]
mod waits;

/// Explores as a test without settings does.
fn explorer(name: &str) -> timeloop::Explorer {
    crate::support::explorer(name).strategy(timeloop::StrategySpec::Portfolio)
}
