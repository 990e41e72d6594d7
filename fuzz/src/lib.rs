//! What the fuzz targets share: reading bytes, deciding by them, and showing the fuzzer what came of it.
//!
//! Always true: nothing in here knows what a target checks.

mod coverage;
mod reader;
mod source;

pub use coverage::saw;
pub use reader::Reader;
pub use source::{Heard, Wild};
