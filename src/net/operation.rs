//! One operation on a socket, from its announcement to its end.
//!
//! Always true: an operation is announced once, when it is first tried, and may give way then; each try after that is
//! told of, as what it turned out to be, and can't give way any more.

use std::panic::Location;
use std::task::{Context, Poll, ready};

use timeloop_sim::Access;

use crate::engine::announce::{self, Announcement, ResourceId};

/// What reports call sockets and streams.
pub(super) mod names {
    pub(in crate::net) const TCP_SOCKET: &str = "tcp socket";
    pub(in crate::net) const TCP_LISTENER: &str = "tcp listener";
    pub(in crate::net) const TCP_STREAM: &str = "tcp connection";
    pub(in crate::net) const UDP_SOCKET: &str = "udp socket";
    pub(in crate::net) const UNIX_LISTENER: &str = "unix listener";
    pub(in crate::net) const UNIX_STREAM: &str = "unix stream";
    pub(in crate::net) const UNIX_DATAGRAM: &str = "unix datagram socket";
}

/// What an operation is.
#[derive(Clone, Copy, Debug)]
pub(super) struct What<'a> {
    pub(super) id: &'a ResourceId,
    pub(super) name: &'static str,
    pub(super) access: Access,
    pub(super) at: &'static Location<'static>,
}

impl What<'_> {
    /// Tells that this is done now.
    #[inline]
    pub(super) fn touch(self) {
        self.id.touch(self.name, self.access, Some(self.at));
    }
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Operation(Announcement);

impl Operation {
    /// Tries the operation, once it has been announced. The next try after one that has succeeded is of another.
    #[inline]
    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        what: What<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let retried = self.0.is_done();
        if !retried {
            ready!(self.0.poll(cx, what.id, what.name, what.access, what.at));
        }
        let polled = attempt(cx);
        if retried && announce::attended() {
            let access = if polled.is_ready() { what.access } else { Access::Read };
            What { access, ..what }.touch();
        }
        if polled.is_ready() {
            self.0.restart();
        }
        polled
    }
}
