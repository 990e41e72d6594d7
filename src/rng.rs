//! Random numbers for the code under test.
//!
//! # Invariants
//! Each task draws from its own stream, keyed by its spawn path. One task's draws never change another's, and the same
//! schedule gives the same numbers.

use std::convert::Infallible;
use std::marker::PhantomData;

use rand::TryRng;

use crate::engine::{self, context};

/// Returns the random number generator of the current task, for code that takes a [`rand::Rng`](https://docs.rs/rand).
///
/// ```
/// use rand::RngExt;
///
/// timeloop::run(7, || async {
///     let dice: u32 = timeloop::rng().random_range(1..=6);
///     assert!((1..=6).contains(&dice));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[must_use]
pub fn rng() -> TaskRng {
    TaskRng { _not_send: PhantomData }
}

/// The generator of [`rng`]. It draws from the stream of the task that uses it.
///
/// # Panics
/// Drawing panics outside a run.
#[derive(Clone, Debug)]
pub struct TaskRng {
    /// A run has one thread.
    _not_send: PhantomData<*const ()>,
}

impl TryRng for TaskRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(draw(|stream| stream.next_u32()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(draw(|stream| stream.next_u64()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        draw(|stream| stream.fill_bytes(bytes));
        Ok(())
    }
}

fn draw<R>(draw: impl FnOnce(&mut timeloop_sim::Stream) -> R) -> R {
    context::with(|engine| engine.draw(draw)).unwrap_or_else(|| engine::outside("draw random numbers"))
}

/// Fills `bytes` from the current task's stream. Outside a run, panics with `what` in the message.
#[cfg(feature = "rustls")]
pub(crate) fn fill(bytes: &mut [u8], what: &str) {
    context::with(|engine| engine.draw(|stream| stream.fill_bytes(bytes)))
        .unwrap_or_else(|| engine::outside(what));
}
