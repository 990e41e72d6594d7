//! A store of values behind TLS, and its clients, on the hosts of a simulated network: tokio-rustls and rustls as published.
//!
//! Always true: what goes over the wire is the seed's to decide, to the last byte.
//!
//! [`store`] is what production would run, and knows nothing of a simulation; [`tls`] has its configurations; [`client`] tries
//! again until it is answered; [`world`] puts all of it on nodes, and listens at the [`wire`].

pub mod client;
pub mod store;
pub mod tls;
pub mod wire;
pub mod world;
