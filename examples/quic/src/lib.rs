//! A mirror: a server that sends back whatever it is sent, over QUIC, and a client that does not give up.
//!
//! Always true: [`serve`] and [`Client`] are written as for a real network: they know quinn, and of timeloop the clock alone;
//! what is the simulation's is in [`world`].

pub mod client;
pub mod server;
pub mod tls;
pub mod world;

pub use client::{Client, Lost, exchange};
pub use server::serve;

/// The bytes of message `number`: from the first few of them it can be told which message it is.
pub fn message(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    let mut state = number;
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ (state >> 33)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
