//! The errors of socket operations.
//!
//! # Invariants
//! Error kinds and texts are Linux's, on every platform.

use std::io;

/// An operating system error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errno {
    WouldBlock,
    AddrInUse,
    AddrNotAvailable,
    ConnectionRefused,
    ConnectionReset,
    NotConnected,
    BrokenPipe,
    TimedOut,
    HostUnreachable,
    NetworkUnreachable,
    InvalidInput,
    MessageTooLong,
    DestinationRequired,
    AlreadyConnected,
    NotFound,
    NoDevice,
    FamilyNotSupported,
    PermissionDenied,
    NotPermitted,
    WrongType,
}

impl Errno {
    /// Returns Linux's number for the error.
    const fn number(self) -> i32 {
        match self {
            Self::NotPermitted => 1,
            Self::NotFound => 2,
            Self::NoDevice => 6,
            Self::WouldBlock => 11,
            Self::PermissionDenied => 13,
            Self::InvalidInput => 22,
            Self::BrokenPipe => 32,
            Self::DestinationRequired => 89,
            Self::WrongType => 91,
            Self::MessageTooLong => 90,
            Self::FamilyNotSupported => 97,
            Self::AddrInUse => 98,
            Self::AddrNotAvailable => 99,
            Self::NetworkUnreachable => 101,
            Self::ConnectionReset => 104,
            Self::AlreadyConnected => 106,
            Self::NotConnected => 107,
            Self::TimedOut => 110,
            Self::ConnectionRefused => 111,
            Self::HostUnreachable => 113,
        }
    }

    /// Returns the kind and the text, for platforms whose error numbers differ.
    const fn kind_and_text(self) -> (io::ErrorKind, &'static str) {
        use io::ErrorKind as Kind;
        match self {
            Self::NotPermitted => (Kind::PermissionDenied, "Operation not permitted (os error 1)"),
            Self::WrongType => (Kind::Other, "Protocol wrong type for socket (os error 91)"),
            Self::NotFound => (Kind::NotFound, "No such file or directory (os error 2)"),
            Self::NoDevice => (Kind::Other, "No such device or address (os error 6)"),
            Self::WouldBlock => (Kind::WouldBlock, "Resource temporarily unavailable (os error 11)"),
            Self::PermissionDenied => (Kind::PermissionDenied, "Permission denied (os error 13)"),
            Self::InvalidInput => (Kind::InvalidInput, "Invalid argument (os error 22)"),
            Self::BrokenPipe => (Kind::BrokenPipe, "Broken pipe (os error 32)"),
            Self::DestinationRequired => (Kind::Other, "Destination address required (os error 89)"),
            Self::MessageTooLong => (Kind::Other, "Message too long (os error 90)"),
            Self::FamilyNotSupported => {
                (Kind::Other, "Address family not supported by protocol (os error 97)")
            }
            Self::AddrInUse => (Kind::AddrInUse, "Address already in use (os error 98)"),
            Self::AddrNotAvailable => {
                (Kind::AddrNotAvailable, "Cannot assign requested address (os error 99)")
            }
            Self::NetworkUnreachable => (Kind::NetworkUnreachable, "Network is unreachable (os error 101)"),
            Self::ConnectionReset => (Kind::ConnectionReset, "Connection reset by peer (os error 104)"),
            Self::AlreadyConnected => (Kind::Other, "Transport endpoint is already connected (os error 106)"),
            Self::NotConnected => (Kind::NotConnected, "Transport endpoint is not connected (os error 107)"),
            Self::TimedOut => (Kind::TimedOut, "Connection timed out (os error 110)"),
            Self::ConnectionRefused => (Kind::ConnectionRefused, "Connection refused (os error 111)"),
            Self::HostUnreachable => (Kind::HostUnreachable, "No route to host (os error 113)"),
        }
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        if cfg!(target_os = "linux") {
            return Self::from_raw_os_error(errno.number());
        }
        let (kind, text) = errno.kind_and_text();
        Self::new(kind, text)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io;

    use super::Errno;

    #[test]
    fn kinds_and_texts_are_those_of_linux() {
        for errno in [
            Errno::WouldBlock,
            Errno::AddrInUse,
            Errno::AddrNotAvailable,
            Errno::ConnectionRefused,
            Errno::ConnectionReset,
            Errno::NotConnected,
            Errno::BrokenPipe,
            Errno::TimedOut,
            Errno::HostUnreachable,
            Errno::NetworkUnreachable,
            Errno::InvalidInput,
            Errno::NotFound,
            Errno::PermissionDenied,
        ] {
            let error = io::Error::from(errno);
            assert_eq!((error.kind(), error.to_string().as_str()), errno.kind_and_text());
        }
        let uncategorized = [
            Errno::NoDevice,
            Errno::MessageTooLong,
            Errno::DestinationRequired,
            Errno::AlreadyConnected,
            Errno::FamilyNotSupported,
        ];
        for errno in uncategorized {
            assert_eq!(io::Error::from(errno).to_string(), errno.kind_and_text().1);
        }
    }
}
