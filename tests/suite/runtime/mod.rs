//! Runtimes, for code that builds its own.

mod context;
mod drop;
mod metrics;
mod nested;
mod reuse;
