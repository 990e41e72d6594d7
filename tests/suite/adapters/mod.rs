//! The adapters for published libraries.

#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "rustls")]
mod rustls;
