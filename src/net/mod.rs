//! TCP, UDP and Unix sockets over a simulated network, with the API of `tokio::net`.
//!
//! Each node of a run is a host with its own addresses, loopback interface and ports. The test itself runs on a node
//! too. Nothing reaches the real network or takes real time.
//!
//! ```
//! use timeloop::io::{AsyncReadExt, AsyncWriteExt};
//! use timeloop::net::{TcpListener, TcpStream};
//!
//! timeloop::run(1, || async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
//!     let address = listener.local_addr().unwrap();
//!     let server = timeloop::spawn(async move {
//!         let (mut stream, _) = listener.accept().await.unwrap();
//!         let mut text = String::new();
//!         stream.read_to_string(&mut text).await.unwrap();
//!         text
//!     });
//!     let mut stream = TcpStream::connect(address).await.unwrap();
//!     stream.write_all(b"hello").await.unwrap();
//!     drop(stream);
//!     assert_eq!(server.await.unwrap(), "hello");
//! })?;
//! # Ok::<(), timeloop::Failure>(())
//! ```
//!
//! # Guarantees of a stream
//!
//! TCP streams never lose, reorder or corrupt bytes. A lost packet becomes a delay. While a link is cut, data is
//! retransmitted after 0.2 s, 0.4 s and so on. The connection fails after 924.6 s without an acknowledgement, or
//! after 127 s if it was not established yet, as under Linux. A crashed host is silent. Once it has been started
//! again, it answers segments of old connections with a reset. A writer waits while the buffers are full: 128 KiB
//! between writer and reader, unless the sockets' buffer sizes are set.

mod addr;
mod datagram;
mod descriptor;
pub(crate) mod driver;
pub(crate) mod fabric;
mod fault_plan;
#[cfg(feature = "futures-io")]
mod futures_io;
mod handle;
mod link_model;
mod listener;
mod network;
mod option_methods;
mod readiness_methods;
mod socket_labels;
mod stream;
mod stream_methods;
pub mod tcp;
mod udp;
#[cfg(unix)]
pub mod unix;

pub use addr::{ToSocketAddrs, lookup_host};
pub use fault_plan::FaultPlan;
pub use link_model::LinkModel;
pub use network::{Network, Partition};
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{datagram::UnixDatagram, listener::UnixListener, socket::UnixSocket, stream::UnixStream};
