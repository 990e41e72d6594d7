//! The simulated network, as programs see it.

mod conformance;
mod control;
mod faults;
mod links;
mod reports;
mod sockets;
