//! timeloop used with other tools, as a user does it.

mod debugger;
mod nextest;
#[cfg(feature = "net")]
mod own_binary;
