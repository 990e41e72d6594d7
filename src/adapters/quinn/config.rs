//! Configurations whose every random number and time is the run's.
//!
//! Always true: what is drawn here is drawn by the task that asks, so that the same schedule gives the same numbers.

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

/// How long connection ids are, as quinn's own.
const ID_BYTES: usize = 8;

/// How long a client's first choice is, as quinn's own.
const FIRST_ID_BYTES: usize = 20;

/// An endpoint at a simulated socket: for clients, and with a configuration for servers too.
///
/// # Errors
/// If the socket's host has crashed, or its run is over.
///
/// # Panics
/// Outside of a run.
pub fn endpoint(at: UdpSocket, server: Option<ServerConfig>) -> io::Result<Endpoint> {
    Endpoint::new_with_abstract_socket(endpoint_config(), server, socket(at), Arc::new(Runtime))
}

/// quinn's defaults for an endpoint, with the run's random numbers.
///
/// The key of stateless resets is one that the run draws. For a server that is to be known again after a crash set
/// another, by `reset_key`.
///
/// # Panics
/// Outside of a run.
#[must_use]
pub fn endpoint_config() -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(Key::draw()));
    config.cid_generator(|| Box::new(ConnectionIds)).rng_seed(Some(drawn()));
    config
}

/// quinn's defaults for connections to a server, with the run's random numbers.
#[must_use]
pub fn client_config(tls: Arc<dyn crypto::ClientConfig>) -> ClientConfig {
    let mut config = ClientConfig::new(tls);
    config.initial_dst_cid_provider(Arc::new(|| ConnectionId::new(&drawn::<FIRST_ID_BYTES>())));
    config
}

/// quinn's defaults for a server, with the run's random numbers and its node's wall clock.
///
/// # Panics
/// Outside of a run.
#[must_use]
pub fn server_config(tls: Arc<dyn crypto::ServerConfig>) -> ServerConfig {
    let mut config = ServerConfig::new(tls, Arc::new(Key::draw()));
    config.time_source(Arc::new(WallClock));
    config
}

/// Connection ids of 8 random bytes, of the run's random numbers.
///
/// Any id may be one of its own, so that a server that was started again answers to those that it gave before. quinn's
/// `HashedConnectionIdGenerator` knows its own by a key, and with another key it ignores them.
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

/// The wall clock of whichever node asks, for `ServerConfig::time_source`.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock;

impl TimeSource for WallClock {
    fn now(&self) -> std::time::SystemTime {
        SystemTime::now().into()
    }
}

/// Random bytes of the task that is running.
pub(super) fn drawn<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    crate::rng().fill_bytes(&mut bytes);
    bytes
}
