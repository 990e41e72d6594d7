//! Signals to the process that a node simulates, with the API of
//! [`tokio::signal`](https://docs.rs/tokio/1/tokio/signal/index.html). The test raises them:
//! [`Node::signal`](crate::world::Node::signal).
//!
//! Each node counts as one process. What a node handles is forgotten when it goes down.
//!
//! ```
//! use std::{cell::Cell, rc::Rc};
//! use timeloop::signal;
//! use timeloop::time::{Duration, sleep};
//! use timeloop::world::World;
//!
//! async fn serve(saved: Rc<Cell<bool>>) {
//!     timeloop::select! {
//!         () = std::future::pending() => {} // accepts and serves
//!         _ = signal::ctrl_c() => {}
//!     }
//!     sleep(Duration::from_secs(2)).await; // writes everything back
//!     saved.set(true);
//! }
//!
//! timeloop::run(0, || async {
//!     let saved = Rc::new(Cell::new(false));
//!     let disk = Rc::clone(&saved);
//!     let server = World::current().node("server").start(move || serve(Rc::clone(&disk)));
//!     sleep(Duration::from_secs(10)).await;
//!     server.ctrl_c();
//!     sleep(Duration::from_secs(3)).await;
//!     assert!(saved.get());
//! })?;
//! # Ok::<(), timeloop::Failure>(())
//! ```

use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::task::{Context, Poll};

use timeloop_sim::{Access, NodeWait};

use crate::engine::announce::ResourceId;
use crate::engine::nodes::NodeId;
use crate::engine::observer::WaitTarget;
use crate::engine::{self, Engine, RunId, context};

#[cfg(unix)]
pub mod unix;

/// The number of the signal of ctrl-c.
pub(crate) const INTERRUPT: i32 = 2;

/// Waits for a ctrl-c on the calling task's node, as
/// [`tokio::signal::ctrl_c`](https://docs.rs/tokio/1/tokio/signal/fn.ctrl_c.html) does. The node handles the signal from the
/// first poll on, until it goes down.
///
/// Cancel safe, except that a ctrl-c is lost if it comes when nothing waits for one.
///
/// # Errors
/// None.
///
/// # Panics
/// Outside of a run.
pub async fn ctrl_c() -> io::Result<()> {
    Signals::new(INTERRUPT).recv(Location::caller()).await;
    Ok(())
}

/// The signals of one kind that are raised on a node from now on.
#[derive(Debug)]
struct Signals {
    run: RunId,
    node: NodeId,
    incarnation: u32,
    number: i32,
    /// How many of them have been received.
    seen: u64,
}

impl Signals {
    /// Makes the calling task's node handle this signal.
    #[track_caller]
    fn new(number: i32) -> Self {
        let new = context::with(|engine| {
            let node = engine.current_node();
            let (incarnation, seen) = engine.handle_signal(node, number);
            Self { run: engine.run_id(), node, incarnation, number, seen }
        });
        match new {
            Some(new) => new,
            None => engine::outside("listen for a signal"),
        }
    }

    /// Waits for the next one. Several that were raised since the last call count as one.
    async fn recv(&mut self, at: &'static Location<'static>) {
        let node = ResourceId::of_node(self.node, at);
        node.action("signals", Access::Read).announced_apart().await;
        poll_fn(|cx| self.poll_recv(cx)).await;
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let poll = |engine: &Engine| {
            engine.report_signal_access(self.node, Access::Read);
            let raised = engine.signals_raised(self.node, self.incarnation, self.number);
            if raised > self.seen {
                self.seen = raised;
                return Poll::Ready(());
            }
            engine.watch_node(self.node, cx.waker());
            engine.record_wait(cx.waker(), || WaitTarget::Node(self.node, NodeWait::Signal(self.number)));
            Poll::Pending
        };
        // In another run, or after the run, no signal comes.
        engine::of_run(self.run, poll).unwrap_or(Poll::Pending)
    }
}
