//! Real sockets behind simulated ones: `from_std`, `into_std` and descriptors.
//!
//! A simulated socket that was made from a real one keeps it: its port stays reserved, and `into_std` returns it. For any
//! other socket, a real one is created when the descriptor is asked for. Options can be set on it. Nothing that happens to
//! a real socket reaches the simulation, and the other way round. The same holds for the ends of pipes.

use std::io;
use std::sync::OnceLock;

#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd as Real};
#[cfg(windows)]
use std::os::windows::io::OwnedSocket as Real;

/// The real socket of a simulated one.
#[derive(Debug, Default)]
pub(super) struct Descriptor {
    real: OnceLock<Real>,
    /// Whether the simulated socket was made from the real one.
    is_original: bool,
}

impl Descriptor {
    /// Keeps the real socket that a simulated one is made from.
    pub(super) fn of(real: impl Into<Real>) -> Self {
        Self { real: OnceLock::from(real.into()), is_original: true }
    }

    /// Keeps the real socket for another kind of simulated socket, whose `into_std` must not return it.
    pub(super) fn for_another(self) -> Self {
        Self { is_original: false, ..self }
    }

    /// Returns the real socket that the simulated one was made from.
    pub(super) fn into_std<T: From<Real>>(self) -> io::Result<T> {
        self.real.into_inner().filter(|_| self.is_original).map(T::from).ok_or_else(|| {
            unsupported(
                "a socket of a simulated run has no real one; only what was made by `from_std` can be converted back, \
                 so use the simulated socket itself",
            )
        })
    }
}

#[cfg(unix)]
impl Descriptor {
    /// Returns the real socket. `create` creates one if there is none.
    ///
    /// # Panics
    /// If it can't be created.
    pub(super) fn get<T: Into<Real>>(&self, create: impl FnOnce() -> io::Result<T>) -> BorrowedFd<'_> {
        let create = || match create() {
            Ok(real) => real.into(),
            Err(error) => panic!("can't create a real socket for the descriptor of a simulated one: {error}"),
        };
        self.real.get_or_init(create).as_fd()
    }

    /// Converts the descriptor into the real socket. `create` creates one if there is none.
    pub(super) fn into_real<T: Into<Real>>(self, create: impl FnOnce() -> io::Result<T>) -> Real {
        self.get(create);
        self.real.into_inner().expect("the line above sets it")
    }
}

/// The error of converting what the simulation can't take or has not got.
pub(super) fn unsupported(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// Explains that a real socket can't join the simulation because it is connected.
pub(super) fn connected_elsewhere() -> io::Error {
    unsupported(
        "a real connection can't join a simulated run, because its peer is outside; connect within the run, or use \
         `UnixStream::pair` or `io::duplex`",
    )
}

/// Explains an address that the simulated host has not got.
pub(super) fn explain_bind(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::AddrNotAvailable {
        return error;
    }
    io::Error::new(
        error.kind(),
        "the real socket is bound to an address that the simulated host does not have; bind it to a loopback or \
         unspecified address, or bind the address of a node within the run",
    )
}

/// Checks that a real socket does not block, as tokio does in debug builds.
///
/// # Panics
/// In a debug build, if it blocks.
#[cfg(unix)]
#[track_caller]
pub(super) fn check_nonblocking(real: &impl AsFd) {
    debug_assert!(
        is_nonblocking(real.as_fd()) != Some(false),
        "can't use a real socket that blocks; call `set_nonblocking(true)` before `from_std`"
    );
}

#[cfg(windows)]
pub(super) fn check_nonblocking<T>(_: &T) {}

/// Returns the flags of an open file, where the system shows them.
#[cfg(unix)]
pub(super) fn open_flags(fd: BorrowedFd<'_>) -> Option<u32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(flags.trim(), 8).ok()
}

#[cfg(unix)]
fn is_nonblocking(fd: BorrowedFd<'_>) -> Option<bool> {
    /// `O_NONBLOCK` under Linux, which alone shows the flags.
    const NONBLOCKING: u32 = 0o4000;
    open_flags(fd).map(|flags| flags & NONBLOCKING != 0)
}

/// Creates the real socket for the descriptor of a TCP socket: it has a loopback port that nobody knows.
#[cfg(unix)]
pub(super) fn real_tcp(is_ipv4: bool) -> io::Result<std::net::TcpListener> {
    let real = std::net::TcpListener::bind(&loopback(is_ipv4)[..])?;
    real.set_nonblocking(true)?;
    Ok(real)
}

/// Like [`real_tcp`], for UDP.
#[cfg(unix)]
pub(super) fn real_udp(is_ipv4: bool) -> io::Result<std::net::UdpSocket> {
    let real = std::net::UdpSocket::bind(&loopback(is_ipv4)[..])?;
    real.set_nonblocking(true)?;
    Ok(real)
}

/// Creates the real socket for the descriptor of a Unix socket of any kind.
#[cfg(unix)]
pub(super) fn real_unix() -> io::Result<std::os::unix::net::UnixDatagram> {
    let real = std::os::unix::net::UnixDatagram::unbound()?;
    real.set_nonblocking(true)?;
    Ok(real)
}

/// Returns any port of the loopback address of this family; the other family's comes second, for systems without IPv6.
#[cfg(unix)]
fn loopback(is_ipv4: bool) -> [std::net::SocketAddr; 2] {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let (four, six) = ((Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into());
    if is_ipv4 { [four, six] } else { [six, four] }
}

/// Implements `AsFd` and `AsRawFd` for a type whose [`Descriptor`] is this field. `create` creates the real socket.
macro_rules! has_descriptor {
    ($type:ty, $($field:ident).+, |$socket:ident| $create:expr) => {
        #[cfg(unix)]
        impl std::os::fd::AsFd for $type {
            /// Returns a real descriptor: of the socket that this one was made from, else of a new one that is not connected.
            /// Options that are set on it have no effect in the simulation.
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                let $socket = self;
                self.$($field).+.get(|| $create)
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(self))
            }
        }
    };
}

pub(super) use has_descriptor;
