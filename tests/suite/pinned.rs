//! Of the suite, what a release build is to say again: that a seed means there what it means in a debug build.
//!
//! Always true: the modules are the suite's own, and nothing is tested here alone; the whole suite takes minutes to compile
//! in release.
#![expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the suite's other modules need more of its helpers"
)]

mod determinism;
mod golden;
mod scenarios;
mod support;
