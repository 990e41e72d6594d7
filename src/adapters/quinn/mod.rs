//! A runtime for [quinn](https://docs.rs/quinn): QUIC over the simulated network.
//!
//! quinn gets timers, tasks, time and sockets from its runtime: [`Runtime`] and [`Socket`] are those of the run. The
//! feature `quinn` adds quinn 0.11 without its own features; the test chooses the TLS library.
//!
//! ```
//! use std::{io, sync::Arc};
//! use timeloop::adapters::quinn as quic;
//! use timeloop::net::UdpSocket;
//!
//! async fn server(tls: Arc<dyn quinn::crypto::ServerConfig>) -> io::Result<quinn::Endpoint> {
//!     let socket = UdpSocket::bind("0.0.0.0:443").await?;
//!     quic::endpoint(socket, Some(quic::server_config(tls)))
//! }
//!
//! async fn client(tls: Arc<dyn quinn::crypto::ClientConfig>) -> io::Result<quinn::Endpoint> {
//!     let mut endpoint = quic::endpoint(UdpSocket::bind("0.0.0.0:0").await?, None)?;
//!     endpoint.set_default_client_config(quic::client_config(tls));
//!     Ok(endpoint)
//! }
//! ```
//!
//! Everything else is quinn's own: `endpoint.connect(address, name)`, `connection.open_bi()` and so on, under loss,
//! partitions and crashes. `examples/quic` in the repository is a complete project.
//!
//! # Endpoints
//!
//! [`endpoint`] creates an endpoint. `Endpoint::new_with_abstract_socket`, with [`endpoint_config`], [`socket`] and
//! [`Runtime`], does the same with more settings. `Endpoint::client`, `Endpoint::server`, `Endpoint::new` and
//! `Endpoint::rebind` fail, because they need a socket of the operating system or tokio's runtime. To move an
//! endpoint to another address, pass another [`socket`] to `Endpoint::rebind_abstract`.
//!
//! # The network
//!
//! A socket behaves as quinn's own does under Linux. Datagrams are not fragmented: one that exceeds the link's
//! [MTU](crate::net::LinkModel::mtu) is lost, and quinn discovers the MTU. Up to 10 datagrams are sent at once
//! (segmentation offload). The destination address of a datagram is known, and answers are sent from there. The bits
//! of explicit congestion notification arrive as they were sent; no link sets them. An error of a single send, such
//! as "Network is unreachable", counts as a lost datagram.
//!
//! # Access to the real world
//!
//! This is every access of quinn 0.11.12 and quinn-proto 0.11.19 to something outside the run:
//!
//! | what | where it is set | here |
//! |---|---|---|
//! | the generator behind packet numbers, padding, path challenges, greasing | `EndpointConfig::rng_seed` | [`endpoint_config`] |
//! | connection ids | `EndpointConfig::cid_generator` | [`endpoint_config`]: [`ConnectionIds`] |
//! | the key of stateless resets | `EndpointConfig::new` | [`endpoint_config`]: a [`Key`] |
//! | a client's first choice of the server's connection id | `ClientConfig::initial_dst_cid_provider` | [`client_config`] |
//! | the key of address tokens | `ServerConfig::new` (`with_crypto` draws it) | [`server_config`]: a [`Key`] |
//! | the age of address tokens | `ServerConfig::time_source` | [`server_config`]: [`WallClock`] |
//! | all that TLS draws, and the day on which it checks certificates | the `rustls` configuration | not here |
//! | when to probe, in `congestion::Bbr` | nowhere | use `Cubic`, quinn's default, or `NewReno` |
//! | `Connection::stable_id` | nowhere: it is an address in memory | do not decide by it |
//! | the start of a log of feature `qlog` | nowhere | reaches no decision |
//!
//! Randomly seeded hash maps are used for lookups only. The maps that it iterates over hash the same way in every
//! run. All time is virtual, also for the limits on work per cycle: because no time passes while a task runs, these
//! limits are a fixed number of datagrams.
//!
//! If TLS draws from the real world, only the bytes on the wire differ between runs, as long as their number does not
//! depend on the random numbers: ECDSA signatures vary in length, Ed25519 and RSA signatures do not.
//!
//! quinn wakes its tasks through channels of `tokio::sync`, which are not [announced](crate::Resource). Strategies
//! that look ahead only see its sockets.
//!
//! # Crashes
//!
//! A server that crashes and is restarted has lost its connections. It answers their packets with a stateless reset,
//! if it has the same reset key as before: pass the same [`Key`] to
//! [`EndpointConfig::reset_key`](::quinn::EndpointConfig) each time. Without that, clients notice the crash by their
//! idle timeout.

mod config;
mod key;
mod socket;

pub use config::{ConnectionIds, WallClock, client_config, endpoint, endpoint_config, server_config};
pub use key::Key;
pub use socket::{Socket, socket};

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::quinn::{AsyncTimer, AsyncUdpSocket};

use crate::engine::{Engine, context};
use crate::time::{Instant, Sleep, sleep_until};

/// The run as quinn's runtime. Timers and tasks belong to the node of the calling task.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runtime;

impl ::quinn::Runtime for Runtime {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(sleep_until(Instant::from_std(at)))
    }

    #[track_caller]
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        // quinn learns of the end of the task through its connection or endpoint.
        drop(crate::task::Builder::new().name("quinn").spawn(future));
    }

    /// Fails: a run cannot use a socket of the operating system.
    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a run cannot use a socket of the operating system; pass \
             a `timeloop::adapters::quinn::socket` to `Endpoint::new_with_abstract_socket` or `Endpoint::rebind_abstract`",
        ))
    }

    fn now(&self) -> std::time::Instant {
        // A connection that is dropped after its run reads the time once to close itself.
        Instant::at_ns(context::with(Engine::local_now_ns).unwrap_or(0)).into_std()
    }
}

impl AsyncTimer for Sleep {
    fn reset(self: Pin<&mut Self>, at: std::time::Instant) {
        Self::reset(self, Instant::from_std(at));
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Future::poll(self, cx)
    }
}
