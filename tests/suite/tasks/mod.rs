//! Tasks.

mod abort;
#[cfg(feature = "sync")]
mod announced;
mod builder;
mod coop;
mod join_error;
mod join_handle;
mod join_set;
mod local_set;
mod spawn;
