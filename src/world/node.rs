//! [`Node`]: a handle to a node.
//!
//! # Invariants
//! A handle is an id and a name. It owns nothing of the node. Anyone may keep and clone it, also the node's own
//! tasks.

use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

use timeloop_sim::{Access, NodeWait};

use super::Clock;
use crate::engine::announce::ResourceId;
use crate::engine::nodes::{NodeId, NodeState};
use crate::engine::observer::WaitTarget;
use crate::engine::signals::{DefaultAction, SIGCONT, default_action};
use crate::engine::{self, Engine, RunId, TaskBox, context};
use crate::signal::INTERRUPT;
#[cfg(unix)]
use crate::signal::unix::{LARGEST, SignalKind};
use crate::task::JoinHandle;

/// A node: a host with a name, addresses, tasks and clocks. See [the module](crate::world).
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

    /// Returns the calling task's node. Tasks on no declared node are on the test's node, `test`.
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
            None => engine::outside("get the current node"),
        }
    }

    #[cfg(feature = "net")]
    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    /// Returns the node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the node's first address.
    #[must_use]
    #[track_caller]
    pub fn address(&self) -> IpAddr {
        self.addresses()[0]
    }

    /// Returns the node's addresses, at least one. The loopback addresses, which every node has, are not included.
    #[must_use]
    #[track_caller]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.with(|engine| engine.nodes().addresses(self.id).to_vec())
    }

    /// Returns whether the node is up. A paused node is up.
    #[must_use]
    #[track_caller]
    pub fn is_up(&self) -> bool {
        self.state() != NodeState::Down
    }

    /// Returns whether the node is paused.
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

    /// Returns how many times the node has been started.
    #[must_use]
    #[track_caller]
    pub fn incarnation(&self) -> u32 {
        self.with(|engine| {
            engine.report_node_read(self.id);
            engine.nodes().incarnation(self.id)
        })
    }

    /// Returns the node's clocks.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }

    /// Spawns a task on the node, as [`timeloop::spawn`](crate::spawn) does on the current node.
    ///
    /// On a paused node the task runs once the node is resumed.
    ///
    /// # Panics
    /// If the node is down.
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

    /// Takes the node down at once, as a power failure does: its tasks stop where they are and are dropped. See [what
    /// a crash does](super#what-a-crash-does). Does nothing if the node is down.
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

    /// Crashes the node. `planned` attributes the crash to a fault plan.
    #[track_caller]
    pub(crate) fn crash_as(&self, planned: bool) {
        self.refuse_test("crash");
        let at = Location::caller();
        self.with(|engine| {
            engine.take_node_down(self.id, true);
            engine.set_change_site(self.id, at, planned);
        });
    }

    /// Starts the node again: runs the closure that it was declared with. A node that is up crashes first.
    ///
    /// # Panics
    /// On the test's own node, and in a destructor that runs because the node goes down.
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
                "can't restart node `{}` in a destructor that runs because the node goes down; restart it later",
                self.name
            ),
        }
    }

    /// Stops polling the node's tasks, as migrating a virtual machine does. Meanwhile messages arrive, timers fire
    /// and the clocks continue. The tasks observe that once the node is [resumed](Self::resume). Does nothing if the
    /// node is paused.
    ///
    /// # Panics
    /// On the test's own node, and if the node is down.
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

    /// Pauses the node. `planned` attributes the pause to a fault plan.
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

    /// Resumes a paused node. Does nothing if the node is not paused.
    #[track_caller]
    pub fn resume(&self) {
        self.with(|engine| engine.resume_node(self.id));
    }

    /// Raises a signal on the node, as `kill` does for a process. Does nothing if the node is down.
    ///
    /// Code on the node that handles it ([`signal::unix::signal`](crate::signal::unix::signal)) receives it. If none does, the
    /// signal has its default action: SIGCHLD (17), SIGURG (23) and SIGWINCH (28) have no effect; SIGTSTP (20), SIGTTIN (21)
    /// and SIGTTOU (22) [pause](Self::pause) the node; all others [crash](Self::crash) it. SIGKILL (9) always crashes it,
    /// SIGSTOP (19) always pauses it, and SIGCONT (18) always resumes it. A report shows such an action ("crashes"), and not the
    /// signal.
    ///
    /// # Panics
    /// For numbers below 1 and above 64. On the test's own node, if the signal would crash or pause it.
    ///
    /// ```
    /// use timeloop::signal::unix::{SignalKind, signal};
    /// use timeloop::time::{Duration, sleep};
    /// use timeloop::world::World;
    ///
    /// timeloop::run(0, || async {
    ///     let server = World::current().node("server").start(|| async {
    ///         signal(SignalKind::terminate()).unwrap().recv().await;
    ///     });
    ///     sleep(Duration::from_secs(1)).await;
    ///     server.signal(SignalKind::terminate()); // handled: the server's code ends
    ///     sleep(Duration::from_secs(1)).await;
    ///     assert!(server.is_up());
    ///     server.signal(SignalKind::hangup()); // not handled
    ///     assert!(!server.is_up());
    /// })?;
    /// # Ok::<(), timeloop::Failure>(())
    /// ```
    #[cfg(unix)]
    #[track_caller]
    pub fn signal(&self, kind: SignalKind) {
        if !(1..=LARGEST).contains(&kind.0) {
            panic!("there is no signal {}; numbers are from 1 to {LARGEST}", kind.0);
        }
        self.raise(kind.0);
    }

    /// Raises the signal of ctrl-c, SIGINT: see [`signal`](crate::signal). If no code on the node handles it, the node crashes.
    /// Does nothing if the node is down.
    ///
    /// # Panics
    /// On the test's own node, if none of its tasks handles it.
    #[track_caller]
    pub fn ctrl_c(&self) {
        self.raise(INTERRUPT);
    }

    #[track_caller]
    fn raise(&self, number: i32) {
        if number == SIGCONT {
            // Also if it is handled.
            self.resume();
        }
        if !self.is_up() || self.with(|engine| engine.raise_signal(self.id, number)) {
            return;
        }
        match default_action(number) {
            DefaultAction::None => {}
            _ if self.id == NodeId::TEST => panic!(
                "no task of the test's own node handles signal {number}, whose default action would end the test; handle it \
                 by `signal::unix::signal` or `signal::ctrl_c` first, or raise it on a node declared with `World::node`"
            ),
            DefaultAction::Pause => self.pause(),
            DefaultAction::Crash => self.crash(),
        }
    }

    /// Waits until the node is down. Returns at once if it is.
    pub async fn until_down(&self) {
        self.announced_read().await;
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

    /// Announces that the task looks at the node's state, and waits until it may.
    pub(super) async fn announced_read(&self) {
        let node = ResourceId::of_node(self.id, Location::caller());
        node.action("node", Access::Read).announced_apart().await;
    }

    /// Panics if this is the test's own node, which does not support the operation.
    #[track_caller]
    pub(super) fn refuse_test(&self, verb: &str) {
        if self.id == NodeId::TEST {
            panic!("can't {verb} the test's own node; {verb} a node declared with `World::node`");
        }
    }

    /// Calls `f` with the engine of the node's run.
    #[track_caller]
    pub(super) fn with<R>(&self, f: impl FnOnce(&Engine) -> R) -> R {
        match engine::of_run(self.run, f) {
            Some(result) => result,
            None => panic!(
                "node `{}` belongs to a run that is over or to another thread; declare nodes in each run",
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
