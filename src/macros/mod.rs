//! The public macros: `select!`, `join!`, `try_join!`, `pin!`, `task_local!`, and the attributes `test` and `main`.
//!
//! # Invariants
//! Each macro takes the same input as tokio's macro of that name, with the same meaning. The branch that `select!`
//! polls first is a decision of the run.

mod attributes;
mod join;
mod pin;
mod select;
pub mod support;
mod task_local;
mod try_join;

pub use attributes::{main, test};
