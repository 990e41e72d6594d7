//! Sockets: TCP, UDP and those within a host, in the shape of `tokio::net`, between the hosts of a simulated network.
//!
//! Each node of a run is a host, and the test itself is one: with addresses of its own, its own loopback, its own ports.
//! Whatever a program does to its sockets takes no real network and no real time.
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
//! # What a stream promises
//!
//! TCP is honest here: bytes are never lost, reordered or corrupted within a stream. Loss becomes delay. A link that is cut
//! becomes silence, which is tried again after 0.2 s, 0.4 s and so on, and counts as the end of the connection after
//! 924.6 s, or 127 s where it was being made, as under Linux. A host that crashes becomes silence until it is started again, and a
//! reset to whoever sends to it then. Who writes faster than the other side reads has to wait: there is room for 128 KiB
//! between the two, unless their sockets are set otherwise.

mod addr;
mod datagram;
pub(crate) mod driver;
pub(crate) mod fabric;
#[cfg(feature = "futures-io")]
mod futures_io;
mod handle;
mod link_model;
mod listener;
mod names;
mod network;
mod option_methods;
mod plan;
mod readiness_methods;
mod stream;
mod stream_methods;
pub mod tcp;
mod udp;
#[cfg(unix)]
pub mod unix;

pub use addr::{ToSocketAddrs, lookup_host};
pub use link_model::LinkModel;
pub use network::{Network, Partition};
pub use plan::FaultPlan;
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{datagram::UnixDatagram, listener::UnixListener, stream::UnixStream};
