//! What TLS promises, over the simulated network.

mod clocks;
mod endings;
mod faults;
mod handshakes;
mod middle;
mod resumption;
mod support;
