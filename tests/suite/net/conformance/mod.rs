//! One suite of socket behaviours, run against real sockets on the loopback, with tokio, and against the simulation.
//!
//! The files in `cases` are compiled twice: below `real`, where `world` is tokio, and below `simulated`, where it is
//! timeloop. So both are held to the same expectations, errors included.
//!
//! Only `unix_paths` is for real sockets alone: the simulation has no files.
//!
//! Always true: a case names nothing but `world`, `common` and `std`; what it expects holds on Linux.

#[cfg(target_os = "linux")]
mod real;
#[cfg_attr(
    target_os = "linux",
    expect(clippy::duplicate_mod, reason = "the cases are compiled against both")
)]
mod simulated;
