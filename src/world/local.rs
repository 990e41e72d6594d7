//! Values that belong to a node, until it goes down.
//!
//! Always true: each node has a value of its own, made when it is first asked for and dropped when the node goes down, after
//! its tasks; so what one incarnation has left there the next does not see.

use std::any::Any;
use std::fmt;
use std::ptr;
use std::rc::Rc;

use crate::engine::{self, context};

/// A static of which each node has its own value, as each process would: dropped when the node goes down, and made anew
/// after a restart.
///
/// In code under test a plain `static` or `thread_local!` is shared by all nodes, and by all runs.
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
    /// A value for each node, which `make` makes.
    pub const fn new(make: fn() -> T) -> Self {
        Self { make }
    }

    /// Calls `f` with the value of the node of the task that calls it, which is made if there is none.
    ///
    /// What is left of a task after its node has gone down finds a value that nobody else does.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        // Two statics never have the same address; it is compared, and decides nothing.
        let key = ptr::from_ref(self).addr();
        let known = match context::with(|engine| engine.node_local(key)) {
            Some(known) => known,
            None => engine::outside("reach a node-local value"),
        };
        if let Some(value) = known.as_ref().and_then(|value| value.downcast_ref()) {
            return f(value);
        }
        // Code of the user's, which may ask for this very value.
        let value: Rc<dyn Any> = Rc::new((self.make)());
        let kept = context::with(|engine| engine.insert_node_local(key, value));
        let kept = kept.and_then(|kept| kept.downcast::<T>().ok());
        f(&kept.expect("it was kept as what it is"))
    }
}

impl<T> fmt::Debug for NodeLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeLocal").finish_non_exhaustive()
    }
}
