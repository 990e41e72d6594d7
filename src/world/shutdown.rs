//! Graceful shutdown of nodes.
//!
//! # Invariants
//! A node that is asked to shut down notifies the tasks that await [`shutdown_requested`]. It crashes if it is not
//! down in time.

use std::future::poll_fn;
use std::panic::Location;
use std::task::Poll;
use std::time::Duration;

use timeloop_sim::{Access, NodeWait};

use super::Node;
use crate::engine::announce::ResourceId;
use crate::engine::nodes::{NodeId, NodeState};
use crate::engine::observer::WaitTarget;
use crate::engine::{self, Engine, context};
use crate::time::timeout;

/// How a node went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// It ended by itself in time.
    Graceful,
    /// It crashed because the grace period was over.
    Forced,
}

/// The default grace period.
const GRACE: Duration = Duration::from_secs(30);

impl Node {
    /// Asks the node to shut down, and waits until it is down. After 30 seconds by the caller's clock it crashes. See
    /// [`shutdown_within`](Self::shutdown_within).
    ///
    /// # Panics
    /// On the test's own node.
    pub async fn shutdown(&self) -> Shutdown {
        self.shutdown_within(GRACE).await
    }

    /// Asks the node to shut down, and waits until it is down. Its tasks observe the request through
    /// [`shutdown_requested`]. If the shutdown takes longer than `grace`, the node crashes.
    ///
    /// A shutdown is complete when the node's first task has ended, which runs the closure that the node was declared
    /// with. If there is no first task, or it ended before, the shutdown is complete when all tasks have ended. The
    /// remaining tasks are dropped, as when a process ends. Unlike in a crash, their destructors can use the network.
    ///
    /// For a node that is already down, this returns [`Shutdown::Graceful`]. If the future is dropped early, the node
    /// continues to shut down, but is not forced to.
    ///
    /// ```
    /// use timeloop::time::{Duration, Instant, sleep};
    /// use timeloop::world::{Shutdown, World, shutdown_requested};
    ///
    /// timeloop::run(0, || async {
    ///     let world = World::current();
    ///     let polite = world.node("polite").start(|| async {
    ///         shutdown_requested().await;
    ///         sleep(Duration::from_secs(2)).await; // cleans up
    ///     });
    ///     let deaf = world.node("deaf").start(std::future::pending::<()>);
    ///
    ///     let start = Instant::now();
    ///     assert_eq!(polite.shutdown().await, Shutdown::Graceful);
    ///     assert_eq!(start.elapsed(), Duration::from_secs(2));
    ///     assert_eq!(deaf.shutdown_within(Duration::from_secs(5)).await, Shutdown::Forced);
    ///     assert_eq!(start.elapsed(), Duration::from_secs(7));
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    ///
    /// # Panics
    /// On the test's own node.
    pub async fn shutdown_within(&self, grace: Duration) -> Shutdown {
        self.refuse_test("shut down");
        self.announced_read().await;
        let (incarnation, has_main) = self.with(|engine| {
            engine.request_node_shutdown(self.id);
            (engine.nodes().incarnation(self.id), engine.nodes().has_main(self.id))
        });
        let ended = poll_fn(|cx| {
            self.with(|engine| {
                engine.report_node_read(self.id);
                let ended = {
                    let nodes = engine.nodes();
                    // Another task has taken the node down, and may have started it again.
                    nodes.state(self.id) == NodeState::Down
                        || nodes.incarnation(self.id) != incarnation
                        || if has_main { !nodes.has_main(self.id) } else { !nodes.has_tasks(self.id) }
                };
                if ended {
                    return Poll::Ready(());
                }
                engine.watch_node(self.id, cx.waker());
                engine.record_wait(cx.waker(), || WaitTarget::Node(self.id, NodeWait::ShutDown));
                Poll::Pending
            })
        });
        let in_time = timeout(grace, ended).await.is_ok();
        self.with(|engine| {
            if engine.nodes().incarnation(self.id) == incarnation {
                engine.take_node_down(self.id, !in_time);
            }
        });
        if self.with(Engine::current_is_stopped) {
            // The calling task is on this node, so it ends here.
            std::future::pending::<()>().await;
        }
        if in_time { Shutdown::Graceful } else { Shutdown::Forced }
    }

    /// Returns whether the node was asked to shut down and is still up.
    #[must_use]
    #[track_caller]
    pub fn is_shutting_down(&self) -> bool {
        self.with(|engine| {
            engine.report_node_read(self.id);
            engine.nodes().is_shutting_down(self.id)
        })
    }
}

/// Waits until the calling task's node is asked to [shut down](Node::shutdown). Never returns on the test's own node.
///
/// # Panics
/// Outside of a run.
pub async fn shutdown_requested() {
    if let Some(node) = context::with(Engine::current_node) {
        let node = ResourceId::of_node(node, Location::caller());
        node.action("node", Access::Read).announced_apart().await;
    }
    poll_fn(|cx| {
        let asked = context::with(|engine| {
            let node = engine.current_node();
            engine.report_node_read(node);
            let asked = engine.nodes().is_shutting_down(node);
            if !asked && node != NodeId::TEST {
                engine.watch_node(node, cx.waker());
            }
            if !asked {
                engine.record_wait(cx.waker(), || WaitTarget::Node(node, NodeWait::ShutdownRequest));
            }
            asked
        });
        match asked {
            Some(true) => Poll::Ready(()),
            Some(false) => Poll::Pending,
            None => engine::outside("wait for a shutdown"),
        }
    })
    .await;
}
