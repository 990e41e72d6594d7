//! Sockets: what programs see of the simulated network.

mod conformance;
mod faults;
mod knobs;
mod links;
mod sockets;
mod told;
