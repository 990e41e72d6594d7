//! The harness, tested with toy simulations that are no runtime at all: a module for each promise.

mod asked_for;
mod critical;
mod environment;
mod exhaustive;
mod exploring;
mod history;
mod imports;
mod machine;
mod nondeterminism;
mod regressions;
mod replaying;
mod reports;
mod shrinking;
mod strategies;
mod stuck;
mod tokens;
mod toy;
