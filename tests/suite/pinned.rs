//! The part of the suite that also runs in release builds: a seed is the same run as in a debug build.
//!
//! # Invariants
//! The modules are the suite's own, because compiling the whole suite in release takes minutes.
#![expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the suite's other modules need more of its helpers"
)]

#[cfg(feature = "net")]
mod cluster;
mod determinism;
mod golden;
mod scenarios;
mod support;
