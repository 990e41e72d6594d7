//! Defines nothing, for targets that are not supported.

/// Whether the functions are defined.
pub(crate) const IS_SUPPORTED: bool = false;

/// Does nothing.
pub(crate) fn link() {}
