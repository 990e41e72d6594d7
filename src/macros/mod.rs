//! The macros of the face: `select!`, `join!`, `try_join!`, `pin!`, `task_local!`, and the attributes `test` and `main`.
//!
//! Always true: each takes what tokio's macro of that name takes, and means the same; what `select!` polls first is a
//! decision of the run.

mod attributes;
mod join;
mod pin;
mod select;
pub mod support;
mod task_local;
mod try_join;

pub use attributes::{main, test};
