//! What other libraries ask of a runtime, answered by the run: its clock, its tasks, its sockets.
//!
//! A library that leaves the runtime to its caller has traits for that: a timer, something that spawns, something that reads
//! and writes. Each module here has them for one library, behind a feature of its name, off by default; the library itself is
//! used as published. Each says too what of the real world the library still looks at, and how that is switched off.

#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub mod hyper;
#[cfg(feature = "quinn")]
#[cfg_attr(docsrs, doc(cfg(feature = "quinn")))]
pub mod quinn;
#[cfg(feature = "rustls")]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub mod rustls;
