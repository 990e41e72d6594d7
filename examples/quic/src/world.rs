//! The simulation: what takes the place of the operating system, and where the server runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{AsyncUdpSocket, Endpoint, TransportConfig};
use timeloop::adapters::quinn::{self as quic, Key, Runtime};
use timeloop::net::UdpSocket;
use timeloop::world::{Node, World};

/// The port of the server.
pub const PORT: u16 = 443;

/// The server's key of stateless resets, kept where a crash does not reach it.
const RESET_KEY: [u8; 32] = *b"so that clients hear of a crash.";

/// What both sides set otherwise than quinn does: the other side counts as gone after 5 s of silence.
pub fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(quinn::VarInt::from_u32(5_000).into()));
    transport.keep_alive_interval(Some(Duration::from_secs(1)));
    transport
}

/// What lies between an endpoint and its socket: nothing, or something that listens.
pub type Wire = fn(Arc<dyn AsyncUdpSocket>) -> Arc<dyn AsyncUdpSocket>;

/// A server's endpoint, on the node of whoever calls it.
pub async fn server_endpoint(transport: TransportConfig, wire: Wire) -> Endpoint {
    let socket = UdpSocket::bind(("::", PORT)).await.expect("the port is free");
    let mut config = quic::endpoint_config();
    config.reset_key(Arc::new(Key::new(RESET_KEY)));
    let mut server = quic::server_config(crate::tls::server());
    server.transport_config(Arc::new(transport));
    let socket = wire(quic::socket(socket));
    Endpoint::new_with_abstract_socket(config, Some(server), socket, Arc::new(Runtime))
        .expect("the host is up")
}

/// A client's endpoint, on the node of whoever calls it.
pub async fn client_endpoint(transport: TransportConfig, wire: Wire) -> Endpoint {
    let socket = UdpSocket::bind("0.0.0.0:0").await.expect("some port is free");
    let mut config = quic::client_config(crate::tls::client());
    config.transport_config(Arc::new(transport));
    let socket = wire(quic::socket(socket));
    let endpoint =
        Endpoint::new_with_abstract_socket(quic::endpoint_config(), None, socket, Arc::new(Runtime));
    let mut endpoint = endpoint.expect("the host is up");
    endpoint.set_default_client_config(config);
    endpoint
}

/// Starts the node `server`, which serves; so it does again whenever it is restarted.
pub fn start_server(wire: Wire) -> Node {
    World::current().node("server").start(move || async move {
        crate::serve(server_endpoint(transport(), wire).await).await;
    })
}

/// Where a node's server is.
pub fn address_of(node: &Node) -> SocketAddr {
    (node.address(), PORT).into()
}

/// How long the run has lasted.
pub fn since_start() -> Duration {
    let now = std::time::SystemTime::from(timeloop::time::SystemTime::now());
    now.duration_since(std::time::UNIX_EPOCH + timeloop::Limits::default().epoch).unwrap_or_default()
}
