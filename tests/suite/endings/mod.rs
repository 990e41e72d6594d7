//! Endings: every way in which a run fails, and its exact report.
//!
//! # Invariants
//! Locations in a text are replaced by the name of the line (see `places_by_name`). The rest of the text is exact.

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
