//! An HTTP document store with hyper, tower and tokio-util as published, in a simulated world.
//!
//! [`depot`] is the service. [`server`] and [`client`] speak HTTP/1 or HTTP/2. [`layers`] has the two tower layers that need
//! a clock, [`body`] has bodies with checksums, and [`lines`] is a line protocol without HTTP. [`repeat`] checks that a seed
//! always gives the same run. [`scenario`] injects faults, `main.rs` is a demo, and the tests are in `tests/`.

pub mod body;
pub mod client;
pub mod depot;
pub mod layers;
pub mod lines;
pub mod repeat;
pub mod scenario;
pub mod server;

/// The HTTP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: a connection carries one request after the other.
    Http1,
    /// HTTP/2 with prior knowledge: a connection carries many concurrent requests.
    Http2,
}

/// An error of any kind, as in tower.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
