//! [`NodeLocal`]: statics with a value per node.
//!
//! # Invariants
//! Each node has its own value. It is created on first use and dropped after the node's tasks when the node goes
//! down, so the next incarnation does not see it.

use std::any::Any;
use std::fmt;
use std::ptr;
use std::rc::Rc;

use crate::engine::{self, context};

/// A static with a separate value for each node, as each process has its own. The value is dropped when the node goes
/// down, and created again after a restart.
///
/// In contrast, a plain `static` or `thread_local!` is shared by all nodes and all runs.
///
/// ```
/// use std::cell::Cell;
/// use timeloop::world::{NodeLocal, World};
///
/// static CONNECTIONS: NodeLocal<Cell<u32>> = NodeLocal::new(|| Cell::new(0));
///
/// fn count() -> u32 {
///     CONNECTIONS.with(|count| {
///         count.set(count.get() + 1);
///         count.get()
///     })
/// }
///
/// timeloop::run(0, || async {
///     let world = World::current();
///     let (one, other) = (world.node("one").build(), world.node("other").build());
///     assert_eq!(one.spawn(async { (count(), count()) }).await.unwrap(), (1, 2));
///     assert_eq!(other.spawn(async { count() }).await.unwrap(), 1);
///     one.restart();
///     assert_eq!(one.spawn(async { count() }).await.unwrap(), 1);
///     assert_eq!(count(), 1, "the test is a node too");
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
pub struct NodeLocal<T: 'static> {
    make: fn() -> T,
}

impl<T: 'static> NodeLocal<T> {
    /// Creates a static whose values `make` creates.
    pub const fn new(make: fn() -> T) -> Self {
        Self { make }
    }

    /// Calls `f` with the value of the calling task's node, creating it on first use.
    ///
    /// A task that still runs destructors after its node has gone down gets a value of its own.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        // Two statics never have the same address. Comparing addresses affects no decision.
        let key = ptr::from_ref(self).addr();
        let known = match context::with(|engine| engine.node_local(key)) {
            Some(known) => known,
            None => engine::outside("access a node-local value"),
        };
        if let Some(value) = known.as_ref().and_then(|value| value.downcast_ref()) {
            return f(value);
        }
        // `make` is user code and may access this very value.
        let value: Rc<dyn Any> = Rc::new((self.make)());
        let kept = context::with(|engine| engine.insert_node_local(key, value));
        let kept = kept.and_then(|kept| kept.downcast::<T>().ok());
        f(&kept.expect("the kept value has the type of its static"))
    }
}

impl<T> fmt::Debug for NodeLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeLocal").finish_non_exhaustive()
    }
}
