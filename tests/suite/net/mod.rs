//! Sockets: what programs see of the simulated network.

mod conformance;
mod faults;
mod knobs;
mod links;
mod tcp;
mod told;
mod udp;
mod unix;
