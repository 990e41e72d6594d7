//! Tests of TLS over the simulated network.

mod clocks;
mod endings;
mod faults;
mod handshakes;
mod man_in_the_middle;
mod resumption;
mod support;
