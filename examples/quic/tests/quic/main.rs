//! What QUIC does over a simulated network.

mod behaviour;
mod faults;
mod wire;
