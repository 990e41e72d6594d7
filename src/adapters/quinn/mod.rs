//! [quinn](https://docs.rs/quinn): QUIC over the simulated network.
//!
//! quinn asks its runtime for timers, tasks, the time and sockets: [`Runtime`] and [`Socket`] are those of the run. Feature
//! `quinn`, which brings in quinn 0.11 with none of its own features; TLS is for the test to choose.
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
//! From there on all is quinn's own: `endpoint.connect(address, name)`, `connection.open_bi()` and so on, under loss,
//! partitions and crashes. `examples/quic` is a project that does so.
//!
//! # Endpoints
//!
//! [`endpoint`] makes one; `Endpoint::new_with_abstract_socket`, with [`endpoint_config`], [`socket`] and [`Runtime`], is
//! the same with more to set. `Endpoint::client`, `Endpoint::server`, `Endpoint::new` and `Endpoint::rebind` open or take
//! a socket of the operating system, and find no runtime here: they fail. To move an endpoint to another address give
//! `Endpoint::rebind_abstract` another [`socket`].
//!
//! # The network
//!
//! A socket behaves as quinn's own does under Linux: datagrams are not taken to pieces, so that one that is longer than
//! the link's [MTU](crate::net::LinkModel::mtu) is lost, and quinn finds out how long they may be; up to 10 leave at once
//! (segmentation offload); the address that a datagram was sent to is known, and answers come from there; the bits of
//! congestion notification arrive as they were sent, and no link sets any. An error of a single send, such as "Network
//! is unreachable", counts as a datagram that is lost.
//!
//! # What remains of the real world
//!
//! These are all the places where quinn 0.11.12 and quinn-proto 0.11.19 look at something that is not the run's:
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
//! Its maps that hash by chance are only ever looked up in. Those that it goes through hash the same way in every run.
//! Time is virtual everywhere, the limits on work a cycle included: as no time passes while a task runs, they come to a
//! fixed number of datagrams.
//!
//! Where TLS draws from the real world, the bytes that are sent differ from run to run, and nothing else, as long as
//! their number does not depend on them: signatures by ECDSA have no fixed length, those by Ed25519 and RSA do.
//!
//! quinn wakes its tasks through channels of `tokio::sync`, which are not [announced](crate::Resource): strategies that look
//! ahead see its sockets alone.
//!
//! # Crashes
//!
//! A server that crashes and is started again knows nothing of its connections, and answers whoever goes on with one by a
//! stateless reset, if it has the key that it had before: give both [`EndpointConfig::reset_key`](::quinn::EndpointConfig)
//! the same [`Key`]. Without that clients find out by their idle timeout.

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

/// The run, as quinn's runtime. Timers and tasks are those of whichever node asks for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runtime;

impl ::quinn::Runtime for Runtime {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(sleep_until(Instant::from_std(at)))
    }

    #[track_caller]
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        // Whoever wants to hear of it has a connection or an endpoint.
        drop(crate::task::Builder::new().name("quinn").spawn(future));
    }

    /// Fails: a socket of the operating system has no place in a run.
    fn wrap_udp_socket(&self, _: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a socket of the operating system has no place in a run; give \
             `Endpoint::new_with_abstract_socket` or `Endpoint::rebind_abstract` a `timeloop::adapters::quinn::socket`",
        ))
    }

    fn now(&self) -> std::time::Instant {
        // A connection may be dropped after its run, and then it asks, once, only to close itself.
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
