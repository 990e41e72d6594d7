//! A conformance suite of socket behaviour, run with tokio on real loopback sockets and in the simulation.
//!
//! The files in `cases` are compiled twice: in `real`, where `world` is tokio, and in `simulated`, where it is
//! timeloop. So both must meet the same expectations, errors included.
//!
//! Only `unix_paths` runs on real sockets alone, because the simulation has no socket files.
//!
//! # Invariants
//! A case uses only `world`, `common` and `std`. Its expectations hold on Linux.

#[cfg(target_os = "linux")]
mod real;
#[cfg_attr(target_os = "linux", expect(clippy::duplicate_mod, reason = "the cases are compiled with both"))]
mod simulated;
