//! A depot of documents behind HTTP, with hyper, tower and tokio-util as published, all in a simulated world.
//!
//! [`depot`] is the service, [`server`] and [`client`] speak HTTP/1 or HTTP/2 for it, [`layers`] has the two layers of a
//! tower that need a clock, [`body`] the bytes that travel, [`lines`] a protocol of lines without HTTP, and [`twice`] the
//! check that a seed is a run. [`scenario`] is what breaks; `main.rs` tells a story; the tests are in `tests/`.

pub mod body;
pub mod client;
pub mod depot;
pub mod layers;
pub mod lines;
pub mod scenario;
pub mod server;
pub mod twice;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: one request after the other on a connection.
    Http1,
    /// HTTP/2 from the first byte on: many requests at once on a connection.
    Http2,
}

/// What went wrong, of any kind; as tower has it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
