//! Published libraries in a run, by what they are supplied with.

mod rustls;
