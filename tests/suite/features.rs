//! The non-default features. Separate from the suite, which should not be compiled again for them.
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
