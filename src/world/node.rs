//! A node in the test's hands.
//!
//! Always true: a handle is a number and a name; it owns nothing of the node, and may be kept and cloned by anyone, tasks of
//! the node itself included.

use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

use timeloop_sim::NodeWait;

use super::Clock;
use crate::engine::nodes::{NodeId, NodeState};
use crate::engine::observer::WaitTarget;
use crate::engine::{self, Engine, RunId, TaskBox, context};
use crate::task::JoinHandle;

/// A node: a host with a name, addresses, tasks and clocks of its own. See [the module](crate::world).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Node {
    run: RunId,
    pub(super) id: NodeId,
    name: Arc<str>,
}

impl Node {
    pub(super) fn new(engine: &Engine, id: NodeId) -> Self {
        Self { run: engine.run_id(), id, name: engine.nodes().name(id) }
    }

    /// The node of the task that calls it: that of the test, named `test`, for tasks on no other.
    ///
    /// ```
    /// use timeloop::world::{Node, World};
    ///
    /// timeloop::run(0, || async {
    ///     assert_eq!(Node::current().name(), "test");
    ///     let node = World::current().node("db-1").build();
    ///     let task = node.spawn(async { timeloop::spawn(async { Node::current() }).await.unwrap() });
    ///     assert_eq!(task.await.unwrap(), node);
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    ///
    /// # Panics
    /// Outside of a run.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match context::with(|engine| Self::new(engine, engine.current_node())) {
            Some(node) => node,
            None => engine::outside("ask for the node"),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first address.
    #[must_use]
    #[track_caller]
    pub fn address(&self) -> IpAddr {
        self.addresses()[0]
    }

