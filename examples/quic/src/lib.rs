//! An echo server over QUIC, and a client that retries.
//!
//! [`serve`] and [`Client`] are written as for a real network: they use quinn, and timeloop for time and tasks only. The
//! simulation is in [`world`].

pub mod client;
pub mod server;
pub mod tls;
pub mod world;

pub use client::{Client, Lost, exchange};
pub use server::serve;

/// Returns the bytes of message `number`. The first bytes identify the message.
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
