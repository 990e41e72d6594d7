//! `tokio::signal`: in a simulation no signal arrives, so whatever waits for one waits until it is dropped.

use std::future::pending;
use std::io;

/// Waits for ctrl-c, which never arrives.
///
/// # Errors
/// None.
pub async fn ctrl_c() -> io::Result<()> {
    pending().await
}

/// Signals of Unix.
#[cfg(unix)]
pub mod unix {
    use std::future::pending;
    use std::io;
    use std::task::{Context, Poll};

    /// The kind of a signal.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct SignalKind(i32);

    macro_rules! kinds {
        ($($name:ident = $number:expr;)*) => {
            impl SignalKind {
                $(
                    /// Returns the kind with this name. Its number is that of Linux.
                    #[must_use]
                    pub const fn $name() -> Self {
                        Self($number)
                    }
                )*
            }
        };
    }

    kinds! {
        hangup = 1;
        interrupt = 2;
        quit = 3;
        user_defined1 = 10;
        user_defined2 = 12;
        pipe = 13;
        alarm = 14;
        terminate = 15;
        child = 17;
        window_change = 28;
        io = 29;
    }

    impl SignalKind {
        /// Returns the kind with this number.
        #[must_use]
        pub const fn from_raw(signum: std::ffi::c_int) -> Self {
            Self(signum)
        }

        /// Returns the number.
        #[must_use]
        pub const fn as_raw_value(&self) -> std::ffi::c_int {
            self.0
        }
    }

    impl From<std::ffi::c_int> for SignalKind {
        fn from(signum: std::ffi::c_int) -> Self {
            Self(signum)
        }
    }

    impl From<SignalKind> for std::ffi::c_int {
        fn from(kind: SignalKind) -> Self {
            kind.0
        }
    }

    /// A stream of signals, none of which arrives.
    #[derive(Debug)]
    pub struct Signal {
        _private: (),
    }

    /// Creates a stream of signals of this kind.
    ///
    /// # Errors
    /// For `SIGKILL` (9) and `SIGSTOP` (19), which no program receives.
    pub fn signal(kind: SignalKind) -> io::Result<Signal> {
        match kind.0 {
            9 | 19 => Err(io::Error::other(format!("Refusing to register signal {}", kind.0))),
            _ => Ok(Signal { _private: () }),
        }
    }

    impl Signal {
        /// Waits for a signal, which never arrives. Cancel safe.
        pub async fn recv(&mut self) -> Option<()> {
            pending().await
        }

        /// Returns `Pending`.
        pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
            let _ = cx;
            Poll::Pending
        }
    }
}
