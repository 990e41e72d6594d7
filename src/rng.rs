//! Random numbers for the code under test.
//!
//! Always true: each task draws from a stream of its own, keyed by its spawn path, so one task's draws shift nothing for
//! another, and the same schedule gives the same numbers.

use std::convert::Infallible;
use std::marker::PhantomData;

use rand::TryRng;

use crate::engine::{self, context};

/// The random numbers of the current task: a generator for whatever takes a [`rand::Rng`](https://docs.rs/rand).
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

/// The generator of [`rng`]: draws from the stream of whichever task uses it.
///
/// # Panics
/// Drawing panics outside of a run.
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

/// Fills `bytes` from the current task's stream; a panic outside of a run says what can't be done there.
#[cfg(feature = "rustls")]
pub(crate) fn fill(bytes: &mut [u8], what: &str) {
    context::with(|engine| engine.draw(|stream| stream.fill_bytes(bytes)))
        .unwrap_or_else(|| engine::outside(what));
}
