//! [`NodeBuilder`]: declares a node.
//!
//! # Invariants
//! A node exists only after [`NodeBuilder::start`] or [`NodeBuilder::build`], and is then up.

use std::any::type_name;
use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::clock::{checked_drift, checked_offset};
use super::{Node, World};
use crate::engine::clock::NodeClock;
use crate::engine::nodes::Start;
use crate::engine::{TaskBox, function_name};
use crate::harness::TestResult;

/// Declares a node; created by [`World::node`].
#[derive(Debug)]
#[must_use = "a node is declared by `start` or `build`"]
pub struct NodeBuilder {
    world: World,
    name: String,
    addresses: Vec<IpAddr>,
    drift_ppm: i32,
    offset_ns: i128,
}

impl NodeBuilder {
    pub(super) fn new(world: World, name: String) -> Self {
        Self { world, name, addresses: Vec::new(), drift_ppm: 0, offset_ns: 0 }
    }

    /// Adds an address. A node without addresses gets two unique ones, 10.0.0.N and fd00::N.
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Sets the drift of the node's clocks in parts per million: positive is too fast, negative too slow. The maximum
    /// is 500,000 either way. See [`Clock`](super::Clock).
    #[track_caller]
    pub fn clock_drift_ppm(mut self, drift_ppm: i32) -> Self {
        self.drift_ppm = checked_drift(drift_ppm);
        self
    }

    /// Sets the node's wall clock ahead of the run's time, by at most 1,000 years.
    #[track_caller]
    pub fn clock_ahead(mut self, by: Duration) -> Self {
        self.offset_ns = checked_offset(self.offset_ns, by, false);
        self
    }

    /// Sets the node's wall clock behind the run's time, by at most 1,000 years.
    #[track_caller]
    pub fn clock_behind(mut self, by: Duration) -> Self {
        self.offset_ns = checked_offset(self.offset_ns, by, true);
        self
    }

    /// Declares the node and starts it: calls `init` and runs the returned future as the node's first task. Each
    /// [restart](Node::restart) does so again.
    ///
    /// The node and its other tasks stay up when the first task ends. If the future returns an `Err`, the run fails.
    ///
    ///
    /// ```
    /// use timeloop::world::World;
    ///
    /// let failure = timeloop::run(0, || async {
    ///     let node = World::current().node("db-1").start(|| async { Err::<(), _>("no quorum") });
    ///     node.until_down().await;
    /// })
    /// .unwrap_err();
    /// assert_eq!(failure.message(), "node `db-1` returned an error: \"no quorum\"");
    /// assert_eq!(failure.task.unwrap().to_string(), "`main` on db-1 (root.1)");
    /// ```
    ///
    /// # Panics
    /// If the name or an address is invalid or taken, and under the conditions of [`World`]'s methods.
    #[track_caller]
    pub fn start<I, Fut>(self, init: I) -> Node
    where
        I: FnMut() -> Fut + 'static,
        Fut: Future + 'static,
        Fut::Output: TestResult,
    {
        let at = Location::caller();
        let name = match function_name(type_name::<Fut>()) {
            "" => "main",
            name => name,
        };
        let init = Rc::new(RefCell::new(init));
        let node_name: Rc<str> = Rc::from(self.name.as_str());
        let make = Rc::new(move || {
            let (init, node_name) = (Rc::clone(&init), Rc::clone(&node_name));
            TaskBox::new(async move {
                // Releases the closure before its future runs.
                let future = (init.borrow_mut())();
                if let Some(failure) = future.await.failure() {
                    // Like a panic, but without a source location, which would be the same for all nodes.
                    let message = format!("node `{node_name}` returned an error: {failure}");
                    std::panic::resume_unwind(Box::new(message));
                }
            })
        });
        self.declare(Some(Start { make, name: Cow::Borrowed(name), at }))
    }

    /// Declares a node without a first task. Add tasks with [`Node::spawn`].
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[track_caller]
    pub fn build(self) -> Node {
        self.declare(None)
    }

    #[track_caller]
    fn declare(self, start: Option<Start>) -> Node {
        let clock = NodeClock::TRUE.with_offset(self.offset_ns);
        let drift_ppm = self.drift_ppm;
        let declared = self.world.with(|engine| {
            let clock = if drift_ppm == 0 { clock } else { clock.drifting(drift_ppm, engine.now_ns()) };
            let id = engine.declare_node(&self.name, self.addresses, clock, start)?;
            Ok((Node::new(engine, id), engine.start_node(id)))
        });
        match declared {
            Ok((node, Ok(()))) => node,
            Ok((_, Err(too_many))) => too_many.panic(),
            Err(error) => refuse(&error),
        }
    }
}

#[cold]
#[track_caller]
fn refuse(error: &crate::engine::nodes::NodeError) -> ! {
    panic!("{error}")
}
