//! Unix sockets, and the addresses, stream halves and credentials of `tokio::net::unix`.

pub(super) mod datagram;
mod halves;
pub(super) mod listener;
pub(super) mod stream;

use std::fmt;
use std::io;
use std::path::Path;

use super::fabric::Name;

pub use halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};

/// The size of `sun_path` under Linux: a path must be shorter.
const PATH_MAX: usize = 108;

/// Returns the name for a path.
fn path_name(path: &Path) -> io::Result<Name> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let invalid = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if bytes.contains(&0) {
        return invalid("paths must not contain interior null bytes");
    }
    if bytes.len() >= PATH_MAX {
        return invalid("path must be shorter than SUN_LEN");
    }
    Ok(Name::Path(path.to_owned()))
}

/// Like `path_name`; a path that begins with a zero byte is an abstract name.
fn stream_name(path: &Path) -> io::Result<Name> {
    match path.as_os_str().as_encoded_bytes() {
        [0, name @ ..] if name.len() < PATH_MAX => Ok(Name::Abstract(name.to_vec())),
        _ => path_name(path),
    }
}

/// The address of a Unix socket, as
/// [`tokio::net::unix::SocketAddr`](https://docs.rs/tokio/1/tokio/net/unix/struct.SocketAddr.html).
#[derive(Clone)]
pub struct SocketAddr(pub(super) Name);

impl SocketAddr {
    /// Returns whether the socket is unbound.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.0 == Name::Unnamed
    }

    /// Returns the path that the socket is bound to.
    #[must_use]
    pub fn as_pathname(&self) -> Option<&Path> {
        match &self.0 {
            Name::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Returns the abstract name that the socket is bound to.
    #[must_use]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        match &self.0 {
            Name::Abstract(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Unnamed => f.write_str("(unnamed)"),
            Name::Path(path) => write!(f, "{path:?} (pathname)"),
            Name::Abstract(name) => write!(f, "\"{}\" (abstract)", name.escape_ascii()),
        }
    }
}

#[cfg(unix)]
impl From<std::os::unix::net::SocketAddr> for SocketAddr {
    fn from(address: std::os::unix::net::SocketAddr) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(&address) {
            return Self(Name::Abstract(name.to_vec()));
        }
        Self(address.as_pathname().map_or(Name::Unnamed, |path| Name::Path(path.to_owned())))
    }
}

/// The credentials of the peer of a Unix stream, as
/// [`tokio::net::unix::UCred`](https://docs.rs/tokio/1/tokio/net/unix/struct.UCred.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    id: u32,
}

impl UCred {
    pub(super) fn new() -> Self {
        Self { id: 0 }
    }

    /// Returns the user id.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.id
    }

    /// Returns the group id.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.id
    }

    /// Returns `None`: simulated hosts have no processes.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        None
    }
}
