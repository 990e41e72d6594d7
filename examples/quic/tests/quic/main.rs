//! Tests of QUIC over the simulated network.

mod behaviour;
mod faults;
mod wire;
