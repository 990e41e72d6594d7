//! A key-value store behind TLS, and its clients, on a simulated network: tokio-rustls and rustls as published.
//!
//! The seed decides every byte on the wire.
//!
//! [`store`] is production code that knows nothing of the simulation. [`tls`] has the configurations, and [`client`] retries
//! requests. [`world`] runs everything on nodes, and records the bytes on the [`wire`].

pub mod client;
pub mod store;
pub mod tls;
pub mod wire;
pub mod world;
