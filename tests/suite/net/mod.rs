//! Sockets: what programs see of the simulated network.

mod conformance;
mod tcp;
mod udp;
mod unix;
