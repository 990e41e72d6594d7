//! Adapters for libraries that let the caller choose the runtime: they use the run's clock, tasks and sockets.
//!
//! Such a library has traits for timers, spawning and I/O. Each module implements the traits of one library, behind a
//! feature of the same name that is off by default. The library itself is used as published. Each module also lists
//! where the library still accesses the real world, and how to avoid that.

#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub mod hyper;
#[cfg(feature = "quinn")]
#[cfg_attr(docsrs, doc(cfg(feature = "quinn")))]
pub mod quinn;
#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub mod rustls;
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub mod tracing;
