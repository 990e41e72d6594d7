//! [`Barrier`]: tokio's, except for the order in which tasks wake.
//!
//! # Invariants
//! Waiting tasks wake in the order in which they began to wait. The last task to arrive is the leader.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use timeloop_sim::Access;
use tokio::sync::Notify;

use crate::engine::Fact;
use crate::engine::announce::ResourceId;

/// Makes a number of tasks wait for one another.
///
/// The task that completes the number is the leader and continues at once; the others become ready. Then the barrier
/// starts anew. As in tokio, a wait that is cancelled after its first poll still counts as an arrival.
///
/// ```
/// use std::rc::Rc;
/// use timeloop::sync::Barrier;
///
/// let leaders = timeloop::run(1, || async {
///     let barrier = Rc::new(Barrier::new(3));
///     let mut tasks = Vec::new();
///     for _ in 0..3 {
///         let barrier = Rc::clone(&barrier);
///         tasks.push(timeloop::spawn(async move { barrier.wait().await.is_leader() }));
///     }
///     let mut leaders = 0;
///     for task in tasks {
///         leaders += u32::from(task.await.unwrap());
///     }
///     leaders
/// });
/// assert_eq!(leaders.unwrap(), 1);
/// ```
#[derive(Debug)]
pub struct Barrier {
    id: ResourceId,
    state: Mutex<State>,
    opened: Notify,
    size: usize,
}

#[derive(Debug)]
struct State {
    arrived: usize,
    /// How many times the barrier has opened.
    generation: usize,
}

impl Barrier {
    /// Creates a barrier for `n` tasks; 0 means 1.
    #[track_caller]
    pub fn new(n: usize) -> Self {
        let state = Mutex::new(State { arrived: 0, generation: 0 });
        Self { id: ResourceId::new(), state, opened: Notify::new(), size: n }
    }

    /// Waits until all tasks have arrived.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a cancelled wait counts as an arrival.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = BarrierWaitResult> {
        self.id.action("barrier", Access::Write).before(self.arrive_and_wait()).once()
    }

    async fn arrive_and_wait(&self) -> BarrierWaitResult {
        let Some(generation) = self.arrive() else {
            self.opened.notify_waiters();
            return BarrierWaitResult(true);
        };
        loop {
            // Created before the check, so that the barrier cannot open unnoticed between the two.
            let opened = self.opened.notified();
            if self.state().generation != generation {
                return BarrierWaitResult(false);
            }
            opened.await;
        }
    }

    /// Counts an arrival. Returns the generation to wait for the end of, or `None` if this arrival opens the barrier.
    fn arrive(&self) -> Option<usize> {
        let mut state = self.state();
        state.arrived += 1;
        let (arrived, size) = (state.arrived, self.size);
        if arrived < size {
            self.id.learn(|| Fact::Arrived { arrived, size });
            return Some(state.generation);
        }
        state.arrived = 0;
        state.generation = state.generation.wrapping_add(1);
        None
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // No user code runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The output of [`Barrier::wait`].
#[derive(Clone, Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Returns whether this task arrived last. In each round, exactly one task is the leader.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}
