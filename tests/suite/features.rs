//! What the features besides the default ones bring; apart from the suite, which is not to be compiled for them once more.
#![expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the suite's other modules need more of its helpers"
)]

mod adapters;
mod fuzzing;
mod properties;
mod support;
