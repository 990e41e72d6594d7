//! Endpoint, client and server configurations that take random numbers and time from the run.
//!
//! # Invariants
//! Random numbers are drawn by the calling task, so the same schedule gives the same numbers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::quinn::{
    ClientConfig, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, ServerConfig, TimeSource,
    crypto,
};
use rand::Rng;

use super::{Key, Runtime, socket};
use crate::net::UdpSocket;
use crate::time::SystemTime;

/// The length of connection ids, as quinn's own.
const ID_BYTES: usize = 8;

/// The length of a client's initial destination connection id, as quinn's own.
const FIRST_ID_BYTES: usize = 20;

/// Creates an endpoint on a simulated socket. With a server configuration it also accepts connections.
///
/// # Errors
/// Returns an error if the socket's host has crashed or its run is over.
///
/// # Panics
/// Outside of a run.
pub fn endpoint(at: UdpSocket, server: Option<ServerConfig>) -> io::Result<Endpoint> {
    Endpoint::new_with_abstract_socket(endpoint_config(), server, socket(at), Arc::new(Runtime))
}

/// Returns quinn's default endpoint configuration with the run's random numbers.
///
/// The key of stateless resets is drawn from the run. If clients must recognize a server's resets after a crash, set
/// a fixed key with `reset_key`.
///
/// # Panics
/// Outside of a run.
#[must_use]
pub fn endpoint_config() -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(Key::draw()));
    config.cid_generator(|| Box::new(ConnectionIds)).rng_seed(Some(drawn()));
    config
}

/// Returns quinn's default client configuration with the run's random numbers.
#[must_use]
pub fn client_config(tls: Arc<dyn crypto::ClientConfig>) -> ClientConfig {
    let mut config = ClientConfig::new(tls);
    config.initial_dst_cid_provider(Arc::new(|| ConnectionId::new(&drawn::<FIRST_ID_BYTES>())));
    config
}

/// Returns quinn's default server configuration with the run's random numbers and the node's wall clock.
///
/// # Panics
/// Outside of a run.
#[must_use]
pub fn server_config(tls: Arc<dyn crypto::ServerConfig>) -> ServerConfig {
    let mut config = ServerConfig::new(tls, Arc::new(Key::draw()));
    config.time_source(Arc::new(WallClock));
    config
}

/// Generates connection ids of 8 random bytes from the run's random numbers.
///
/// It accepts any id, so a restarted server answers packets with ids from before the restart. quinn's
/// `HashedConnectionIdGenerator` recognizes its ids by a key, and ignores those made with another key.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionIds;

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&drawn::<ID_BYTES>())
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The wall clock of the calling task's node, for `ServerConfig::time_source`.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock;

impl TimeSource for WallClock {
    fn now(&self) -> std::time::SystemTime {
        SystemTime::now().into()
    }
}

/// Draws random bytes for the current task.
pub(super) fn drawn<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    crate::rng().fill_bytes(&mut bytes);
    bytes
}
