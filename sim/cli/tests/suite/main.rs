//! `cargo timeloop` as users call it, in projects of their own.

#![cfg(unix)]

mod graphs;
mod hermetic;
mod project;
mod refusals;
mod running;
mod untouched;
