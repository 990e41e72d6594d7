//! The simulation: endpoints on simulated sockets, and the node of the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{AsyncUdpSocket, Endpoint, TransportConfig};
use timeloop::adapters::quinn::{self as quic, Key, Runtime};
use timeloop::net::UdpSocket;
use timeloop::world::{Node, World};

/// The port of the server.
pub const PORT: u16 = 443;

/// The server's key for stateless resets, which survives a crash.
const RESET_KEY: [u8; 32] = *b"so that clients hear of a crash.";

/// Returns the transport settings of both ends: an idle timeout of 5 s, and keep-alive packets.
pub fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(quinn::VarInt::from_u32(5_000).into()));
    transport.keep_alive_interval(Some(Duration::from_secs(1)));
    transport
}

/// Wraps the socket of an endpoint, to record what is sent.
pub type Wire = fn(Arc<dyn AsyncUdpSocket>) -> Arc<dyn AsyncUdpSocket>;

/// Creates a server endpoint on the calling task's node.
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

/// Creates a client endpoint on the calling task's node.
pub async fn client_endpoint(transport: TransportConfig, wire: Wire) -> Endpoint {
    let socket = UdpSocket::bind("0.0.0.0:0").await.expect("a port is free");
    let mut config = quic::client_config(crate::tls::client());
    config.transport_config(Arc::new(transport));
    let socket = wire(quic::socket(socket));
    let endpoint =
        Endpoint::new_with_abstract_socket(quic::endpoint_config(), None, socket, Arc::new(Runtime));
    let mut endpoint = endpoint.expect("the host is up");
    endpoint.set_default_client_config(config);
    endpoint
}

/// Starts the node `server`, which also serves after each restart.
pub fn start_server(wire: Wire) -> Node {
    World::current().node("server").start(move || async move {
        crate::serve(server_endpoint(transport(), wire).await).await;
    })
}

/// Returns the address of a node's server.
pub fn address_of(node: &Node) -> SocketAddr {
    (node.address(), PORT).into()
}

/// Returns the virtual time since the start of the run.
pub fn since_start() -> Duration {
    let now = std::time::SystemTime::from(timeloop::time::SystemTime::now());
    now.duration_since(std::time::UNIX_EPOCH + timeloop::Limits::default().epoch).unwrap_or_default()
}
