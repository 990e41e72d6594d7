//! The harness, tested with toy simulations, which need no async runtime. Each module tests one behavior.

mod brute_force;
mod critical_pair;
mod environment;
mod exhaustive;
mod exploring;
mod history;
mod imports;
mod nondeterminism;
mod redact;
mod regressions;
mod replay;
mod reports;
mod results;
mod shrinking;
mod strategies;
mod strategy_spec;
mod stuck;
mod tokens;
mod toy;
