//! Unix sockets, and the addresses, stream halves and credentials of `tokio::net::unix`.

pub(super) mod datagram;
mod halves;
pub(super) mod listener;
pub mod pipe;
pub(super) mod socket;
pub(super) mod stream;

use std::fmt;
use std::io;
use std::panic::Location;
use std::path::Path;

use timeloop_sim::ResourceKind;

use super::fabric::Name;
use crate::engine::announce::ResourceId;

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

/// Identifies a name that sockets bind and connect to.
fn name_resource(name: &Name, at: &'static Location<'static>) -> ResourceId {
    let bytes = match name {
        Name::Unnamed => &[],
        Name::Path(path) => path.as_os_str().as_encoded_bytes(),
        Name::Abstract(name) => name,
    };
    ResourceId::of_content(bytes.iter().map(|byte| u64::from(*byte)), at).of_kind(ResourceKind::Address)
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

impl From<std::os::unix::net::SocketAddr> for SocketAddr {
    fn from(address: std::os::unix::net::SocketAddr) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(name) = std::os::linux::net::SocketAddrExt::as_abstract_name(&address) {
            return Self(Name::Abstract(name.to_vec()));
        }
        Self(address.as_pathname().map_or(Name::Unnamed, |path| Name::Path(path.to_owned())))
    }
}

/// The type of a user id.
#[expect(non_camel_case_types, reason = "the name of tokio and of C")]
pub type uid_t = u32;

/// The type of a group id.
#[expect(non_camel_case_types, reason = "the name of tokio and of C")]
pub type gid_t = u32;

/// The type of a process id.
#[expect(non_camel_case_types, reason = "the name of tokio and of C")]
pub type pid_t = i32;

/// The credentials of the peer of a Unix stream, as
/// [`tokio::net::unix::UCred`](https://docs.rs/tokio/1/tokio/net/unix/struct.UCred.html).
///
/// They are those of this process, in which both ends are. Like `std::process::id`, they differ between processes: a test whose
/// steps depend on their values is not deterministic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<pid_t>,
    uid: uid_t,
    gid: gid_t,
}

impl UCred {
    pub(super) fn of_this_process() -> Self {
        use std::os::unix::fs::MetadataExt;

        // Its owner is the effective user, where the system has it.
        let process = std::fs::metadata("/proc/self");
        let (uid, gid) = process.map_or((0, 0), |process| (process.uid(), process.gid()));
        Self { pid: pid_t::try_from(std::process::id()).ok(), uid, gid }
    }

    /// Returns the user id; 0 on systems without `/proc`.
    #[must_use]
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// Returns the group id; 0 on systems without `/proc`.
    #[must_use]
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }
}
