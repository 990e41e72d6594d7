//! Code shared by the fuzz targets: [`Reader`] decodes bytes, [`FuzzSource`] makes decisions from them, and [`cover`] reports
//! events to the fuzzer.

mod coverage;
mod reader;
mod source;

pub use coverage::cover;
pub use reader::Reader;
pub use source::{FuzzSource, Observations};
