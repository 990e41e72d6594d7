//! What TLS promises, over the simulated network.

mod faults;
mod support;
