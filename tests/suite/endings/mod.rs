//! Endings: every way in which a run fails, and what it says of it, word for word.
//!
//! Always true: places in a text are written as the name of the line (see `places_by_name`), all else
//! stands as a person reads it.

mod bounds;
mod deadlock;
mod error;
mod escape;
#[cfg(feature = "sync")]
mod hints;
mod nondeterminism;
mod panic;
mod stuck;
mod unobserved;
