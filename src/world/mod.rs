//! The world of a run: nodes that start, crash, restart, pause and shut down, each with clocks of its own.
//!
//! A run has one node to begin with, where the test itself runs. [`World::node`] declares more, and gives each a closure that
//! starts it; whatever its tasks spawn is on that node too. The test holds [`Node`]s and does to them what happens to hosts:
//!
//! ```
//! use std::{cell::Cell, rc::Rc};
//! use timeloop::time::{Duration, sleep};
//! use timeloop::world::{Node, World};
//!
//! timeloop::run(0, || async {
//!     let disk = Rc::new(Cell::new(0)); // survives crashes: it is not the node's
//!     let kept = Rc::clone(&disk);
//!     let counter = World::current().node("counter").start(move || {
//!         let disk = Rc::clone(&kept);
//!         async move {
//!             let mut count = disk.get();
//!             loop {
//!                 sleep(Duration::from_secs(1)).await;
//!                 count += 1;
//!                 if count % 10 == 0 {
//!                     disk.set(count);
//!                 }
//!             }
//!         }
//!     });
//!
//!     sleep(Duration::from_millis(25_500)).await;
//!     counter.crash(); // what was not written is gone
//!     counter.restart();
//!     sleep(Duration::from_millis(5_500)).await;
//!     assert_eq!(disk.get(), 20);
//!     sleep(Duration::from_secs(5)).await;
//!     assert_eq!((disk.get(), counter.incarnation()), (30, 2));
//! })?;
//! # Ok::<(), timeloop::Failure>(())
//! ```
//!
//! # What happens to a node
//!
//! | | its tasks | its [`NodeLocal`]s | its clock |
//! |---|---|---|---|
//! | [`crash`](Node::crash) | stop where they are and are dropped; their destructors do not get to talk to the network | dropped | goes on |
//! | [`restart`](Node::restart) | as after a crash, if it is up; then the closure runs again | anew | goes on |
//! | [`pause`](Node::pause) | are not polled; what wakes them is kept | stay | goes on |
//! | [`resume`](Node::resume) | go on | | |
//! | [`shutdown`](Node::shutdown) | are asked to end by [`shutdown_requested`]; those that do not in time crash | dropped | goes on |
//!
//! All this is part of the run: of its trace hash, of the steps in a report ("node `db-1` crashes"), and of what an
//! exhaustive search takes for a race. A task's node stands in its label: `` `serve` on db-1 (root.2.1) ``.
//!
//! # What a crash does
//!
//! When [`crash`](Node::crash) returns, the futures of all of the node's tasks have been dropped, in order of spawning, with
//! each task as the current one: its id, random numbers, task-locals and node are in place. So guards are given back,
//! channels close, and nothing that the test shares with the node stays locked. What destructors spawn is dropped
//! without having been polled. Whoever awaits such a task gets a cancelled [`JoinError`](crate::task::JoinError), at the task's
//! next turn, as after an abort. A destructor that panics is a panic of its task.
//!
//! A task may crash its own node. It goes on to its next `.await`, or its end, and is dropped there; [`crash_here`] is both at
//! once. The same holds for a task that pauses or restarts its own node.

mod builder;
mod clock;
mod local;
mod node;
mod shutdown;

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

pub use builder::NodeBuilder;
pub use clock::Clock;
pub use local::NodeLocal;
pub use node::Node;
pub use shutdown::{Shutdown, shutdown_requested};

use crate::engine::nodes::{NodeId, NodeState};
use crate::engine::{self, Engine, RunId, context};

/// The world of the run that is under way.
#[derive(Clone)]
pub struct World {
    run: RunId,
}

impl World {
    /// The world of the run that is under way.
    ///
    /// # Panics
    /// Outside of a run.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match context::with(Engine::run_id) {
            Some(run) => Self { run },
            None => engine::outside("reach the world of a run"),
        }
    }

    /// Begins to declare a node with this name.
    ///
    /// ```
    /// use timeloop::world::World;
    ///
    /// timeloop::run(0, || async {
    ///     let world = World::current();
    ///     let one = world.node("db-1").address([10, 1, 0, 1]).start(|| async { /* serve */ });
    ///     let other = world.node("db-2").start(|| async {});
    ///     assert_eq!(one.address().to_string(), "10.1.0.1");
    ///     assert_eq!(world.nodes(), [one, other]);
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    pub fn node(&self, name: impl Into<String>) -> NodeBuilder {
        NodeBuilder::new(self.clone(), name.into())
    }

    /// The node of this name; that of the test is called `test`.
    #[must_use]
    #[track_caller]
    pub fn get(&self, name: &str) -> Option<Node> {
        let id = self.with(|engine| engine.nodes().by_name(name))?;
        Some(self.node_of(id))
    }

    /// All nodes that have been declared, in that order. The test's own is not among them.
    #[must_use]
    #[track_caller]
    pub fn nodes(&self) -> Vec<Node> {
        let ids: Vec<NodeId> = self.with(|engine| engine.nodes().ids().collect());
        ids.into_iter().filter(|&id| id != NodeId::TEST).map(|id| self.node_of(id)).collect()
    }

    /// Waits until every node that has been declared is down; at once where there is none.
    pub async fn until_all_down(&self) {
        poll_fn(|cx| {
            self.with(|engine| {
                let nodes: Vec<NodeId> = engine.nodes().ids().filter(|&id| id != NodeId::TEST).collect();
                for node in nodes {
                    engine.report_node_read(node);
                    let state = engine.nodes().state(node);
                    if state != NodeState::Down {
                        engine.watch_node(node, cx.waker());
                        return Poll::Pending;
                    }
                }
                Poll::Ready(())
            })
        })
        .await;
    }

    #[track_caller]
    fn node_of(&self, id: NodeId) -> Node {
        self.with(|engine| Node::new(engine, id))
    }

    /// Calls `f` with the loop of the world's run.
    #[track_caller]
    fn with<R>(&self, f: impl FnOnce(&Engine) -> R) -> R {
        match engine::of_run(self.run, f) {
            Some(result) => result,
            None => panic!(
                "this world is that of a run that is over, or of another thread's; take `World::current()` in each run"
            ),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Crashes the node of the task that calls it, at once: nothing after this `.await` runs.
///
/// ```
/// use timeloop::world::{World, crash_here};
///
/// timeloop::run(0, || async {
///     let node = World::current().node("db").start(|| async {
///         crash_here().await;
///     });
///     node.until_down().await;
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
///
/// # Panics
/// On the test's own node, and outside of a run.
pub async fn crash_here() -> ! {
    Node::current().crash();
    std::future::pending().await
}
