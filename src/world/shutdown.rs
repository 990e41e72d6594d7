//! Shutting a node down in good order.
//!
//! Always true: a node that is asked to shut down learns of it where it awaits that; one that does not end in time crashes.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use timeloop_sim::NodeWait;

use super::Node;
use crate::engine::nodes::{NodeId, NodeState};
use crate::engine::observer::WaitTarget;
use crate::engine::{self, Engine, context};
use crate::time::timeout;

/// How a node went down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// Of itself, in time.
    Graceful,
    /// The time was over, and it crashed.
    Forced,
}

/// How long a node has to shut down, unless told otherwise.
const GRACE: Duration = Duration::from_secs(30);

impl Node {
    /// Asks the node to shut down, and waits until it is down: 30 seconds, as the caller's clock has it, and then it crashes.
    /// See [`shutdown_within`](Self::shutdown_within).
    ///
    /// # Panics
    /// On the test's own node.
    pub async fn shutdown(&self) -> Shutdown {
        self.shutdown_within(GRACE).await
    }

    /// Asks the node to shut down, which its tasks learn of by [`shutdown_requested`], and waits until it has; if that takes
    /// longer than `grace`, it crashes.
    ///
    /// It has when its first task has ended, the one of the closure that it was declared with; where that had ended before, or
    /// there is none, when all of its tasks have. What other tasks there are is dropped then, as when a process ends:
    /// their destructors, unlike those of a crash, do get to talk to the network.
    ///
    /// A node that is down is so gracefully. If the future is dropped before its end, the node is left to shut down, and no one
    /// forces it.
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
        let (incarnation, has_main) = self.with(|engine| {
            engine.request_node_shutdown(self.id);
            (engine.nodes().incarnation(self.id), engine.nodes().has_main(self.id))
        });
        let ended = poll_fn(|cx| {
            self.with(|engine| {
                engine.report_node_read(self.id);
                let ended = {
                    let nodes = engine.nodes();
                    // Somebody else has taken it down, and may have started it again.
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
            // The task that asked is one of the node's own: it ends here.
            std::future::pending::<()>().await;
        }
        if in_time { Shutdown::Graceful } else { Shutdown::Forced }
    }

    /// Whether it has been asked to shut down, and is still up.
    #[must_use]
    #[track_caller]
    pub fn is_shutting_down(&self) -> bool {
        self.with(|engine| {
            engine.report_node_read(self.id);
            engine.nodes().is_shutting_down(self.id)
        })
    }
}

/// Waits until the node of the task that calls it is asked to [shut down](Node::shutdown); for ever on the test's own.
///
/// # Panics
/// Outside of a run.
pub async fn shutdown_requested() {
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
