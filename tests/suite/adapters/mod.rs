//! Published libraries in a run, by what they are supplied with.

#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "rustls")]
mod rustls;
