//! Signals by number, with the API of
//! [`tokio::signal::unix`](https://docs.rs/tokio/1/tokio/signal/unix/index.html).

use std::ffi::c_int;
use std::io;
use std::panic::Location;
use std::task::{Context, Poll};

use super::{INTERRUPT, Signals};

/// The kind of a signal, with the number that it has on Linux, so that a run is the same on each machine.
///
/// ```
/// use timeloop::signal::unix::SignalKind;
///
/// assert_eq!(SignalKind::terminate().as_raw_value(), 15);
/// assert_eq!(SignalKind::from_raw(2), SignalKind::interrupt());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalKind(pub(crate) c_int);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:expr;)*) => {
        impl SignalKind {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $name() -> Self {
                    Self($number)
                }
            )*
        }
    };
}

kinds! {
    /// Returns SIGHUP. Unhandled, it crashes the node.
    hangup = 1;
    /// Returns SIGINT, the signal of ctrl-c. Unhandled, it crashes the node.
    interrupt = INTERRUPT;
    /// Returns SIGQUIT. Unhandled, it crashes the node.
    quit = 3;
    /// Returns SIGUSR1. Unhandled, it crashes the node.
    user_defined1 = 10;
    /// Returns SIGUSR2. Unhandled, it crashes the node.
    user_defined2 = 12;
    /// Returns SIGPIPE. Unhandled, it crashes the node.
    pipe = 13;
    /// Returns SIGALRM. Unhandled, it crashes the node.
    alarm = 14;
    /// Returns SIGTERM. Unhandled, it crashes the node.
    terminate = 15;
    /// Returns SIGCHLD. Unhandled, it has no effect.
    child = 17;
    /// Returns SIGWINCH. Unhandled, it has no effect.
    window_change = 28;
    /// Returns SIGIO. Unhandled, it crashes the node.
    io = 29;
}

impl SignalKind {
    /// Returns the kind with this number.
    #[must_use]
    pub const fn from_raw(signum: c_int) -> Self {
        Self(signum)
    }

    /// Returns the number.
    #[must_use]
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> Self {
        Self::from_raw(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> Self {
        kind.0
    }
}

/// The signals that no program can handle or that tokio refuses: SIGILL, SIGFPE, SIGKILL, SIGSEGV and SIGSTOP.
const REFUSED: [c_int; 5] = [4, 8, 9, 11, 19];

/// The largest number of a signal.
pub(crate) const LARGEST: c_int = 64;

/// A stream of signals of one kind, as
/// [`tokio::signal::unix::Signal`](https://docs.rs/tokio/1/tokio/signal/unix/struct.Signal.html). Signals that are raised
/// before the last one is received count as one. Made by [`signal`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Signal(Signals);

/// Makes the calling task's node handle signals of this kind, and returns a stream of those raised from now on. As in a process,
/// the node handles them until it goes down, even if the stream is dropped: the default action does not come back.
///
/// # Errors
/// For the numbers of signals that no program can handle: 4, 8, 9, 11 and 19, those below 1, and those above 64.
///
/// # Panics
/// Outside of a run.
///
/// ```
/// use timeloop::signal::unix::{SignalKind, signal};
/// use timeloop::world::Node;
///
/// timeloop::run(0, || async {
///     let mut hangups = signal(SignalKind::hangup()).unwrap();
///     Node::current().signal(SignalKind::hangup());
///     Node::current().signal(SignalKind::hangup());
///     assert_eq!(hangups.recv().await, Some(())); // both
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let number = kind.0;
    if REFUSED.contains(&number) {
        return Err(io::Error::other(format!("signal {number} can't be handled by a program")));
    }
    if !(1..=LARGEST).contains(&number) {
        return Err(io::Error::other(format!(
            "there is no signal {number}; numbers are from 1 to {LARGEST}"
        )));
    }
    Ok(Signal(Signals::new(number)))
}

impl Signal {
    /// Waits for the next signal. Cancel safe. Never returns `None`.
    pub async fn recv(&mut self) -> Option<()> {
        self.0.recv(Location::caller()).await;
        Some(())
    }

    /// Polls for the next signal. Never returns `Ready(None)`.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.0.poll_recv(cx).map(Some)
    }
}