    /// Its addresses, at least one; the loopback addresses, which every node has, are not among them.
    #[must_use]
    #[track_caller]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.with(|engine| engine.nodes().addresses(self.id).to_vec())
    }

    /// Whether it is up; it is also while it is paused.
    #[must_use]
    #[track_caller]
    pub fn is_up(&self) -> bool {
        self.state() != NodeState::Down
    }

    /// Whether it is paused.
    #[must_use]
    #[track_caller]
    pub fn is_paused(&self) -> bool {
        self.state() == NodeState::Paused
    }

    #[track_caller]
    fn state(&self) -> NodeState {
        self.with(|engine| {
            engine.report_node_read(self.id);
            engine.nodes().state(self.id)
        })
    }

    /// How many times it has been started.
    #[must_use]
    #[track_caller]
    pub fn incarnation(&self) -> u32 {
        self.with(|engine| {
            engine.report_node_read(self.id);
            engine.nodes().incarnation(self.id)
        })
    }

    /// Its clocks.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    /// Spawns a task on the node, as [`timeloop::spawn`](crate::spawn) does from within.
    ///
    /// A task on a paused node runs when it is resumed.
    ///
    /// # Panics
    /// When the node is down.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let at = Location::caller();
        if !self.is_up() {
            panic!("can't spawn a task on node `{}`, which is down; restart it first", self.name);
        }
        match self.with(|engine| engine.spawn_on(self.id, TaskBox::new(future), None, at)) {
            Ok(task) => JoinHandle::new(task),
            Err(too_many) => too_many.panic(),
        }
    }

    /// Takes the node down at once, as when its power fails: its tasks stop where they are and are dropped. See
    /// [what a crash does](super#what-a-crash-does). Nothing happens to a node that is down.
    ///
    /// # Panics
    /// On the test's own node.
    ///
    /// ```
    /// use timeloop::world::World;
    ///
    /// timeloop::run(0, || async {
    ///     let node = World::current().node("db-1").build();
    ///     let task = node.spawn(std::future::pending::<()>());
    ///     node.crash();
    ///     assert!(!node.is_up());
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    #[track_caller]
    pub fn crash(&self) {
        self.crash_as(false);
    }

    /// Crashes the node; `planned` says whether a fault plan does it.
    #[track_caller]
    pub(crate) fn crash_as(&self, planned: bool) {
        self.refuse_test("crash");
        let at = Location::caller();
        self.with(|engine| {
            engine.take_node_down(self.id, true);
            engine.set_change_site(self.id, at, planned);
        });
    }

    /// Starts the node again: the closure that it was declared with runs on it once more. A node that is up crashes before.
    ///
    /// # Panics
    /// On the test's own node, and from a destructor that runs because the node goes down.
    #[track_caller]
    pub fn restart(&self) {
        self.refuse_test("restart");
        let started = self.with(|engine| {
            if engine.is_closing(self.id) {
                return None;
            }
            engine.take_node_down(self.id, true);
            Some(engine.start_node(self.id))
        });
        match started {
            Some(Ok(())) => {}
            Some(Err(too_many)) => too_many.panic(),
            None => panic!(
                "can't restart node `{}` from a destructor that runs because it goes down; restart it once it is down",
                self.name
            ),
        }
    }

    /// Keeps the node's tasks from being polled, as when a virtual machine is moved. Messages and timers come meanwhile, and
    /// its clocks go on; the tasks find out once it is [resumed](Self::resume). Nothing happens to a node that is paused.
    ///
    /// # Panics
    /// On the test's own node, and when the node is down.
    ///
    /// ```
    /// use timeloop::time::{Duration, Instant, sleep};
    /// use timeloop::world::World;
    ///
    /// timeloop::run(0, || async {
    ///     let node = World::current().node("db-1").build();
    ///     let task = node.spawn(async {
    ///         let start = Instant::now();
    ///         sleep(Duration::from_secs(1)).await;
    ///         start.elapsed()
    ///     });
    ///     timeloop::task::yield_now().await;
    ///     node.pause();
    ///     sleep(Duration::from_secs(60)).await;
    ///     node.resume();
    ///     assert!(task.await.unwrap() >= Duration::from_secs(60));
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    #[track_caller]
    pub fn pause(&self) {
        self.pause_as(false);
    }

    /// Pauses the node; `planned` says whether a fault plan does it.
    #[track_caller]
    pub(crate) fn pause_as(&self, planned: bool) {
        self.refuse_test("pause");
        if !self.is_up() {
            panic!("can't pause node `{}`, which is down; restart it first", self.name);
        }
        let at = Location::caller();
        self.with(|engine| {
            engine.pause_node(self.id);
            engine.set_change_site(self.id, at, planned);
        });
    }

    /// Lets a paused node go on. Nothing happens to one that is not paused.
    #[track_caller]
    pub fn resume(&self) {
        self.with(|engine| engine.resume_node(self.id));
    }

    /// Waits until the node is down; at once where it is.
    pub async fn until_down(&self) {
        poll_fn(|cx| {
            self.with(|engine| {
                engine.report_node_read(self.id);
                let state = engine.nodes().state(self.id);
                if state == NodeState::Down {
                    return Poll::Ready(());
                }
                engine.watch_node(self.id, cx.waker());
                engine.record_wait(cx.waker(), || WaitTarget::Node(self.id, NodeWait::Down));
                Poll::Pending
            })
        })
        .await;
    }

    /// Panics if this is the test's own node, to which this can't be done.
    #[track_caller]
    pub(super) fn refuse_test(&self, verb: &str) {
        if self.id == NodeId::TEST {
            panic!(
                "can't {verb} the node that the test itself runs on; {verb} one that `World::node` has declared"
            );
        }
    }

    /// Calls `f` with the loop of the node's run.
    #[track_caller]
    pub(super) fn with<R>(&self, f: impl FnOnce(&Engine) -> R) -> R {
        match engine::of_run(self.run, f) {
            Some(result) => result,
            None => panic!(
                "node `{}` is of a run that is over, or of another thread's; declare nodes in each run",
                self.name
            ),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.name).finish()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
