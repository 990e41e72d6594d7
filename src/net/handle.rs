//! Access to a socket in the fabric of its run: the common part of the public socket types.
//!
//! # Invariants
//! An operation on a socket whose run is over fails and never panics.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll};

use timeloop_sim::{Access, ResourceKind};

use super::driver::Fabric;
use super::fabric::{CallContext, Errno, Key, WaitedSocket};
use super::socket_labels;
use crate::engine::announce::{Action, Attempt, ResourceId, restore_budget};
use crate::engine::observer::WaitTarget;
use crate::engine::{self, Engine, RunId, WakeTarget, context, of_run};

/// Calls `f` with the network of a run. Returns `None` if the run is over.
#[inline]
pub(super) fn network<R>(run: RunId, f: impl FnOnce(&mut Fabric, &mut CallContext<'_>) -> R) -> Option<R> {
    of_run(run, |engine| engine.network(f))
}

/// The error of operations on a socket whose run is over.
#[cold]
pub(super) fn run_is_over() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the run that this socket belongs to is over")
}

/// Opens a socket with `f`, which gets the host of the running task.
///
/// # Panics
/// Outside of a run.
#[track_caller]
pub(super) fn open<R>(f: impl FnOnce(&mut Fabric, u32) -> R) -> (RunId, R) {
    if context::with(|engine| engine.settings.io) == Some(false) {
        panic!(
            "can't open a socket: the sockets of this runtime are disabled; call `enable_io` or `enable_all` on its `Builder`"
        );
    }
    let opened =
        context::with(|engine| (engine.run_id(), engine.network_here(|fabric, _, host| f(fabric, host))));
    match opened {
        Some(opened) => opened,
        None => engine::outside("open a socket"),
    }
}

/// Calls `f` with the network of a run, for operations that never wait.
#[inline]
pub(super) fn with<R>(
    run: RunId,
    f: impl FnOnce(&mut Fabric, &mut CallContext<'_>) -> Result<R, Errno>,
) -> io::Result<R> {
    match network(run, f) {
        Some(result) => result.map_err(io::Error::from),
        None => Err(run_is_over()),
    }
}

/// Announces an operation, then polls `operation` until it is ready.
#[inline]
pub(super) fn announced<R>(
    action: Action<'_>,
    mut operation: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> impl Future<Output = R> {
    let mut attempt = Attempt::default();
    poll_fn(move |cx| attempt.poll_each(cx, action, &mut operation))
}

/// Like [`announced`], for waiting until a socket is ready. It spends no budget, as in tokio.
pub(super) fn announced_readiness<R>(
    action: Action<'_>,
    mut poll_ready: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> impl Future<Output = R> {
    let mut is_first = true;
    announced(action, move |cx| {
        let polled = poll_ready(cx);
        // An announcement restores what a first try has spent that has to wait.
        if std::mem::take(&mut is_first) && polled.is_ready() {
            restore_budget();
        }
        polled
    })
}

/// Identifies an address that sockets bind and connect to.
fn address_resource(address: SocketAddr, at: &'static Location<'static>) -> ResourceId {
    // Without the IP address: a socket may be bound to all of its host's.
    ResourceId::of_content([address.port().into()], at).of_kind(ResourceKind::Address)
}

/// Announces that a socket is about to be bound to an address, and waits until it may.
pub(super) async fn announce_bind(address: SocketAddr, at: &'static Location<'static>) {
    let resource = address_resource(address, at);
    Action { id: &resource, name: socket_labels::ADDRESS, access: Access::Acquire, at }
        .announced_apart()
        .await;
}

/// Announces that a Unix socket is about to connect to a name, and waits until it may.
pub(super) async fn announce_unix_connect(name: ResourceId, at: &'static Location<'static>) {
    Action { id: &name, name: socket_labels::ADDRESS, access: Access::Send, at }.announced_apart().await;
}

/// Records that a task connects to an address, which races with binding it.
pub(super) fn touch_address(address: SocketAddr, at: &'static Location<'static>) {
    let resource = address_resource(address, at);
    Action { id: &resource, name: socket_labels::ADDRESS, access: Access::Read, at }.touch_apart();
}

/// A socket that is not a stream: a listener or a datagram socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handle {
    pub(super) run: RunId,
    pub(super) key: Key,
    pub(super) resource: ResourceId,
    /// The name of the socket in reports.
    pub(super) name: &'static str,
}

impl Handle {
    pub(super) fn action(&self, access: Access, at: &'static Location<'static>) -> Action<'_> {
        Action { id: &self.resource, name: self.name, access, at }
    }

    /// Records an operation that never waits.
    #[track_caller]
    pub(super) fn touch(&self, access: Access) {
        self.resource.action(self.name, access).touch();
    }

    /// Calls `f` with the network, for operations that never wait.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Fabric, Key) -> Result<R, Errno>) -> io::Result<R> {
        with(self.run, |fabric, _| f(fabric, self.key))
    }

    /// Like `with`, for operations that need the engine.
    pub(super) fn with_engine<R>(&self, f: impl FnOnce(&Engine, Key) -> Result<R, Errno>) -> io::Result<R> {
        match of_run(self.run, |engine| f(engine, self.key)) {
            Some(result) => result.map_err(io::Error::from),
            None => Err(run_is_over()),
        }
    }

    /// Like `with`, for operations that reach other hosts. Adds new nodes to the fabric first.
    pub(super) fn with_hosts<R>(
        &self,
        f: impl FnOnce(&mut Fabric, &mut CallContext<'_>, Key) -> Result<R, Errno>,
    ) -> io::Result<R> {
        self.with_engine(|engine, key| engine.network_here(|fabric, ctx, _| f(fabric, ctx, key)))
    }

    /// Tries `f`. If that would block, `wait` registers the task as a waiter, and `on` names the socket that it waits
    /// for.
    #[inline]
    pub(super) fn attempt<R>(
        &self,
        cx: &mut Context<'_>,
        f: impl FnOnce(&Engine, Key) -> Result<R, Errno>,
        on: impl FnOnce(&mut Fabric, Key) -> WaitedSocket,
        wait: impl FnOnce(&mut Fabric, Key, WakeTarget),
    ) -> Poll<io::Result<R>> {
        let Self { run, key, resource, .. } = *self;
        let polled = of_run(run, |engine| match f(engine, key) {
            Err(Errno::WouldBlock) => {
                let waiter = engine.record_waiter(cx.waker(), || {
                    WaitTarget::Socket(engine.network(|fabric, _| on(fabric, key)), resource.made())
                });
                engine.network(|fabric, _| wait(fabric, key, waiter));
                Poll::Pending
            }
            result => Poll::Ready(result.map_err(io::Error::from)),
        });
        polled.unwrap_or_else(|| Poll::Ready(Err(run_is_over())))
    }

    /// Records a change of the socket, without a source location.
    pub(super) fn record_change(&self) {
        self.resource.touch(self.name, Access::Write, None);
    }

    /// Closes the socket with `f`, because its owner is dropped.
    pub(super) fn close(&self, f: impl FnOnce(&mut Fabric, &mut CallContext<'_>, Key)) {
        self.record_change();
        network(self.run, |fabric, ctx| f(fabric, ctx, self.key));
    }
}
