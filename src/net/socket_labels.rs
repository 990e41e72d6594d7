//! The names of sockets and streams in reports.

pub(super) const TCP_SOCKET: &str = "tcp socket";
pub(super) const TCP_LISTENER: &str = "tcp listener";
pub(super) const TCP_STREAM: &str = "tcp connection";
pub(super) const UDP_SOCKET: &str = "udp socket";
pub(super) const ADDRESS: &str = "address";
pub(super) const HOST_NAME: &str = "host name";
pub(super) const UNIX_LISTENER: &str = "unix listener";
pub(super) const UNIX_STREAM: &str = "unix stream";
pub(super) const UNIX_DATAGRAM: &str = "unix datagram socket";
#[cfg(unix)]
pub(super) const PIPE: &str = "pipe";
