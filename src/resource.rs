//! [`Resource`]: shared state that timeloop does not know of, announced by the code that accesses it.
//!
//! # Invariants
//! An access is a preemption point under every strategy except `fifo`. Access to the value itself is up to the code.

use std::borrow::Cow;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use timeloop_sim::Access;

use crate::engine::announce::{Attempt, ResourceId};

/// State that tasks share and that timeloop does not know of: a row of a fake database, a file, an atomic.
///
/// Announcing an access does two things. It lets other tasks run first, as a real database would, under every strategy
/// except `fifo`. It also informs the strategy which accesses may race, so that it can try their orders systematically.
///
/// The locks and channels of [`sync`](crate::sync) announce their operations themselves.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use timeloop::{Explorer, Resource, spawn};
///
/// struct Row {
///     resource: Resource,
///     balance: Cell<u32>,
/// }
///
/// impl Row {
///     async fn get(&self) -> u32 {
///         self.resource.read().await;
///         self.balance.get()
///     }
///
///     async fn set(&self, balance: u32) {
///         self.resource.write().await;
///         self.balance.set(balance);
///     }
/// }
///
/// let exploration = Explorer::new("doc::lost_update").without_regressions().run(|| async {
///     let row = Rc::new(Row { resource: Resource::new("row 7"), balance: Cell::new(0) });
///     let deposits: Vec<_> = (0..2)
///         .map(|_| {
///             let row = Rc::clone(&row);
///             spawn(async move { row.set(row.get().await + 100).await })
///         })
///         .collect();
///     for deposit in deposits {
///         deposit.await.unwrap();
///     }
///     assert_eq!(row.get().await, 200);
/// });
/// assert!(exploration.found.is_some(), "one deposit overwrites the other");
/// ```
#[derive(Debug)]
pub struct Resource {
    id: ResourceId,
    name: Cow<'static, str>,
}

impl Resource {
    /// Creates a resource with this name in reports.
    #[track_caller]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { id: ResourceId::new(), name: name.into() }
    }

    /// Creates a resource at compile time, for a `static`. Two that are created at the same place count as one.
    #[must_use]
    #[track_caller]
    pub const fn const_new(name: &'static str) -> Self {
        Self { id: ResourceId::const_new(), name: Cow::Borrowed(name) }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Announces a read. Await it right before the read.
    #[track_caller]
    pub fn read(&self) -> Accessing<'_> {
        self.access(Access::Read)
    }

    /// Announces a write. Await it right before the write.
    #[track_caller]
    pub fn write(&self) -> Accessing<'_> {
        self.access(Access::Write)
    }

    /// Announces an access. Await it right before the access. Two accesses race unless both are [`Access::Read`].
    #[track_caller]
    pub fn access(&self, access: Access) -> Accessing<'_> {
        Accessing { resource: self, access, at: Location::caller(), attempt: Attempt::default() }
    }
}

/// The future of [`Resource::access`]. When it is ready, the access must follow at once.
///
/// Outside a run it is ready immediately.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Accessing<'a> {
    resource: &'a Resource,
    access: Access,
    at: &'static Location<'static>,
    attempt: Attempt,
}

impl Future for Accessing<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { resource, access, at, .. } = *self;
        self.attempt.announce_always(cx, &resource.id, &resource.name, access, at)
    }
}
