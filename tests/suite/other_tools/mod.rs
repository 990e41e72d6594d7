//! timeloop used with other tools, as a user does it.

mod nextest;
