//! The nodes of a run: they start, crash, restart, pause and shut down, and each has its own clocks.
//!
//! A run begins with one node, where the test itself runs. [`World::node`] declares more nodes, each with a closure
//! that starts it. Tasks spawned on a node stay on that node. The test controls the nodes through [`Node`]:
//!
//! ```
//! use std::{cell::Cell, rc::Rc};
//! use timeloop::time::{Duration, sleep};
//! use timeloop::world::{Node, World};
//!
//! timeloop::run(0, || async {
//!     let disk = Rc::new(Cell::new(0)); // survives crashes, because the test owns it
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
//!     counter.crash(); // unwritten counts are lost
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
//! | | its tasks | its [`NodeLocal`]s | its clocks |
//! |---|---|---|---|
//! | [`crash`](Node::crash) | stop where they are and are dropped; their destructors can't use the network | dropped | continue |
//! | [`restart`](Node::restart) | crash if the node is up; then the closure runs again | created anew | continue |
//! | [`pause`](Node::pause) | are not polled; wake-ups are kept | stay | continue |
//! | [`resume`](Node::resume) | continue | | |
//! | [`signal`](Node::signal) | receive it through [`signal`](crate::signal); if none handles it, they crash or are paused | | |
//! | [`shutdown`](Node::shutdown) | are asked to end through [`shutdown_requested`]; they crash after a grace period | dropped | continue |
//!
//! All this is part of the run: of its trace hash, of the steps in a report ("node `db-1` crashes"), and of the races
//! that an exhaustive search considers. The label of a task contains its node: `` `serve` on db-1 (root.2.1) ``.
//!
//! # What a crash does
//!
//! [`crash`](Node::crash) drops the futures of all the node's tasks, in order of spawning, before it returns. While a
//! future is dropped, its task is the current one: its id, random numbers, task-locals and node are in place. Guards
//! are released, channels close, and nothing that the test shares with the node stays locked. Tasks that destructors
//! spawn are dropped without being polled. A task that awaits such a task gets a cancelled
//! [`JoinError`](crate::task::JoinError) at the crashed task's next turn, as after an abort. A panic in a destructor
//! is a panic of its task.
//!
//! A task may crash its own node. It continues to its next `.await`, or to its end, and is dropped there.
//! [`crash_here`] crashes the node and awaits. The same holds for a task that pauses or restarts its own node.

mod builder;
mod clock;
mod node;
mod node_local;
mod shutdown;

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

pub use builder::NodeBuilder;
pub use clock::Clock;
pub use node::Node;
pub use node_local::NodeLocal;
pub use shutdown::{Shutdown, shutdown_requested};

use crate::engine::nodes::{NodeId, NodeState};
use crate::engine::{self, Engine, RunId, context};

/// The nodes of a run.
#[derive(Clone)]
pub struct World {
    run: RunId,
}

impl World {
    /// Returns the world of the current run.
    ///
    /// # Panics
    /// Outside of a run.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match context::with(Engine::run_id) {
            Some(run) => Self { run },
            None => engine::outside("get the `World`"),
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

    /// Returns the node with this name. The test's own node is named `test`.
    #[must_use]
    #[track_caller]
    pub fn get(&self, name: &str) -> Option<Node> {
        let id = self.with(|engine| engine.nodes().by_name(name))?;
        Some(self.node_of(id))
    }

    /// Returns all declared nodes, in order of declaration, without the test's own node.
    #[must_use]
    #[track_caller]
    pub fn nodes(&self) -> Vec<Node> {
        let ids: Vec<NodeId> = self.with(|engine| engine.nodes().ids().collect());
        ids.into_iter().filter(|&id| id != NodeId::TEST).map(|id| self.node_of(id)).collect()
    }

    /// Waits until every declared node is down. Returns at once if there is none.
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

    /// Calls `f` with the engine of the world's run.
    #[track_caller]
    fn with<R>(&self, f: impl FnOnce(&Engine) -> R) -> R {
        match engine::of_run(self.run, f) {
            Some(result) => result,
            None => panic!(
                "this `World` belongs to a run that is over or to another thread; call `World::current()` in each run"
            ),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Crashes the calling task's node at once: nothing after this `.await` runs.
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
