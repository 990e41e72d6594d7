//! Sockets: what programs see of the simulated network.

mod tcp;
mod udp;
